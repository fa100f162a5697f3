//! From rows to what callers see.

use sha2::{Digest, Sha256};
use undercast_kernel::Context;
use undercast_smithy::Timestamp;

use crate::api::lambda::shapes::{
    AliasConfiguration, AliasRoutingConfiguration, DeadLetterConfig, DestinationConfig,
    EnvironmentError, EnvironmentResponse, EphemeralStorage, FunctionConfiguration,
    FunctionEventInvokeConfig, Layer, LoggingConfig, OnFailure, OnSuccess, RuntimeVersionConfig,
    SnapStartResponse, TracingConfigResponse, VpcConfigResponse,
};
use crate::name::FunctionName;
use crate::store::{AliasRow, ConfigRow, InvokeConfigRow, SettingsRow, UsedLayerRow};

/// One version of a function, under the ARN that the caller used.
pub(crate) fn configuration(
    ctx: &Context,
    name: &FunctionName,
    arn: String,
    version: &str,
    row: &ConfigRow,
) -> FunctionConfiguration {
    FunctionConfiguration {
        state: Some("Active".to_owned()),
        last_update_status: Some("Successful".to_owned()),
        runtime_version_config: Some(RuntimeVersionConfig {
            runtime_version_arn: Some(runtime_version(&name.region, &row.settings.runtime)),
            error: None,
        }),
        ..listed(ctx, name, arn, version, row)
    }
}

/// The same as it stands in lists: without its state.
pub(crate) fn listed(
    ctx: &Context,
    name: &FunctionName,
    arn: String,
    version: &str,
    row: &ConfigRow,
) -> FunctionConfiguration {
    let settings = &row.settings;
    FunctionConfiguration {
        function_name: Some(name.name.clone()),
        function_arn: Some(arn),
        version: Some(version.to_owned()),
        code_sha256: Some(row.code.sha256.clone()),
        code_size: i64::try_from(row.code.blob.len).ok(),
        last_modified: Some(last_modified(row.modified_ms)),
        revision_id: Some(row.revision.clone()),
        runtime: Some(settings.runtime.clone()),
        handler: Some(settings.handler.clone()),
        role: Some(settings.role.clone()),
        description: Some(settings.description.clone()),
        timeout: i32::try_from(settings.timeout_s).ok(),
        memory_size: i32::try_from(settings.memory_mb).ok(),
        package_type: Some("Zip".to_owned()),
        architectures: Some(vec![settings.architecture.clone()]),
        kms_key_arn: settings.kms_key.clone(),
        environment: environment(ctx, &name.name, settings),
        ..parts(settings)
    }
}

/// The variables; why not, if they were sealed with a key that is not here.
fn environment(
    ctx: &Context,
    function: &str,
    settings: &SettingsRow,
) -> Option<EnvironmentResponse> {
    let opened = settings.environment.as_ref()?.open(&ctx.kernel().settings().vault, function);
    Some(match opened {
        Ok(variables) => EnvironmentResponse { variables: Some(variables), error: None },
        Err(_) => EnvironmentResponse {
            variables: None,
            error: Some(EnvironmentError {
                error_code: Some("KMSAccessDeniedException".to_owned()),
                message: Some("The environment variables cannot be decrypted.".to_owned()),
            }),
        },
    })
}

/// The members that are structures.
fn parts(settings: &SettingsRow) -> FunctionConfiguration {
    let logging = &settings.logging;
    FunctionConfiguration {
        ephemeral_storage: Some(EphemeralStorage {
            size: i32::try_from(settings.tmp_mb).unwrap_or_default(),
        }),
        tracing_config: Some(TracingConfigResponse { mode: Some(settings.tracing.clone()) }),
        snap_start: Some(SnapStartResponse {
            apply_on: Some(settings.snap_start.clone()),
            optimization_status: Some("Off".to_owned()),
        }),
        logging_config: Some(LoggingConfig {
            log_format: Some(logging.format.clone()),
            application_log_level: logging.application_level.clone(),
            system_log_level: logging.system_level.clone(),
            log_group: Some(logging.group.clone()),
        }),
        dead_letter_config: settings
            .dead_letter
            .clone()
            .map(|arn| DeadLetterConfig { target_arn: Some(arn) }),
        vpc_config: settings.vpc.as_ref().map(|vpc| VpcConfigResponse {
            subnet_ids: Some(vpc.subnets.clone()),
            security_group_ids: Some(vpc.security_groups.clone()),
            vpc_id: Some(String::new()),
            ipv6_allowed_for_dual_stack: Some(vpc.ipv6),
        }),
        layers: Some(settings.layers.iter().map(layer).collect())
            .filter(|l: &Vec<_>| !l.is_empty()),
        ..FunctionConfiguration::default()
    }
}

fn layer(row: &UsedLayerRow) -> Layer {
    Layer {
        arn: Some(row.arn.clone()),
        code_size: i64::try_from(row.code.blob.len).ok(),
        ..Layer::default()
    }
}

/// `2024-02-29T12:00:00.000+0000`.
fn last_modified(unix_ms: i64) -> String {
    let text = Timestamp::from_millis(unix_ms).iso8601_millis();
    format!("{}+0000", text.trim_end_matches('Z'))
}

fn runtime_version(region: &str, runtime: &str) -> String {
    let hash = hex::encode(Sha256::digest(runtime.as_bytes()));
    format!("arn:aws:lambda:{region}::runtime:{hash}")
}

pub(crate) fn alias(name: &FunctionName, alias: &str, row: &AliasRow) -> AliasConfiguration {
    let weights = Some(row.weights.clone()).filter(|weights| !weights.is_empty());
    AliasConfiguration {
        alias_arn: Some(name.arn_with(alias)),
        name: Some(alias.to_owned()),
        function_version: Some(row.version.clone()),
        description: Some(row.description.clone()),
        routing_config: weights
            .map(|weights| AliasRoutingConfiguration { additional_version_weights: Some(weights) }),
        revision_id: Some(row.revision.clone()),
    }
}

pub(crate) fn invoke_config(arn: String, row: &InvokeConfigRow) -> FunctionEventInvokeConfig {
    FunctionEventInvokeConfig {
        last_modified: Some(Timestamp::from_millis(row.modified_ms)),
        function_arn: Some(arn),
        maximum_retry_attempts: row.retries.and_then(|n| i32::try_from(n).ok()),
        maximum_event_age_in_seconds: row.age_s.and_then(|n| i32::try_from(n).ok()),
        destination_config: Some(DestinationConfig {
            on_success: Some(OnSuccess { destination: row.on_success.clone() }),
            on_failure: Some(OnFailure { destination: row.on_failure.clone() }),
        }),
    }
}
