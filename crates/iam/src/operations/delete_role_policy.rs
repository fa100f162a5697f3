//! `DeleteRolePolicy`: deletes an inline policy of a role.

use super::{access, require_owner};
use crate::store::INLINE;
use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::Iam;
use crate::api::iam::operations::DeleteRolePolicy;
use crate::api::iam::shapes::{DeleteRolePolicyInput, DeleteRolePolicyOutput};

impl Handler<DeleteRolePolicy> for Iam {
    fn authorize(&self, ctx: &Context, input: &DeleteRolePolicyInput) -> Vec<Access> {
        access(ctx, "DeleteRolePolicy", "role", &input.role_name)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: DeleteRolePolicyInput,
    ) -> Result<DeleteRolePolicyOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            require_owner(&tx, &ctx, "role", &input.role_name).await?;
            let key = (
                ctx.account().to_owned(),
                "role".to_owned(),
                input.role_name.clone(),
                input.policy_name.clone(),
            );
            if INLINE.get(&tx, &key).await?.is_none() {
                return Err(ServiceError::new(
                    "NoSuchEntityException",
                    format!("The role policy with name {} cannot be found.", input.policy_name),
                ));
            }
            INLINE.delete(&tx, &key)?;
            Ok(DeleteRolePolicyOutput::default())
        })
        .await
    }
}
