//! One file for each operation; what several of them share is here.

mod create_repository;
mod delete_lifecycle_policy;
mod delete_repository;
mod delete_repository_policy;
mod describe_images;
mod describe_repositories;
mod get_lifecycle_policy;
mod get_repository_policy;
mod list_images;
mod list_tags_for_resource;
mod put_image_scanning_configuration;
mod put_image_tag_mutability;
mod put_lifecycle_policy;
mod set_repository_policy;
mod tag_resource;
mod untag_resource;

use undercast_kernel::{Access, Context, ServiceError};
use undercast_smithy::Timestamp;
use undercast_store::Tx;

use crate::api::ecr::shapes::{EncryptionConfiguration, ImageScanningConfiguration, Repository};
use crate::ecr::store::{REPOSITORIES, RepositoryRow};

fn access(ctx: &Context, operation: &str, name: &str) -> Vec<Access> {
    vec![Access::new(format!("ecr:{operation}"), arn(ctx, name))]
}

fn access_arn(operation: &str, arn: &str) -> Vec<Access> {
    vec![Access::new(format!("ecr:{operation}"), arn)]
}

pub(crate) fn arn(ctx: &Context, name: &str) -> String {
    ctx.arn("ecr", format!("repository/{name}"))
}

fn name_of(arn: &str) -> &str {
    arn.split_once(":repository/").map_or(arn, |(_, name)| name)
}

fn key(ctx: &Context, name: &str) -> (String, String, String) {
    (ctx.account().to_owned(), ctx.region().to_owned(), name.to_owned())
}

async fn require(
    tx: &Tx,
    ctx: &Context,
    name: &str,
) -> Result<((String, String, String), RepositoryRow), ServiceError> {
    let key = key(ctx, name);
    let row = REPOSITORIES.get(tx, &key).await?.ok_or_else(|| {
        ServiceError::new(
            "RepositoryNotFoundException",
            format!(
                "The repository with name '{name}' does not exist in the registry with id '{}'",
                ctx.account()
            ),
        )
    })?;
    Ok((key, row))
}

pub(crate) fn uri(ctx: &Context, name: &str) -> String {
    format!("{}.dkr.ecr.{}.amazonaws.com/{name}", ctx.account(), ctx.region())
}

fn shown(ctx: &Context, name: &str, row: &RepositoryRow) -> Repository {
    Repository {
        repository_arn: Some(arn(ctx, name)),
        registry_id: Some(ctx.account().to_owned()),
        repository_name: Some(name.to_owned()),
        repository_uri: Some(uri(ctx, name)),
        created_at: Some(Timestamp::from_millis(row.created_ms)),
        image_tag_mutability: Some(row.mutability.clone()),
        image_scanning_configuration: Some(ImageScanningConfiguration {
            scan_on_push: Some(row.scan_on_push),
        }),
        encryption_configuration: Some(EncryptionConfiguration {
            encryption_type: row.encryption.clone(),
            kms_key: None,
        }),
        ..Repository::default()
    }
}
