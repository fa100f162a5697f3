//! `PutImageTagMutability`: whether tags of a repository may be moved.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{access, require};
use crate::api::ecr::operations::PutImageTagMutability;
use crate::api::ecr::shapes::{PutImageTagMutabilityInput, PutImageTagMutabilityOutput};
use crate::ecr::Ecr;
use crate::ecr::store::REPOSITORIES;

impl Handler<PutImageTagMutability> for Ecr {
    fn authorize(&self, ctx: &Context, input: &PutImageTagMutabilityInput) -> Vec<Access> {
        access(ctx, "PutImageTagMutability", &input.repository_name)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: PutImageTagMutabilityInput,
    ) -> Result<PutImageTagMutabilityOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let (key, mut row) = require(&tx, &ctx, &input.repository_name).await?;
            row.mutability.clone_from(&input.image_tag_mutability);
            REPOSITORIES.put(&tx, &key, &row)?;
            Ok(PutImageTagMutabilityOutput {
                registry_id: Some(key.0),
                repository_name: Some(key.2),
                image_tag_mutability: Some(row.mutability),
                ..PutImageTagMutabilityOutput::default()
            })
        })
        .await
    }
}
