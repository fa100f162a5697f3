//! `PutParameter`: sets a parameter.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{access, check_name, key};
use crate::api::ssm::operations::PutParameter;
use crate::api::ssm::shapes::{PutParameterInput, PutParameterOutput};
use crate::ssm::Ssm;
use crate::ssm::store::{PARAMETERS, ParameterRow, VERSIONS, VersionRow};

impl Handler<PutParameter> for Ssm {
    fn authorize(&self, ctx: &Context, input: &PutParameterInput) -> Vec<Access> {
        access(ctx, "PutParameter", &input.name)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: PutParameterInput,
    ) -> Result<PutParameterOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {

            check_name(&input.name)?;
            let key = key(&ctx, &input.name);
            let old = PARAMETERS.get(&tx, &key).await?;
            if old.is_some() && !input.overwrite.unwrap_or(false) {
                return Err(ServiceError::new("ParameterAlreadyExists", "The parameter already exists. To overwrite this value, set the overwrite option in the request to true."));
            }
            let kind = input.r#type.clone().or_else(|| old.as_ref().map(|o| o.latest.kind.clone()));
            let kind = kind.ok_or_else(|| ServiceError::new("ValidationException", "A parameter type is required when you create a parameter."))?;
            if kind == "SecureString" {
                return Err(ServiceError::unsupported("a SecureString parameter"));
            }
            let tier = input.tier.clone().filter(|t| t != "Intelligent-Tiering").unwrap_or_else(|| "Standard".to_owned());
            let limit = if tier == "Advanced" { 8_192 } else { 4_096 };
            if input.value.is_empty() {
                return Err(ServiceError::new("ValidationException", "1 validation error detected: Value '' at 'value' failed to satisfy constraint: Member must have length greater than or equal to 1."));
            }
            if input.value.chars().count() > limit {
                return Err(ServiceError::new("ValidationException", "Standard tier parameters support a maximum parameter value of 4096 characters. To create a larger parameter value, upgrade the parameter to use the advanced-parameter tier."));
            }
            if let Some(pattern) = &input.allowed_pattern {
                let regex = regex::Regex::new(&format!("^(?:{pattern})$")).map_err(|_| ServiceError::new("InvalidAllowedPatternException", "The regular expression is invalid"))?;
                if !regex.is_match(&input.value) {
                    return Err(ServiceError::new("ParameterPatternMismatchException", format!("Parameter value, cannot be validated against allowedPattern: {pattern}")));
                }
            }
            let version = old.as_ref().map_or(1, |o| o.version + 1);
            let latest = VersionRow {
                kind,
                value: input.value.clone(),
                description: input.description.clone(),
                allowed_pattern: input.allowed_pattern.clone(),
                tier: tier.clone(),
                data_type: input.data_type.clone().unwrap_or_else(|| "text".to_owned()),
                modified_ms: tx.now_ms(),
                modified_by: ctx.principal().arn(),
            };
            let mut tags = old.map(|o| o.tags).unwrap_or_default();
            tags.extend(input.tags.iter().flatten().map(|t| (t.key.clone(), t.value.clone())));
            VERSIONS.put(&tx, &(key.0.clone(), key.1.clone(), key.2.clone(), version), &latest)?;
            if version > HISTORY_MAX {
                VERSIONS.delete(&tx, &(key.0.clone(), key.1.clone(), key.2.clone(), version - HISTORY_MAX))?;
            }
            PARAMETERS.put(&tx, &key, &ParameterRow { version, tags, latest })?;
            Ok(PutParameterOutput { version: Some(version), tier: Some(tier) })
})
.await
    }
}

/// How many versions are kept.
const HISTORY_MAX: i64 = 100;
