//! One file for each operation, or for each part of a bucket's configuration; what several of them
//! share is here.

mod abort_multipart_upload;
mod bucket_acl;
mod bucket_cors;
mod bucket_defaults;
mod bucket_encryption;
mod bucket_lifecycle;
mod bucket_logging;
mod bucket_notification;
mod bucket_ownership;
mod bucket_policy;
mod bucket_public_access;
mod bucket_tagging;
mod bucket_versioning;
mod bucket_website;
mod complete_multipart_upload;
mod copy_object;
pub(crate) mod create_bucket;
mod create_multipart_upload;
mod delete_bucket;
mod delete_object;
mod delete_objects;
mod get_bucket_location;
mod get_object;
mod get_object_attributes;
mod head_bucket;
mod head_object;
mod list_buckets;
mod list_multipart_uploads;
mod list_object_versions;
mod list_objects;
mod list_parts;
mod object_acl;
mod object_lock;
mod object_tagging;
pub(crate) mod put_object;
mod upload_part;
mod upload_part_copy;

use std::collections::BTreeMap;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use undercast_kernel::{Context, ServiceError};

use crate::api::s3::shapes::{CommonPrefix, Owner};
use crate::engine::bucket::owner_id;
use crate::error::argument;
use crate::limits::LIST_MAX;
use crate::store::{BucketRow, Encryption, ObjectRow};

fn owner(account: &str) -> Owner {
    Owner { display_name: None, id: Some(owner_id(account)) }
}

fn quoted(etag: &str) -> String {
    format!("\"{etag}\"")
}

/// What objects without another are encrypted with, as answers name it.
fn encryption_name(encryption: Option<&Encryption>) -> String {
    encryption.map_or_else(|| "AES256".to_owned(), |e| e.algorithm.clone())
}

/// The parts of answers that tell how an object is encrypted.
macro_rules! answer_encryption {
    ($output:expr, $encryption:expr) => {{
        let encryption: Option<&$crate::store::Encryption> = $encryption;
        $output.server_side_encryption = Some($crate::operations::encryption_name(encryption));
        $output.ssekms_key_id = encryption.and_then(|e| e.kms_key.clone());
        $output.bucket_key_enabled = encryption.and_then(|e| e.bucket_key.then_some(true));
    }};
}
use answer_encryption;

/// How an object will be encrypted: as asked for, else as the bucket says.
fn encryption(
    ctx: &Context,
    bucket: &BucketRow,
    algorithm: Option<&String>,
    kms_key: Option<&String>,
    bucket_key: Option<bool>,
) -> Result<Option<Encryption>, ServiceError> {
    let algorithm = match algorithm.map(String::as_str) {
        None => match (&bucket.encryption, kms_key) {
            (encryption, None) => return Ok(encryption.clone()),
            (_, Some(_)) => {
                return Err(crate::error::invalid(
                    "Server Side Encryption with KMS managed key requires HTTP header x-amz-server-side-encryption : aws:kms",
                ));
            }
        },
        Some("AES256") => return Ok(None),
        Some(algorithm @ ("aws:kms" | "aws:kms:dsse")) => algorithm,
        Some(other) => {
            return Err(argument(
                "x-amz-server-side-encryption",
                other,
                "The encryption method specified is not supported",
            ));
        }
    };
    let of_bucket = bucket.encryption.as_ref();
    let kms_key = kms_key
        .cloned()
        .or_else(|| of_bucket.and_then(|e| e.kms_key.clone()))
        .unwrap_or_else(|| ctx.arn("kms", "alias/aws/s3"));
    Ok(Some(Encryption {
        algorithm: algorithm.to_owned(),
        kms_key: Some(kms_key),
        bucket_key: bucket_key.unwrap_or_else(|| of_bucket.is_some_and(|e| e.bucket_key)),
    }))
}

/// `STANDARD` is not kept.
fn storage_class(class: Option<&String>) -> Result<Option<String>, ServiceError> {
    match class.map(String::as_str) {
        None | Some("STANDARD") => Ok(None),
        Some(
            class @ ("REDUCED_REDUNDANCY"
            | "STANDARD_IA"
            | "ONEZONE_IA"
            | "INTELLIGENT_TIERING"
            | "GLACIER"
            | "DEEP_ARCHIVE"
            | "GLACIER_IR"),
        ) => Ok(Some(class.to_owned())),
        Some(class) => Err(ServiceError::new(
            "InvalidStorageClass",
            "The storage class you specified is not valid",
        )
        .with_field("StorageClassRequested", class)),
    }
}

/// Names of user metadata are headers: in lower case.
fn metadata(metadata: Option<BTreeMap<String, String>>) -> BTreeMap<String, String> {
    let all = metadata.unwrap_or_default().into_iter();
    all.map(|(name, value)| (name.to_ascii_lowercase(), value)).collect()
}

/// What of a request would need features that are not here.
macro_rules! check_unsupported {
    ($input:expr) => {{
        let unsupported = undercast_kernel::ServiceError::unsupported;
        if $input.sse_customer_algorithm.is_some() || $input.sse_customer_key.is_some() {
            return Err(unsupported("encryption with keys of the customer (SSE-C)"));
        }
        let grants = [
            &$input.grant_full_control,
            &$input.grant_read,
            &$input.grant_read_acp,
            &$input.grant_write_acp,
        ];
        $crate::operations::check_acl($input.acl.as_ref(), grants.iter().any(|g| g.is_some()))?;
    }};
}
use check_unsupported;

/// Locks of objects that are copied or uploaded in parts come from their bucket's rule alone.
macro_rules! check_no_lock {
    ($input:expr) => {{
        if $input.object_lock_mode.is_some()
            || $input.object_lock_retain_until_date.is_some()
            || $input.object_lock_legal_hold_status.is_some()
        {
            return Err(undercast_kernel::ServiceError::unsupported(
                "Object Lock by headers of a copy or of an upload in parts",
            ));
        }
    }};
}
use check_no_lock;

/// Objects belong to the bucket's owner, and nobody else is granted anything by lists.
fn check_acl(acl: Option<&String>, grants: bool) -> Result<(), ServiceError> {
    match acl.map(String::as_str) {
        None | Some("private" | "bucket-owner-full-control" | "bucket-owner-read") if !grants => {
            Ok(())
        }
        _ => Err(ServiceError::new(
            "AccessControlListNotSupported",
            "The bucket does not allow ACLs",
        )),
    }
}

const URL: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'*').remove(b'/').remove(b' ');

/// How names are written in lists.
#[derive(Debug, Clone, Copy)]
struct Encoding(bool);

impl Encoding {
    fn new(encoding: Option<&String>) -> Result<Self, ServiceError> {
        match encoding.map(String::as_str) {
            None | Some("") => Ok(Self(false)),
            Some("url") => Ok(Self(true)),
            Some(other) => Err(argument(
                "encoding-type",
                other,
                "Invalid Encoding Method specified in Request",
            )),
        }
    }

    fn write(self, text: &str) -> String {
        if self.0 {
            utf8_percent_encode(text, URL).to_string().replace(' ', "+")
        } else {
            text.to_owned()
        }
    }

    fn name(self) -> Option<String> {
        self.0.then(|| "url".to_owned())
    }

    fn prefix(self, prefix: &str) -> CommonPrefix {
        CommonPrefix { prefix: Some(self.write(prefix)) }
    }
}

/// `max-keys` and its like: what is asked for, and what is given.
fn list_size(name: &str, asked: Option<i32>) -> Result<(i32, usize), ServiceError> {
    let size = asked.unwrap_or(LIST_MAX);
    if size < 0 {
        return Err(argument(
            name,
            &size.to_string(),
            format!("Argument {name} must be an integer between 0 and 2147483647"),
        ));
    }
    let given = size.min(LIST_MAX);
    Ok((given, usize::try_from(given).unwrap_or_default()))
}

fn storage_class_name(row: &ObjectRow) -> String {
    row.storage_class.clone().unwrap_or_else(|| "STANDARD".to_owned())
}

fn size(row: &ObjectRow) -> i64 {
    i64::try_from(row.size).unwrap_or(i64::MAX)
}
