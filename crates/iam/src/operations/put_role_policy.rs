//! `PutRolePolicy`: sets an inline policy of a role.

use super::{access, check_policy, require_owner};
use crate::store::{INLINE, InlineRow};
use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::Iam;
use crate::api::iam::operations::PutRolePolicy;
use crate::api::iam::shapes::{PutRolePolicyInput, PutRolePolicyOutput};

impl Handler<PutRolePolicy> for Iam {
    fn authorize(&self, ctx: &Context, input: &PutRolePolicyInput) -> Vec<Access> {
        access(ctx, "PutRolePolicy", "role", &input.role_name)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: PutRolePolicyInput,
    ) -> Result<PutRolePolicyOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            require_owner(&tx, &ctx, "role", &input.role_name).await?;
            check_policy(&input.policy_document)?;
            let key = (
                ctx.account().to_owned(),
                "role".to_owned(),
                input.role_name.clone(),
                input.policy_name.clone(),
            );
            INLINE.put(&tx, &key, &InlineRow { document: input.policy_document.clone() })?;
            Ok(PutRolePolicyOutput::default())
        })
        .await
    }
}
