//! `CreateMultipartUpload`: begins an upload in parts.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::S3;
use crate::api::s3::operations::CreateMultipartUpload;
use crate::api::s3::shapes::{CreateMultipartUploadInput, CreateMultipartUploadOutput};
use crate::engine::bucket::{load_for_write, object_access, on};
use crate::engine::checksum::{self, Algorithm, kind};
use crate::engine::object::{check_key, check_metadata};
use crate::engine::{tags, upload};
use crate::error::invalid;
use crate::limits::OBJECT_TAGS_MAX;
use crate::store::{Properties, UPLOADS, UploadRow};

impl Handler<CreateMultipartUpload> for S3 {
    fn authorize(&self, _: &Context, input: &CreateMultipartUploadInput) -> Vec<Access> {
        object_access("PutObject", &input.bucket, &input.key)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: CreateMultipartUploadInput,
    ) -> Result<CreateMultipartUploadOutput, ServiceError> {
        super::check_unsupported!(input);
        super::check_no_lock!(input);
        check_key(&input.key)?;
        let template = template(&input)?;
        let (bucket, key) = (input.bucket.clone(), input.key.clone());
        let (id, row) = ctx
            .transact((input, template), |tx, ctx, all| async move {
                let (input, template) = &*all;
                let owner = input.expected_bucket_owner.as_ref();
                let wanted = on("PutObject", &input.key);
                let bucket = load_for_write(&tx, &ctx, &input.bucket, owner, wanted).await?;
                let id = upload::new_id(&tx);
                let row = UploadRow {
                    id: tx.ids().u64(),
                    initiated_ms: tx.now_ms(),
                    initiator: ctx.principal().arn(),
                    encryption: super::encryption(
                        &ctx,
                        &bucket,
                        input.server_side_encryption.as_ref(),
                        input.ssekms_key_id.as_ref(),
                        input.bucket_key_enabled,
                    )?,
                    ..template.clone()
                };
                UPLOADS.put(&tx, &(bucket.number, input.key.clone(), id.clone()), &row)?;
                Ok((id, row))
            })
            .await?;
        let mut output = CreateMultipartUploadOutput {
            bucket: Some(bucket),
            key: Some(key),
            upload_id: Some(id),
            checksum_type: row.checksum_algorithm.as_ref().map(|_| kind(row.composite)),
            checksum_algorithm: row.checksum_algorithm.clone(),
            ..CreateMultipartUploadOutput::default()
        };
        super::answer_encryption!(output, row.encryption.as_ref());
        Ok(output)
    }
}

fn template(input: &CreateMultipartUploadInput) -> Result<UploadRow, ServiceError> {
    let algorithm = input.checksum_algorithm.as_deref().map(checksum::parse).transpose()?;
    let composite = composite(algorithm, input.checksum_type.as_deref())?;
    let properties = Properties {
        content_type: input.content_type.clone(),
        cache_control: input.cache_control.clone(),
        content_disposition: input.content_disposition.clone(),
        content_encoding: input.content_encoding.clone().filter(|e| !e.is_empty()),
        content_language: input.content_language.clone(),
        expires: input.expires.clone(),
        website_redirect: input.website_redirect_location.clone(),
        metadata: super::metadata(input.metadata.clone()),
    };
    check_metadata(&properties)?;
    Ok(UploadRow {
        key: input.key.clone(),
        id: 0,
        initiated_ms: 0,
        initiator: String::new(),
        changes: 0,
        properties,
        tags: tags::from_header(input.tagging.as_deref().unwrap_or_default(), OBJECT_TAGS_MAX)?,
        storage_class: super::storage_class(input.storage_class.as_ref())?,
        encryption: None,
        checksum_algorithm: algorithm.map(|a| a.name().to_owned()),
        composite,
    })
}

/// Whether the checksum of the object will be one of its parts' checksums.
fn composite(algorithm: Option<Algorithm>, asked: Option<&str>) -> Result<bool, ServiceError> {
    let Some(algorithm) = algorithm else {
        return match asked {
            None => Ok(false),
            Some(_) => Err(invalid(
                "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.",
            )),
        };
    };
    let refused = |kind: &str| {
        let name = algorithm.name().to_lowercase();
        invalid(format!(
            "The {kind} checksum type cannot be used with the {name} checksum algorithm."
        ))
    };
    match asked {
        Some("FULL_OBJECT") if !algorithm.combines() => Err(refused("FULL_OBJECT")),
        Some("COMPOSITE") if algorithm == Algorithm::Crc64Nvme => Err(refused("COMPOSITE")),
        Some("FULL_OBJECT") => Ok(false),
        Some("COMPOSITE") => Ok(true),
        Some(other) => {
            Err(invalid(format!("Value for x-amz-checksum-type header is invalid: {other}")))
        }
        None => Ok(algorithm != Algorithm::Crc64Nvme),
    }
}
