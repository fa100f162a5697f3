//! The code of functions: where it comes from, the blob that keeps it, the folder that runs it.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use undercast_kernel::{Context, Db, ServiceError};
use undercast_sandbox::{UnpackError, UnpackLimits, unpack};
use undercast_store::{BlobId, Tx};

use crate::api::lambda::shapes::{FunctionCode, LayerVersionContentInput, UpdateFunctionCodeInput};
use crate::error::invalid;
use crate::limits::{UNZIPPED_BYTES_MAX, ZIP_BYTES_MAX};
use crate::store::{CodeRow, ConfigRow, FunctionKey};

/// Where a caller says the archive is.
pub(crate) struct Source {
    zip: Option<Bytes>,
    bucket: Option<String>,
    key: Option<String>,
    version: Option<String>,
}

impl From<&FunctionCode> for Source {
    fn from(code: &FunctionCode) -> Self {
        Self {
            zip: code.zip_file.as_ref().map(|blob| blob.0.clone()),
            bucket: code.s3_bucket.clone(),
            key: code.s3_key.clone(),
            version: code.s3_object_version.clone(),
        }
    }
}

impl From<&LayerVersionContentInput> for Source {
    fn from(content: &LayerVersionContentInput) -> Self {
        Self {
            zip: content.zip_file.as_ref().map(|blob| blob.0.clone()),
            bucket: content.s3_bucket.clone(),
            key: content.s3_key.clone(),
            version: content.s3_object_version.clone(),
        }
    }
}

impl From<&UpdateFunctionCodeInput> for Source {
    fn from(input: &UpdateFunctionCodeInput) -> Self {
        Self {
            zip: input.zip_file.as_ref().map(|blob| blob.0.clone()),
            bucket: input.s3_bucket.clone(),
            key: input.s3_key.clone(),
            version: input.s3_object_version.clone(),
        }
    }
}

/// Unpacked code, by the hash of its archive. All of it can be made again from blobs.
#[derive(Debug, Clone)]
pub(crate) struct CodeCache {
    folder: PathBuf,
}

impl CodeCache {
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Fetches an archive, checks that it can be unpacked, and keeps it. A row has to link the blob.
    pub(crate) async fn receive(
        &self,
        ctx: &Context,
        source: Source,
    ) -> Result<CodeRow, ServiceError> {
        let zip = fetch(ctx, source).await?;
        let (zip, sha256, unzipped) = self.unpack(zip).await?;
        let blob = ctx.store().blobs().put(zip).await?;
        Ok(CodeRow { blob, sha256, unzipped })
    }

    /// Removes the code that no version has any more. Only when nothing runs yet.
    pub(crate) async fn sweep(&self, wanted: HashSet<String>) {
        let folder = self.folder.clone();
        let work = move || {
            for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                let name = entry.file_name().to_string_lossy().into_owned();
                let hash = name.split('.').next().unwrap_or_default();
                if wanted.contains(hash) {
                    continue;
                }
                let path = entry.path();
                let removed = match path.is_dir() {
                    true => std::fs::remove_dir_all(&path),
                    false => std::fs::remove_file(&path),
                };
                if let Err(error) = removed {
                    tracing::warn!("{} cannot be removed: {error}", path.display());
                }
            }
        };
        // What is left behind costs space, nothing else.
        let _ = tokio::task::spawn_blocking(work).await;
    }

    async fn unpack(&self, zip: Bytes) -> Result<(Bytes, String, u64), ServiceError> {
        let folder = self.folder.clone();
        let work = move || {
            let sha256 = BASE64.encode(Sha256::digest(&zip));
            let into = folder.join(BlobId::of(&zip).hash.to_string());
            let limits = UnpackLimits { bytes_max: UNZIPPED_BYTES_MAX, ..UnpackLimits::default() };
            unpack(&zip, &into, limits).map(|report| (zip, sha256, report.bytes))
        };
        let done = tokio::task::spawn_blocking(work).await;
        done.map_err(ServiceError::internal)?.map_err(|e| refusal(&e))
    }

    /// The folder with the code, unpacked again if it is not there.
    pub(crate) async fn folder(&self, db: &Db, code: &CodeRow) -> Result<PathBuf, ServiceError> {
        let path = self.folder.join(code.blob.hash.to_string());
        if !is_folder(&path).await {
            let zip = db.blobs().get(&code.blob).await?;
            self.unpack(zip).await?;
        }
        Ok(path)
    }
}

async fn is_folder(path: &Path) -> bool {
    tokio::fs::metadata(path).await.is_ok_and(|meta| meta.is_dir())
}

async fn fetch(ctx: &Context, source: Source) -> Result<Bytes, ServiceError> {
    if let Some(zip) = source.zip {
        if source.bucket.is_some() || source.key.is_some() {
            return Err(invalid(
                "Please do not provide other FunctionCode parameters when providing a ZipFile.",
            ));
        }
        return Ok(zip);
    }
    let (Some(bucket), Some(key)) = (source.bucket, source.key) else {
        return Err(invalid("Please provide a source for function code."));
    };
    let input = json!({"Bucket": bucket, "Key": key, "VersionId": source.version});
    let object = ctx.kernel().call_for_body(ctx, "s3", "GetObject", &input);
    let (_, body) = object.await.map_err(|error| match error.status() {
        Some(500..) => error,
        _ => invalid(format!(
            "Error occurred while GetObject. S3 Error Code: {}. S3 Error Message: {}",
            error.code(),
            error.message()
        )),
    })?;
    body.collect(UNZIPPED_BYTES_MAX).await.map_err(|_| {
        invalid(format!("Unzipped size must be smaller than {UNZIPPED_BYTES_MAX} bytes"))
    })
}

/// Archives that stand in the request itself have a limit of their own.
pub(crate) fn check_size(zip: Option<&Bytes>, operation: &str) -> Result<(), ServiceError> {
    match zip {
        Some(zip) if zip.len() as u64 > ZIP_BYTES_MAX => Err(ServiceError::new(
            "RequestEntityTooLargeException",
            format!("Request must be smaller than 70167211 bytes for the {operation} operation"),
        )
        .with_status(413)),
        _ => Ok(()),
    }
}

fn refusal(error: &UnpackError) -> ServiceError {
    match error {
        UnpackError::TooLarge { bytes_max } => {
            invalid(format!("Unzipped size must be smaller than {bytes_max} bytes"))
        }
        UnpackError::Io(source) => ServiceError::internal(source.to_string()),
        UnpackError::Escape { .. } | UnpackError::TooManyEntries { .. } => {
            invalid(format!("Could not unzip uploaded file: {error}"))
        }
        UnpackError::Invalid(_) => invalid(
            "Could not unzip uploaded file. Please check your file, then try to upload again.",
        ),
    }
}

fn owner(key: &FunctionKey, version: &str) -> Vec<u8> {
    format!("lambda/{}/{}/{}/{version}", key.0, key.1, key.2).into_bytes()
}

/// Notes that a version needs its code and its layers, and that it does not need `old` any more.
pub(crate) fn link(
    tx: &Tx,
    key: &FunctionKey,
    version: &str,
    old: Option<&ConfigRow>,
    new: Option<&ConfigRow>,
) -> Result<(), ServiceError> {
    let owner = owner(key, version);
    for code in old.into_iter().flat_map(ConfigRow::codes) {
        tx.unlink_blob(&code.blob, &owner)?;
    }
    for code in new.into_iter().flat_map(ConfigRow::codes) {
        tx.link_blob(&code.blob, &owner)?;
    }
    Ok(())
}

/// Fails if code and layers together are too large.
pub(crate) fn check_together(config: &ConfigRow) -> Result<(), ServiceError> {
    let bytes: u64 = config.codes().map(|code| code.unzipped).sum();
    if config.settings.layers.is_empty() || bytes <= UNZIPPED_BYTES_MAX {
        return Ok(());
    }
    Err(invalid(format!(
        "Function code combined with layers exceeds the maximum allowed size of {UNZIPPED_BYTES_MAX} bytes. The actual size is {bytes} bytes."
    )))
}

/// Whether a document says where code is in S3.
pub(crate) fn is_in_s3(code: &Value) -> bool {
    code.get("S3Bucket").is_some()
}
