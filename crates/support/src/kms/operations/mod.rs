//! One file for each operation; what several of them share is here.

mod cancel_key_deletion;
mod create_alias;
mod create_key;
mod delete_alias;
mod describe_key;
mod disable_key;
mod disable_key_rotation;
mod enable_key;
mod enable_key_rotation;
mod get_key_policy;
mod get_key_rotation_status;
mod list_aliases;
mod list_keys;
mod list_resource_tags;
mod put_key_policy;
mod schedule_key_deletion;
mod tag_resource;
mod untag_resource;
mod update_alias;
mod update_key_description;

use undercast_kernel::{Access, Context, ServiceError};
use undercast_smithy::Timestamp;
use undercast_store::Tx;

use crate::api::kms::shapes::KeyMetadata;
use crate::kms::store::{ALIASES, AliasRow, KEYS, KeyRow};

type Key = (String, String, String);

fn access(ctx: &Context, operation: &str, id: &str) -> Vec<Access> {
    vec![Access::new(format!("kms:{operation}"), arn(ctx, id))]
}

pub(crate) fn arn(ctx: &Context, id: &str) -> String {
    if id.starts_with("arn:") {
        return id.to_owned();
    }
    if id.starts_with("alias/") {
        return alias_arn(ctx, id);
    }
    ctx.arn("kms", format!("key/{id}"))
}

fn alias_arn(ctx: &Context, name: &str) -> String {
    ctx.arn("kms", name)
}

fn key(ctx: &Context, name: &str) -> Key {
    (ctx.account().to_owned(), ctx.region().to_owned(), name.to_owned())
}

fn check_alias(name: &str) -> Result<(), ServiceError> {
    if !name.starts_with("alias/") {
        return Err(ServiceError::new(
            "ValidationException",
            "Alias must start with the prefix \"alias/\". Please see https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html",
        ));
    }
    if name.starts_with("alias/aws/") {
        return Err(ServiceError::new("NotAuthorizedException", ""));
    }
    Ok(())
}

/// A key by its id, its ARN, an alias or an alias's ARN.
async fn require(tx: &Tx, ctx: &Context, name: &str) -> Result<(Key, KeyRow), ServiceError> {
    let local = name.rsplit_once(":key/").map_or(name, |(_, id)| id);
    let local = match local.split_once(":alias/") {
        Some((_, alias)) => format!("alias/{alias}"),
        None => local.to_owned(),
    };
    let id = if local.starts_with("alias/") {
        require_alias(tx, ctx, &local).await?.key_id
    } else {
        local
    };
    let key = key(ctx, &id);
    let row = KEYS.get(tx, &key).await?.ok_or_else(|| {
        ServiceError::new("NotFoundException", format!("Key '{}' does not exist", arn(ctx, &id)))
    })?;
    Ok((key, row))
}

async fn require_alias(tx: &Tx, ctx: &Context, name: &str) -> Result<AliasRow, ServiceError> {
    ALIASES.get(tx, &key(ctx, name)).await?.ok_or_else(|| {
        ServiceError::new(
            "NotFoundException",
            format!("Alias {} is not found.", alias_arn(ctx, name)),
        )
    })
}

fn pending(ctx: &Context, id: &str) -> ServiceError {
    ServiceError::new("KMSInvalidStateException", format!("{} is pending deletion.", arn(ctx, id)))
}

fn usable(ctx: &Context, id: &str, row: &KeyRow) -> Result<(), ServiceError> {
    if row.deletion_ms.is_some() {
        return Err(pending(ctx, id));
    }
    if !row.enabled {
        return Err(ServiceError::new(
            "DisabledException",
            format!("{} is disabled.", arn(ctx, id)),
        ));
    }
    Ok(())
}

fn default_policy(ctx: &Context) -> String {
    serde_json::json!({
        "Version": "2012-10-17",
        "Id": "key-default-1",
        "Statement": [{
            "Sid": "Enable IAM User Permissions",
            "Effect": "Allow",
            "Principal": {"AWS": format!("arn:aws:iam::{}:root", ctx.account())},
            "Action": "kms:*",
            "Resource": "*",
        }],
    })
    .to_string()
}

fn shown(ctx: &Context, id: &str, row: &KeyRow) -> KeyMetadata {
    let state = match (row.deletion_ms, row.enabled) {
        (Some(_), _) => "PendingDeletion",
        (None, true) => "Enabled",
        (None, false) => "Disabled",
    };
    KeyMetadata {
        aws_account_id: Some(ctx.account().to_owned()),
        key_id: id.to_owned(),
        arn: Some(arn(ctx, id)),
        creation_date: Some(Timestamp::from_millis(row.created_ms)),
        enabled: Some(row.enabled && row.deletion_ms.is_none()),
        description: Some(row.description.clone()),
        key_usage: Some("ENCRYPT_DECRYPT".to_owned()),
        key_state: Some(state.to_owned()),
        deletion_date: row.deletion_ms.map(Timestamp::from_millis),
        origin: Some("AWS_KMS".to_owned()),
        key_manager: Some("CUSTOMER".to_owned()),
        customer_master_key_spec: Some("SYMMETRIC_DEFAULT".to_owned()),
        key_spec: Some("SYMMETRIC_DEFAULT".to_owned()),
        encryption_algorithms: Some(vec!["SYMMETRIC_DEFAULT".to_owned()]),
        multi_region: Some(row.multi_region),
        ..KeyMetadata::default()
    }
}
