//! `AWS::Lambda::LayerVersion` and `AWS::Lambda::LayerVersionPermission`.

use futures::FutureExt;
use serde_json::{Map, Value, json};
use undercast_kernel::{Context, Resource, ResourceRequest, ResourceType};

use super::{Future, call, call_unless_gone, call_unless_made, copy, text};
use crate::layers;

pub(crate) struct LayerVersionType;
pub(crate) struct LayerPermissionType;

impl ResourceType for LayerVersionType {
    fn name(&self) -> &'static str {
        "AWS::Lambda::LayerVersion"
    }

    fn properties(&self) -> &'static [&'static str] {
        &[
            "CompatibleArchitectures",
            "CompatibleRuntimes",
            "Content",
            "Description",
            "LayerName",
            "LicenseInfo",
        ]
    }

    fn replaced_by(&self) -> &'static [&'static str] {
        self.properties()
    }

    fn create(&self, ctx: Context, request: ResourceRequest) -> Future<Resource> {
        async move {
            let p = &request.properties;
            let named = request.text("LayerName").map(str::to_owned);
            let name = named.unwrap_or_else(|| request.generated_name(140));
            let mut input = Map::new();
            let same = &[
                "CompatibleArchitectures",
                "CompatibleRuntimes",
                "Content",
                "Description",
                "LicenseInfo",
            ];
            copy(p, &mut input, same, &[]);
            input.insert("LayerName".to_owned(), name.into());
            let made = call(&ctx, "PublishLayerVersion", Value::Object(input)).await?;
            Ok(version(text(&made, "LayerVersionArn")))
        }
        .boxed()
    }

    fn update(&self, _: Context, request: ResourceRequest) -> Future<Resource> {
        async move { Ok(version(request.physical_id)) }.boxed()
    }

    fn delete(&self, ctx: Context, request: ResourceRequest) -> Future<()> {
        async move {
            let Some(input) = version_input(&request.physical_id) else {
                return Ok(());
            };
            call_unless_gone(&ctx, "DeleteLayerVersion", input).await
        }
        .boxed()
    }
}

fn version(arn: String) -> Resource {
    Resource::new(arn.clone()).with("LayerVersionArn", arn)
}

fn version_input(arn: &str) -> Option<Value> {
    let key = layers::parse_version(arn)?;
    let layer = layers::arn(&(key.0, key.1, key.2));
    Some(json!({"LayerName": layer, "VersionNumber": key.3}))
}

impl ResourceType for LayerPermissionType {
    fn name(&self) -> &'static str {
        "AWS::Lambda::LayerVersionPermission"
    }

    fn properties(&self) -> &'static [&'static str] {
        &["Action", "LayerVersionArn", "OrganizationId", "Principal"]
    }

    fn replaced_by(&self) -> &'static [&'static str] {
        self.properties()
    }

    fn create(&self, ctx: Context, request: ResourceRequest) -> Future<Resource> {
        async move {
            let p = &request.properties;
            let statement = request.generated_name(100);
            let arn = text(p, "LayerVersionArn");
            let mut input = match version_input(&arn) {
                Some(Value::Object(input)) => input,
                _ => {
                    let message = format!("Layer version {arn} does not exist.");
                    return Err(crate::error::invalid(message));
                }
            };
            copy(p, &mut input, &["Action", "OrganizationId"], &[]);
            let principal = p.get("Principal").cloned().unwrap_or_default();
            let digits = principal.as_u64().map(|n| format!("{n:012}").into());
            input.insert("Principal".to_owned(), digits.unwrap_or(principal));
            input.insert("StatementId".to_owned(), statement.clone().into());
            let input = Value::Object(input);
            call_unless_made(&ctx, "AddLayerVersionPermission", input, request.attempt).await?;
            let id = format!("{arn}#{statement}");
            Ok(Resource::new(id.clone()).with("Id", id))
        }
        .boxed()
    }

    fn update(&self, _: Context, request: ResourceRequest) -> Future<Resource> {
        async move {
            let id = request.physical_id;
            Ok(Resource::new(id.clone()).with("Id", id))
        }
        .boxed()
    }

    fn delete(&self, ctx: Context, request: ResourceRequest) -> Future<()> {
        async move {
            let Some((arn, statement)) = request.physical_id.split_once('#') else {
                return Ok(());
            };
            let Some(Value::Object(mut input)) = version_input(arn) else {
                return Ok(());
            };
            input.insert("StatementId".to_owned(), statement.into());
            call_unless_gone(&ctx, "RemoveLayerVersionPermission", Value::Object(input)).await
        }
        .boxed()
    }
}
