//! `DeleteRepositoryPolicy`: removes the repository policy of a repository.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{access, require};
use crate::api::ecr::operations::DeleteRepositoryPolicy;
use crate::api::ecr::shapes::{DeleteRepositoryPolicyInput, DeleteRepositoryPolicyOutput};
use crate::ecr::Ecr;
use crate::ecr::store::REPOSITORIES;

impl Handler<DeleteRepositoryPolicy> for Ecr {
    fn authorize(&self, ctx: &Context, input: &DeleteRepositoryPolicyInput) -> Vec<Access> {
        access(ctx, "DeleteRepositoryPolicy", &input.repository_name)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: DeleteRepositoryPolicyInput,
    ) -> Result<DeleteRepositoryPolicyOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {

            let (key, mut row) = require(&tx, &ctx, &input.repository_name).await?;
            let text = row.policy.take().ok_or_else(|| ServiceError::new("RepositoryPolicyNotFoundException", format!("Repository policy does not exist for the repository with name '{}' in the registry with id '{}'", key.2, key.0)))?;
            REPOSITORIES.put(&tx, &key, &row)?;
            Ok(DeleteRepositoryPolicyOutput {
                registry_id: Some(key.0),
                repository_name: Some(key.2),
                policy_text: Some(text),
            })
})
.await
    }
}
