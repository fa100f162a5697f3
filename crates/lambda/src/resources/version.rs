//! `AWS::Lambda::Version` and `AWS::Lambda::Alias`.

use futures::FutureExt;
use serde_json::{Map, Value, json};
use undercast_kernel::{Context, Resource, ResourceRequest, ResourceType, ServiceError};

use super::{EXISTS, Future, call, call_unless_gone, plain, text};
use crate::name::FunctionName;

pub(crate) struct VersionType;
pub(crate) struct AliasType;

impl ResourceType for VersionType {
    fn name(&self) -> &'static str {
        "AWS::Lambda::Version"
    }

    fn properties(&self) -> &'static [&'static str] {
        &["CodeSha256", "Description", "FunctionName", "RuntimePolicy"]
    }

    fn inert_properties(&self) -> &'static [&'static str] {
        &["RuntimePolicy"]
    }

    fn replaced_by(&self) -> &'static [&'static str] {
        self.properties()
    }

    /// Publishing what was published already answers the same version, so it may run twice.
    fn create(&self, ctx: Context, request: ResourceRequest) -> Future<Resource> {
        async move {
            let p = &request.properties;
            let input = json!({
                "FunctionName": p.get("FunctionName"),
                "CodeSha256": p.get("CodeSha256"),
                "Description": p.get("Description"),
            });
            let made = call(&ctx, "PublishVersion", input).await?;
            let arn = text(&made, "FunctionArn");
            Ok(version(&ctx, arn))
        }
        .boxed()
    }

    fn update(&self, ctx: Context, request: ResourceRequest) -> Future<Resource> {
        async move { Ok(version(&ctx, request.physical_id)) }.boxed()
    }

    fn delete(&self, ctx: Context, request: ResourceRequest) -> Future<()> {
        async move {
            let input = json!({"FunctionName": request.physical_id});
            call_unless_gone(&ctx, "DeleteFunction", input).await
        }
        .boxed()
    }
}

fn version(ctx: &Context, arn: String) -> Resource {
    let name = FunctionName::loose(ctx, &arn, None);
    let number = name.qualifier.clone().unwrap_or_default();
    Resource::new(arn.clone()).with("Version", number).with("FunctionArn", arn)
}

impl ResourceType for AliasType {
    fn name(&self) -> &'static str {
        "AWS::Lambda::Alias"
    }

    fn properties(&self) -> &'static [&'static str] {
        &["Description", "FunctionName", "FunctionVersion", "Name", "RoutingConfig"]
    }

    fn replaced_by(&self) -> &'static [&'static str] {
        &["FunctionName", "Name"]
    }

    fn create(&self, ctx: Context, request: ResourceRequest) -> Future<Resource> {
        async move {
            match call(&ctx, "CreateAlias", input(&request)?).await {
                Err(error) if error.code() == EXISTS && request.attempt > 1 => {
                    call(&ctx, "UpdateAlias", input(&request)?).await?;
                }
                other => {
                    other?;
                }
            }
            Ok(alias(&ctx, &request))
        }
        .boxed()
    }

    fn update(&self, ctx: Context, request: ResourceRequest) -> Future<Resource> {
        async move {
            let mover = ctx.kernel().alias_movers().find(|mover| mover.is_wanted(&request));
            let Some(mover) = mover.filter(|_| !request.is_rollback) else {
                end_moves(&ctx, &request).await?;
                call(&ctx, "UpdateAlias", input(&request)?).await?;
                return Ok(alias(&ctx, &request));
            };
            // Version and weights are the mover's.
            let p = &request.properties;
            let around = json!({
                "FunctionName": p.get("FunctionName"),
                "Name": p.get("Name"),
                "Description": p.get("Description").map_or_else(|| json!(""), Clone::clone),
            });
            call(&ctx, "UpdateAlias", around).await?;
            if request.changed("FunctionVersion") {
                mover.advance(ctx.clone(), request.clone()).await?;
            }
            Ok(alias(&ctx, &request))
        }
        .boxed()
    }

    fn delete(&self, ctx: Context, request: ResourceRequest) -> Future<()> {
        async move {
            end_moves(&ctx, &request).await?;
            let p = &request.properties;
            let input = json!({"FunctionName": p.get("FunctionName"), "Name": p.get("Name")});
            call_unless_gone(&ctx, "DeleteAlias", input).await
        }
        .boxed()
    }
}

/// Nobody moves the alias any more.
async fn end_moves(ctx: &Context, request: &ResourceRequest) -> Result<(), ServiceError> {
    for mover in ctx.kernel().alias_movers() {
        mover.end(ctx.clone(), request.clone()).await?;
    }
    Ok(())
}

/// The API's form: weights are a map there and a list in templates.
fn input(request: &ResourceRequest) -> Result<Value, ServiceError> {
    let p = &request.properties;
    let mut weights = Map::new();
    let list = p.pointer("/RoutingConfig/AdditionalVersionWeights");
    for item in list.and_then(Value::as_array).into_iter().flatten() {
        let weight = item.get("FunctionWeight").cloned().unwrap_or_default();
        let weight = match weight.as_str() {
            Some(text) => text
                .parse::<f64>()
                .map_err(|_| crate::error::invalid(format!("The weight {text} is not a number.")))?
                .into(),
            None => weight,
        };
        weights.insert(version_text(item.get("FunctionVersion")), weight);
    }
    Ok(json!({
        "FunctionName": p.get("FunctionName"),
        "Name": p.get("Name"),
        "FunctionVersion": version_text(p.get("FunctionVersion")),
        "Description": p.get("Description").map_or_else(|| json!(""), Clone::clone),
        "RoutingConfig": {"AdditionalVersionWeights": weights},
    }))
}

fn version_text(value: Option<&Value>) -> String {
    match value {
        Some(Value::String(text)) => text.clone(),
        Some(other) => plain(other).to_string(),
        None => String::new(),
    }
}

fn alias(ctx: &Context, request: &ResourceRequest) -> Resource {
    let function = text(&request.properties, "FunctionName");
    let name = FunctionName::loose(ctx, &function, None);
    let arn = name.arn_with(&text(&request.properties, "Name"));
    Resource::new(arn.clone()).with("AliasArn", arn)
}
