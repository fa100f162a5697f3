//! `ListObjectsV2` and `ListObjects`: the keys of a bucket.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use undercast_kernel::{Access, Context, Handler, ServiceError};
use undercast_smithy::Timestamp;

use super::{Encoding, list_size, owner, quoted, size, storage_class_name};
use crate::S3;
use crate::api::s3::operations::{ListObjects, ListObjectsV2};
use crate::api::s3::shapes::{
    CommonPrefix, ListObjectsInput, ListObjectsOutput, ListObjectsV2Input, ListObjectsV2Output,
    Object,
};
use crate::engine::bucket::{access, load, on_bucket};
use crate::engine::checksum;
use crate::engine::list::{Entry, From, Walk};
use crate::store::ObjectRow;

fn list_access(bucket: &str, prefix: Option<&String>) -> Vec<Access> {
    let accesses = access("ListBucket", bucket).into_iter();
    let prefix = prefix.map_or("", String::as_str);
    accesses.map(|access| access.when("s3:prefix", prefix)).collect()
}

impl Handler<ListObjectsV2> for S3 {
    fn authorize(&self, _: &Context, input: &ListObjectsV2Input) -> Vec<Access> {
        list_access(&input.bucket, input.prefix.as_ref())
    }

    async fn handle(
        &self,
        ctx: Context,
        input: ListObjectsV2Input,
    ) -> Result<ListObjectsV2Output, ServiceError> {
        let encoding = Encoding::new(input.encoding_type.as_ref())?;
        let (max_keys, max) = list_size("max-keys", input.max_keys)?;
        let prefix = input.prefix.clone().unwrap_or_default();
        let from = match (&input.continuation_token, &input.start_after) {
            (Some(token), _) => From::After(read_token(token)?),
            (None, Some(after)) if !after.is_empty() => From::After(after.clone()),
            _ => From::Start,
        };
        let tx = ctx.store().begin().await?;
        let expected = input.expected_bucket_owner.as_ref();
        let bucket = load(&tx, &ctx, &input.bucket, expected, on_bucket("ListBucket")).await?;
        let delimiter = input.delimiter.as_deref();
        let mut walk = Walk::new(bucket.number, &prefix, delimiter, from);
        let (entries, truncated) = walk.page(&tx, max).await?;
        let next = entries.last().filter(|_| truncated);
        let next_continuation_token = next.map(|entry| write_token(entry.name()));
        let key_count = i32::try_from(entries.len()).ok();
        let account = (input.fetch_owner == Some(true)).then_some(bucket.account.as_str());
        let (contents, common_prefixes) = write(entries, encoding, account);
        Ok(ListObjectsV2Output {
            is_truncated: Some(truncated),
            contents,
            name: Some(input.bucket),
            prefix: Some(encoding.write(&prefix)),
            delimiter: input.delimiter.filter(|d| !d.is_empty()).map(|d| encoding.write(&d)),
            max_keys: Some(max_keys),
            common_prefixes,
            encoding_type: encoding.name(),
            key_count,
            continuation_token: input.continuation_token,
            next_continuation_token,
            start_after: input.start_after.map(|after| encoding.write(&after)),
            request_charged: None,
        })
    }
}

impl Handler<ListObjects> for S3 {
    fn authorize(&self, _: &Context, input: &ListObjectsInput) -> Vec<Access> {
        list_access(&input.bucket, input.prefix.as_ref())
    }

    async fn handle(
        &self,
        ctx: Context,
        input: ListObjectsInput,
    ) -> Result<ListObjectsOutput, ServiceError> {
        let encoding = Encoding::new(input.encoding_type.as_ref())?;
        let (max_keys, max) = list_size("max-keys", input.max_keys)?;
        let prefix = input.prefix.clone().unwrap_or_default();
        let marker = input.marker.clone().unwrap_or_default();
        let from = if marker.is_empty() { From::Start } else { From::After(marker.clone()) };
        let tx = ctx.store().begin().await?;
        let expected = input.expected_bucket_owner.as_ref();
        let bucket = load(&tx, &ctx, &input.bucket, expected, on_bucket("ListBucket")).await?;
        let delimiter = input.delimiter.as_deref().filter(|d| !d.is_empty());
        let mut walk = Walk::new(bucket.number, &prefix, delimiter, from);
        let (entries, truncated) = walk.page(&tx, max).await?;
        let next = entries.last().filter(|_| truncated && delimiter.is_some());
        let next_marker = next.map(|entry| encoding.write(entry.name()));
        let (contents, common_prefixes) = write(entries, encoding, Some(&bucket.account));
        Ok(ListObjectsOutput {
            is_truncated: Some(truncated),
            marker: Some(encoding.write(&marker)),
            next_marker,
            contents,
            delimiter: delimiter.map(|d| encoding.write(d)),
            name: Some(input.bucket),
            prefix: Some(encoding.write(&prefix)),
            max_keys: Some(max_keys),
            common_prefixes,
            encoding_type: encoding.name(),
            request_charged: None,
        })
    }
}

type Lists = (Option<Vec<Object>>, Option<Vec<CommonPrefix>>);

fn write(entries: Vec<Entry>, encoding: Encoding, account: Option<&str>) -> Lists {
    let mut objects = Vec::new();
    let mut prefixes = Vec::new();
    for entry in entries {
        match entry {
            Entry::Object(row) => objects.push(object(&row, encoding, account)),
            Entry::Prefix(prefix) => prefixes.push(encoding.prefix(&prefix)),
        }
    }
    (Some(objects).filter(|o| !o.is_empty()), Some(prefixes).filter(|p| !p.is_empty()))
}

fn object(row: &ObjectRow, encoding: Encoding, account: Option<&str>) -> Object {
    let checksum = row.checksum.as_ref();
    Object {
        key: Some(encoding.write(&row.key)),
        last_modified: Some(Timestamp::from_millis(row.modified_ms)),
        e_tag: Some(quoted(&row.etag)),
        checksum_algorithm: checksum.map(|c| vec![c.algorithm.clone()]),
        checksum_type: checksum.map(|c| checksum::kind(c.composite)),
        size: Some(size(row)),
        storage_class: Some(storage_class_name(row)),
        owner: account.map(owner),
        restore_status: None,
    }
}

fn write_token(name: &str) -> String {
    BASE64.encode(format!("1{name}"))
}

fn read_token(token: &str) -> Result<String, ServiceError> {
    let decoded = BASE64.decode(token).ok().and_then(|t| String::from_utf8(t).ok());
    let name = decoded.and_then(|text| Some(text.strip_prefix('1')?.to_owned()));
    name.ok_or_else(|| {
        ServiceError::new("InvalidArgument", "The continuation token provided is incorrect")
            .with_field("ArgumentName", "continuation-token")
    })
}
