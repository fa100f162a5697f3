//! One file for each operation; what several of them share is here.

mod add_tags_to_resource;
mod delete_parameter;
mod delete_parameters;
mod describe_parameters;
mod get_parameter;
mod get_parameter_history;
mod get_parameters;
mod get_parameters_by_path;
mod label_parameter_version;
mod list_tags_for_resource;
mod put_parameter;
mod remove_tags_from_resource;
mod unlabel_parameter_version;

use undercast_kernel::{Access, Context, ServiceError};
use undercast_smithy::Timestamp;
use undercast_store::Tx;

use crate::api::ssm::shapes::{Parameter, ParameterStringFilter};
use crate::ssm::store::{PARAMETERS, ParameterKey, ParameterRow, VERSIONS, VersionRow};
use crate::ssm::{secrets, secure};

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

fn shown(ctx: &Context, name: &str, version: i64, row: VersionRow) -> Found {
    let parameter = Parameter {
        name: Some(name.to_owned()),
        r#type: Some(row.kind),
        value: Some(row.value),
        version: Some(version),
        last_modified_date: Some(Timestamp::from_millis(row.modified_ms)),
        arn: Some(arn(ctx, name)),
        data_type: Some(row.data_type),
        ..Parameter::default()
    };
    Found { parameter, key_id: row.key_id }
}

/// A parameter as it is kept: a secure string is still encrypted.
struct Found {
    parameter: Parameter,
    key_id: Option<String>,
}

impl Found {
    async fn reveal(
        mut self,
        ctx: &Context,
        with_decryption: Option<bool>,
    ) -> Result<Parameter, ServiceError> {
        if let (Some(true), Some(key_id)) = (with_decryption, &self.key_id) {
            let arn = self.parameter.arn.clone().unwrap_or_default();
            let value = self.parameter.value.take().unwrap_or_default();
            self.parameter.value = Some(secure::decrypt(ctx, key_id, &arn, &value).await?);
        }
        Ok(self.parameter)
    }
}

/// One parameter for its reader, or a secret that it refers to.
async fn read(
    ctx: &Context,
    name: &str,
    with_decryption: Option<bool>,
) -> Result<Option<Parameter>, ServiceError> {
    if name.starts_with(secrets::PREFIX) {
        return secrets::read(ctx, name, with_decryption).await;
    }
    let look = |tx: Tx, ctx: Context, name: std::sync::Arc<String>| async move {
        find(&tx, &ctx, &name).await
    };
    match ctx.transact(name.to_owned(), look).await? {
        Some(found) => Ok(Some(found.reveal(ctx, with_decryption).await?)),
        None => Ok(None),
    }
}

/// A version, or the one that has a label.
async fn version_of(
    tx: &Tx,
    key: &ParameterKey,
    selector: &str,
) -> Result<Option<(i64, VersionRow)>, ServiceError> {
    if let Ok(version) = selector.parse::<i64>() {
        let place = (key.0.clone(), key.1.clone(), key.2.clone(), version);
        return Ok(VERSIONS.get(tx, &place).await?.map(|row| (version, row)));
    }
    let all = VERSIONS.scan(tx, VERSIONS.prefix(key), 200, false).await?;
    let found = all.into_iter().find(|(_, row)| row.labels.contains(selector));
    Ok(found.map(|(place, row)| (place.3, row)))
}

/// A parameter by name, `name:version`, `name:label` or ARN.
async fn find(tx: &Tx, ctx: &Context, name: &str) -> Result<Option<Found>, ServiceError> {
    let (base, selector) = match name.rsplit_once(':') {
        // The colons of an ARN end before its resource.
        Some((base, selector)) if !selector.starts_with("parameter/") => (base, Some(selector)),
        _ => (name, None),
    };
    let key = key(ctx, base);
    let Some(row) = PARAMETERS.get(tx, &key).await? else {
        return Ok(None);
    };
    let Some(selector) = selector else {
        return Ok(Some(shown(ctx, &key.2, row.version, row.latest)));
    };
    let (version, old) =
        version_of(tx, &key, selector).await?.ok_or_else(|| no_version(base, selector))?;
    let mut found = shown(ctx, &key.2, version, old);
    found.parameter.selector = Some(format!(":{selector}"));
    Ok(Some(found))
}

fn no_version(name: &str, selector: &str) -> ServiceError {
    ServiceError::new(
        "ParameterVersionNotFound",
        format!(
            "Systems Manager could not find version {selector} of {name}. Verify the version and try again."
        ),
    )
}

/// Whether a parameter passes a filter; the unknown filter is an error.
async fn passes(
    tx: &Tx,
    key: &ParameterKey,
    row: &ParameterRow,
    filter: &ParameterStringFilter,
) -> Result<bool, ServiceError> {
    let values = filter.values.as_deref().unwrap_or_default();
    let option = filter.option.as_deref().unwrap_or("Equals");
    let matches = |value: &str| {
        values.iter().any(|wanted| match option {
            "BeginsWith" => value.starts_with(wanted.as_str()),
            "Contains" => value.contains(wanted.as_str()),
            _ => value == wanted,
        })
    };
    let name = key.2.as_str();
    Ok(match filter.key.as_str() {
        "Name" => matches(name) || matches(name.trim_start_matches('/')),
        "Type" => matches(&row.latest.kind),
        "Tier" => matches(&row.latest.tier),
        "DataType" => matches(&row.latest.data_type),
        "KeyId" => row.latest.key_id.as_deref().is_some_and(matches),
        "Path" => values.iter().any(|path| {
            let path = format!("{}/", path.trim_end_matches('/'));
            let below = name.strip_prefix(&path);
            below.is_some_and(|rest| option == "Recursive" || !rest.contains('/'))
        }),
        "Label" => {
            let all = VERSIONS.scan(tx, VERSIONS.prefix(key), 200, false).await?;
            all.iter().any(|(_, row)| row.labels.iter().any(|label| matches(label)))
        }
        other => match other.strip_prefix("tag:") {
            Some(tag) => row.tags.get(tag).is_some_and(|value| values.is_empty() || matches(value)),
            None => {
                return Err(ServiceError::new(
                    "InvalidFilterKey",
                    format!("The filter key {other} is not valid."),
                ));
            }
        },
    })
}

async fn delete(tx: &Tx, ctx: &Context, name: &str) -> Result<bool, ServiceError> {
    let key = key(ctx, name);
    if PARAMETERS.get(tx, &key).await?.is_none() {
        return Ok(false);
    }
    erase(tx, &key).await?;
    Ok(true)
}

/// A parameter goes with all its versions.
pub(crate) async fn erase(tx: &Tx, key: &ParameterKey) -> Result<(), ServiceError> {
    for (version, _) in VERSIONS.scan(tx, VERSIONS.prefix(key), 200, false).await? {
        VERSIONS.delete(tx, &version)?;
    }
    Ok(PARAMETERS.delete(tx, key)?)
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
