//! `AWS::Lambda::Url`.

use futures::FutureExt;
use serde_json::{Map, Value, json};
use undercast_kernel::{Context, Resource, ResourceRequest, ResourceType};

use super::{EXISTS, Future, call, call_unless_gone, copy, plain, text};

pub(crate) struct UrlType;

impl ResourceType for UrlType {
    fn name(&self) -> &'static str {
        "AWS::Lambda::Url"
    }

    fn properties(&self) -> &'static [&'static str] {
        &["AuthType", "Cors", "InvokeMode", "Qualifier", "TargetFunctionArn"]
    }

    fn replaced_by(&self) -> &'static [&'static str] {
        &["Qualifier", "TargetFunctionArn"]
    }

    fn create(&self, ctx: Context, request: ResourceRequest) -> Future<Resource> {
        async move {
            let input = input(&request.properties);
            match call(&ctx, "CreateFunctionUrlConfig", input.clone()).await {
                Ok(made) => Ok(resource(&made)),
                Err(error) if error.code() == EXISTS && request.attempt > 1 => {
                    Ok(resource(&call(&ctx, "UpdateFunctionUrlConfig", input).await?))
                }
                Err(error) => Err(error),
            }
        }
        .boxed()
    }

    fn update(&self, ctx: Context, request: ResourceRequest) -> Future<Resource> {
        async move {
            let mut input = input(&request.properties);
            if let Value::Object(input) = &mut input {
                input.entry("Cors").or_insert_with(|| json!({}));
                input.entry("InvokeMode").or_insert_with(|| "BUFFERED".into());
            }
            Ok(resource(&call(&ctx, "UpdateFunctionUrlConfig", input).await?))
        }
        .boxed()
    }

    fn delete(&self, ctx: Context, request: ResourceRequest) -> Future<()> {
        async move {
            let input = json!({"FunctionName": request.physical_id});
            call_unless_gone(&ctx, "DeleteFunctionUrlConfig", input).await
        }
        .boxed()
    }
}

fn input(properties: &Value) -> Value {
    let mut input = Map::new();
    copy(properties, &mut input, &["AuthType", "InvokeMode", "Qualifier"], &[]);
    input.insert("FunctionName".to_owned(), text(properties, "TargetFunctionArn").into());
    if let Some(Value::Object(cors)) = properties.get("Cors") {
        let cors = cors.iter().map(|(name, value)| (name.clone(), plain(value))).collect();
        input.insert("Cors".to_owned(), Value::Object(cors));
    }
    Value::Object(input)
}

fn resource(made: &Value) -> Resource {
    let arn = text(made, "FunctionArn");
    Resource::new(arn.clone())
        .with("FunctionArn", arn)
        .with("FunctionUrl", text(made, "FunctionUrl"))
}
