//! `GetObject`: the content of an object, or of a part of it. `HeadObject` shares all but the body.

use std::ops::Range;

use undercast_kernel::{Access, Context, Handler, ServiceError};
use undercast_smithy::Timestamp;
use undercast_store::Tx;

use crate::S3;
use crate::api::s3::operations::GetObject;
use crate::api::s3::shapes::{GetObjectInput, GetObjectOutput};
use crate::engine::bucket::{load, on, version_access};
use crate::engine::condition::{self, Conditions};
use crate::engine::read;
use crate::error::{argument, invalid};
use crate::limits::PART_NUMBER_MAX;
use crate::store::{BucketRow, Checksum, Content, ObjectRow};

impl Handler<GetObject> for S3 {
    fn authorize(&self, _: &Context, input: &GetObjectInput) -> Vec<Access> {
        let version = input.version_id.as_ref();
        version_access("GetObject", &input.bucket, &input.key, version)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: GetObjectInput,
    ) -> Result<GetObjectOutput, ServiceError> {
        let tx = ctx.store().begin().await?;
        let mut output = GetObjectOutput::default();
        let found = describe!(tx, ctx, input, output, "GET");
        if let Some(class @ ("GLACIER" | "DEEP_ARCHIVE")) = found.row.storage_class.as_deref() {
            return Err(ServiceError::new(
                "InvalidObjectState",
                "The operation is not valid for the object's storage class",
            )
            .with_status(403)
            .with_field("StorageClass", class));
        }
        output.body = read::open(&ctx, &tx, found.bucket.number, &found.row, found.range).await?;
        Ok(output)
    }
}

/// An object, and which part of it is wanted.
pub(super) struct Found {
    pub(super) bucket: BucketRow,
    pub(super) row: ObjectRow,
    pub(super) range: Range<u64>,
    /// Whether a part was asked for, so that the answer names it.
    pub(super) partial: bool,
    pub(super) checksum: Option<Checksum>,
    pub(super) parts: Option<i32>,
}

/// What decides about a read.
pub(super) struct Asked<'a> {
    pub(super) bucket: &'a str,
    pub(super) key: &'a str,
    pub(super) owner: Option<&'a String>,
    pub(super) version: Option<&'a String>,
    pub(super) range: Option<&'a str>,
    pub(super) part: Option<i32>,
    pub(super) checksum: bool,
    pub(super) conditions: Conditions<'a>,
    pub(super) method: &'static str,
}

pub(super) async fn find(ctx: &Context, tx: &Tx, asked: Asked<'_>) -> Result<Found, ServiceError> {
    let action = if asked.version.is_some() { "GetObjectVersion" } else { "GetObject" };
    let bucket = load(tx, ctx, asked.bucket, asked.owner, on(action, asked.key)).await?;
    let version = asked.version.map(String::as_str);
    let row = read::find(tx, &bucket, asked.key, version, asked.method).await?;
    asked.conditions.check(&row, ctx.now_ms())?;
    if asked.part.is_some() && asked.range.is_some() {
        return Err(invalid("Cannot specify both Range header and partNumber query parameter"));
    }
    let whole = 0..row.size;
    let mut found = Found {
        range: whole.clone(),
        partial: false,
        checksum: row.checksum.clone().filter(|_| asked.checksum),
        parts: None,
        bucket,
        row,
    };
    if let Some(number) = asked.part {
        part(tx, &mut found, number, asked.checksum).await?;
    } else if let Some(header) = asked.range
        && let Some(range) = condition::range(header, found.row.size)?
    {
        found.partial = true;
        found.checksum = found.checksum.filter(|_| range == whole);
        found.range = range;
    }
    Ok(found)
}

/// Narrows to one part of an object that was uploaded in parts; others have one part.
async fn part(tx: &Tx, found: &mut Found, number: i32, checksum: bool) -> Result<(), ServiceError> {
    if !(1..=PART_NUMBER_MAX).contains(&number) {
        return Err(argument(
            "partNumber",
            &number.to_string(),
            "Part number must be an integer between 1 and 10000, inclusive",
        ));
    }
    let count = match found.row.content {
        Content::Parts(count) => count,
        _ => 1,
    };
    let unsatisfiable = || {
        ServiceError::new("InvalidPartNumber", "The requested partnumber is not satisfiable")
            .with_status(416)
            .with_field("PartNumberRequested", number)
            .with_field("ActualPartCount", count)
    };
    found.partial = true;
    if !matches!(found.row.content, Content::Parts(_)) {
        return (number == 1).then_some(()).ok_or_else(unsatisfiable);
    }
    let parts = read::parts(tx, found.bucket.number, found.row.id).await?;
    let mut start = 0;
    for (at, part) in parts {
        let end = start + part.size();
        if i64::from(at) == i64::from(number) {
            found.range = start..end;
            found.checksum = part.told().filter(|_| checksum).cloned();
            found.parts = i32::try_from(count).ok();
            return Ok(());
        }
        start = end;
    }
    Err(unsatisfiable())
}

pub(super) fn content_range(found: &Found) -> Option<String> {
    let last = found.range.end.checked_sub(1)?;
    found.partial.then(|| format!("bytes {}-{last}/{}", found.range.start, found.row.size))
}

pub(super) fn http_date(date: Option<Timestamp>) -> Option<String> {
    date.map(Timestamp::http_date)
}

/// Finds the object that an input asks for and fills in all that its answer says of it.
macro_rules! describe {
    ($tx:expr, $ctx:expr, $input:expr, $output:expr, $method:expr) => {{
        use $crate::engine::{checksum, read};
        use $crate::operations::get_object::{Asked, content_range, find, http_date};
        if $input.sse_customer_algorithm.is_some() {
            return Err(undercast_kernel::ServiceError::unsupported(
                "encryption with keys of the customer (SSE-C)",
            ));
        }
        let asked = Asked {
            bucket: &$input.bucket,
            key: &$input.key,
            owner: $input.expected_bucket_owner.as_ref(),
            version: $input.version_id.as_ref(),
            range: $input.range.as_deref(),
            part: $input.part_number,
            checksum: $input.checksum_mode.as_deref() == Some("ENABLED"),
            conditions: $crate::engine::condition::Conditions {
                if_match: $input.if_match.as_deref(),
                if_none_match: $input.if_none_match.as_deref(),
                if_modified_since: $input.if_modified_since,
                if_unmodified_since: $input.if_unmodified_since,
            },
            method: $method,
        };
        let found = find(&$ctx, &$tx, asked).await?;
        let row = &found.row;
        let properties = &row.properties;
        let content_type = properties.content_type.clone();
        $output.accept_ranges = Some("bytes".to_owned());
        $output.last_modified = Some(undercast_smithy::Timestamp::from_millis(row.modified_ms));
        $output.content_length = i64::try_from(found.range.end - found.range.start).ok();
        $output.content_range = content_range(&found);
        $output.e_tag = Some($crate::operations::quoted(&row.etag));
        $output.version_id = read::version_id(&found.bucket, row);
        $output.cache_control =
            $input.response_cache_control.or_else(|| properties.cache_control.clone());
        $output.content_disposition =
            $input.response_content_disposition.or_else(|| properties.content_disposition.clone());
        $output.content_encoding =
            $input.response_content_encoding.or_else(|| properties.content_encoding.clone());
        $output.content_language =
            $input.response_content_language.or_else(|| properties.content_language.clone());
        $output.content_type = $input
            .response_content_type
            .or(content_type)
            .or_else(|| Some("binary/octet-stream".to_owned()));
        $output.expires = http_date($input.response_expires).or_else(|| properties.expires.clone());
        $output.website_redirect_location = properties.website_redirect.clone();
        $output.metadata = Some(properties.metadata.clone());
        $output.storage_class = row.storage_class.clone();
        if let Some(retention) = &row.lock.retention {
            $output.object_lock_mode = Some($crate::engine::lock::mode_name(retention));
            $output.object_lock_retain_until_date =
                Some(undercast_smithy::Timestamp::from_millis(retention.until_ms));
        }
        if row.lock.is_held {
            $output.object_lock_legal_hold_status = Some("ON".to_owned());
        }
        $output.tag_count = i32::try_from(row.tags.len()).ok().filter(|count| *count > 0);
        $output.parts_count = found.parts;
        $crate::operations::answer_encryption!($output, row.encryption.as_ref());
        if let Some(checksum) = &found.checksum {
            checksum::answer!($output, checksum);
            let composite = row.checksum.as_ref().is_some_and(|c| c.composite);
            $output.checksum_type = Some(checksum::kind(composite));
        }
        found
    }};
}
pub(super) use describe;
