//! `GetRepositoryPolicy`: the repository policy of a repository.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{access, require};
use crate::api::ecr::operations::GetRepositoryPolicy;
use crate::api::ecr::shapes::{GetRepositoryPolicyInput, GetRepositoryPolicyOutput};
use crate::ecr::Ecr;

impl Handler<GetRepositoryPolicy> for Ecr {
    fn authorize(&self, ctx: &Context, input: &GetRepositoryPolicyInput) -> Vec<Access> {
        access(ctx, "GetRepositoryPolicy", &input.repository_name)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: GetRepositoryPolicyInput,
    ) -> Result<GetRepositoryPolicyOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {

            let (key, row) = require(&tx, &ctx, &input.repository_name).await?;
            let text = row.policy.ok_or_else(|| ServiceError::new("RepositoryPolicyNotFoundException", format!("Repository policy does not exist for the repository with name '{}' in the registry with id '{}'", key.2, key.0)))?;
            Ok(GetRepositoryPolicyOutput {
                registry_id: Some(key.0),
                repository_name: Some(key.2),
                policy_text: Some(text),
            })
})
.await
    }
}
