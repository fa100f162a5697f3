//! Dynamic references: `{{resolve:ssm:…}}`, `ssm-secure`, `secretsmanager` in properties. They are resolved
//! when a resource is made; rows and events keep the reference, never the value.

use std::collections::{BTreeMap, BTreeSet};

use undercast_kernel::{Context, ResourceRequest, ServiceError};
use undercast_smithy::Document;

use crate::error::failed;
use crate::template::model::plain;

const OPEN: &str = "{{resolve:";
const CLOSE: &str = "}}";
/// How many a template may have; here, a resource.
const REFERENCES_MAX: usize = 60;

/// Puts values in the place of references. What was before an update, or is to be deleted, is resolved as
/// far as it still can be.
pub(super) async fn resolve(
    ctx: &Context,
    request: &mut ResourceRequest,
    strict: bool,
) -> Result<(), ServiceError> {
    let mut values = BTreeMap::new();
    for (document, strict) in [(&request.properties, strict), (&request.old, false)] {
        let mut wanted = BTreeSet::new();
        collect(document, &mut wanted);
        if wanted.len() > REFERENCES_MAX {
            return Err(failed(format!(
                "Resource {} has more than {REFERENCES_MAX} dynamic references",
                request.logical_id
            )));
        }
        for reference in wanted {
            if values.contains_key(&reference) {
                continue;
            }
            match fetch(ctx, &reference).await {
                Ok(value) => {
                    values.insert(reference, value);
                }
                Err(error) if strict => return Err(error),
                Err(_) => {}
            }
        }
    }
    if !values.is_empty() {
        request.properties = filled(&request.properties, &values);
        request.old = filled(&request.old, &values);
    }
    Ok(())
}

fn collect(value: &Document, found: &mut BTreeSet<String>) {
    match value {
        Document::String(text) => found.extend(references(text).map(str::to_owned)),
        Document::Array(values) => values.iter().for_each(|value| collect(value, found)),
        Document::Object(entries) => entries.values().for_each(|value| collect(value, found)),
        _ => {}
    }
}

/// What stands between `{{resolve:` and `}}`.
fn references(text: &str) -> impl Iterator<Item = &str> {
    text.split(OPEN).skip(1).filter_map(|rest| rest.split_once(CLOSE).map(|(inside, _)| inside))
}

fn filled(value: &Document, values: &BTreeMap<String, String>) -> Document {
    match value {
        Document::String(text) if text.contains(OPEN) => {
            let mut parts = text.split(OPEN);
            let mut out = parts.next().unwrap_or_default().to_owned();
            for part in parts {
                match part.split_once(CLOSE).map(|(inside, rest)| (values.get(inside), rest)) {
                    Some((Some(value), rest)) => {
                        out.push_str(value);
                        out.push_str(rest);
                    }
                    _ => {
                        out.push_str(OPEN);
                        out.push_str(part);
                    }
                }
            }
            out.into()
        }
        Document::Array(list) => list.iter().map(|value| filled(value, values)).collect(),
        Document::Object(entries) => {
            entries.iter().map(|(name, value)| (name.clone(), filled(value, values))).collect()
        }
        other => other.clone(),
    }
}

async fn fetch(ctx: &Context, reference: &str) -> Result<String, ServiceError> {
    let (service, key) = reference.split_once(':').unwrap_or((reference, ""));
    match service {
        "ssm" | "ssm-secure" => parameter(ctx, service, key).await,
        "secretsmanager" => secret(ctx, key).await,
        _ => Err(failed(format!("Dynamic reference service {service} is not known"))),
    }
}

/// A parameter's value, of a version if the key ends in one.
async fn parameter(ctx: &Context, service: &str, key: &str) -> Result<String, ServiceError> {
    let is_secure = service == "ssm-secure";
    let input = serde_json::json!({"Name": key, "WithDecryption": is_secure});
    let output = ctx.kernel().call(ctx, "ssm", "GetParameter", &input).await;
    let output = output.map_err(|error| match error.code() {
        "ParameterNotFound" | "ParameterVersionNotFound" => {
            failed(format!("Parameters: [{service}:{key}] cannot be found."))
        }
        _ => error,
    })?;
    let found = output.get("Parameter").cloned().unwrap_or_default();
    let kind = found.get("Type").map(plain).unwrap_or_default();
    match (is_secure, kind == "SecureString") {
        (false, true) => {
            Err(failed(format!("Parameter {key} is a SecureString: it needs ssm-secure")))
        }
        (true, false) => Err(failed(format!("Parameter {key} is no SecureString: it needs ssm"))),
        _ => Ok(found.get("Value").map(plain).unwrap_or_default()),
    }
}

/// `secret-id:SecretString:json-key:version-stage:version-id`; all but the id may be missing.
async fn secret(ctx: &Context, key: &str) -> Result<String, ServiceError> {
    let parts = Secret::parse(key);
    if !["", "SecretString"].contains(&parts.member) {
        return Err(failed(format!("Dynamic reference {key}: only SecretString can be resolved")));
    }
    let mut input = serde_json::json!({"SecretId": parts.id});
    if let Document::Object(input) = &mut input {
        for (name, value) in [("VersionStage", parts.stage), ("VersionId", parts.version)] {
            if !value.is_empty() {
                input.insert(name.to_owned(), value.into());
            }
        }
    }
    let output = ctx.kernel().call(ctx, "secretsmanager", "GetSecretValue", &input).await?;
    let Some(text) = output.get("SecretString").and_then(Document::as_str) else {
        return Err(failed(format!("Secret {} has no SecretString", parts.id)));
    };
    if parts.json_key.is_empty() {
        return Ok(text.to_owned());
    }
    let document: Document =
        serde_json::from_str(text).map_err(|_| failed("Could not parse SecretString JSON"))?;
    let value = document.get(parts.json_key).map(plain);
    value.ok_or_else(|| failed("Could not find a value associated with JSONKey in SecretString"))
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Secret<'a> {
    id: &'a str,
    member: &'a str,
    json_key: &'a str,
    stage: &'a str,
    version: &'a str,
}

impl<'a> Secret<'a> {
    fn parse(key: &'a str) -> Self {
        // An ARN has six colons of its own.
        let own = if key.starts_with("arn:") { 6 } else { 0 };
        let end = key.match_indices(':').nth(own).map_or(key.len(), |(at, _)| at);
        let (id, rest) = key.split_at_checked(end).unwrap_or((key, ""));
        let mut parts = rest.split(':').skip(1);
        let mut next = || parts.next().unwrap_or_default();
        Self { id, member: next(), json_key: next(), stage: next(), version: next() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn references_are_replaced_where_they_stand() {
        let document = json!({"a": ["x-{{resolve:ssm:/p:1}}-{{resolve:ssm:/q}}-{{resolve:ssm:/p:1}}", 7], "b": "{{resolve:open"});
        let mut found = BTreeSet::new();
        collect(&document, &mut found);
        assert_eq!(found, ["ssm:/p:1".to_owned(), "ssm:/q".to_owned()].into());
        let values = [("ssm:/p:1".to_owned(), "one".to_owned())].into();
        let expected = json!({"a": ["x-one-{{resolve:ssm:/q}}-one", 7], "b": "{{resolve:open"});
        assert_eq!(filled(&document, &values), expected);
    }

    #[test]
    fn a_secret_is_named_by_name_or_arn() {
        let arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:db-AbCdEf";
        let of = Secret::parse(
            "arn:aws:secretsmanager:us-east-1:123456789012:secret:db-AbCdEf:SecretString:password:AWSPREVIOUS:",
        );
        let expected = Secret {
            id: arn,
            member: "SecretString",
            json_key: "password",
            stage: "AWSPREVIOUS",
            version: "",
        };
        assert_eq!(of, expected);
        assert_eq!(Secret::parse("db"), Secret { id: "db", ..Secret::default() });
        assert_eq!(Secret::parse(arn).id, arn);
        assert_eq!(Secret::parse("db:SecretString:k::v").version, "v");
    }
}
