//! One file for each operation; what several of them share is here.

mod add_layer_version_permission;
mod add_permission;
mod create_alias;
mod create_event_source_mapping;
mod create_function;
mod create_function_url_config;
mod delete_alias;
mod delete_event_source_mapping;
mod delete_function;
mod delete_function_concurrency;
mod delete_function_event_invoke_config;
mod delete_function_url_config;
mod delete_layer_version;
mod events;
mod get_account_settings;
mod get_alias;
mod get_event_source_mapping;
mod get_function;
mod get_function_concurrency;
mod get_function_configuration;
mod get_function_event_invoke_config;
mod get_function_url_config;
mod get_layer_version;
mod get_layer_version_by_arn;
mod get_layer_version_policy;
mod get_policy;
mod invoke;
mod invoke_with_response_stream;
mod list_aliases;
mod list_event_source_mappings;
mod list_function_event_invoke_configs;
mod list_function_url_configs;
mod list_functions;
mod list_layer_versions;
mod list_layers;
mod list_tags;
mod list_versions_by_function;
mod policy;
mod publish_layer_version;
mod publish_version;
mod put_function_concurrency;
mod put_function_event_invoke_config;
mod remove_layer_version_permission;
mod remove_permission;
mod tag_resource;
mod tagging;
mod untag_resource;
mod update_alias;
mod update_event_source_mapping;
mod update_function_code;
mod update_function_configuration;
mod update_function_event_invoke_config;
mod update_function_url_config;

use std::collections::BTreeMap;

use undercast_kernel::{Access, Context, ServiceError};
use undercast_store::Tx;

use crate::api::lambda::shapes::AliasRoutingConfiguration;
use crate::code;
use crate::error::{invalid, no_function};
use crate::functions;
use crate::layers;
use crate::limits::PAGE_MAX;
use crate::name::{FunctionName, LATEST, number};
use crate::store::{ALIASES, ConfigRow, FUNCTIONS, FunctionRow, VERSIONS};

fn access(ctx: &Context, action: &str, function: &str, qualifier: Option<&str>) -> Vec<Access> {
    let name = FunctionName::loose(ctx, function, qualifier);
    vec![Access::new(format!("lambda:{action}"), name.own_arn())]
}

fn layer_access(ctx: &Context, action: &str, layer: &str, number: Option<i64>) -> Vec<Access> {
    let arn = match (layers::key(ctx, layer), number) {
        (Ok(key), None) => layers::arn(&key),
        (Ok(key), Some(number)) => format!("{}:{number}", layers::arn(&key)),
        (Err(_), _) => "*".to_owned(),
    };
    vec![Access::new(format!("lambda:{action}"), arn)]
}

fn page_size(wanted: Option<i32>) -> usize {
    let wanted = wanted.and_then(|n| usize::try_from(n).ok());
    wanted.unwrap_or(PAGE_MAX).clamp(1, PAGE_MAX)
}

/// The function, whatever the qualifier.
async fn require(tx: &Tx, name: &FunctionName) -> Result<FunctionRow, ServiceError> {
    let row = FUNCTIONS.get(tx, &name.key()).await?;
    row.ok_or_else(|| no_function(name.arn()))
}

/// What a qualified name stands for; of an alias with weights, its main version.
struct Found {
    row: FunctionRow,
    version: String,
    config: ConfigRow,
}

async fn find(ctx: &Context, name: &FunctionName) -> Result<Found, ServiceError> {
    let tx = ctx.store().begin().await?;
    let missing = || no_function(name.own_arn());
    let row = FUNCTIONS.get(&tx, &name.key()).await?.ok_or_else(missing)?;
    let version = match name.qualifier.as_deref() {
        None | Some(LATEST) => LATEST.to_owned(),
        Some(qualifier) if number(qualifier).is_some() => qualifier.to_owned(),
        Some(alias) => {
            let alias = ALIASES.get(&tx, &name.qualified_key(alias)).await?;
            alias.ok_or_else(missing)?.version
        }
    };
    let config = functions::config(&tx, name, row.clone(), &version).await?;
    Ok(Found { config: config.ok_or_else(missing)?, row, version })
}

/// Makes a version of `$LATEST`, or finds the last one where nothing has changed since. The caller puts
/// the row.
async fn publish(
    tx: &Tx,
    name: &FunctionName,
    row: &mut FunctionRow,
    description: Option<&str>,
) -> Result<(u64, ConfigRow), ServiceError> {
    let (account, region, function) = name.key();
    let key = |number| (account.clone(), region.clone(), function.clone(), number);
    let last = row.next_version - 1;
    if let Some(config) = VERSIONS.get(tx, &key(last)).await? {
        let mut settings = config.settings.clone();
        settings.description.clone_from(&row.latest.settings.description);
        if settings == row.latest.settings && config.code == row.latest.code {
            return Ok((last, config));
        }
    }
    let mut config = row.latest.clone();
    config.build = tx.ids().hex(16);
    config.revision = tx.ids().uuid();
    if let Some(description) = description {
        description.clone_into(&mut config.settings.description);
    }
    let number = row.next_version;
    row.next_version += 1;
    VERSIONS.put(tx, &key(number), &config)?;
    let version = number.to_string();
    code::link(tx, &name.key(), &version, None, Some(&config))?;
    Ok((number, config))
}

fn weights(routing: Option<&AliasRoutingConfiguration>) -> BTreeMap<String, f64> {
    routing.and_then(|routing| routing.additional_version_weights.clone()).unwrap_or_default()
}

/// Whether an alias may lead to these versions.
async fn check_alias(
    tx: &Tx,
    name: &FunctionName,
    version: &str,
    weights: &BTreeMap<String, f64>,
) -> Result<(), ServiceError> {
    if weights.len() > 1 {
        return Err(invalid(
            "Number of items in AdditionalVersionWeights cannot be greater than 1",
        ));
    }
    let additional = weights.keys().next();
    if additional.is_some() && version == LATEST {
        return Err(invalid(
            "$LATEST is not supported for an alias pointing to more than 1 version",
        ));
    }
    if additional.is_some_and(|additional| additional == version) {
        return Err(invalid(format!(
            "Invalid function version {version}. Function version {version} is already included in routing configuration."
        )));
    }
    let function = FUNCTIONS.get(tx, &name.key()).await?;
    for wanted in [Some(version), additional.map(String::as_str)].into_iter().flatten() {
        let missing = || no_function(name.arn_with(wanted));
        let row = function.clone().ok_or_else(missing)?;
        if wanted != LATEST && number(wanted).is_none() {
            return Err(missing());
        }
        let config = functions::config(tx, name, row, wanted).await?;
        config.ok_or_else(missing)?;
    }
    Ok(())
}
