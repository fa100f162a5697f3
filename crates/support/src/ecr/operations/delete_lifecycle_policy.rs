//! `DeleteLifecyclePolicy`: removes the lifecycle policy of a repository.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{access, require};
use crate::api::ecr::operations::DeleteLifecyclePolicy;
use crate::api::ecr::shapes::{DeleteLifecyclePolicyInput, DeleteLifecyclePolicyOutput};
use crate::ecr::Ecr;
use crate::ecr::store::REPOSITORIES;

impl Handler<DeleteLifecyclePolicy> for Ecr {
    fn authorize(&self, ctx: &Context, input: &DeleteLifecyclePolicyInput) -> Vec<Access> {
        access(ctx, "DeleteLifecyclePolicy", &input.repository_name)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: DeleteLifecyclePolicyInput,
    ) -> Result<DeleteLifecyclePolicyOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {

            let (key, mut row) = require(&tx, &ctx, &input.repository_name).await?;
            let text = row.lifecycle.take().ok_or_else(|| ServiceError::new("LifecyclePolicyNotFoundException", format!("Lifecycle policy does not exist for the repository with name '{}' in the registry with id '{}'", key.2, key.0)))?;
            REPOSITORIES.put(&tx, &key, &row)?;
            Ok(DeleteLifecyclePolicyOutput {
                registry_id: Some(key.0),
                repository_name: Some(key.2),
                lifecycle_policy_text: Some(text), ..DeleteLifecyclePolicyOutput::default()
            })
})
.await
    }
}
