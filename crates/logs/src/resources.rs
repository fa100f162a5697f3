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

/// The input of an operation whose members are called like the properties, but with a small first letter.
fn lowered(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let lower = |name: &String| {
                let (first, rest) = name.split_at(name.chars().next().map_or(0, char::len_utf8));
                format!("{}{rest}", first.to_lowercase())
            };
            Value::Object(members.iter().map(|(k, v)| (lower(k), lowered(v))).collect())
        }
        Value::Array(all) => all.iter().map(lowered).collect(),
        other => other.clone(),
    }
}

/// Puts a filter; its name is what it is called in templates.
async fn put_filter(
    ctx: Context,
    request: ResourceRequest,
    operation: &'static str,
) -> Result<Resource, ServiceError> {
    let name = match request.physical_id.as_str() {
        "" => request.text("FilterName").map_or_else(|| request.generated_name(512), str::to_owned),
        old => old.to_owned(),
    };
    let mut input = lowered(&request.properties);
    if let Some(metrics) = input.get_mut("metricTransformations").and_then(Value::as_array_mut) {
        for metric in metrics {
            // In templates dimensions are a list.
            let all = metric.get("dimensions").and_then(Value::as_array).cloned();
            let pairs = all.into_iter().flatten().filter_map(|pair| {
                Some((pair.get("key")?.as_str()?.to_owned(), pair.get("value")?.clone()))
            });
            let pairs: serde_json::Map<String, Value> = pairs.collect();
            if let (Value::Object(metric), false) = (metric, pairs.is_empty()) {
                metric.insert("dimensions".to_owned(), pairs.into());
            }
        }
    }
    if let Value::Object(members) = &mut input {
        members.insert("filterName".to_owned(), name.clone().into());
    }
    call(&ctx, operation, input).await?;
    Ok(Resource::new(name))
}

async fn delete_filter(
    ctx: Context,
    request: ResourceRequest,
    operation: &'static str,
) -> Result<(), ServiceError> {
    let group = request.text("LogGroupName");
    let input = json!({"logGroupName": group, "filterName": request.physical_id});
    unless(call(&ctx, operation, input).await, GONE, true)
}

pub(crate) struct MetricFilterType;
pub(crate) struct SubscriptionFilterType;

impl ResourceType for MetricFilterType {
    fn name(&self) -> &'static str {
        "AWS::Logs::MetricFilter"
    }

    fn properties(&self) -> &'static [&'static str] {
        &["FilterName", "FilterPattern", "LogGroupName", "MetricTransformations"]
    }

    fn replaced_by(&self) -> &'static [&'static str] {
        &["FilterName", "LogGroupName"]
    }

    fn create(&self, ctx: Context, request: ResourceRequest) -> Future<Resource> {
        put_filter(ctx, request, "PutMetricFilter").boxed()
    }

    fn update(&self, ctx: Context, request: ResourceRequest) -> Future<Resource> {
        put_filter(ctx, request, "PutMetricFilter").boxed()
    }

    fn delete(&self, ctx: Context, request: ResourceRequest) -> Future<()> {
        delete_filter(ctx, request, "DeleteMetricFilter").boxed()
    }
}

impl ResourceType for SubscriptionFilterType {
    fn name(&self) -> &'static str {
        "AWS::Logs::SubscriptionFilter"
    }

    fn properties(&self) -> &'static [&'static str] {
        &[
            "DestinationArn",
            "Distribution",
            "FilterName",
            "FilterPattern",
            "LogGroupName",
            "RoleArn",
        ]
    }

    fn replaced_by(&self) -> &'static [&'static str] {
        &["FilterName", "LogGroupName"]
    }

    fn create(&self, ctx: Context, request: ResourceRequest) -> Future<Resource> {
        put_filter(ctx, request, "PutSubscriptionFilter").boxed()
    }

    fn update(&self, ctx: Context, request: ResourceRequest) -> Future<Resource> {
        put_filter(ctx, request, "PutSubscriptionFilter").boxed()
    }

    fn delete(&self, ctx: Context, request: ResourceRequest) -> Future<()> {
        delete_filter(ctx, request, "DeleteSubscriptionFilter").boxed()
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
