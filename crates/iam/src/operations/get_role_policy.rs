//! `GetRolePolicy`: an inline policy of a role.

use super::{access, encode, require_owner};
use crate::store::INLINE;
use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::Iam;
use crate::api::iam::operations::GetRolePolicy;
use crate::api::iam::shapes::{GetRolePolicyInput, GetRolePolicyOutput};

impl Handler<GetRolePolicy> for Iam {
    fn authorize(&self, ctx: &Context, input: &GetRolePolicyInput) -> Vec<Access> {
        access(ctx, "GetRolePolicy", "role", &input.role_name)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: GetRolePolicyInput,
    ) -> Result<GetRolePolicyOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            require_owner(&tx, &ctx, "role", &input.role_name).await?;
            let key = (
                ctx.account().to_owned(),
                "role".to_owned(),
                input.role_name.clone(),
                input.policy_name.clone(),
            );
            let row = INLINE.get(&tx, &key).await?.ok_or_else(|| {
                ServiceError::new(
                    "NoSuchEntityException",
                    format!("The role policy with name {} cannot be found.", input.policy_name),
                )
            })?;
            Ok(GetRolePolicyOutput {
                role_name: input.role_name.clone(),
                policy_name: input.policy_name.clone(),
                policy_document: encode(&row.document),
            })
        })
        .await
    }
}
