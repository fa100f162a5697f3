//! `AWS::CloudWatch::Alarm`, `CompositeAlarm` and `Dashboard`, made of the service's own operations.

use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::{Value, json};
use undercast_kernel::{Context, Resource, ResourceRequest, ResourceType, ServiceError};

use crate::alarms;

type Future<T> = BoxFuture<'static, Result<T, ServiceError>>;

pub(crate) struct AlarmType;
pub(crate) struct CompositeAlarmType;
pub(crate) struct DashboardType;

async fn call(ctx: &Context, operation: &str, input: Value) -> Result<Value, ServiceError> {
    ctx.kernel().call(ctx, "cloudwatch", operation, &input).await
}

/// The input of an operation out of properties with the same names; in templates numbers may be texts.
async fn put_alarm(
    ctx: Context,
    request: ResourceRequest,
    operation: &'static str,
) -> Result<Resource, ServiceError> {
    let name = match request.physical_id.as_str() {
        "" => request.text("AlarmName").map_or_else(|| request.generated_name(255), str::to_owned),
        old => old.to_owned(),
    };
    let mut input = request.properties.clone();
    if let Value::Object(members) = &mut input {
        members.insert("AlarmName".to_owned(), name.clone().into());
        let tags = request.tag_list().into_iter().filter(|(key, _)| !key.starts_with("aws:"));
        let tags = tags.map(|(key, value)| json!({"Key": key, "Value": value}));
        members.insert("Tags".to_owned(), tags.collect());
    }
    call(&ctx, operation, input).await?;
    let arn = alarms::arn(&(ctx.account().to_owned(), ctx.region().to_owned(), name.clone()));
    Ok(Resource::new(name).with("Arn", arn))
}

async fn delete_alarm(ctx: Context, request: ResourceRequest) -> Result<(), ServiceError> {
    call(&ctx, "DeleteAlarms", json!({"AlarmNames": [request.physical_id]})).await.map(drop)
}

impl ResourceType for AlarmType {
    fn name(&self) -> &'static str {
        "AWS::CloudWatch::Alarm"
    }

    fn properties(&self) -> &'static [&'static str] {
        &[
            "ActionsEnabled",
            "AlarmActions",
            "AlarmDescription",
            "AlarmName",
            "ComparisonOperator",
            "DatapointsToAlarm",
            "Dimensions",
            "EvaluateLowSampleCountPercentile",
            "EvaluationPeriods",
            "ExtendedStatistic",
            "InsufficientDataActions",
            "MetricName",
            "Metrics",
            "Namespace",
            "OKActions",
            "Period",
            "Statistic",
            "Tags",
            "Threshold",
            "ThresholdMetricId",
            "TreatMissingData",
            "Unit",
        ]
    }

    fn replaced_by(&self) -> &'static [&'static str] {
        &["AlarmName"]
    }

    fn create(&self, ctx: Context, request: ResourceRequest) -> Future<Resource> {
        put_alarm(ctx, request, "PutMetricAlarm").boxed()
    }

    fn update(&self, ctx: Context, request: ResourceRequest) -> Future<Resource> {
        put_alarm(ctx, request, "PutMetricAlarm").boxed()
    }

    fn delete(&self, ctx: Context, request: ResourceRequest) -> Future<()> {
        delete_alarm(ctx, request).boxed()
    }
}

impl ResourceType for CompositeAlarmType {
    fn name(&self) -> &'static str {
        "AWS::CloudWatch::CompositeAlarm"
    }

    fn properties(&self) -> &'static [&'static str] {
        &[
            "ActionsEnabled",
            "ActionsSuppressor",
            "ActionsSuppressorExtensionPeriod",
            "ActionsSuppressorWaitPeriod",
            "AlarmActions",
            "AlarmDescription",
            "AlarmName",
            "AlarmRule",
            "InsufficientDataActions",
            "OKActions",
            "Tags",
        ]
    }

    fn replaced_by(&self) -> &'static [&'static str] {
        &["AlarmName"]
    }

    fn create(&self, ctx: Context, request: ResourceRequest) -> Future<Resource> {
        put_alarm(ctx, request, "PutCompositeAlarm").boxed()
    }

    fn update(&self, ctx: Context, request: ResourceRequest) -> Future<Resource> {
        put_alarm(ctx, request, "PutCompositeAlarm").boxed()
    }

    fn delete(&self, ctx: Context, request: ResourceRequest) -> Future<()> {
        delete_alarm(ctx, request).boxed()
    }
}

async fn put_dashboard(ctx: Context, request: ResourceRequest) -> Result<Resource, ServiceError> {
    let name = match request.physical_id.as_str() {
        "" => {
            let own = request.text("DashboardName").map(str::to_owned);
            own.unwrap_or_else(|| request.generated_name(255))
        }
        old => old.to_owned(),
    };
    let input =
        json!({"DashboardName": name, "DashboardBody": request.properties.get("DashboardBody")});
    call(&ctx, "PutDashboard", input).await?;
    Ok(Resource::new(name))
}

impl ResourceType for DashboardType {
    fn name(&self) -> &'static str {
        "AWS::CloudWatch::Dashboard"
    }

    fn properties(&self) -> &'static [&'static str] {
        &["DashboardBody", "DashboardName"]
    }

    fn replaced_by(&self) -> &'static [&'static str] {
        &["DashboardName"]
    }

    fn create(&self, ctx: Context, request: ResourceRequest) -> Future<Resource> {
        put_dashboard(ctx, request).boxed()
    }

    fn update(&self, ctx: Context, request: ResourceRequest) -> Future<Resource> {
        put_dashboard(ctx, request).boxed()
    }

    fn delete(&self, ctx: Context, request: ResourceRequest) -> Future<()> {
        async move {
            let input = json!({"DashboardNames": [request.physical_id]});
            match call(&ctx, "DeleteDashboards", input).await {
                Err(error) if error.code() == "DashboardNotFoundError" => Ok(()),
                other => other.map(drop),
            }
        }
        .boxed()
    }
}
