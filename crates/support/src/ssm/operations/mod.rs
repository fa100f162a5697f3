//! One file for each operation; what several of them share is here.

mod add_tags_to_resource;
mod delete_parameter;
mod delete_parameters;
mod describe_parameters;
mod get_parameter;
mod get_parameter_history;
mod get_parameters;
mod get_parameters_by_path;
mod list_tags_for_resource;
mod put_parameter;
mod remove_tags_from_resource;

use undercast_kernel::{Access, Context, ServiceError};
use undercast_smithy::Timestamp;
use undercast_store::Tx;

use crate::api::ssm::shapes::Parameter;
use crate::ssm::store::{PARAMETERS, ParameterKey, ParameterRow, VERSIONS, VersionRow};

const NAME_CHARS_MAX: usize = 1_011;

fn access(ctx: &Context, operation: &str, name: &str) -> Vec<Access> {
    vec![Access::new(format!("ssm:{operation}"), arn(ctx, name))]
}

pub(crate) fn arn(ctx: &Context, name: &str) -> String {
    if name.starts_with("arn:") {
        return name.to_owned();
    }
    ctx.arn("ssm", format!("parameter/{}", name.trim_start_matches('/')))
}

fn check_name(name: &str) -> Result<(), ServiceError> {
    let valid = !name.is_empty()
        && name.len() <= NAME_CHARS_MAX
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-/".contains(&b));
    let lower = name.trim_start_matches('/').to_ascii_lowercase();
    if lower.starts_with("aws") || lower.starts_with("ssm") {
        return Err(ServiceError::new(
            "ValidationException",
            format!(
                "Parameter name: can't be prefixed with \"{}\" (case-insensitive). If formed as a path, it can consist of sub-paths divided by slash symbol; each sub-path can be formed as a mix of letters, numbers and the following 3 symbols .-_",
                lower.get(..3).unwrap_or_default()
            ),
        ));
    }
    if !valid {
        return Err(ServiceError::new(
            "ValidationException",
            "Parameter name must be a fully qualified name.",
        ));
    }
    Ok(())
}

/// The key of a name or ARN, without a selector.
fn key(ctx: &Context, name: &str) -> ParameterKey {
    let name = match name.split_once(":parameter/") {
        // The ARN of `/a/b` and of `a/b` look alike; a path has a slash inside.
        Some((_, path)) if path.contains('/') => format!("/{path}"),
        Some((_, path)) => path.to_owned(),
        None => name.to_owned(),
    };
    (ctx.account().to_owned(), ctx.region().to_owned(), name)
}

fn not_found(name: &str) -> ServiceError {
    let error = ServiceError::new("ParameterNotFound", "");
    error.with_source(format!("no parameter {name}"))
}

fn shown(ctx: &Context, name: &str, version: i64, row: VersionRow) -> Parameter {
    Parameter {
        name: Some(name.to_owned()),
        r#type: Some(row.kind),
        value: Some(row.value),
        version: Some(version),
        last_modified_date: Some(Timestamp::from_millis(row.modified_ms)),
        arn: Some(arn(ctx, name)),
        data_type: Some(row.data_type),
        ..Parameter::default()
    }
}

/// A parameter by name, `name:version` or ARN.
async fn find(tx: &Tx, ctx: &Context, name: &str) -> Result<Option<Parameter>, ServiceError> {
    let (base, selector) = match name.rsplit_once(':') {
        Some((base, selector)) if !name.starts_with("arn:") => (base, Some(selector)),
        _ => (name, None),
    };
    let key = key(ctx, base);
    let Some(row) = PARAMETERS.get(tx, &key).await? else {
        return Ok(None);
    };
    let Some(selector) = selector else {
        return Ok(Some(shown(ctx, &key.2, row.version, row.latest)));
    };
    let missing = || {
        ServiceError::new(
            "ParameterVersionNotFound",
            format!(
                "Systems Manager could not find version {selector} of {base}. Verify the version and try again."
            ),
        )
    };
    let version: i64 = selector.parse().map_err(|_| missing())?;
    let old =
        VERSIONS.get(tx, &(key.0, key.1, key.2.clone(), version)).await?.ok_or_else(missing)?;
    let mut parameter = shown(ctx, &key.2, version, old);
    parameter.selector = Some(format!(":{selector}"));
    Ok(Some(parameter))
}

async fn delete(tx: &Tx, ctx: &Context, name: &str) -> Result<bool, ServiceError> {
    let key = key(ctx, name);
    if PARAMETERS.get(tx, &key).await?.is_none() {
        return Ok(false);
    }
    for (version, _) in VERSIONS.scan(tx, VERSIONS.prefix(&key), 200, false).await? {
        VERSIONS.delete(tx, &version)?;
    }
    PARAMETERS.delete(tx, &key)?;
    Ok(true)
}

/// The parameters whose names begin with a prefix, from behind a token.
async fn scan(
    tx: &Tx,
    ctx: &Context,
    prefix: &str,
    token: Option<&String>,
) -> Result<Vec<(String, ParameterRow)>, ServiceError> {
    let scope = (ctx.account().to_owned(), ctx.region().to_owned());
    let range = match token {
        Some(last) => PARAMETERS.after(&scope, &(scope.0.clone(), scope.1.clone(), last.clone())),
        None => PARAMETERS.starting_with(&scope, prefix),
    };
    let rows = PARAMETERS.scan(tx, range, 10_000, false).await?;
    Ok(rows
        .into_iter()
        .map(|(key, row)| (key.2, row))
        .filter(|(name, _)| name.starts_with(prefix))
        .collect())
}

/// One page, and the name behind which the next begins.
fn page<T>(mut rows: Vec<(String, T)>, size: usize) -> (Vec<(String, T)>, Option<String>) {
    let more = rows.len() > size;
    rows.truncate(size);
    let next = rows.last().filter(|_| more).map(|(name, _)| name.clone());
    (rows, next)
}

async fn resource(
    tx: &Tx,
    ctx: &Context,
    kind: &str,
    id: &str,
) -> Result<(ParameterKey, ParameterRow), ServiceError> {
    if kind != "Parameter" {
        return Err(ServiceError::unsupported(format!("tagging a {kind}")));
    }
    let key = key(ctx, id);
    let row = PARAMETERS.get(tx, &key).await?.ok_or_else(|| {
        ServiceError::new(
            "InvalidResourceId",
            "The resource ID is not valid. Verify that you entered the correct ID and try again.",
        )
    })?;
    Ok((key, row))
}
