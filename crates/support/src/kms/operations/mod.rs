//! One file for each operation; what several of them share is here.

mod cancel_key_deletion;
mod create_alias;
mod create_grant;
mod create_key;
mod decrypt;
mod delete_alias;
mod describe_key;
mod disable_key;
mod disable_key_rotation;
mod enable_key;
mod enable_key_rotation;
mod encrypt;
mod generate_data_key;
mod generate_data_key_pair;
mod generate_data_key_pair_without_plaintext;
mod generate_data_key_without_plaintext;
mod generate_mac;
mod generate_random;
mod get_key_policy;
mod get_key_rotation_status;
mod get_public_key;
mod list_aliases;
mod list_grants;
mod list_key_policies;
mod list_key_rotations;
mod list_keys;
mod list_resource_tags;
mod list_retirable_grants;
mod put_key_policy;
mod re_encrypt;
mod retire_grant;
mod revoke_grant;
mod rotate_key_on_demand;
mod schedule_key_deletion;
mod sign;
mod tag_resource;
mod untag_resource;
mod update_alias;
mod update_key_description;
mod verify;
mod verify_mac;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use undercast_kernel::{Access, Arn, Context, ServiceError};
use undercast_smithy::Timestamp;
use undercast_store::Tx;

use crate::api::kms::shapes::KeyMetadata;
use crate::api::kms::shapes::{
    GrantConstraints, GrantListEntry, ListGrantsOutput, MultiRegionConfiguration, MultiRegionKey,
};
use crate::kms::store::{ALIASES, AliasRow, GRANTS, GrantRow, KEYS, Key, KeyRow};
use crate::kms::{engine, managed};

/// Operations that find out which key an alias stands for before they ask what the caller may ([`allowed`]).
const WITH_KEYS_OF_ALIASES: &[&str] = &[
    "Decrypt",
    "DescribeKey",
    "Encrypt",
    "GenerateDataKey",
    "GenerateDataKeyPair",
    "GenerateDataKeyPairWithoutPlaintext",
    "GenerateDataKeyWithoutPlaintext",
    "GenerateMac",
    "GetPublicKey",
    "ReEncryptFrom",
    "ReEncryptTo",
    "Sign",
    "Verify",
    "VerifyMac",
];

/// Grants of a key.
const GRANTS_MAX: usize = 10_000;

fn access(ctx: &Context, operation: &str, id: &str) -> Vec<Access> {
    if alias_in(id).is_some() && WITH_KEYS_OF_ALIASES.contains(&operation) {
        return Vec::new();
    }
    vec![Access::new(format!("kms:{operation}"), arn(ctx, id))]
}

/// The second look at a caller who named a key by an alias: policies name keys.
async fn allowed(ctx: &Context, operation: &str, name: &str) -> Result<(), ServiceError> {
    let Some(alias) = alias_in(name) else { return Ok(()) };
    let accesses = match ALIASES.read(ctx.store(), &key(ctx, &alias)).await? {
        Some(row) => access(ctx, operation, &row.key_id),
        None => vec![Access::new(format!("kms:{operation}"), alias_arn(ctx, &alias))],
    };
    ctx.kernel().check(ctx, accesses).await
}

/// The alias that a name is, if it is one.
fn alias_in(name: &str) -> Option<String> {
    match name.split_once(":alias/") {
        Some((_, alias)) => Some(format!("alias/{alias}")),
        None => name.starts_with("alias/").then(|| name.to_owned()),
    }
}

pub(crate) fn invalid(message: &str) -> ServiceError {
    ServiceError::new("ValidationException", message)
}

fn dry_run(wanted: Option<bool>) -> Result<(), ServiceError> {
    match wanted {
        Some(true) => Err(ServiceError::new(
            "DryRunOperationException",
            "The request would have succeeded, but the DryRun option is set.",
        )),
        _ => Ok(()),
    }
}

fn no_recipient(is_there: bool) -> Result<(), ServiceError> {
    match is_there {
        true => Err(ServiceError::unsupported("an enclave as Recipient")),
        false => Ok(()),
    }
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

pub(crate) fn key(ctx: &Context, name: &str) -> Key {
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
pub(crate) async fn require(
    tx: &Tx,
    ctx: &Context,
    name: &str,
) -> Result<(Key, KeyRow), ServiceError> {
    let missing = |id: &str| {
        ServiceError::new("NotFoundException", format!("Key '{}' does not exist", arn(ctx, id)))
    };
    if let Some(given) = Arn::parse(name) {
        if given.region != ctx.region() {
            let message = format!("Invalid arn {}", given.region);
            return Err(ServiceError::new("NotFoundException", message));
        }
        if given.account != ctx.account() {
            return Err(missing(name));
        }
    }
    let id = match alias_in(name) {
        Some(alias) => match managed::key_id(tx, ctx, &alias).await? {
            Some(id) => id,
            None => require_alias(tx, ctx, &alias).await?.key_id,
        },
        None => name.rsplit_once(":key/").map_or(name, |(_, id)| id).to_owned(),
    };
    let key = key(ctx, &id);
    let row = KEYS.get(tx, &key).await?.ok_or_else(|| missing(&id))?;
    Ok((key, row))
}

/// A key that can be used for what the operation does with it.
pub(crate) async fn using(
    tx: &Tx,
    ctx: &Context,
    name: &str,
    usage: &str,
    operation: &str,
) -> Result<(Key, KeyRow), ServiceError> {
    let (key, row) = require(tx, ctx, name).await?;
    usable(ctx, &key.2, &row)?;
    if row.usage != usage {
        return Err(engine::not_for(ctx, &key, &row, operation));
    }
    Ok((key, row))
}

/// Keys that we manage are not changed by their users.
fn changeable(ctx: &Context, id: &str, row: &KeyRow) -> Result<(), ServiceError> {
    match row.is_managed {
        true => Err(ServiceError::access_denied(format!(
            "{} is an AWS managed key, which cannot be changed.",
            arn(ctx, id)
        ))),
        false => Ok(()),
    }
}

/// Symmetric encryption keys get new material; others never do.
fn rotatable(ctx: &Context, key: &Key, row: &KeyRow) -> Result<(), ServiceError> {
    match row.spec == "SYMMETRIC_DEFAULT" {
        true => Ok(()),
        false => Err(ServiceError::new(
            "UnsupportedOperationException",
            format!("{} is of spec {}, which is not rotated.", arn(ctx, &key.2), row.spec),
        )),
    }
}

async fn require_alias(tx: &Tx, ctx: &Context, name: &str) -> Result<AliasRow, ServiceError> {
    ALIASES.get(tx, &key(ctx, name)).await?.ok_or_else(|| {
        ServiceError::new(
            "NotFoundException",
            format!("Alias {} is not found.", alias_arn(ctx, name)),
        )
    })
}

pub(crate) fn pending(ctx: &Context, id: &str) -> ServiceError {
    ServiceError::new("KMSInvalidStateException", format!("{} is pending deletion.", arn(ctx, id)))
}

pub(crate) fn usable(ctx: &Context, id: &str, row: &KeyRow) -> Result<(), ServiceError> {
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

fn check_policy(policy: &str) -> Result<(), ServiceError> {
    match serde_json::from_str::<serde_json::Value>(policy).is_ok_and(|policy| policy.is_object()) {
        true => Ok(()),
        false => {
            Err(ServiceError::new("MalformedPolicyDocumentException", "Policy is not valid JSON"))
        }
    }
}

pub(crate) fn default_policy(ctx: &Context) -> String {
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
    let algorithms = || {
        let all = engine::spec(row).map(|spec| spec.algorithms(&row.usage)).unwrap_or_default();
        Some(all.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())
    };
    let of = |usage: &str| algorithms().filter(|_| row.usage == usage);
    let own = || MultiRegionKey { arn: Some(arn(ctx, id)), region: Some(ctx.region().to_owned()) };
    KeyMetadata {
        aws_account_id: Some(ctx.account().to_owned()),
        key_id: id.to_owned(),
        arn: Some(arn(ctx, id)),
        creation_date: Some(Timestamp::from_millis(row.created_ms)),
        enabled: Some(row.enabled && row.deletion_ms.is_none()),
        description: Some(row.description.clone()),
        key_usage: Some(row.usage.clone()),
        key_state: Some(state.to_owned()),
        deletion_date: row.deletion_ms.map(Timestamp::from_millis),
        origin: Some("AWS_KMS".to_owned()),
        key_manager: Some(if row.is_managed { "AWS" } else { "CUSTOMER" }.to_owned()),
        customer_master_key_spec: Some(row.spec.clone()),
        key_spec: Some(row.spec.clone()),
        encryption_algorithms: of("ENCRYPT_DECRYPT"),
        signing_algorithms: of("SIGN_VERIFY"),
        mac_algorithms: of("GENERATE_VERIFY_MAC"),
        multi_region: Some(row.multi_region),
        multi_region_configuration: row.multi_region.then(|| MultiRegionConfiguration {
            multi_region_key_type: Some("PRIMARY".to_owned()),
            primary_key: Some(own()),
            replica_keys: Some(Vec::new()),
        }),
        ..KeyMetadata::default()
    }
}

/// Names a grant to the operations that take a token.
fn grant_token(key_id: &str, grant_id: &str) -> String {
    BASE64_STANDARD.encode(format!("{key_id}:{grant_id}"))
}

fn read_grant_token(token: &str) -> Result<(String, String), ServiceError> {
    let text = BASE64_STANDARD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let parts = text.as_deref().and_then(|text| text.split_once(':'));
    let (key, grant) = parts.ok_or_else(|| {
        ServiceError::new("InvalidGrantTokenException", "The grant token is not valid.")
    })?;
    Ok((key.to_owned(), grant.to_owned()))
}

async fn end_grant(tx: &Tx, key: &Key, grant: &str) -> Result<(), ServiceError> {
    let place = (key.0.clone(), key.1.clone(), key.2.clone(), grant.to_owned());
    if GRANTS.get(tx, &place).await?.is_none() {
        let message = format!("Grant ID {grant} not found");
        return Err(ServiceError::new("NotFoundException", message));
    }
    Ok(GRANTS.delete(tx, &place)?)
}

/// One page of grants; a marker is the place of the last one before it.
fn grants_page(
    ctx: &Context,
    grants: impl Iterator<Item = ((String, String, String, String), GrantRow)>,
    limit: Option<i32>,
    marker: Option<&str>,
) -> ListGrantsOutput {
    let size = usize::try_from(limit.unwrap_or(50)).unwrap_or(50);
    let place = |key: &str, grant: &str| format!("{key}:{grant}");
    let behind = |key: &str, grant: &str| marker.is_none_or(|m| place(key, grant).as_str() > m);
    let mut grants: Vec<_> = grants.filter(|(at, _)| behind(&at.2, &at.3)).take(size + 1).collect();
    let more = grants.len() > size;
    grants.truncate(size);
    let next_marker = grants.last().filter(|_| more).map(|(at, _)| place(&at.2, &at.3));
    let shown = grants.into_iter().map(|(at, row)| GrantListEntry {
        key_id: Some(arn(ctx, &at.2)),
        grant_id: Some(at.3),
        name: row.name,
        creation_date: Some(Timestamp::from_millis(row.created_ms)),
        grantee_principal: Some(row.grantee),
        retiring_principal: row.retiring,
        issuing_account: Some(format!("arn:aws:iam::{}:root", ctx.account())),
        operations: Some(row.operations),
        constraints: (row.subset.is_some() || row.equals.is_some()).then_some(GrantConstraints {
            encryption_context_subset: row.subset,
            encryption_context_equals: row.equals,
        }),
    });
    ListGrantsOutput { grants: Some(shown.collect()), next_marker, truncated: Some(more) }
}
