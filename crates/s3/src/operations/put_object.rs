//! `PutObject`: stores an object.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::S3;
use crate::api::s3::operations::PutObject;
use crate::api::s3::shapes::{PutObjectInput, PutObjectOutput};
use crate::engine::bucket::{load_for_write, object_access, on};
use crate::engine::condition::WriteConditions;
use crate::engine::ingest::{self, Wanted, drain};
use crate::engine::notify::{Event, Subject, notify};
use crate::engine::object::{self, NewObject, Source, check_key, check_metadata};
use crate::engine::{checksum, lock, read, tags, version};
use crate::limits::{OBJECT_TAGS_MAX, PUT_BYTES_MAX, ROW_BYTES_MAX};
use crate::store::{Properties, Versioning};

impl Handler<PutObject> for S3 {
    fn authorize(&self, _: &Context, input: &PutObjectInput) -> Vec<Access> {
        let mut accesses = object_access("PutObject", &input.bucket, &input.key);
        if input.tagging.is_some() {
            accesses.extend(object_access("PutObjectTagging", &input.bucket, &input.key));
        }
        if input.object_lock_mode.is_some() {
            accesses.extend(object_access("PutObjectRetention", &input.bucket, &input.key));
        }
        if input.object_lock_legal_hold_status.is_some() {
            accesses.extend(object_access("PutObjectLegalHold", &input.bucket, &input.key));
        }
        accesses
    }

    async fn handle(
        &self,
        ctx: Context,
        input: PutObjectInput,
    ) -> Result<PutObjectOutput, ServiceError> {
        let body = input.body.clone();
        let result = put(ctx, input, Event::Put).await;
        if result.is_err() {
            drain(&body).await;
        }
        result
    }
}

/// `event` tells how the object came.
pub(crate) async fn put(
    ctx: Context,
    mut input: PutObjectInput,
    event: Event,
) -> Result<PutObjectOutput, ServiceError> {
    super::check_unsupported!(input);
    if input.write_offset_bytes.is_some() {
        return Err(ServiceError::unsupported("writing at an offset"));
    }
    check_key(&input.key)?;
    let conditions = WriteConditions::new(input.if_match.as_ref(), input.if_none_match.as_ref())?;
    let wanted = Wanted::new(checksum::given!(input), input.checksum_algorithm.as_deref())?;
    let mut new = new_object(&mut input)?;
    let body = std::mem::take(&mut input.body);
    if body.length().is_none_or(|length| length > ROW_BYTES_MAX as u64) {
        early(&ctx, &input, &conditions).await?;
    }
    let taken = ingest::take(&ctx, body, wanted, ROW_BYTES_MAX, PUT_BYTES_MAX).await?;
    new.size = taken.size();
    new.etag = taken.md5;
    new.checksum = Some(taken.checksum);
    let source = Source::from(taken.content);
    let (row, versioning) = ctx
        .transact((input, conditions, new, source), move |tx, ctx, all| async move {
            let (input, conditions, new, source) = &*all;
            let owner = input.expected_bucket_owner.as_ref();
            let wanted = on("PutObject", &input.key);
            let bucket = load_for_write(&tx, &ctx, &input.bucket, owner, wanted).await?;
            let latest = read::latest(&tx, &bucket, &input.key).await?;
            conditions.check(&input.key, latest.as_ref())?;
            let mut new = new.clone();
            new.lock = lock::asked(
                input.object_lock_mode.as_ref(),
                input.object_lock_retain_until_date,
                input.object_lock_legal_hold_status.as_ref(),
                tx.now_ms(),
            )?;
            new.encryption = super::encryption(
                &ctx,
                &bucket,
                input.server_side_encryption.as_ref(),
                input.ssekms_key_id.as_ref(),
                input.bucket_key_enabled,
            )?;
            let row = object::put(&tx, &bucket, latest, new, source.clone()).await?;
            let subject = Subject::written(&bucket, &row);
            notify(&tx, &ctx, &bucket, &input.bucket, event, &subject).await?;
            Ok((row, bucket.versioning))
        })
        .await?;
    let mut output = PutObjectOutput {
        e_tag: Some(super::quoted(&row.etag)),
        version_id: (versioning == Versioning::Enabled).then(|| version::id(&row)),
        ..PutObjectOutput::default()
    };
    super::answer_encryption!(output, row.encryption.as_ref());
    if let Some(checksum) = &row.checksum {
        checksum::answer!(output, checksum);
        output.checksum_type = Some(checksum::kind(false));
    }
    Ok(output)
}

/// Refuses what will be refused before much is sent.
async fn early(
    ctx: &Context,
    input: &PutObjectInput,
    conditions: &WriteConditions,
) -> Result<(), ServiceError> {
    let tx = ctx.store().begin().await?;
    let owner = input.expected_bucket_owner.as_ref();
    let wanted = on("PutObject", &input.key);
    let bucket = crate::engine::bucket::load(&tx, ctx, &input.bucket, owner, wanted).await?;
    let latest = read::latest(&tx, &bucket, &input.key).await?;
    conditions.check(&input.key, latest.as_ref())
}

fn new_object(input: &mut PutObjectInput) -> Result<NewObject, ServiceError> {
    let properties = Properties {
        content_type: input.content_type.take(),
        cache_control: input.cache_control.take(),
        content_disposition: input.content_disposition.take(),
        content_encoding: input.content_encoding.take().filter(|e| !e.is_empty()),
        content_language: input.content_language.take(),
        expires: input.expires.take(),
        website_redirect: input.website_redirect_location.take(),
        metadata: super::metadata(input.metadata.take()),
    };
    check_metadata(&properties)?;
    let tags = input.tagging.as_deref().unwrap_or_default();
    Ok(NewObject {
        key: input.key.clone(),
        properties,
        tags: tags::from_header(tags, OBJECT_TAGS_MAX)?,
        storage_class: super::storage_class(input.storage_class.as_ref())?,
        ..NewObject::default()
    })
}
