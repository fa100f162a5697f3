//! `DeleteRepository`: deletes a repository.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{access, require, shown};
use crate::api::ecr::operations::DeleteRepository;
use crate::api::ecr::shapes::{DeleteRepositoryInput, DeleteRepositoryOutput};
use crate::ecr::Ecr;
use crate::ecr::store::REPOSITORIES;

impl Handler<DeleteRepository> for Ecr {
    fn authorize(&self, ctx: &Context, input: &DeleteRepositoryInput) -> Vec<Access> {
        access(ctx, "DeleteRepository", &input.repository_name)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: DeleteRepositoryInput,
    ) -> Result<DeleteRepositoryOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let (key, row) = require(&tx, &ctx, &input.repository_name).await?;
            REPOSITORIES.delete(&tx, &key)?;
            Ok(DeleteRepositoryOutput { repository: Some(shown(&ctx, &key.2, &row)) })
        })
        .await
    }
}
