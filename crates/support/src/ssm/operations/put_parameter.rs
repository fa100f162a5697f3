//! `PutParameter`: sets a parameter.

use std::collections::BTreeSet;

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{access, arn, check_name, key};
use crate::api::ssm::operations::PutParameter;
use crate::api::ssm::shapes::{PutParameterInput, PutParameterOutput};
use crate::ssm::Ssm;
use crate::ssm::store::{PARAMETERS, ParameterRow, VERSIONS, VersionRow};
use crate::ssm::{policy, secure};

impl Handler<PutParameter> for Ssm {
    fn authorize(&self, ctx: &Context, input: &PutParameterInput) -> Vec<Access> {
        access(ctx, "PutParameter", &input.name)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: PutParameterInput,
    ) -> Result<PutParameterOutput, ServiceError> {
        check_name(&input.name)?;
        if input.overwrite.unwrap_or(false)
            && input.tags.as_ref().is_some_and(|tags| !tags.is_empty())
        {
            return Err(invalid(
                "Invalid request: tags and overwrite can't be used together. To create a parameter with tags, please remove overwrite flag. To update tags for an existing parameter, please use AddTagsToResource or RemoveTagsFromResource.",
            ));
        }
        let old = PARAMETERS.read(ctx.store(), &key(&ctx, &input.name)).await?;
        let wanted = kind(&input, old.as_ref())?;
        let secured = match wanted == "SecureString" {
            true => {
                let old_key = old.and_then(|old| old.latest.key_id);
                let key_id = input.key_id.clone().or(old_key);
                let key_id = key_id.unwrap_or_else(|| secure::DEFAULT_KEY.to_owned());
                check_value(&input)?;
                let arn = arn(&ctx, &key(&ctx, &input.name).2);
                let value = secure::encrypt(&ctx, &key_id, &arn, &input.value).await?;
                Some((key_id, value))
            }
            false if input.key_id.is_some() => {
                return Err(invalid(
                    "KeyId is not required for String and StringList type parameter .",
                ));
            }
            false => None,
        };
        ctx.transact((input, wanted, secured), |tx, ctx, given| async move {
            let (input, wanted, secured) = &*given;
            let key = key(&ctx, &input.name);
            let old = PARAMETERS.get(&tx, &key).await?;
            if old.is_some() && !input.overwrite.unwrap_or(false) {
                return Err(ServiceError::new("ParameterAlreadyExists", "The parameter already exists. To overwrite this value, set the overwrite option in the request to true."));
            }
            // Somebody has changed the type since the value was encrypted, or was not.
            if kind(input, old.as_ref())? != *wanted {
                return Err(ServiceError::new("TooManyUpdates", "There are concurrent updates for a resource that supports one update at a time."));
            }
            let tier = check_value(input)?;
            let tier = match old.as_ref().is_some_and(|old| old.latest.tier == "Advanced") {
                true => "Advanced",
                false => tier,
            };
            let expires_ms = match &input.policies {
                Some(_) if tier != "Advanced" => {
                    return Err(invalid("Parameter policies are only supported for parameters of the advanced tier."));
                }
                Some(policies) => policy::expiry(policies, tx.now_ms())?,
                None => None,
            };
            let version = old.as_ref().map_or(1, |o| o.version + 1);
            let (key_id, value) = match secured {
                Some((key_id, value)) => (Some(key_id.clone()), value.clone()),
                None => (None, input.value.clone()),
            };
            let latest = VersionRow {
                kind: wanted.clone(),
                value,
                key_id,
                policies: input.policies.clone(),
                labels: BTreeSet::new(),
                description: input.description.clone(),
                allowed_pattern: input.allowed_pattern.clone(),
                tier: tier.to_owned(),
                data_type: input.data_type.clone().unwrap_or_else(|| "text".to_owned()),
                modified_ms: tx.now_ms(),
                modified_by: ctx.principal().arn(),
            };
            let mut tags = old.map(|o| o.tags).unwrap_or_default();
            tags.extend(input.tags.iter().flatten().map(|t| (t.key.clone(), t.value.clone())));
            let place = |version| (key.0.clone(), key.1.clone(), key.2.clone(), version);
            if version > HISTORY_MAX {
                let oldest = place(version - HISTORY_MAX);
                if VERSIONS.get(&tx, &oldest).await?.is_some_and(|row| !row.labels.is_empty()) {
                    return Err(ServiceError::new(
                        "ParameterMaxVersionLimitExceeded",
                        format!("You attempted to create a new version of {} by calling the PutParameter API with the overwrite flag. Version {}, the oldest version, can't be deleted because it has a label associated with it. Move the label to another version of the parameter, and try again.", input.name, oldest.3),
                    ));
                }
                VERSIONS.delete(&tx, &oldest)?;
            }
            VERSIONS.put(&tx, &place(version), &latest)?;
            PARAMETERS.put(&tx, &key, &ParameterRow { version, tags, latest, expires_ms })?;
            if let Some(at) = expires_ms {
                policy::spawn(&tx, &key, at)?;
            }
            Ok(PutParameterOutput { version: Some(version), tier: Some(tier.to_owned()) })
        })
        .await
    }
}

fn invalid(message: &str) -> ServiceError {
    ServiceError::new("ValidationException", message)
}

/// The type that is given, or that the parameter has.
fn kind(input: &PutParameterInput, old: Option<&ParameterRow>) -> Result<String, ServiceError> {
    let kind = input.r#type.clone().or_else(|| old.map(|old| old.latest.kind.clone()));
    kind.ok_or_else(|| invalid("A parameter type is required when you create a parameter."))
}

/// Checks the value, and says which tier it is for.
fn check_value(input: &PutParameterInput) -> Result<&'static str, ServiceError> {
    let length = input.value.chars().count();
    let tier = match input.tier.as_deref() {
        Some("Advanced") => "Advanced",
        Some("Intelligent-Tiering") if length > STANDARD_CHARS_MAX || input.policies.is_some() => {
            "Advanced"
        }
        _ => "Standard",
    };
    if length == 0 {
        return Err(invalid(
            "1 validation error detected: Value '' at 'value' failed to satisfy constraint: Member must have length greater than or equal to 1.",
        ));
    }
    if tier == "Standard" && length > STANDARD_CHARS_MAX {
        return Err(invalid(
            "Standard tier parameters support a maximum parameter value of 4096 characters. To create a larger parameter value, upgrade the parameter to use the advanced-parameter tier. For more information, see https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-advanced-parameters.html",
        ));
    }
    if length > ADVANCED_CHARS_MAX {
        return Err(invalid(
            "Advanced tier parameters support a maximum parameter value of 8192 characters.",
        ));
    }
    if let Some(pattern) = &input.allowed_pattern {
        let regex = regex::Regex::new(&format!("^(?:{pattern})$")).map_err(|_| {
            ServiceError::new("InvalidAllowedPatternException", "The regular expression is invalid")
        })?;
        if !regex.is_match(&input.value) {
            return Err(ServiceError::new(
                "ParameterPatternMismatchException",
                format!("Parameter value, cannot be validated against allowedPattern: {pattern}"),
            ));
        }
    }
    Ok(tier)
}

const STANDARD_CHARS_MAX: usize = 4_096;
const ADVANCED_CHARS_MAX: usize = 8_192;
/// How many versions are kept.
const HISTORY_MAX: i64 = 100;
