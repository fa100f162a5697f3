//! `AWS::S3::BucketPolicy`.

use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::{Value, json};
use undercast_kernel::{Context, Resource, ResourceRequest, ResourceType, ServiceError};

use super::call;

type Future<T> = BoxFuture<'static, Result<T, ServiceError>>;

pub(crate) struct BucketPolicyType;

async fn put(ctx: &Context, request: &ResourceRequest) -> Result<Resource, ServiceError> {
    let bucket = request.text("Bucket").unwrap_or_default().to_owned();
    let policy = match request.properties.get("PolicyDocument") {
        Some(Value::String(text)) => text.clone(),
        Some(document) => document.to_string(),
        None => String::new(),
    };
    call(ctx, "PutBucketPolicy", json!({"Bucket": bucket, "Policy": policy})).await?;
    Ok(Resource::new(bucket))
}

impl ResourceType for BucketPolicyType {
    fn name(&self) -> &'static str {
        "AWS::S3::BucketPolicy"
    }

    fn properties(&self) -> &'static [&'static str] {
        &["Bucket", "PolicyDocument"]
    }

    fn replaced_by(&self) -> &'static [&'static str] {
        &["Bucket"]
    }

    fn create(&self, ctx: Context, request: ResourceRequest) -> Future<Resource> {
        async move { put(&ctx, &request).await }.boxed()
    }

    fn update(&self, ctx: Context, request: ResourceRequest) -> Future<Resource> {
        async move { put(&ctx, &request).await }.boxed()
    }

    fn delete(&self, ctx: Context, request: ResourceRequest) -> Future<()> {
        async move {
            let input = json!({"Bucket": request.physical_id});
            match call(&ctx, "DeleteBucketPolicy", input).await {
                Err(error) if error.code() == "NoSuchBucket" => Ok(()),
                other => other.map(|_| ()),
            }
        }
        .boxed()
    }
}
