//! `/aws/reference/secretsmanager/…`: secrets read as parameters.

use serde_json::{Value, json};
use undercast_kernel::{Context, ServiceError};
use undercast_smithy::Timestamp;

use super::operations::arn;
use crate::api::ssm::shapes::Parameter;

pub(crate) const PREFIX: &str = "/aws/reference/secretsmanager/";

/// The secret that a name refers to, if it does. `None` where the secret is not there.
pub(crate) async fn read(
    ctx: &Context,
    name: &str,
    with_decryption: Option<bool>,
) -> Result<Option<Parameter>, ServiceError> {
    let secret = name.strip_prefix(PREFIX).unwrap_or_default();
    if with_decryption != Some(true) {
        return Err(ServiceError::new(
            "ValidationException",
            "WithDecryption flag must be True for retrieving a Secret Manager secret.",
        ));
    }
    let (id, selector) = match secret.split_once(':') {
        Some((id, selector)) => (id, Some(selector)),
        None => (secret, None),
    };
    let ask = |selector: Value| {
        let mut input = json!({"SecretId": id});
        if let (Value::Object(input), Value::Object(selector)) = (&mut input, selector) {
            input.extend(selector);
        }
        input
    };
    // A label, or else the id of a version.
    let first = selector.map_or(json!({}), |selector| json!({"VersionStage": selector}));
    let call = |input: Value| async move {
        ctx.kernel().call(ctx, "secretsmanager", "GetSecretValue", &input).await
    };
    let mut answer = call(ask(first)).await;
    if let (Err(_), Some(selector)) = (&answer, selector) {
        answer = call(ask(json!({"VersionId": selector}))).await;
    }
    let answer = match answer {
        Err(error) if error.code() == "ResourceNotFoundException" => return Ok(None),
        answer => answer?,
    };
    let text = |name: &str| answer.get(name).and_then(Value::as_str).map(str::to_owned);
    Ok(Some(Parameter {
        name: Some(format!("{PREFIX}{id}")),
        r#type: Some("SecureString".to_owned()),
        value: text("SecretString").or_else(|| text("SecretBinary")),
        version: Some(0),
        selector: selector.map(|selector| format!(":{selector}")),
        source_result: Some(answer.to_string()),
        last_modified_date: Some(Timestamp::from_millis(ctx.now_ms())),
        arn: Some(arn(ctx, name)),
        data_type: Some("text".to_owned()),
    }))
}
