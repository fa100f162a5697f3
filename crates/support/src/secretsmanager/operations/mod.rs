//! One file for each operation; what several of them share is here.

mod batch_get_secret_value;
mod cancel_rotate_secret;
mod create_secret;
mod delete_resource_policy;
mod delete_secret;
mod describe_secret;
mod get_random_password;
mod get_resource_policy;
mod get_secret_value;
mod list_secret_version_ids;
mod list_secrets;
mod put_resource_policy;
mod put_secret_value;
mod restore_secret;
mod rotate_secret;
mod tag_resource;
mod untag_resource;
mod update_secret;
mod update_secret_version_stage;
mod validate_resource_policy;

use undercast_kernel::{Access, Context, ServiceError};
use undercast_smithy::Timestamp;
use undercast_store::Tx;

use crate::api::secretsmanager::shapes::{Filter, SecretListEntry};
use crate::secretsmanager::engine::{arn, rules, stages, tags};
use crate::secretsmanager::error::invalid;
use crate::secretsmanager::store::{SECRETS, SecretRow};

const TAGS_MAX: usize = 50;
const SECRETS_MAX: usize = 100_000;

/// What the caller may do with a secret. Policies name its whole ARN, callers its name, or a part of the ARN.
async fn allowed(ctx: &Context, operation: &str, id: &str) -> Result<(), ServiceError> {
    let resource = match found(ctx, id).await? {
        Some((name, row)) => arn(ctx, &name, &row),
        None if id.starts_with("arn:") => id.to_owned(),
        None => ctx.arn("secretsmanager", format!("secret:{id}-??????")),
    };
    let action = format!("secretsmanager:{operation}");
    ctx.kernel().check(ctx, vec![Access::new(action, resource)]).await
}

/// A secret and its name, outside of a transaction.
async fn found(ctx: &Context, id: &str) -> Result<Option<(String, SecretRow)>, ServiceError> {
    let find = |tx: Tx, ctx: Context, id: std::sync::Arc<String>| async move {
        crate::secretsmanager::engine::find(&tx, &ctx, &id).await
    };
    let found = ctx.transact(id.to_owned(), find).await?;
    Ok(found.map(|(key, row)| (key.2, row)))
}

fn check_name(name: &str) -> Result<(), ServiceError> {
    let is_valid = |c: char| c.is_ascii_alphanumeric() || "/_+=.@-!".contains(c);
    match name.chars().all(is_valid) {
        true => Ok(()),
        false => Err(ServiceError::new(
            "ValidationException",
            "Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!",
        )),
    }
}

fn check_tags(row: &SecretRow) -> Result<(), ServiceError> {
    match row.tags.len() <= TAGS_MAX {
        true => Ok(()),
        false => Err(invalid(format!("A secret has at most {TAGS_MAX} tags."))),
    }
}

/// A key of the customer's has to be there and in use.
async fn check_key(ctx: &Context, key: Option<&str>) -> Result<(), ServiceError> {
    let Some(key) = key else { return Ok(()) };
    match key_state(ctx, key).await.as_deref() {
        Some("Enabled") => Ok(()),
        _ => Err(ServiceError::new(
            "EncryptionFailure",
            "Secrets Manager can't encrypt the protected secret text using the provided KMS key. Check that the KMS key is available, enabled, and not in an invalid state.",
        )),
    }
}

/// The same of the key of a secret that is read.
async fn check_key_of(ctx: &Context, id: &str) -> Result<(), ServiceError> {
    let found = found(ctx, id).await?;
    let Some(key) = found.and_then(|(_, row)| row.kms_key) else { return Ok(()) };
    match key_state(ctx, &key).await.as_deref() {
        Some("Enabled") => Ok(()),
        _ => Err(ServiceError::new(
            "DecryptionFailure",
            "Secrets Manager can't decrypt the protected secret text using the provided KMS key.",
        )),
    }
}

async fn key_state(ctx: &Context, key: &str) -> Option<String> {
    let input = serde_json::json!({"KeyId": key});
    let own =
        ctx.kernel().service_context("secretsmanager.amazonaws.com", ctx.account(), ctx.region());
    let described = ctx.kernel().call(&own, "kms", "DescribeKey", &input).await.ok()?;
    Some(described.get("KeyMetadata")?.get("KeyState")?.as_str()?.to_owned())
}

fn shown(ctx: &Context, name: &str, row: &SecretRow) -> SecretListEntry {
    let rotation = row.rotation.as_ref();
    SecretListEntry {
        arn: Some(arn(ctx, name, row)),
        name: Some(name.to_owned()),
        description: row.description.clone(),
        kms_key_id: row.kms_key.clone(),
        rotation_enabled: rotation.map(|rotation| rotation.is_enabled),
        rotation_lambda_arn: rotation.map(|rotation| rotation.function.clone()),
        rotation_rules: rules(row),
        last_rotated_date: row.rotated_ms.map(Timestamp::from_millis),
        last_changed_date: Some(Timestamp::from_millis(row.changed_ms)),
        last_accessed_date: row.accessed_ms.map(Timestamp::from_millis),
        deleted_date: row.deleted_ms.map(Timestamp::from_millis),
        next_rotation_date: rotation.and_then(|r| r.next_ms).map(Timestamp::from_millis),
        tags: tags(row),
        secret_versions_to_stages: Some(stages(row)),
        created_date: Some(Timestamp::from_millis(row.created_ms)),
        ..SecretListEntry::default()
    }
}

/// The secrets that every filter lets through, by name.
async fn matching(
    tx: &Tx,
    ctx: &Context,
    filters: &[Filter],
    deleted: bool,
) -> Result<Vec<(String, SecretRow)>, ServiceError> {
    let scope = (ctx.account().to_owned(), ctx.region().to_owned());
    let rows = SECRETS.scan(tx, SECRETS.prefix(&scope), SECRETS_MAX, false).await?;
    Ok(rows
        .into_iter()
        .map(|(key, row)| (key.2, row))
        .filter(|(_, row)| deleted || row.deleted_ms.is_none())
        .filter(|(name, row)| filters.iter().all(|filter| is_match(filter, name, row)))
        .collect())
}

/// Whether one of the filter's values is the beginning of what it looks at; `!` in front of it turns it around.
fn is_match(filter: &Filter, name: &str, row: &SecretRow) -> bool {
    let description = || row.description.iter().flat_map(|text| text.split_whitespace());
    let begins = |value: &str| match filter.key.as_deref() {
        Some("name") => name.starts_with(value),
        Some("tag-key") => row.tags.keys().any(|key| key.starts_with(value)),
        Some("tag-value") => row.tags.values().any(|tag| tag.starts_with(value)),
        Some("description") => begins_one(description(), value),
        Some("all") => {
            let tags = row.tags.iter().flat_map(|(key, value)| [key.as_str(), value.as_str()]);
            begins_one(description().chain(tags).chain([name]), value)
        }
        // There are neither replicas nor secrets of other services.
        _ => false,
    };
    filter.values.iter().flatten().any(|value| match value.strip_prefix('!') {
        Some(value) => !begins(value),
        None => begins(value),
    })
}

fn begins_one<'a>(mut words: impl Iterator<Item = &'a str>, value: &str) -> bool {
    let value = value.to_lowercase();
    words.any(|word| word.to_lowercase().starts_with(&value))
}

/// One page, from behind the item that the token names, and the token of the next.
fn page<T>(
    items: Vec<T>,
    name: impl Fn(&T) -> String,
    size: usize,
    token: Option<&str>,
) -> (Vec<T>, Option<String>) {
    let begin = token.and_then(|token| items.iter().position(|item| name(item) == token));
    let rest = items.into_iter().skip(begin.map_or(0, |at| at + 1));
    let mut rest: Vec<T> = rest.take(size + 1).collect();
    let more = rest.len() > size;
    rest.truncate(size);
    let next = rest.last().filter(|_| more).map(name);
    (rest, next)
}
