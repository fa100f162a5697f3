//! `GetUserPolicy`: an inline policy of a user.

use super::{access, encode, require_owner};
use crate::store::INLINE;
use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::Iam;
use crate::api::iam::operations::GetUserPolicy;
use crate::api::iam::shapes::{GetUserPolicyInput, GetUserPolicyOutput};

impl Handler<GetUserPolicy> for Iam {
    fn authorize(&self, ctx: &Context, input: &GetUserPolicyInput) -> Vec<Access> {
        access(ctx, "GetUserPolicy", "user", &input.user_name)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: GetUserPolicyInput,
    ) -> Result<GetUserPolicyOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            require_owner(&tx, &ctx, "user", &input.user_name).await?;
            let key = (
                ctx.account().to_owned(),
                "user".to_owned(),
                input.user_name.clone(),
                input.policy_name.clone(),
            );
            let row = INLINE.get(&tx, &key).await?.ok_or_else(|| {
                ServiceError::new(
                    "NoSuchEntityException",
                    format!("The user policy with name {} cannot be found.", input.policy_name),
                )
            })?;
            Ok(GetUserPolicyOutput {
                user_name: input.user_name.clone(),
                policy_name: input.policy_name.clone(),
                policy_document: encode(&row.document),
            })
        })
        .await
    }
}
