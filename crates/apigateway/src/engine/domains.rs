//! Domain names and the mappings of paths under them.

use std::net::IpAddr;

use serde_json::{Value, json};
use undercast_kernel::{Context, ServiceError};
use undercast_smithy::Document;
use undercast_store::Tx;

use super::parts::{STAGE, get, new_id, require_api};
use crate::error::{bad, conflict, not_found};
use crate::limits::{MAPPING_KEY_CHARS_MAX, MAPPINGS_MAX};
use crate::store::{DOMAINS, HOSTS, KeptRow, MAPPINGS, MappingRow, OwnerRow};

/// The zone that regional names are in.
const ZONE: &str = "Z1UJRXOUMOOFQ8";
/// Names that lead to the cloud itself.
const OWN: &[&str] =
    &["amazonaws.com", "on.aws", "amazoncognito.com", "localhost.localstack.cloud"];

type Key = (String, String, String);

pub(crate) fn key(ctx: &Context, name: &str) -> Key {
    (ctx.account().to_owned(), ctx.region().to_owned(), name.to_owned())
}

pub(crate) async fn require(tx: &Tx, ctx: &Context, name: &str) -> Result<KeptRow, ServiceError> {
    let name = name.to_ascii_lowercase();
    let row = DOMAINS.get(tx, &key(ctx, &name)).await?;
    row.ok_or_else(|| {
        ServiceError::new("NotFoundException", "Invalid domain name identifier specified")
    })
}

/// A host that clients may come by, and that is not the cloud's own address.
fn check_name(ctx: &Context, name: &str) -> Result<(), ServiceError> {
    let bare = name.strip_prefix("*.").unwrap_or(name);
    let is_host = bare.len() <= 253
        && bare.contains('.')
        && bare.parse::<IpAddr>().is_err()
        && bare.split('.').all(|label| {
            let inner = label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
            inner && (1..=63).contains(&label.len()) && !label.starts_with('-')
        });
    if !is_host {
        return Err(bad(format!("Invalid domain name: {name}")));
    }
    let below = |of: &str| bare == of || bare.strip_suffix(of).is_some_and(|b| b.ends_with('.'));
    let covers = |host: &str| {
        host == name
            || name.starts_with("*.") && host.split_once('.').is_some_and(|(_, h)| h == bare)
    };
    let settings = ctx.kernel().settings();
    let public = [&settings.public_url, &settings.callback_url, &ctx.origin().url];
    let hosts = public.map(|url| {
        let host = url.split_once("://").map_or(url.as_str(), |(_, host)| host);
        host.split(['/', ':']).next().unwrap_or_default().to_ascii_lowercase()
    });
    let of_service = bare.strip_suffix(".localhost").is_some_and(|rest| {
        let first = rest.split('.').next_back().unwrap_or_default();
        name.starts_with("*.") || rest.contains('.') || ctx.kernel().service(first).is_some()
    });
    let is_own = OWN.iter().any(|of| below(of))
        || hosts.iter().any(|host| covers(host) || host.contains('.') && below(host));
    match is_own || bare == "localhost" || of_service {
        true => Err(bad(format!("The domain name {name} leads to the cloud itself"))),
        false => Ok(()),
    }
}

/// What the caller says of the name, completed.
fn configurations(
    ctx: &Context,
    given: Option<&Value>,
    regional: &str,
) -> Result<Value, ServiceError> {
    let given = given.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let [one] = given else {
        return Err(bad("A domain name has one configuration"));
    };
    let text = |name: &str| one.get(name).and_then(Value::as_str);
    let certificate = text("CertificateArn").unwrap_or_default();
    if !certificate.starts_with("arn:aws:acm:") && !certificate.starts_with("arn:aws:iam:") {
        return Err(bad("Invalid certificate ARN: a certificate of ACM or IAM is expected"));
    }
    if text("EndpointType").is_some_and(|kind| kind != "REGIONAL") {
        return Err(bad("Domain names of HTTP APIs have the endpoint type REGIONAL"));
    }
    let mut made = json!({
        "ApiGatewayDomainName": format!("{regional}.execute-api.{}.amazonaws.com", ctx.region()),
        "DomainNameStatus": "AVAILABLE",
        "EndpointType": "REGIONAL",
        "HostedZoneId": ZONE,
        "IpAddressType": "ipv4",
        "SecurityPolicy": "TLS_1_2",
    });
    made = super::parts::merge(one, &super::parts::merge(&made, one));
    Ok(json!([made]))
}

fn check_modes(input: &Document) -> Result<(), ServiceError> {
    if input.get("MutualTlsAuthentication").is_some_and(|m| !m.is_null()) {
        return Err(ServiceError::unsupported("mutual TLS of a domain name"));
    }
    match input.get("RoutingMode").and_then(Value::as_str) {
        None | Some("API_MAPPING_ONLY") => Ok(()),
        Some(mode) => Err(ServiceError::unsupported(format!("the routing mode {mode}"))),
    }
}

pub(crate) async fn create(
    tx: &Tx,
    ctx: &Context,
    input: &Document,
) -> Result<KeptRow, ServiceError> {
    let name = input.get("DomainName").and_then(Value::as_str).unwrap_or_default();
    let name = name.to_ascii_lowercase();
    check_name(ctx, &name)?;
    check_modes(input)?;
    if HOSTS.get(tx, &name).await?.is_some() {
        return Err(bad("The domain name you provided already exists."));
    }
    let regional = format!("d-{}", new_id(tx, 10));
    let given = input.get("DomainNameConfigurations");
    let arn = format!("arn:aws:apigateway:{}::/domainnames/{name}", ctx.region());
    let document = json!({
        "ApiMappingSelectionExpression": "$request.basepath",
        "DomainName": name,
        "DomainNameArn": arn,
        "DomainNameConfigurations": configurations(ctx, given, &regional)?,
        "RoutingMode": "API_MAPPING_ONLY",
        "Tags": input.get("Tags").filter(|tags| !tags.is_null()).unwrap_or(&json!({})),
    });
    let row = KeptRow { document, created_ms: tx.now_ms() };
    DOMAINS.put(tx, &key(ctx, &name), &row)?;
    let owner = OwnerRow { account: ctx.account().to_owned(), region: ctx.region().to_owned() };
    HOSTS.put(tx, &name, &owner)?;
    Ok(row)
}

pub(crate) async fn update(
    tx: &Tx,
    ctx: &Context,
    input: &Document,
) -> Result<KeptRow, ServiceError> {
    let name = input.get("DomainName").and_then(Value::as_str).unwrap_or_default();
    let mut row = require(tx, ctx, name).await?;
    check_modes(input)?;
    if let Some(given) = input.get("DomainNameConfigurations").filter(|g| !g.is_null()) {
        let old = row.document.pointer("/DomainNameConfigurations/0/ApiGatewayDomainName");
        let old = old.and_then(Value::as_str).and_then(|old| old.split('.').next());
        let old = old.unwrap_or_default().to_owned();
        let made = configurations(ctx, Some(given), &old)?;
        if let Value::Object(document) = &mut row.document {
            document.insert("DomainNameConfigurations".to_owned(), made);
        }
    }
    DOMAINS.put(tx, &key(ctx, &name.to_ascii_lowercase()), &row)?;
    Ok(row)
}

/// With its mappings.
pub(crate) async fn delete(tx: &Tx, ctx: &Context, name: &str) -> Result<(), ServiceError> {
    require(tx, ctx, name).await?;
    let name = name.to_ascii_lowercase();
    for row in mappings(tx, &name).await? {
        MAPPINGS.delete(tx, &(name.clone(), row.id))?;
    }
    DOMAINS.delete(tx, &key(ctx, &name))?;
    HOSTS.delete(tx, &name)?;
    Ok(())
}

pub(crate) async fn mappings(tx: &Tx, name: &str) -> Result<Vec<MappingRow>, ServiceError> {
    let prefix = MAPPINGS.prefix(&(name.to_ascii_lowercase(),));
    let rows = MAPPINGS.scan(tx, prefix, MAPPINGS_MAX, false).await?;
    Ok(rows.into_iter().map(|(_, row)| row).collect())
}

pub(crate) async fn mapping(
    tx: &Tx,
    ctx: &Context,
    name: &str,
    id: &str,
) -> Result<MappingRow, ServiceError> {
    require(tx, ctx, name).await?;
    let row = MAPPINGS.get(tx, &(name.to_ascii_lowercase(), id.to_owned())).await?;
    row.ok_or_else(|| not_found("ApiMapping", id))
}

/// Keeps a mapping, if it leads somewhere and its key is free. Every writer touches the domain's row, so that
/// two of them meet.
pub(crate) async fn put_mapping(
    tx: &Tx,
    ctx: &Context,
    name: &str,
    row: MappingRow,
) -> Result<MappingRow, ServiceError> {
    let domain = require(tx, ctx, name).await?;
    let name = name.to_ascii_lowercase();
    require_api(tx, ctx, &row.api).await?;
    get(tx, ctx, &row.api, STAGE, &row.stage).await?;
    let valid = row.key.len() <= MAPPING_KEY_CHARS_MAX
        && row.key.bytes().all(|b| b.is_ascii_alphanumeric() || b"$-_.+!*'()/".contains(&b))
        && (row.key.is_empty() || row.key.split('/').all(|segment| !segment.is_empty()));
    if !valid {
        return Err(bad(format!("Invalid API mapping key: {}", row.key)));
    }
    let others = mappings(tx, &name).await?;
    if others.iter().any(|other| other.id != row.id && other.key == row.key) {
        return Err(conflict("ApiMapping key already exists for this domain name"));
    }
    if others.len() >= MAPPINGS_MAX {
        return Err(bad(format!("A domain name has at most {MAPPINGS_MAX} mappings")));
    }
    DOMAINS.put(tx, &key(ctx, &name), &domain)?;
    MAPPINGS.put(tx, &(name, row.id.clone()), &row)?;
    Ok(row)
}

pub(crate) fn shown_mapping(row: &MappingRow) -> Document {
    json!({"ApiId": row.api, "ApiMappingId": row.id, "ApiMappingKey": row.key, "Stage": row.stage})
}
