//! `PutLifecyclePolicy`: sets the lifecycle policy of a repository.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{access, require};
use crate::api::ecr::operations::PutLifecyclePolicy;
use crate::api::ecr::shapes::{PutLifecyclePolicyInput, PutLifecyclePolicyOutput};
use crate::ecr::Ecr;
use crate::ecr::store::REPOSITORIES;

impl Handler<PutLifecyclePolicy> for Ecr {
    fn authorize(&self, ctx: &Context, input: &PutLifecyclePolicyInput) -> Vec<Access> {
        access(ctx, "PutLifecyclePolicy", &input.repository_name)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: PutLifecyclePolicyInput,
    ) -> Result<PutLifecyclePolicyOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let (key, mut row) = require(&tx, &ctx, &input.repository_name).await?;
            row.lifecycle = Some(input.lifecycle_policy_text.clone());
            REPOSITORIES.put(&tx, &key, &row)?;
            Ok(PutLifecyclePolicyOutput {
                registry_id: Some(key.0),
                repository_name: Some(key.2),
                lifecycle_policy_text: row.lifecycle,
            })
        })
        .await
    }
}
