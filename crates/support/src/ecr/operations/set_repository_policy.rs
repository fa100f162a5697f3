//! `SetRepositoryPolicy`: sets the repository policy of a repository.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{access, require};
use crate::api::ecr::operations::SetRepositoryPolicy;
use crate::api::ecr::shapes::{SetRepositoryPolicyInput, SetRepositoryPolicyOutput};
use crate::ecr::Ecr;
use crate::ecr::store::REPOSITORIES;

impl Handler<SetRepositoryPolicy> for Ecr {
    fn authorize(&self, ctx: &Context, input: &SetRepositoryPolicyInput) -> Vec<Access> {
        access(ctx, "SetRepositoryPolicy", &input.repository_name)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: SetRepositoryPolicyInput,
    ) -> Result<SetRepositoryPolicyOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let (key, mut row) = require(&tx, &ctx, &input.repository_name).await?;
            row.policy = Some(input.policy_text.clone());
            REPOSITORIES.put(&tx, &key, &row)?;
            Ok(SetRepositoryPolicyOutput {
                registry_id: Some(key.0),
                repository_name: Some(key.2),
                policy_text: row.policy,
            })
        })
        .await
    }
}
