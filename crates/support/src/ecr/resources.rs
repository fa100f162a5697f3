//! `AWS::ECR::Repository`, made of the service's own operations.

use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::{Value, json};
use undercast_kernel::{
    Context, Kernel, Listed, Resource, ResourceRequest, ResourceType, ServiceError,
};

use super::operations::{arn, uri};
use super::store::REPOSITORIES;

type Future<T> = BoxFuture<'static, Result<T, ServiceError>>;

pub(crate) struct RepositoryType;

async fn call(ctx: &Context, operation: &str, input: Value) -> Result<Value, ServiceError> {
    ctx.kernel().call(ctx, "ecr", operation, &input).await
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn scanning(request: &ResourceRequest) -> Value {
    let on_push =
        request.properties.get("ImageScanningConfiguration").and_then(|c| c.get("ScanOnPush"));
    json!({"scanOnPush": on_push.is_some_and(|v| text(v) == "true")})
}

async fn set_policies(
    ctx: &Context,
    name: &str,
    request: &ResourceRequest,
) -> Result<Resource, ServiceError> {
    let p = &request.properties;
    let repository = json!({"repositoryName": name});
    match p.get("RepositoryPolicyText") {
        Some(policy) => {
            let input = json!({"repositoryName": name, "policyText": text(policy)});
            call(ctx, "SetRepositoryPolicy", input).await?;
        }
        None if request.old.get("RepositoryPolicyText").is_some() => {
            call(ctx, "DeleteRepositoryPolicy", repository.clone()).await?;
        }
        None => {}
    }
    match p.get("LifecyclePolicy").and_then(|l| l.get("LifecyclePolicyText")) {
        Some(policy) => {
            let input = json!({"repositoryName": name, "lifecyclePolicyText": text(policy)});
            call(ctx, "PutLifecyclePolicy", input).await?;
        }
        None if request.old.get("LifecyclePolicy").is_some() => {
            call(ctx, "DeleteLifecyclePolicy", repository).await?;
        }
        None => {}
    }
    Ok(Resource::new(name).with("Arn", arn(ctx, name)).with("RepositoryUri", uri(ctx, name)))
}

impl ResourceType for RepositoryType {
    fn name(&self) -> &'static str {
        "AWS::ECR::Repository"
    }

    fn properties(&self) -> &'static [&'static str] {
        &[
            "EmptyOnDelete",
            "EncryptionConfiguration",
            "ImageScanningConfiguration",
            "ImageTagMutability",
            "LifecyclePolicy",
            "RepositoryName",
            "RepositoryPolicyText",
            "Tags",
        ]
    }

    fn replaced_by(&self) -> &'static [&'static str] {
        &["RepositoryName", "EncryptionConfiguration"]
    }

    fn create(&self, ctx: Context, request: ResourceRequest) -> Future<Resource> {
        async move {
            let p = &request.properties;
            let name = request
                .text("RepositoryName")
                .map_or_else(|| request.generated_name(200).to_lowercase(), str::to_owned);
            let encryption = p.get("EncryptionConfiguration").and_then(|c| c.get("EncryptionType"));
            let input = json!({
                "repositoryName": name,
                "imageTagMutability": p.get("ImageTagMutability"),
                "imageScanningConfiguration": scanning(&request),
                "encryptionConfiguration": encryption.map(|kind| json!({"encryptionType": kind})),
            });
            match call(&ctx, "CreateRepository", input).await {
                Err(error)
                    if error.code() == "RepositoryAlreadyExistsException"
                        && request.attempt > 1 => {}
                other => {
                    other?;
                }
            }
            set_policies(&ctx, &name, &request).await
        }
        .boxed()
    }

    fn update(&self, ctx: Context, request: ResourceRequest) -> Future<Resource> {
        async move {
            let name = request.physical_id.clone();
            let mutability = request.text("ImageTagMutability").unwrap_or("MUTABLE");
            let input = json!({"repositoryName": name, "imageTagMutability": mutability});
            call(&ctx, "PutImageTagMutability", input).await?;
            let input =
                json!({"repositoryName": name, "imageScanningConfiguration": scanning(&request)});
            call(&ctx, "PutImageScanningConfiguration", input).await?;
            set_policies(&ctx, &name, &request).await
        }
        .boxed()
    }

    fn delete(&self, ctx: Context, request: ResourceRequest) -> Future<()> {
        async move {
            match call(&ctx, "DeleteRepository", json!({"repositoryName": request.physical_id}))
                .await
            {
                Err(error) if error.code() == "RepositoryNotFoundException" => Ok(()),
                other => other.map(|_| ()),
            }
        }
        .boxed()
    }
}

/// Repositories, for `undercast ls`.
pub(crate) async fn list(kernel: Kernel) -> Result<Vec<Listed>, ServiceError> {
    let rows = REPOSITORIES.list(kernel.db(), REPOSITORIES.all(), 10_000, false).await?;
    Ok(rows
        .into_iter()
        .map(|((account, region, name), _)| Listed {
            kind: "AWS::ECR::Repository",
            arn: arn(&kernel.service_context("ecr.amazonaws.com", &account, &region), &name),
            account,
            region,
            name,
            note: String::new(),
        })
        .collect())
}
