//! Secure strings: encrypted by the key service, each under the ARN of its parameter.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use undercast_kernel::{Context, ServiceError};

/// Used where a parameter names no key.
pub(crate) const DEFAULT_KEY: &str = "alias/aws/ssm";
/// What one call encrypts.
const PART_BYTES_MAX: usize = 4_096;
/// Between the parts of a longer value.
const SEPARATOR: char = '.';

/// With a key of its own, a parameter is for callers who may use that key; the managed one is used for them.
async fn call(
    ctx: &Context,
    key_id: &str,
    operation: &str,
    input: Value,
) -> Result<Value, ServiceError> {
    let own;
    let caller = match key_id == DEFAULT_KEY {
        true => {
            let name = "ssm.amazonaws.com";
            own = ctx.kernel().service_context(name, ctx.account(), ctx.region());
            &own
        }
        false => ctx,
    };
    let answer = ctx.kernel().call(caller, "kms", operation, &input).await;
    answer.map_err(|error| match error.code() {
        "AccessDeniedException" => error,
        code if code.ends_with("Exception") => {
            ServiceError::new("InvalidKeyId", error.message().to_owned())
        }
        _ => error,
    })
}

fn member(answer: &Value, name: &str) -> String {
    answer.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}

pub(crate) async fn encrypt(
    ctx: &Context,
    key_id: &str,
    arn: &str,
    value: &str,
) -> Result<String, ServiceError> {
    let mut parts = Vec::new();
    for part in value.as_bytes().chunks(PART_BYTES_MAX) {
        let input = json!({
            "KeyId": key_id, "Plaintext": BASE64_STANDARD.encode(part),
            "EncryptionContext": {"PARAMETER_ARN": arn},
        });
        parts.push(member(&call(ctx, key_id, "Encrypt", input).await?, "CiphertextBlob"));
    }
    Ok(parts.join(&SEPARATOR.to_string()))
}

pub(crate) async fn decrypt(
    ctx: &Context,
    key_id: &str,
    arn: &str,
    value: &str,
) -> Result<String, ServiceError> {
    let mut bytes = Vec::new();
    for part in value.split(SEPARATOR) {
        let input = json!({
            "CiphertextBlob": part, "EncryptionContext": {"PARAMETER_ARN": arn},
        });
        let part = member(&call(ctx, key_id, "Decrypt", input).await?, "Plaintext");
        bytes.extend(BASE64_STANDARD.decode(part).map_err(ServiceError::internal)?);
    }
    String::from_utf8(bytes).map_err(ServiceError::internal)
}
