//! `CreateRepository`: makes a repository.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{access, key, shown};
use crate::api::ecr::operations::CreateRepository;
use crate::api::ecr::shapes::{CreateRepositoryInput, CreateRepositoryOutput};
use crate::ecr::Ecr;
use crate::ecr::store::{REPOSITORIES, RepositoryRow};

impl Handler<CreateRepository> for Ecr {
    fn authorize(&self, ctx: &Context, input: &CreateRepositoryInput) -> Vec<Access> {
        access(ctx, "CreateRepository", &input.repository_name)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: CreateRepositoryInput,
    ) -> Result<CreateRepositoryOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let key = key(&ctx, &input.repository_name);
            if REPOSITORIES.get(&tx, &key).await?.is_some() {
                return Err(ServiceError::new(
                    "RepositoryAlreadyExistsException",
                    format!(
                        "The repository with name '{}' already exists in the registry with id '{}'",
                        input.repository_name,
                        ctx.account()
                    ),
                ));
            }
            let row = RepositoryRow {
                created_ms: tx.now_ms(),
                mutability: input
                    .image_tag_mutability
                    .clone()
                    .unwrap_or_else(|| "MUTABLE".to_owned()),
                scan_on_push: input
                    .image_scanning_configuration
                    .as_ref()
                    .and_then(|c| c.scan_on_push)
                    .unwrap_or(false),
                encryption: input
                    .encryption_configuration
                    .as_ref()
                    .map_or_else(|| "AES256".to_owned(), |c| c.encryption_type.clone()),
                policy: None,
                lifecycle: None,
                tags: input
                    .tags
                    .iter()
                    .flatten()
                    .map(|t| (t.key.clone(), t.value.clone()))
                    .collect(),
            };
            REPOSITORIES.put(&tx, &key, &row)?;
            Ok(CreateRepositoryOutput {
                repository: Some(shown(&ctx, &input.repository_name, &row)),
            })
        })
        .await
    }
}
