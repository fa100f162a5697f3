//! Buckets: their names, and which of them a caller may reach.

use std::net::Ipv4Addr;

use serde_json::Value;
use sha2::{Digest as _, Sha256};
use undercast_kernel::{Access, Context, ServiceError};
use undercast_smithy::Shape;
use undercast_smithy::document::{from_document, to_document};
use undercast_store::Tx;

use crate::error;
use crate::limits::{BUCKET_NAME_CHARS_MAX, BUCKET_NAME_CHARS_MIN, DELETING_MS_MAX};
use crate::store::{BUCKETS, BucketRow, CONFIGS};

pub(crate) fn arn(bucket: &str) -> String {
    format!("arn:aws:s3:::{bucket}")
}

pub(crate) fn access(action: &str, bucket: &str) -> Vec<Access> {
    vec![Access::new(format!("s3:{action}"), arn(bucket))]
}

pub(crate) fn object_access(action: &str, bucket: &str, key: &str) -> Vec<Access> {
    vec![Access::new(format!("s3:{action}"), format!("{}/{key}", arn(bucket)))]
}

/// `s3:GetObject`, or `s3:GetObjectVersion` where a version is named.
pub(crate) fn version_access(
    action: &str,
    bucket: &str,
    key: &str,
    version: Option<&String>,
) -> Vec<Access> {
    match version {
        None => object_access(action, bucket, key),
        Some(version) => {
            let action = match action {
                "GetObjectTagging" | "PutObjectTagging" | "DeleteObjectTagging" => {
                    action.replace("Object", "ObjectVersion")
                }
                action => format!("{action}Version"),
            };
            let accesses = object_access(&action, bucket, key).into_iter();
            accesses.map(|access| access.when("s3:VersionId", version.as_str())).collect()
        }
    }
}

/// The rules for names that AWS applies to new buckets.
pub(crate) fn check_name(name: &str) -> Result<(), ServiceError> {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.';
    let edge = |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let bytes = name.as_bytes();
    let valid = (BUCKET_NAME_CHARS_MIN..=BUCKET_NAME_CHARS_MAX).contains(&name.len())
        && bytes.iter().copied().all(allowed)
        && edge(bytes.first())
        && edge(bytes.last())
        && !name.contains("..")
        && name.parse::<Ipv4Addr>().is_err()
        && !name.starts_with("xn--")
        && !name.starts_with("sthree-")
        && !name.ends_with("-s3alias")
        && !name.ends_with("--ol-s3");
    valid.then_some(()).ok_or_else(|| error::bucket_name(name))
}

/// The canonical user id of an account.
pub(crate) fn owner_id(account: &str) -> String {
    hex::encode(Sha256::digest(format!("canonical user of {account}")))
}

/// The bucket, if the caller may reach it at all: what the identity may do is decided before, the
/// owner of the bucket has a say here.
pub(crate) async fn load(
    tx: &Tx,
    ctx: &Context,
    name: &str,
    expected_owner: Option<&String>,
    wanted: Wanted<'_>,
) -> Result<BucketRow, ServiceError> {
    let row = BUCKETS.get(tx, &(name.to_owned(),)).await?.ok_or_else(|| error::no_bucket(name))?;
    if expected_owner.is_some_and(|owner| *owner != row.account) {
        return Err(error::access_denied());
    }
    if ctx.account() != row.account && !foreigner(tx, ctx, &row, name, wanted).await? {
        return Err(error::access_denied());
    }
    Ok(row)
}

/// The same for an operation that only the owner does.
pub(crate) async fn own(
    tx: &Tx,
    ctx: &Context,
    name: &str,
    expected_owner: Option<&String>,
) -> Result<BucketRow, ServiceError> {
    let nothing = Wanted { action: "", key: None };
    load(tx, ctx, name, expected_owner, nothing).await
}

/// The same for a write of an object. A bucket that may be about to go takes none.
pub(crate) async fn load_for_write(
    tx: &Tx,
    ctx: &Context,
    name: &str,
    expected_owner: Option<&String>,
    wanted: Wanted<'_>,
) -> Result<BucketRow, ServiceError> {
    let mut row = load(tx, ctx, name, expected_owner, wanted).await?;
    if let Some(since_ms) = row.deleting_ms {
        if tx.now_ms().saturating_sub(since_ms) < DELETING_MS_MAX {
            return Err(error::busy());
        }
        // Whoever wanted to delete it is gone, or will find that the row has changed.
        row.deleting_ms = None;
        BUCKETS.put(tx, &(name.to_owned(),), &row)?;
    }
    Ok(row)
}

/// What a caller wants to do, for the policy of a bucket that is not the caller's.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted<'a> {
    pub(crate) action: &'static str,
    pub(crate) key: Option<&'a str>,
}

pub(crate) fn on<'a>(action: &'static str, key: &'a str) -> Wanted<'a> {
    Wanted { action, key: Some(key) }
}

pub(crate) fn on_bucket(action: &'static str) -> Wanted<'static> {
    Wanted { action, key: None }
}

/// Whether somebody else than the owner's account may do this.
async fn foreigner(
    tx: &Tx,
    ctx: &Context,
    row: &BucketRow,
    name: &str,
    wanted: Wanted<'_>,
) -> Result<bool, ServiceError> {
    if !row.has_policy || wanted.action.is_empty() {
        return Ok(false);
    }
    let Some(policy) = document(tx, row, POLICY).await? else {
        return Ok(false);
    };
    let resource = match wanted.key {
        Some(key) => format!("{}/{key}", arn(name)),
        None => arn(name),
    };
    let action = format!("s3:{}", wanted.action);
    Ok(super::policy::allows(&policy, ctx.principal(), &action, &resource))
}

pub(crate) const POLICY: &str = "policy";
pub(crate) const ENCRYPTION: &str = "encryption";
pub(crate) const PUBLIC_ACCESS: &str = "public-access";
pub(crate) const OWNERSHIP: &str = "ownership";
pub(crate) const LIFECYCLE: &str = "lifecycle";
pub(crate) const CORS: &str = "cors";
pub(crate) const TAGS: &str = "tags";
pub(crate) const ACL: &str = "acl";
pub(crate) const OBJECT_LOCK: &str = "object-lock";
pub(crate) const LOGGING: &str = "logging";
pub(crate) const WEBSITE: &str = "website";
pub(crate) const NOTIFICATION: &str = "notification";

/// A part of a bucket's configuration.
pub(crate) async fn document(
    tx: &Tx,
    row: &BucketRow,
    kind: &str,
) -> Result<Option<Value>, ServiceError> {
    let text = CONFIGS.get(tx, &(row.number, kind.to_owned())).await?;
    text.map(|text| serde_json::from_str(&text).map_err(ServiceError::internal)).transpose()
}

pub(crate) async fn config<T: Shape>(
    tx: &Tx,
    row: &BucketRow,
    kind: &str,
) -> Result<Option<T>, ServiceError> {
    let document = document(tx, row, kind).await?;
    document.map(|document| from_document(&document).map_err(ServiceError::internal)).transpose()
}

pub(crate) fn put_config<T: Shape>(
    tx: &Tx,
    row: &BucketRow,
    kind: &str,
    config: &T,
) -> Result<(), ServiceError> {
    put_document(tx, row, kind, &to_document(config))
}

pub(crate) fn put_document(
    tx: &Tx,
    row: &BucketRow,
    kind: &str,
    document: &Value,
) -> Result<(), ServiceError> {
    CONFIGS.put(tx, &(row.number, kind.to_owned()), &document.to_string())?;
    Ok(())
}

pub(crate) fn delete_config(tx: &Tx, row: &BucketRow, kind: &str) -> Result<(), ServiceError> {
    CONFIGS.delete(tx, &(row.number, kind.to_owned()))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::check_name;

    #[test]
    fn names_follow_the_rules() {
        for name in
            ["abc", "my-bucket", "a.b.c", "0abc1", "cdk-hnb659fds-assets-000000000000-us-east-1"]
        {
            assert!(check_name(name).is_ok(), "{name}");
        }
        for name in ["ab", "Bucket", "-abc", "abc-", "a..b", "192.168.0.1", "a_b", "xn--abc"] {
            assert!(check_name(name).is_err(), "{name}");
        }
        assert!(check_name(&"a".repeat(64)).is_err());
    }
}
