//! `PutUserPolicy`: sets an inline policy of a user.

use super::{access, check_policy, require_owner};
use crate::store::{INLINE, InlineRow};
use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::Iam;
use crate::api::iam::operations::PutUserPolicy;
use crate::api::iam::shapes::{PutUserPolicyInput, PutUserPolicyOutput};

impl Handler<PutUserPolicy> for Iam {
    fn authorize(&self, ctx: &Context, input: &PutUserPolicyInput) -> Vec<Access> {
        access(ctx, "PutUserPolicy", "user", &input.user_name)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: PutUserPolicyInput,
    ) -> Result<PutUserPolicyOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            require_owner(&tx, &ctx, "user", &input.user_name).await?;
            check_policy(&input.policy_document)?;
            let key = (
                ctx.account().to_owned(),
                "user".to_owned(),
                input.user_name.clone(),
                input.policy_name.clone(),
            );
            INLINE.put(&tx, &key, &InlineRow { document: input.policy_document.clone() })?;
            Ok(PutUserPolicyOutput::default())
        })
        .await
    }
}
