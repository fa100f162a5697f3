//! `CopyObject`: makes an object of another one, without its content passing the caller.

use undercast_kernel::{Access, Context, Handler, ServiceError};
use undercast_smithy::Timestamp;
use undercast_store::Tx;

use crate::S3;
use crate::api::s3::operations::CopyObject;
use crate::api::s3::shapes::{CopyObjectInput, CopyObjectOutput, CopyObjectResult};
use crate::engine::bucket::{load_for_write, object_access, on, version_access};
use crate::engine::condition::{Conditions, WriteConditions};
use crate::engine::copy::{self, Copied, Place};
use crate::engine::notify::{Event, Subject, notify};
use crate::engine::object::{self, NewObject, check_key, check_metadata};
use crate::engine::{checksum, read, tags, version};
use crate::error::{argument, busy, invalid};
use crate::limits::OBJECT_TAGS_MAX;
use crate::store::{Content, ObjectRow, Properties, Versioning};

/// How often a source that changes under the copy is read again.
const ATTEMPTS: usize = 5;

impl Handler<CopyObject> for S3 {
    fn authorize(&self, _: &Context, input: &CopyObjectInput) -> Vec<Access> {
        let mut accesses = object_access("PutObject", &input.bucket, &input.key);
        if let Ok(place) = Place::parse(&input.copy_source) {
            let version = place.version.as_ref();
            accesses.extend(version_access("GetObject", &place.bucket, &place.key, version));
        }
        if input.tagging.is_some() {
            accesses.extend(object_access("PutObjectTagging", &input.bucket, &input.key));
        }
        accesses
    }

    async fn handle(
        &self,
        ctx: Context,
        input: CopyObjectInput,
    ) -> Result<CopyObjectOutput, ServiceError> {
        super::check_unsupported!(input);
        super::check_no_lock!(input);
        if input.copy_source_sse_customer_algorithm.is_some() {
            return Err(ServiceError::unsupported("encryption with keys of the customer (SSE-C)"));
        }
        check_key(&input.key)?;
        let place = Place::parse(&input.copy_source)?;
        for _ in 0..ATTEMPTS {
            if let Some(output) = attempt(&ctx, &input, &place).await? {
                return Ok(output);
            }
        }
        Err(busy())
    }
}

fn replaces(name: &str, directive: Option<&String>) -> Result<bool, ServiceError> {
    match directive.map(String::as_str) {
        None | Some("COPY") => Ok(false),
        Some("REPLACE") => Ok(true),
        Some(other) => Err(argument(name, other, format!("Unknown {name}."))),
    }
}

/// `None` if the source has changed meanwhile.
async fn attempt(
    ctx: &Context,
    input: &CopyObjectInput,
    place: &Place,
) -> Result<Option<CopyObjectOutput>, ServiceError> {
    let conditions = Conditions {
        if_match: input.copy_source_if_match.as_deref(),
        if_none_match: input.copy_source_if_none_match.as_deref(),
        if_modified_since: input.copy_source_if_modified_since,
        if_unmodified_since: input.copy_source_if_unmodified_since,
    };
    let tx = ctx.store().begin().await?;
    let owner = input.expected_source_bucket_owner.as_ref();
    let (bucket, source) = copy::find(ctx, &tx, place, owner, &conditions).await?;
    let new = new_object(input, &source)?;
    let in_place =
        place.version.is_none() && place.bucket == input.bucket && place.key == input.key;
    if in_place && !changes(input)? && bucket.encryption.is_none() {
        return Err(invalid(
            "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.",
        ));
    }
    let algorithm = input.checksum_algorithm.as_deref();
    let copied = copy::content(ctx, &tx, &bucket, &source, algorithm).await?;
    drop(tx);
    let source_version = read::version_id(&bucket, &source);
    let all = (input.clone(), place.clone(), new, copied);
    let done = ctx
        .transact(all, |tx, ctx, all| async move {
            let (input, place, new, copied) = &*all;
            commit(&tx, &ctx, input, place, new, copied).await
        })
        .await?;
    Ok(done.map(|(row, versioning)| answer(&row, versioning, source_version)))
}

fn changes(input: &CopyObjectInput) -> Result<bool, ServiceError> {
    let replaced = replaces("x-amz-metadata-directive", input.metadata_directive.as_ref())?;
    Ok(replaced
        || input.storage_class.is_some()
        || input.website_redirect_location.is_some()
        || input.server_side_encryption.is_some())
}

fn new_object(input: &CopyObjectInput, source: &ObjectRow) -> Result<NewObject, ServiceError> {
    let replaced = replaces("x-amz-metadata-directive", input.metadata_directive.as_ref())?;
    let mut properties = if replaced {
        Properties {
            content_type: input.content_type.clone(),
            cache_control: input.cache_control.clone(),
            content_disposition: input.content_disposition.clone(),
            content_encoding: input.content_encoding.clone(),
            content_language: input.content_language.clone(),
            expires: input.expires.clone(),
            website_redirect: None,
            metadata: super::metadata(input.metadata.clone()),
        }
    } else {
        source.properties.clone()
    };
    properties.website_redirect = input.website_redirect_location.clone();
    check_metadata(&properties)?;
    let tags = if replaces("x-amz-tagging-directive", input.tagging_directive.as_ref())? {
        tags::from_header(input.tagging.as_deref().unwrap_or_default(), OBJECT_TAGS_MAX)?
    } else {
        source.tags.clone()
    };
    Ok(NewObject {
        key: input.key.clone(),
        size: source.size,
        properties,
        tags,
        storage_class: super::storage_class(input.storage_class.as_ref())?,
        ..NewObject::default()
    })
}

async fn commit(
    tx: &Tx,
    ctx: &Context,
    input: &CopyObjectInput,
    place: &Place,
    new: &NewObject,
    copied: &Copied,
) -> Result<Option<(ObjectRow, Versioning)>, ServiceError> {
    if let (true, object::Source::Blob(blob)) = (copied.borrowed, &copied.source) {
        let none = Conditions::default();
        let owner = input.expected_source_bucket_owner.as_ref();
        let (_, source) = copy::find(ctx, tx, place, owner, &none).await?;
        if source.content != Content::Blob(*blob) {
            return Ok(None);
        }
    }
    let owner = input.expected_bucket_owner.as_ref();
    let wanted = on("PutObject", &input.key);
    let bucket = load_for_write(tx, ctx, &input.bucket, owner, wanted).await?;
    let latest = read::latest(tx, &bucket, &input.key).await?;
    WriteConditions::new(input.if_match.as_ref(), input.if_none_match.as_ref())?
        .check(&input.key, latest.as_ref())?;
    let mut new = new.clone();
    new.etag = copied.md5.clone();
    new.checksum = copied.checksum.clone();
    new.encryption = super::encryption(
        ctx,
        &bucket,
        input.server_side_encryption.as_ref(),
        input.ssekms_key_id.as_ref(),
        input.bucket_key_enabled,
    )?;
    let row = object::put(tx, &bucket, latest, new, copied.source.clone()).await?;
    let subject = Subject::written(&bucket, &row);
    notify(tx, ctx, &bucket, &input.bucket, Event::Copy, &subject).await?;
    Ok(Some((row, bucket.versioning)))
}

fn answer(
    row: &ObjectRow,
    versioning: Versioning,
    source_version: Option<String>,
) -> CopyObjectOutput {
    let mut result = CopyObjectResult {
        e_tag: Some(super::quoted(&row.etag)),
        last_modified: Some(Timestamp::from_millis(row.modified_ms)),
        ..CopyObjectResult::default()
    };
    if let Some(checksum) = &row.checksum {
        checksum::answer!(result, checksum);
        result.checksum_type = Some(checksum::kind(checksum.composite));
    }
    let mut output = CopyObjectOutput {
        copy_object_result: Some(result),
        copy_source_version_id: source_version,
        version_id: (versioning == Versioning::Enabled).then(|| version::id(row)),
        ..CopyObjectOutput::default()
    };
    super::answer_encryption!(output, row.encryption.as_ref());
    output
}
