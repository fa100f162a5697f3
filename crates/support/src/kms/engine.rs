//! Encrypting and decrypting for the operations that do it, and what an algorithm asks of a key.

use undercast_kernel::{Context, ServiceError};
use undercast_smithy::Blob;
use undercast_store::Tx;

use super::crypto::{self, EncryptionContext, Spec};
use super::material;
use super::operations::{arn, invalid, require, using};
use super::store::{Key, KeyRow};

const SYMMETRIC: &str = "SYMMETRIC_DEFAULT";

pub(crate) struct Made {
    pub(crate) blob: Vec<u8>,
    pub(crate) key_arn: String,
    pub(crate) algorithm: String,
    pub(crate) material_id: Option<String>,
}

pub(crate) struct Opened {
    pub(crate) text: Vec<u8>,
    pub(crate) key_arn: String,
    pub(crate) algorithm: String,
    pub(crate) material_id: Option<String>,
}

/// What is to be decrypted.
pub(crate) struct Given<'a> {
    pub(crate) blob: Option<&'a Blob>,
    pub(crate) key_id: Option<&'a str>,
    pub(crate) algorithm: Option<&'a str>,
    pub(crate) context: &'a EncryptionContext,
}

pub(crate) fn spec(row: &KeyRow) -> Result<Spec, ServiceError> {
    Spec::parse(&row.spec).ok_or_else(|| ServiceError::internal(format!("a key of {}", row.spec)))
}

pub(crate) fn not_for(ctx: &Context, key: &Key, row: &KeyRow, operation: &str) -> ServiceError {
    ServiceError::new(
        "InvalidKeyUsageException",
        format!(
            "{} key usage is {} which is not valid for {operation}.",
            arn(ctx, &key.2),
            row.usage
        ),
    )
}

/// The key's spec, if the algorithm is one of its own.
pub(crate) fn with_algorithm(
    ctx: &Context,
    key: &Key,
    row: &KeyRow,
    algorithm: &str,
) -> Result<Spec, ServiceError> {
    let spec = spec(row)?;
    if spec.algorithms(&row.usage).contains(&algorithm) {
        return Ok(spec);
    }
    let (arn, of) = (arn(ctx, &key.2), &row.spec);
    Err(ServiceError::new(
        "InvalidKeyUsageException",
        format!(
            "Algorithm {algorithm} and key spec {of} of {arn} are incompatible: it can be used with {}.",
            spec.algorithms(&row.usage).join(", ")
        ),
    ))
}

pub(crate) async fn encrypt(
    tx: &Tx,
    ctx: &Context,
    key_id: &str,
    algorithm: Option<&str>,
    context: &EncryptionContext,
    text: &[u8],
    operation: &str,
) -> Result<Made, ServiceError> {
    let (key, row) = using(tx, ctx, key_id, "ENCRYPT_DECRYPT", operation).await?;
    let algorithm = algorithm.unwrap_or(SYMMETRIC);
    let spec = with_algorithm(ctx, &key, &row, algorithm)?;
    let material = material::current(tx, ctx.kernel(), &key, &row).await?;
    let key_arn = arn(ctx, &key.2);
    let blob = match spec {
        Spec::Symmetric => {
            crypto::encrypt(&material.bytes, material.number, &key_arn, context, text, tx.ids())?
        }
        _ => {
            no_context(context)?;
            let ids = std::sync::Arc::clone(&ctx.env().ids);
            crypto::encrypt_rsa(&material.bytes, algorithm, text, ids)?.ok_or_else(|| {
                invalid(&format!(
                    "Algorithm {algorithm} and key spec {} cannot encrypt data of {} bytes.",
                    row.spec,
                    text.len()
                ))
            })?
        }
    };
    let material_id = (spec == Spec::Symmetric).then_some(material.id);
    Ok(Made { blob, key_arn, algorithm: algorithm.to_owned(), material_id })
}

fn no_context(context: &EncryptionContext) -> Result<(), ServiceError> {
    match context.as_ref().is_none_or(std::collections::BTreeMap::is_empty) {
        true => Ok(()),
        false => Err(invalid("An encryption context is for symmetric encryption keys alone.")),
    }
}

fn unreadable() -> ServiceError {
    ServiceError::new("InvalidCiphertextException", "")
}

/// The key that a blob says it was encrypted with.
pub(crate) fn key_of(blob: Option<&Blob>) -> Option<String> {
    Some(crypto::header(&blob?.0)?.key_arn)
}

pub(crate) async fn decrypt(
    tx: &Tx,
    ctx: &Context,
    given: Given<'_>,
    operation: &str,
) -> Result<Opened, ServiceError> {
    let blob = given.blob.ok_or_else(|| invalid("A ciphertext has to be given."))?;
    let algorithm = given.algorithm.unwrap_or(SYMMETRIC);
    if algorithm != SYMMETRIC {
        let id = given.key_id.ok_or_else(|| {
            invalid("A key id is required to decrypt with an asymmetric KMS key.")
        })?;
        let (key, row) = using(tx, ctx, id, "ENCRYPT_DECRYPT", operation).await?;
        with_algorithm(ctx, &key, &row, algorithm)?;
        no_context(given.context)?;
        let material = material::current(tx, ctx.kernel(), &key, &row).await?;
        let ids = std::sync::Arc::clone(&ctx.env().ids);
        let text = crypto::decrypt_rsa(&material.bytes, algorithm, &blob.0, ids)?;
        return Ok(Opened {
            text: text.ok_or_else(unreadable)?,
            key_arn: arn(ctx, &key.2),
            algorithm: algorithm.to_owned(),
            material_id: None,
        });
    }
    let header = crypto::header(&blob.0).ok_or_else(unreadable)?;
    if let Some(id) = given.key_id {
        let (key, row) = using(tx, ctx, id, "ENCRYPT_DECRYPT", operation).await?;
        with_algorithm(ctx, &key, &row, algorithm)?;
        if arn(ctx, &key.2) != header.key_arn {
            return Err(ServiceError::new(
                "IncorrectKeyException",
                "The key ID in the request does not identify a CMK that can perform this operation.",
            ));
        }
    }
    let gone = || {
        ServiceError::access_denied(
            "The ciphertext refers to a customer master key that does not exist, does not exist in this region, or you are not allowed to access.",
        )
    };
    require(tx, ctx, &header.key_arn).await.map_err(|_| gone())?;
    let (key, _) = using(tx, ctx, &header.key_arn, "ENCRYPT_DECRYPT", operation).await?;
    let material = material::numbered(tx, ctx.kernel(), &key, header.material).await?;
    let material = material.ok_or_else(unreadable)?;
    let text = crypto::decrypt(&material.bytes, &header, given.context, &blob.0)?;
    Ok(Opened {
        text: text.ok_or_else(unreadable)?,
        key_arn: header.key_arn,
        algorithm: algorithm.to_owned(),
        material_id: Some(material.id),
    })
}

/// How long the data key is that somebody asks for.
pub(crate) fn data_key_bytes(
    spec: Option<&str>,
    count: Option<i32>,
) -> Result<usize, ServiceError> {
    match (spec, count) {
        (Some("AES_128"), None) => Ok(16),
        (Some(_), None) => Ok(32),
        (None, Some(count)) => usize::try_from(count).map_err(ServiceError::internal),
        _ => Err(invalid("Please specify either number of bytes or key spec.")),
    }
}

pub(crate) fn pair_spec(name: &str) -> Result<Spec, ServiceError> {
    let spec = Spec::parse(name).filter(|spec| spec.is_asymmetric());
    spec.ok_or_else(|| ServiceError::unsupported(format!("a key pair of spec {name}")))
}

/// The digest to sign: of the message, or the message itself.
pub(crate) fn digest(
    kind: Option<&str>,
    algorithm: &str,
    message: &[u8],
) -> Result<Vec<u8>, ServiceError> {
    match kind.unwrap_or("RAW") {
        "RAW" => Ok(crypto::digest(algorithm, message)),
        "DIGEST" if message.len() == crypto::digest_bytes(algorithm) => Ok(message.to_vec()),
        "DIGEST" => Err(invalid(&format!("Digest is invalid length for algorithm {algorithm}."))),
        other => Err(ServiceError::unsupported(format!("a message of type {other}"))),
    }
}
