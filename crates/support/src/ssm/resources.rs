//! `AWS::SSM::Parameter`, made of the service's own operations.

use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::{Value, json};
use undercast_kernel::{
    Context, Kernel, Listed, Resource, ResourceRequest, ResourceType, ServiceError,
};

use super::operations::arn;
use super::store::PARAMETERS;

type Future<T> = BoxFuture<'static, Result<T, ServiceError>>;

pub(crate) struct ParameterType;

async fn call(ctx: &Context, operation: &str, input: Value) -> Result<Value, ServiceError> {
    ctx.kernel().call(ctx, "ssm", operation, &input).await
}

async fn put(
    ctx: &Context,
    name: &str,
    request: &ResourceRequest,
    overwrite: bool,
) -> Result<Resource, ServiceError> {
    let p = &request.properties;
    let input = json!({
        "Name": name, "Value": p.get("Value"), "Type": p.get("Type"), "Description": p.get("Description"),
        "AllowedPattern": p.get("AllowedPattern"), "Tier": p.get("Tier"), "DataType": p.get("DataType"), "Policies": p.get("Policies"),
        "Overwrite": overwrite,
    });
    call(ctx, "PutParameter", input).await?;
    let tags: Vec<Value> = request
        .tag_list()
        .into_iter()
        .filter(|(key, _)| !key.starts_with("aws:"))
        .map(|(key, value)| json!({"Key": key, "Value": value}))
        .collect();
    if !tags.is_empty() {
        let input = json!({"ResourceType": "Parameter", "ResourceId": name, "Tags": tags});
        call(ctx, "AddTagsToResource", input).await?;
    }
    let value = |property: &str| p.get(property).cloned().unwrap_or_default();
    Ok(Resource::new(name).with("Type", value("Type")).with("Value", value("Value")))
}

impl ResourceType for ParameterType {
    fn name(&self) -> &'static str {
        "AWS::SSM::Parameter"
    }

    fn properties(&self) -> &'static [&'static str] {
        &[
            "AllowedPattern",
            "DataType",
            "Description",
            "Name",
            "Policies",
            "Tags",
            "Tier",
            "Type",
            "Value",
        ]
    }

    fn replaced_by(&self) -> &'static [&'static str] {
        &["Name"]
    }

    fn create(&self, ctx: Context, request: ResourceRequest) -> Future<Resource> {
        async move {
            let name =
                request.text("Name").map_or_else(|| request.generated_name(512), str::to_owned);
            put(&ctx, &name, &request, request.attempt > 1).await
        }
        .boxed()
    }

    fn update(&self, ctx: Context, request: ResourceRequest) -> Future<Resource> {
        async move { put(&ctx, &request.physical_id, &request, true).await }.boxed()
    }

    fn delete(&self, ctx: Context, request: ResourceRequest) -> Future<()> {
        async move {
            match call(&ctx, "DeleteParameter", json!({"Name": request.physical_id})).await {
                Err(error) if error.code() == "ParameterNotFound" => Ok(()),
                other => other.map(|_| ()),
            }
        }
        .boxed()
    }
}

/// Parameters, for `undercast ls`.
pub(crate) async fn list(kernel: Kernel) -> Result<Vec<Listed>, ServiceError> {
    let rows = PARAMETERS.list(kernel.db(), PARAMETERS.all(), 10_000, false).await?;
    Ok(rows
        .into_iter()
        .map(|((account, region, name), row)| Listed {
            kind: "AWS::SSM::Parameter",
            arn: arn(&kernel.service_context("ssm.amazonaws.com", &account, &region), &name),
            account,
            region,
            name,
            note: format!("version {}", row.version),
        })
        .collect())
}
