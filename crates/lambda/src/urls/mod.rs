//! Function URLs: addresses under which a function, or an alias, answers HTTP.

mod cors;
mod door;
mod event;
mod reply;

use undercast_kernel::{Context, ServiceError};
use undercast_smithy::Timestamp;
use undercast_store::Tx;

use crate::api::lambda::shapes::{Cors, FunctionUrlConfig};
use crate::error::{invalid, not_found};
use crate::name::{FunctionName, LATEST, number};
use crate::store::{ALIASES, CorsRow, FUNCTIONS, FunctionKey, QualifiedKey, URL_IDS, URLS, UrlRow};
pub(crate) use door::UrlDoor;

/// Where the address of this function or alias is kept; it has to exist.
pub(crate) async fn scope(tx: &Tx, name: &FunctionName) -> Result<QualifiedKey, ServiceError> {
    let missing = || not_found("Function does not exist");
    FUNCTIONS.get(tx, &name.key()).await?.ok_or_else(missing)?;
    let Some(alias) = name.qualifier.as_deref() else {
        return Ok(name.qualified_key(""));
    };
    if alias == LATEST || number(alias).is_some() {
        return Err(invalid("Function URLs are for functions and aliases; versions have none."));
    }
    let key = name.qualified_key(alias);
    ALIASES.get(tx, &key).await?.map(|_| key).ok_or_else(missing)
}

/// Forgets the address of a function or alias. Answers whether it had one.
pub(crate) async fn remove(tx: &Tx, key: &QualifiedKey) -> Result<bool, ServiceError> {
    let Some(row) = URLS.get(tx, key).await? else {
        return Ok(false);
    };
    URL_IDS.delete(tx, &(row.id,))?;
    URLS.delete(tx, key)?;
    Ok(true)
}

/// The same for a function and all of its aliases.
pub(crate) async fn remove_all(tx: &Tx, key: &FunctionKey) -> Result<(), ServiceError> {
    for (key, _) in URLS.scan(tx, URLS.prefix(key), 10_000, false).await? {
        remove(tx, &key).await?;
    }
    Ok(())
}

/// What a key stands for.
fn name_of(key: &QualifiedKey) -> FunctionName {
    FunctionName {
        account: key.0.clone(),
        region: key.1.clone(),
        name: key.2.clone(),
        qualifier: Some(key.3.clone()).filter(|qualifier| !qualifier.is_empty()),
    }
}

/// By host where every name under the client's host leads here, else by path.
fn address(ctx: &Context, id: &str) -> String {
    let url = ctx.public_url();
    let (scheme, host) = url.split_once("://").unwrap_or(("http", url));
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let is_wildcard = name == "localhost"
        || name.ends_with(".localhost")
        || name.ends_with("localhost.localstack.cloud");
    match is_wildcard {
        true => format!("{scheme}://{id}.lambda-url.{}.{host}/", ctx.region()),
        false => format!("{url}{}{id}/", door::PATH),
    }
}

pub(crate) fn describe(ctx: &Context, key: &QualifiedKey, row: &UrlRow) -> FunctionUrlConfig {
    let time = |unix_ms| Timestamp::from_millis(unix_ms).iso8601_millis();
    FunctionUrlConfig {
        function_url: address(ctx, &row.id),
        function_arn: name_of(key).own_arn(),
        creation_time: time(row.created_ms),
        last_modified_time: time(row.modified_ms),
        cors: row.cors.as_ref().map(shown_cors),
        auth_type: if row.is_signed { "AWS_IAM" } else { "NONE" }.to_owned(),
        invoke_mode: Some(if row.streams { "RESPONSE_STREAM" } else { "BUFFERED" }.to_owned()),
    }
}

fn shown_cors(row: &CorsRow) -> Cors {
    Cors {
        allow_credentials: row.credentials,
        allow_headers: row.headers.clone(),
        allow_methods: row.methods.clone(),
        allow_origins: row.origins.clone(),
        expose_headers: row.exposed.clone(),
        max_age: row.max_age_s,
    }
}

/// What a caller gives; a configuration that says nothing takes the old one away.
pub(crate) fn cors_row(cors: &Cors) -> Option<CorsRow> {
    let row = CorsRow {
        credentials: cors.allow_credentials,
        headers: cors.allow_headers.clone(),
        methods: cors.allow_methods.clone(),
        origins: cors.allow_origins.clone(),
        exposed: cors.expose_headers.clone(),
        max_age_s: cors.max_age,
    };
    Some(row).filter(|row| *row != CorsRow::default())
}
