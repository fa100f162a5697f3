//! `AWS::Lambda::Function`.

use futures::FutureExt;
use serde_json::{Map, Value, json};
use undercast_kernel::{Context, Resource, ResourceRequest, ResourceType, ServiceError};

use super::{EXISTS, Future, call, call_unless_gone, copy, inline, plain, tags};
use crate::code::is_in_s3;
use crate::error::invalid;

pub(crate) struct FunctionType;

const SAME: &[&str] = &["Description", "Handler", "KmsKeyArn", "Layers", "Role", "Runtime"];
const PLAINLY: &[&str] = &["MemorySize", "Timeout"];
/// Structures that may leave a template again, and what stands for nothing then.
const STRUCTURES: &[&str] = &[
    "DeadLetterConfig",
    "DurableConfig",
    "EphemeralStorage",
    "FileSystemConfigs",
    "ImageConfig",
    "LoggingConfig",
    "SnapStart",
    "TracingConfig",
    "VpcConfig",
];

impl ResourceType for FunctionType {
    fn name(&self) -> &'static str {
        "AWS::Lambda::Function"
    }

    fn properties(&self) -> &'static [&'static str] {
        &[
            "Architectures",
            "Code",
            "CodeSigningConfigArn",
            "DeadLetterConfig",
            "Description",
            "DurableConfig",
            "Environment",
            "EphemeralStorage",
            "FileSystemConfigs",
            "FunctionName",
            "Handler",
            "ImageConfig",
            "KmsKeyArn",
            "Layers",
            "LoggingConfig",
            "MemorySize",
            "PackageType",
            "RecursiveLoop",
            "ReservedConcurrentExecutions",
            "Role",
            "Runtime",
            "RuntimeManagementConfig",
            "SnapStart",
            "Tags",
            "Timeout",
            "TracingConfig",
            "VpcConfig",
        ]
    }

    fn inert_properties(&self) -> &'static [&'static str] {
        &["KmsKeyArn", "RecursiveLoop", "RuntimeManagementConfig", "SnapStart", "VpcConfig"]
    }

    fn replaced_by(&self) -> &'static [&'static str] {
        &["FunctionName", "PackageType"]
    }

    fn create(&self, ctx: Context, request: ResourceRequest) -> Future<Resource> {
        async move {
            let named = request.text("FunctionName").map(str::to_owned);
            let name = named.unwrap_or_else(|| request.generated_name(64));
            let p = &request.properties;
            let mut input = configuration(p)?;
            input.insert("FunctionName".to_owned(), name.clone().into());
            input.insert("Code".to_owned(), code(p)?);
            input.insert("Tags".to_owned(), tags(&request));
            copy(p, &mut input, &["Architectures", "PackageType", "CodeSigningConfigArn"], &[]);
            match call(&ctx, "CreateFunction", Value::Object(input)).await {
                Err(error) if error.code() == EXISTS && is_ours(&ctx, &name, &request).await => {}
                other => {
                    other?;
                }
            }
            set_concurrency(&ctx, &name, &request).await?;
            Ok(resource(&ctx, &name))
        }
        .boxed()
    }

    fn update(&self, ctx: Context, request: ResourceRequest) -> Future<Resource> {
        async move {
            let name = request.physical_id.clone();
            let p = &request.properties;
            if request.changed("Code") || request.changed("Architectures") {
                let Value::Object(mut input) = code(p)? else {
                    return Err(invalid("Please provide a source for function code."));
                };
                input.insert("FunctionName".to_owned(), name.clone().into());
                let architectures = p.get("Architectures").cloned();
                let architectures = architectures.unwrap_or_else(|| json!(["x86_64"]));
                input.insert("Architectures".to_owned(), architectures);
                call(&ctx, "UpdateFunctionCode", Value::Object(input)).await?;
            }
            let mut input = configuration(p)?;
            reset(&request.old, &name, &mut input);
            input.insert("FunctionName".to_owned(), name.clone().into());
            call(&ctx, "UpdateFunctionConfiguration", Value::Object(input)).await?;
            set_concurrency(&ctx, &name, &request).await?;
            set_tags(&ctx, &name, &request).await?;
            Ok(resource(&ctx, &name))
        }
        .boxed()
    }

    fn delete(&self, ctx: Context, request: ResourceRequest) -> Future<()> {
        async move {
            let input = json!({"FunctionName": request.physical_id});
            call_unless_gone(&ctx, "DeleteFunction", input).await
        }
        .boxed()
    }
}

fn resource(ctx: &Context, name: &str) -> Resource {
    Resource::new(name).with("Arn", ctx.arn("lambda", format!("function:{name}")))
}

/// Whether an earlier attempt of the same stack made the function.
async fn is_ours(ctx: &Context, name: &str, request: &ResourceRequest) -> bool {
    if request.attempt <= 1 {
        return false;
    }
    let Ok(found) = call(ctx, "GetFunction", json!({"FunctionName": name})).await else {
        return false;
    };
    let same = |tag: &str| {
        let wanted = request.tags.get(tag).map(String::as_str);
        let have = found.get("Tags").and_then(|tags| tags.get(tag)).and_then(Value::as_str);
        wanted == have
    };
    same("aws:cloudformation:stack-id") && same("aws:cloudformation:logical-id")
}

/// What creation and change have in common.
fn configuration(properties: &Value) -> Result<Map<String, Value>, ServiceError> {
    let mut input = Map::new();
    copy(properties, &mut input, SAME, PLAINLY);
    for name in STRUCTURES {
        let Some(value) = properties.get(*name) else { continue };
        let value = match value {
            Value::Object(members) => {
                Value::Object(members.iter().map(|(k, v)| (k.clone(), plain(v))).collect())
            }
            other => other.clone(),
        };
        input.insert((*name).to_owned(), value);
    }
    if let Some(environment) = properties.get("Environment") {
        input.insert("Environment".to_owned(), variables(environment)?);
    }
    Ok(input)
}

/// Numbers and truth become text, as everything in an environment.
fn variables(environment: &Value) -> Result<Value, ServiceError> {
    let mut all = Map::new();
    let given = environment.get("Variables").and_then(Value::as_object);
    for (name, value) in given.into_iter().flatten() {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Number(_) | Value::Bool(_) => value.to_string(),
            _ => {
                return Err(invalid(format!("The environment variable {name} is not a text.")));
            }
        };
        all.insert(name.clone(), text.into());
    }
    Ok(json!({"Variables": all}))
}

/// What the template said before and does not say any more goes back to its default.
fn reset(old: &Value, name: &str, input: &mut Map<String, Value>) {
    let defaults = json!({
        "Description": "",
        "MemorySize": 128,
        "Timeout": 3,
        "KmsKeyArn": "",
        "Layers": [],
        "Environment": {"Variables": {}},
        "DeadLetterConfig": {"TargetArn": ""},
        "EphemeralStorage": {"Size": 512},
        "LoggingConfig": {"LogFormat": "Text", "LogGroup": format!("/aws/lambda/{name}")},
        "SnapStart": {"ApplyOn": "None"},
        "TracingConfig": {"Mode": "PassThrough"},
        "VpcConfig": {"SubnetIds": [], "SecurityGroupIds": []},
    });
    for (property, default) in defaults.as_object().into_iter().flatten() {
        if old.get(property).is_some() && !input.contains_key(property) {
            input.insert(property.clone(), default.clone());
        }
    }
}

/// The `Code` of the API: a source text becomes an archive.
fn code(properties: &Value) -> Result<Value, ServiceError> {
    let code = properties.get("Code").cloned().unwrap_or_default();
    let Some(source) = code.get("ZipFile").and_then(Value::as_str) else {
        return Ok(code);
    };
    if is_in_s3(&code) {
        return Err(invalid(
            "Please do not provide other FunctionCode parameters when providing a ZipFile.",
        ));
    }
    let runtime = properties.get("Runtime").and_then(Value::as_str).unwrap_or_default();
    Ok(json!({"ZipFile": inline::archive(runtime, source)?}))
}

async fn set_concurrency(
    ctx: &Context,
    name: &str,
    request: &ResourceRequest,
) -> Result<(), ServiceError> {
    let property = "ReservedConcurrentExecutions";
    match request.properties.get(property) {
        Some(value) => {
            let input = json!({"FunctionName": name, property: plain(value)});
            call(ctx, "PutFunctionConcurrency", input).await?;
        }
        None if request.old.get(property).is_some() => {
            call(ctx, "DeleteFunctionConcurrency", json!({"FunctionName": name})).await?;
        }
        None => {}
    }
    Ok(())
}

async fn set_tags(
    ctx: &Context,
    name: &str,
    request: &ResourceRequest,
) -> Result<(), ServiceError> {
    let arn = ctx.arn("lambda", format!("function:{name}"));
    let wanted = tags(request);
    let have = call(ctx, "ListTags", json!({"Resource": arn})).await?;
    let have = have.get("Tags").and_then(Value::as_object).cloned().unwrap_or_default();
    let gone: Vec<&String> = have.keys().filter(|key| wanted.get(key.as_str()).is_none()).collect();
    if !gone.is_empty() {
        call(ctx, "UntagResource", json!({"Resource": arn, "TagKeys": gone})).await?;
    }
    if wanted.as_object().is_some_and(|w| !w.is_empty() && *w != have) {
        call(ctx, "TagResource", json!({"Resource": arn, "Tags": wanted})).await?;
    }
    Ok(())
}
