//! What a function may be configured to: checks of what callers give, defaults for what they leave out.

use std::collections::BTreeMap;

use undercast_kernel::vault::Vault;
use undercast_kernel::{Arn, ServiceError};
use undercast_store::Ids;

use crate::api::lambda::shapes::{
    CreateFunctionInput, DeadLetterConfig, Environment, LoggingConfig,
    UpdateFunctionConfigurationInput, VpcConfig,
};
use crate::error::invalid;
use crate::limits::{ENVIRONMENT_BYTES_MAX, MEMORY_MB_MAX, TIMEOUT_S_MAX};
use crate::store::{EnvironmentRow, LoggingRow, SettingsRow, VpcRow};

/// Everything that AWS knows, in its order.
const RUNTIMES: &[&str] = &[
    "nodejs20.x",
    "python3.14",
    "provided.al2023",
    "python3.12",
    "python3.13",
    "nodejs24.x",
    "nodejs22.x",
    "java25",
    "python3.10",
    "python3.11",
    "java21",
    "ruby3.3",
    "ruby3.4",
    "ruby3.2",
    "python3.8",
    "python3.9",
    "java17",
    "nodejs16.x",
    "dotnet10",
    "dotnet8",
    "java11",
    "dotnet6",
    "nodejs18.x",
    "provided.al2",
    "java8.al2",
];

const RESERVED: &[&str] = &[
    "_HANDLER",
    "_X_AMZN_TRACE_ID",
    "AWS_ACCESS_KEY",
    "AWS_ACCESS_KEY_ID",
    "AWS_DEFAULT_REGION",
    "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_INITIALIZATION_TYPE",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_LAMBDA_RUNTIME_API",
    "AWS_REGION",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "LAMBDA_RUNTIME_DIR",
    "LAMBDA_TASK_ROOT",
];

/// What environment variables are sealed with.
#[derive(Clone, Copy)]
pub(crate) struct Sealing<'a> {
    pub(crate) vault: &'a Vault,
    pub(crate) ids: &'a dyn Ids,
}

/// The settings of a new function.
pub(crate) fn create(
    input: &CreateFunctionInput,
    name: &str,
    sealing: Sealing<'_>,
) -> Result<SettingsRow, ServiceError> {
    refuse_on_create(input)?;
    let Some(runtime) = &input.runtime else {
        return Err(invalid(
            "Runtime and Handler are mandatory parameters for functions created with deployment packages.",
        ));
    };
    let handler = input.handler.clone().ok_or_else(|| {
        invalid("Runtime and Handler are mandatory parameters for functions created with deployment packages.")
    })?;
    check_runtime(runtime)?;
    let defaults = SettingsRow {
        runtime: runtime.clone(),
        handler,
        role: input.role.clone(),
        timeout_s: 3,
        memory_mb: 128,
        tmp_mb: 512,
        architecture: "x86_64".to_owned(),
        tracing: "PassThrough".to_owned(),
        snap_start: "None".to_owned(),
        logging: logging(None, name),
        ..SettingsRow::default()
    };
    let mut row = defaults;
    if let Some([architecture, ..]) = input.architectures.as_deref() {
        row.architecture.clone_from(architecture);
    }
    apply(
        &mut row,
        Changes {
            description: input.description.as_ref(),
            timeout: input.timeout,
            memory: input.memory_size,
            tmp: input.ephemeral_storage.as_ref().map(|s| s.size),
            environment: input.environment.as_ref(),
            dead_letter: input.dead_letter_config.as_ref(),
            kms_key: input.kms_key_arn.as_ref(),
            tracing: input.tracing_config.as_ref().and_then(|t| t.mode.as_ref()),
            snap_start: input.snap_start.as_ref().and_then(|s| s.apply_on.as_ref()),
            logging: input.logging_config.as_ref(),
            vpc: input.vpc_config.as_ref(),
        },
        name,
        sealing,
    )?;
    Ok(row)
}

/// The settings after a change.
pub(crate) fn update(
    old: &SettingsRow,
    input: &UpdateFunctionConfigurationInput,
    name: &str,
    sealing: Sealing<'_>,
) -> Result<SettingsRow, ServiceError> {
    refuse_on_update(input)?;
    let mut row = old.clone();
    if let Some(runtime) = &input.runtime {
        check_runtime(runtime)?;
        row.runtime.clone_from(runtime);
    }
    if let Some(handler) = &input.handler {
        row.handler.clone_from(handler);
    }
    if let Some(role) = &input.role {
        row.role.clone_from(role);
    }
    apply(
        &mut row,
        Changes {
            description: input.description.as_ref(),
            timeout: input.timeout,
            memory: input.memory_size,
            tmp: input.ephemeral_storage.as_ref().map(|s| s.size),
            environment: input.environment.as_ref(),
            dead_letter: input.dead_letter_config.as_ref(),
            kms_key: input.kms_key_arn.as_ref(),
            tracing: input.tracing_config.as_ref().and_then(|t| t.mode.as_ref()),
            snap_start: input.snap_start.as_ref().and_then(|s| s.apply_on.as_ref()),
            logging: input.logging_config.as_ref(),
            vpc: input.vpc_config.as_ref(),
        },
        name,
        sealing,
    )?;
    Ok(row)
}

/// What both requests may carry.
struct Changes<'a> {
    description: Option<&'a String>,
    timeout: Option<i32>,
    memory: Option<i32>,
    tmp: Option<i32>,
    environment: Option<&'a Environment>,
    dead_letter: Option<&'a DeadLetterConfig>,
    kms_key: Option<&'a String>,
    tracing: Option<&'a String>,
    snap_start: Option<&'a String>,
    logging: Option<&'a LoggingConfig>,
    vpc: Option<&'a VpcConfig>,
}

fn apply(
    row: &mut SettingsRow,
    changes: Changes<'_>,
    name: &str,
    sealing: Sealing<'_>,
) -> Result<(), ServiceError> {
    let number = |n: i32| u32::try_from(n).unwrap_or_default();
    if let Some(description) = changes.description {
        row.description.clone_from(description);
    }
    row.timeout_s = changes.timeout.map_or(row.timeout_s, number);
    row.memory_mb = changes.memory.map_or(row.memory_mb, number);
    check_most("memorySize", row.memory_mb, MEMORY_MB_MAX)?;
    check_most("timeout", row.timeout_s, TIMEOUT_S_MAX)?;
    row.tmp_mb = changes.tmp.map_or(row.tmp_mb, number);
    if let Some(environment) = changes.environment {
        let variables = environment.variables.clone().unwrap_or_default();
        check_environment(&variables)?;
        let old = row.environment.as_ref().map(|old| old.open(sealing.vault, name)).transpose();
        // What is the same stays as it was sealed: nothing has changed then.
        if old.ok().flatten().as_ref() != Some(&variables) {
            let Sealing { vault, ids } = sealing;
            row.environment = Some(EnvironmentRow::seal(vault, ids, name, &variables)?);
        }
    }
    if let Some(dead_letter) = changes.dead_letter {
        row.dead_letter = dead_letter_target(dead_letter)?;
    }
    if let Some(key) = changes.kms_key {
        row.kms_key = Some(key.clone()).filter(|key| !key.is_empty());
    }
    if let Some(mode) = changes.tracing {
        row.tracing.clone_from(mode);
    }
    if let Some(apply_on) = changes.snap_start {
        row.snap_start.clone_from(apply_on);
    }
    if let Some(config) = changes.logging {
        row.logging = logging(Some((config, &row.logging)), name);
    }
    if let Some(vpc) = changes.vpc {
        row.vpc = vpc_of(vpc);
    }
    Ok(())
}

fn check_most(member: &str, value: u32, most: u32) -> Result<(), ServiceError> {
    match value > most {
        true => Err(ServiceError::new(
            "ValidationException",
            format!(
                "1 validation error detected: Value '{value}' at '{member}' failed to satisfy constraint: Member must have value less than or equal to {most}"
            ),
        )),
        false => Ok(()),
    }
}

fn refuse(is_given: bool, what: &str) -> Result<(), ServiceError> {
    match is_given {
        true => Err(ServiceError::unsupported(what)),
        false => Ok(()),
    }
}

fn refuse_on_create(input: &CreateFunctionInput) -> Result<(), ServiceError> {
    let image = input.package_type.as_deref() == Some("Image") || input.code.image_uri.is_some();
    refuse(image, "a function from a container image")?;
    refuse(input.image_config.is_some(), "ImageConfig")?;
    let files = input.file_system_configs.as_ref();
    refuse(files.is_some_and(|f| !f.is_empty()), "FileSystemConfigs")?;
    refuse(input.code_signing_config_arn.is_some(), "CodeSigningConfigArn")?;
    refuse(input.capacity_provider_config.is_some(), "CapacityProviderConfig")?;
    refuse(input.publish_to.is_some(), "PublishTo")?;
    refuse(input.durable_config.is_some(), "DurableConfig")?;
    refuse(input.tenancy_config.is_some(), "TenancyConfig")
}

fn refuse_on_update(input: &UpdateFunctionConfigurationInput) -> Result<(), ServiceError> {
    refuse(input.image_config.is_some(), "ImageConfig")?;
    let files = input.file_system_configs.as_ref();
    refuse(files.is_some_and(|f| !f.is_empty()), "FileSystemConfigs")?;
    refuse(input.capacity_provider_config.is_some(), "CapacityProviderConfig")?;
    refuse(input.durable_config.is_some(), "DurableConfig")
}

fn check_runtime(runtime: &str) -> Result<(), ServiceError> {
    if !RUNTIMES.contains(&runtime) {
        return Err(invalid(format!(
            "Value {runtime} at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: [{}] or be a valid ARN",
            RUNTIMES.join(", ")
        )));
    }
    let runs = ["nodejs", "python", "provided"].iter().any(|family| runtime.starts_with(family));
    refuse(!runs, &format!("the runtime {runtime} (nodejs, python and provided run here)"))
}

fn check_environment(variables: &BTreeMap<String, String>) -> Result<(), ServiceError> {
    let reserved: Vec<&str> =
        variables.keys().map(String::as_str).filter(|name| RESERVED.contains(name)).collect();
    if !reserved.is_empty() {
        return Err(invalid(format!(
            "Lambda was unable to configure your environment variables because the environment variables you have provided contains reserved keys that are currently not supported for modification. Reserved keys used in this request: {}",
            reserved.join(", ")
        )));
    }
    let measured = serde_json::to_string(variables).map_err(ServiceError::internal)?;
    if measured.len() > ENVIRONMENT_BYTES_MAX {
        return Err(invalid(format!(
            "Lambda was unable to configure your environment variables because the environment variables you have provided exceeded the 4KB limit. String measured: {measured}"
        )));
    }
    Ok(())
}

fn dead_letter_target(config: &DeadLetterConfig) -> Result<Option<String>, ServiceError> {
    let Some(target) = config.target_arn.clone().filter(|arn| !arn.is_empty()) else {
        return Ok(None);
    };
    match Arn::parse(&target).as_ref().map(|arn| arn.service.as_str()) {
        Some("sqs") => Ok(Some(target)),
        Some("sns") => Err(ServiceError::unsupported("an SNS topic as dead letter target")),
        _ => Err(invalid(format!(
            "The provided dead letter target {target} is neither an SQS queue nor an SNS topic."
        ))),
    }
}

fn logging(change: Option<(&LoggingConfig, &LoggingRow)>, name: &str) -> LoggingRow {
    let group = format!("/aws/lambda/{name}");
    let Some((config, old)) = change else {
        return LoggingRow {
            format: "Text".to_owned(),
            application_level: None,
            system_level: None,
            group,
        };
    };
    let format = config.log_format.clone().unwrap_or_else(|| old.format.clone());
    let level = |new: &Option<String>, old: &Option<String>| {
        (format == "JSON").then(|| {
            let known = new.clone().or_else(|| old.clone());
            known.unwrap_or_else(|| "INFO".to_owned())
        })
    };
    LoggingRow {
        application_level: level(&config.application_log_level, &old.application_level),
        system_level: level(&config.system_log_level, &old.system_level),
        group: config.log_group.clone().unwrap_or_else(|| old.group.clone()),
        format,
    }
}

/// Kept and shown; functions have the host's network.
fn vpc_of(config: &VpcConfig) -> Option<VpcRow> {
    let row = VpcRow {
        subnets: config.subnet_ids.clone().unwrap_or_default(),
        security_groups: config.security_group_ids.clone().unwrap_or_default(),
        ipv6: config.ipv6_allowed_for_dual_stack.unwrap_or_default(),
    };
    (!row.subnets.is_empty() || !row.security_groups.is_empty()).then_some(row)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_and_large_environments_are_refused() {
        let one = |name: &str, value: &str| [(name.to_owned(), value.to_owned())].into();
        assert!(check_environment(&one("STAGE", "dev")).is_ok());
        let error = check_environment(&one("AWS_REGION", "x")).unwrap_err();
        assert!(error.message().ends_with("request: AWS_REGION"), "{error}");
        let error = check_environment(&one("BIG", &"x".repeat(4096))).unwrap_err();
        assert!(error.message().contains("4KB limit"), "{error}");
    }

    #[test]
    fn memory_and_time_end_where_awss_do() {
        assert!(check_most("timeout", 900, TIMEOUT_S_MAX).is_ok());
        let error = check_most("timeout", 901, TIMEOUT_S_MAX).unwrap_err();
        assert!(error.message().ends_with("less than or equal to 900"), "{error}");
    }

    #[test]
    fn runtimes_are_known_and_run_here() {
        assert!(check_runtime("nodejs22.x").is_ok());
        let error = check_runtime("PYTHON3.9").unwrap_err();
        assert_eq!(error.code(), "InvalidParameterValueException");
        assert_eq!(check_runtime("java21").unwrap_err().code(), "NotImplemented");
    }

    #[test]
    fn json_logs_have_levels_and_text_logs_have_none() {
        let text = logging(None, "f");
        let json = LoggingConfig { log_format: Some("JSON".into()), ..LoggingConfig::default() };
        let row = logging(Some((&json, &text)), "f");
        assert_eq!(row.application_level.as_deref(), Some("INFO"));
        let back = LoggingConfig { log_format: Some("Text".into()), ..LoggingConfig::default() };
        assert_eq!(logging(Some((&back, &row)), "f"), text);
    }
}
