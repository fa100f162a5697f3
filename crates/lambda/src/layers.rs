//! Layers: archives that functions share, unpacked under `/opt`.

use undercast_kernel::{Access, Arn, Context, ServiceError};
use undercast_smithy::Timestamp;
use undercast_store::Tx;

use crate::api::lambda::shapes::{
    GetLayerVersionOutput, LayerVersionContentOutput, LayerVersionsListItem,
};
use crate::door;
use crate::error::{invalid, no_resource, not_found};
use crate::limits::LAYERS_MAX;
use crate::name::number;
use crate::store::{LAYER_VERSIONS, LayerVersionKey, LayerVersionRow, UsedLayerRow};

/// Account, region and name of a layer, given by name or ARN.
pub(crate) fn key(ctx: &Context, text: &str) -> Result<(String, String, String), ServiceError> {
    let parsed = match text.starts_with("arn:") {
        false => Some((ctx.account().to_owned(), ctx.region().to_owned(), text.to_owned())),
        true => parse(text).map(|(account, region, name, _)| (account, region, name)),
    };
    parsed.ok_or_else(|| invalid(format!("Invalid Layer name: {text}")))
}

pub(crate) fn version_key(
    ctx: &Context,
    text: &str,
    number: i64,
) -> Result<LayerVersionKey, ServiceError> {
    let (account, region, name) = key(ctx, text)?;
    match u64::try_from(number) {
        Ok(number @ 1..) => Ok((account, region, name, number)),
        _ => Err(invalid("Layer Version Cannot be less than 1.")),
    }
}

/// `arn:aws:lambda:{region}:{account}:layer:{name}[:{number}]`.
fn parse(arn: &str) -> Option<(String, String, String, Option<u64>)> {
    let arn = Arn::parse(arn).filter(|arn| arn.service == "lambda")?;
    let rest = arn.resource.strip_prefix("layer:")?;
    let (name, version) = match rest.split_once(':') {
        Some((name, version)) => (name, Some(number(version)?)),
        None => (rest, None),
    };
    (!name.is_empty()).then(|| (arn.account, arn.region, name.to_owned(), version))
}

pub(crate) fn parse_version(arn: &str) -> Option<LayerVersionKey> {
    let (account, region, name, number) = parse(arn)?;
    Some((account, region, name, number?))
}

pub(crate) fn arn((account, region, name): &(String, String, String)) -> String {
    Arn::new("lambda", region, account, format!("layer:{name}")).to_string()
}

pub(crate) fn version_arn((account, region, name, number): &LayerVersionKey) -> String {
    Arn::new("lambda", region, account, format!("layer:{name}:{number}")).to_string()
}

/// What a caller has to be allowed for the layers of a function.
pub(crate) fn accesses(arns: Option<&[String]>) -> impl Iterator<Item = Access> {
    let arns = arns.unwrap_or_default().iter();
    arns.map(|arn| Access::new("lambda:GetLayerVersion", arn.clone()))
}

/// The layers that a function asks for, as they are now.
pub(crate) async fn used(
    ctx: &Context,
    arns: &[String],
) -> Result<Vec<UsedLayerRow>, ServiceError> {
    if arns.len() > LAYERS_MAX {
        return Err(invalid(format!("Cannot reference more than {LAYERS_MAX} layers.")));
    }
    let mut used: Vec<(LayerVersionKey, UsedLayerRow)> = Vec::new();
    for arn in arns {
        let missing = || invalid(format!("Layer version {arn} does not exist."));
        let key = parse_version(arn).ok_or_else(missing)?;
        if key.1 != ctx.region() {
            return Err(invalid(format!(
                "Layers are not in the same region as the function. Layers are expected to be in region {}.",
                ctx.region()
            )));
        }
        let twice = used.iter().find(|(other, _)| (&other.0, &other.2) == (&key.0, &key.2));
        if let Some((_, other)) = twice {
            return Err(invalid(match other.arn == *arn {
                true => format!("Layer version {arn} is referenced more than once."),
                false => format!(
                    "Two different versions of the same layer are not allowed to be referenced in the same function. {} and {arn} are versions of the same layer.",
                    other.arn
                ),
            }));
        }
        let row = LAYER_VERSIONS.read(ctx.store(), &key).await?.ok_or_else(missing)?;
        if !is_shared(ctx, &key, &row) {
            return Err(not_shared(ctx, arn));
        }
        used.push((key, UsedLayerRow { arn: arn.clone(), code: row.code }));
    }
    Ok(used.into_iter().map(|(_, row)| row).collect())
}

/// Whether the caller's account may have a layer: its own, or one whose policy says so.
fn is_shared(ctx: &Context, key: &LayerVersionKey, row: &LayerVersionRow) -> bool {
    let account = format!("arn:aws:iam::{}:root", ctx.account());
    let names = |statement: &String| {
        let statement: serde_json::Value = serde_json::from_str(statement).unwrap_or_default();
        let principal = statement.get("Principal");
        let principal = principal.and_then(|p| p.as_str().or_else(|| p.get("AWS")?.as_str()));
        principal.is_some_and(|principal| principal == "*" || principal == account)
    };
    let statements = row.policy.iter().flat_map(|policy| &policy.statements);
    key.0 == ctx.account() || statements.into_iter().any(names)
}

pub(crate) async fn require(
    tx: &Tx,
    key: &LayerVersionKey,
) -> Result<LayerVersionRow, ServiceError> {
    let row = LAYER_VERSIONS.get(tx, key).await?;
    row.ok_or_else(|| not_found(format!("Layer version {} does not exist.", version_arn(key))))
}

pub(crate) fn owner(key: &LayerVersionKey) -> Vec<u8> {
    format!("layer/{}/{}/{}/{}", key.0, key.1, key.2, key.3).into_bytes()
}

fn created(row: &LayerVersionRow) -> String {
    let text = Timestamp::from_millis(row.created_ms).iso8601_millis();
    format!("{}+0000", text.trim_end_matches('Z'))
}

/// A version that the caller's account may have.
pub(crate) async fn get(
    ctx: &Context,
    key: &LayerVersionKey,
) -> Result<GetLayerVersionOutput, ServiceError> {
    let row = LAYER_VERSIONS.read(ctx.store(), key).await?.ok_or_else(no_resource)?;
    if !is_shared(ctx, key, &row) {
        return Err(not_shared(ctx, &version_arn(key)));
    }
    describe(ctx, key, row).await
}

fn not_shared(ctx: &Context, arn: &str) -> ServiceError {
    let caller = ctx.principal().arn();
    ServiceError::access_denied(format!(
        "User: {caller} is not authorized to perform: lambda:GetLayerVersion on resource: {arn} because no resource-based policy allows the lambda:GetLayerVersion action"
    ))
}

pub(crate) async fn describe(
    ctx: &Context,
    key: &LayerVersionKey,
    row: LayerVersionRow,
) -> Result<GetLayerVersionOutput, ServiceError> {
    Ok(GetLayerVersionOutput {
        content: Some(LayerVersionContentOutput {
            location: Some(door::layer_location(ctx, key).await?),
            code_sha256: Some(row.code.sha256.clone()),
            code_size: i64::try_from(row.code.blob.len).ok(),
            ..LayerVersionContentOutput::default()
        }),
        layer_arn: Some(arn(&(key.0.clone(), key.1.clone(), key.2.clone()))),
        layer_version_arn: Some(version_arn(key)),
        created_date: Some(created(&row)),
        description: Some(row.description),
        version: i64::try_from(key.3).ok(),
        compatible_runtimes: row.runtimes,
        license_info: row.license,
        compatible_architectures: row.architectures,
    })
}

pub(crate) fn listed(key: &LayerVersionKey, row: &LayerVersionRow) -> LayerVersionsListItem {
    LayerVersionsListItem {
        layer_version_arn: Some(version_arn(key)),
        version: i64::try_from(key.3).ok(),
        description: Some(row.description.clone()),
        created_date: Some(created(row)),
        compatible_runtimes: row.runtimes.clone(),
        license_info: row.license.clone(),
        compatible_architectures: row.architectures.clone(),
    }
}

/// Whether a layer says that it is for this runtime and architecture.
pub(crate) fn is_for(
    row: &LayerVersionRow,
    runtime: Option<&String>,
    architecture: Option<&String>,
) -> bool {
    let says = |wanted: Option<&String>, has: &Option<Vec<String>>| match (wanted, has) {
        (None, _) => true,
        (Some(wanted), Some(has)) => has.contains(wanted),
        (Some(_), None) => false,
    };
    says(runtime, &row.runtimes) && says(architecture, &row.architectures)
}
