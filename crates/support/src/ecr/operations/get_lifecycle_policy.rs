//! `GetLifecyclePolicy`: the lifecycle policy of a repository.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{access, require};
use crate::api::ecr::operations::GetLifecyclePolicy;
use crate::api::ecr::shapes::{GetLifecyclePolicyInput, GetLifecyclePolicyOutput};
use crate::ecr::Ecr;

impl Handler<GetLifecyclePolicy> for Ecr {
    fn authorize(&self, ctx: &Context, input: &GetLifecyclePolicyInput) -> Vec<Access> {
        access(ctx, "GetLifecyclePolicy", &input.repository_name)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: GetLifecyclePolicyInput,
    ) -> Result<GetLifecyclePolicyOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {

            let (key, row) = require(&tx, &ctx, &input.repository_name).await?;
            let text = row.lifecycle.ok_or_else(|| ServiceError::new("LifecyclePolicyNotFoundException", format!("Lifecycle policy does not exist for the repository with name '{}' in the registry with id '{}'", key.2, key.0)))?;
            Ok(GetLifecyclePolicyOutput {
                registry_id: Some(key.0),
                repository_name: Some(key.2),
                lifecycle_policy_text: Some(text), ..GetLifecyclePolicyOutput::default()
            })
})
.await
    }
}
