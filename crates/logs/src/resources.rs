//! `AWS::Logs::LogGroup` and `AWS::Logs::LogStream`, made of the service's own operations.

use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::{Value, json};
use undercast_kernel::{
    Context, Kernel, Listed, Resource, ResourceRequest, ResourceType, ServiceError,
};

use crate::store::GROUPS;

type Future<T> = BoxFuture<'static, Result<T, ServiceError>>;

pub(crate) struct LogGroupType;
pub(crate) struct LogStreamType;

const GONE: &str = "ResourceNotFoundException";
const THERE: &str = "ResourceAlreadyExistsException";

async fn call(ctx: &Context, operation: &str, input: Value) -> Result<Value, ServiceError> {
    ctx.kernel().call(ctx, "logs", operation, &input).await
}

/// A result where one error is as good as success.
fn unless(
    result: Result<Value, ServiceError>,
    code: &str,
    holds: bool,
) -> Result<(), ServiceError> {
    match result {
        Err(error) if holds && error.code() == code => Ok(()),
        other => other.map(|_| ()),
    }
}

impl ResourceType for LogGroupType {
    fn name(&self) -> &'static str {
        "AWS::Logs::LogGroup"
    }

    fn properties(&self) -> &'static [&'static str] {
        &["KmsKeyId", "LogGroupClass", "LogGroupName", "RetentionInDays", "Tags"]
    }

    fn inert_properties(&self) -> &'static [&'static str] {
        &[
            "DataProtectionPolicy",
            "FieldIndexPolicies",
            "ResourcePolicyDocument",
            "DeletionProtectionEnabled",
        ]
    }

    fn replaced_by(&self) -> &'static [&'static str] {
        &["LogGroupName"]
    }

    fn create(&self, ctx: Context, request: ResourceRequest) -> Future<Resource> {
        async move {
            let name = request
                .text("LogGroupName")
                .map_or_else(|| request.generated_name(512), str::to_owned);
            let p = &request.properties;
            let tags: serde_json::Map<String, Value> = request
                .tag_list()
                .into_iter()
                .filter(|(key, _)| !key.starts_with("aws:"))
                .map(|(key, value)| (key, value.into()))
                .collect();
            let input = json!({
                "logGroupName": name, "kmsKeyId": p.get("KmsKeyId"),
                "logGroupClass": p.get("LogGroupClass"),
                "tags": (!tags.is_empty()).then_some(tags),
            });
            unless(call(&ctx, "CreateLogGroup", input).await, THERE, request.attempt > 1)?;
            set_retention(&ctx, &name, &request).await?;
            Ok(resource(&ctx, name))
        }
        .boxed()
    }

    fn update(&self, ctx: Context, request: ResourceRequest) -> Future<Resource> {
        async move {
            let name = request.physical_id.clone();
            set_retention(&ctx, &name, &request).await?;
            Ok(resource(&ctx, name))
        }
        .boxed()
    }

    fn delete(&self, ctx: Context, request: ResourceRequest) -> Future<()> {
        async move {
            let input = json!({"logGroupName": request.physical_id});
            unless(call(&ctx, "DeleteLogGroup", input).await, GONE, true)
        }
        .boxed()
    }
}

async fn set_retention(
    ctx: &Context,
    name: &str,
    request: &ResourceRequest,
) -> Result<(), ServiceError> {
    match request.properties.get("RetentionInDays") {
        Some(days) => {
            let input = json!({"logGroupName": name, "retentionInDays": days});
            call(ctx, "PutRetentionPolicy", input).await.map(|_| ())
        }
        None => call(ctx, "DeleteRetentionPolicy", json!({"logGroupName": name})).await.map(|_| ()),
    }
}

fn resource(ctx: &Context, name: String) -> Resource {
    let arn = format!("{}:*", crate::operations::arn(ctx, &name));
    Resource::new(name).with("Arn", arn)
}

impl ResourceType for LogStreamType {
    fn name(&self) -> &'static str {
        "AWS::Logs::LogStream"
    }

    fn properties(&self) -> &'static [&'static str] {
        &["LogGroupName", "LogStreamName"]
    }

    fn replaced_by(&self) -> &'static [&'static str] {
        &["LogGroupName", "LogStreamName"]
    }

    fn create(&self, ctx: Context, request: ResourceRequest) -> Future<Resource> {
        async move {
            let name = request
                .text("LogStreamName")
                .map_or_else(|| request.generated_name(512), str::to_owned);
            let input =
                json!({"logGroupName": request.text("LogGroupName"), "logStreamName": name});
            unless(call(&ctx, "CreateLogStream", input).await, THERE, request.attempt > 1)?;
            Ok(Resource::new(name))
        }
        .boxed()
    }

    fn update(&self, _: Context, request: ResourceRequest) -> Future<Resource> {
        async move { Ok(Resource::new(request.physical_id)) }.boxed()
    }

    fn delete(&self, ctx: Context, request: ResourceRequest) -> Future<()> {
        async move {
            let input = json!({"logGroupName": request.text("LogGroupName"), "logStreamName": request.physical_id});
            unless(call(&ctx, "DeleteLogStream", input).await, GONE, true)
        }
        .boxed()
    }
}

/// Log groups, for `undercast ls`.
pub(crate) async fn list(kernel: Kernel) -> Result<Vec<Listed>, ServiceError> {
    let rows = GROUPS.list(kernel.db(), GROUPS.all(), 10_000, false).await?;
    Ok(rows
        .into_iter()
        .map(|((account, region, name), row)| Listed {
            kind: "AWS::Logs::LogGroup",
            arn: format!("arn:aws:logs:{region}:{account}:log-group:{name}"),
            account,
            region,
            name,
            note: row.retention_days.map(|days| format!("{days} days")).unwrap_or_default(),
        })
        .collect())
}
