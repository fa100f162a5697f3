//! `DeleteUserPolicy`: deletes an inline policy of a user.

use super::{access, require_owner};
use crate::store::INLINE;
use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::Iam;
use crate::api::iam::operations::DeleteUserPolicy;
use crate::api::iam::shapes::{DeleteUserPolicyInput, DeleteUserPolicyOutput};

impl Handler<DeleteUserPolicy> for Iam {
    fn authorize(&self, ctx: &Context, input: &DeleteUserPolicyInput) -> Vec<Access> {
        access(ctx, "DeleteUserPolicy", "user", &input.user_name)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: DeleteUserPolicyInput,
    ) -> Result<DeleteUserPolicyOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            require_owner(&tx, &ctx, "user", &input.user_name).await?;
            let key = (
                ctx.account().to_owned(),
                "user".to_owned(),
                input.user_name.clone(),
                input.policy_name.clone(),
            );
            if INLINE.get(&tx, &key).await?.is_none() {
                return Err(ServiceError::new(
                    "NoSuchEntityException",
                    format!("The user policy with name {} cannot be found.", input.policy_name),
                ));
            }
            INLINE.delete(&tx, &key)?;
            Ok(DeleteUserPolicyOutput::default())
        })
        .await
    }
}
