//! `AWS::S3::Bucket`.

use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::{Value, json};
use undercast_kernel::{Context, Resource, ResourceRequest, ResourceType, ServiceError};
use undercast_store::Tx;

use super::call;
use super::translate::{canned, cors, encryption, lifecycle, notification, object_lock, website};
use crate::api::s3::shapes::{CreateBucketInput, Tagging};
use crate::engine::bucket::{TAGS, access, check_name, document, own, put_config};
use crate::engine::tags::to_set;
use crate::operations::create_bucket;

type Future<T> = BoxFuture<'static, Result<T, ServiceError>>;

pub(crate) struct BucketType;

const STACK_ID: &str = "aws:cloudformation:stack-id";
const LOGICAL_ID: &str = "aws:cloudformation:logical-id";

impl ResourceType for BucketType {
    fn name(&self) -> &'static str {
        "AWS::S3::Bucket"
    }

    fn properties(&self) -> &'static [&'static str] {
        &[
            "AccessControl",
            "BucketEncryption",
            "BucketName",
            "CorsConfiguration",
            "LifecycleConfiguration",
            "NotificationConfiguration",
            "ObjectLockConfiguration",
            "ObjectLockEnabled",
            "OwnershipControls",
            "PublicAccessBlockConfiguration",
            "Tags",
            "VersioningConfiguration",
            "WebsiteConfiguration",
        ]
    }

    fn inert_properties(&self) -> &'static [&'static str] {
        &[
            "AccelerateConfiguration",
            "AnalyticsConfigurations",
            "IntelligentTieringConfigurations",
            "InventoryConfigurations",
            "LoggingConfiguration",
            "MetricsConfigurations",
        ]
    }

    fn replaced_by(&self) -> &'static [&'static str] {
        &["BucketName"]
    }

    fn create(&self, ctx: Context, request: ResourceRequest) -> Future<Resource> {
        async move { create(&ctx, request).await }.boxed()
    }

    fn update(&self, ctx: Context, request: ResourceRequest) -> Future<Resource> {
        async move {
            let name = request.physical_id.clone();
            configure(&ctx, &request, &name).await?;
            Ok(resource(&ctx, &name))
        }
        .boxed()
    }

    fn delete(&self, ctx: Context, request: ResourceRequest) -> Future<()> {
        async move {
            let input = json!({"Bucket": request.physical_id});
            match call(&ctx, "DeleteBucket", input).await {
                Err(error) if error.code() == "NoSuchBucket" => Ok(()),
                other => other.map(|_| ()),
            }
        }
        .boxed()
    }
}

async fn create(ctx: &Context, request: ResourceRequest) -> Result<Resource, ServiceError> {
    let name = match request.text("BucketName") {
        Some(name) => name.to_owned(),
        None => request.generated_name(63).to_ascii_lowercase(),
    };
    if !made_before(ctx, &request, &name).await? {
        let accesses = access("CreateBucket", &name);
        ctx.kernel().check(ctx, accesses).await?;
        check_name(&name)?;
        let ownership = request
            .properties
            .pointer("/OwnershipControls/Rules/0/ObjectOwnership")
            .and_then(Value::as_str);
        let locks = request.properties.get("ObjectLockEnabled");
        let locks = locks.is_some_and(|locks| *locks == true || *locks == "true");
        let input = CreateBucketInput {
            bucket: name.clone(),
            object_ownership: ownership.map(str::to_owned),
            object_lock_enabled_for_bucket: locks.then_some(true),
            ..CreateBucketInput::default()
        };
        // Made and marked at once, so that another attempt knows it.
        ctx.transact((input, tags(&request)), |tx, ctx, input| async move {
            let (input, tags) = &*input;
            create_bucket::create(&tx, &ctx, input, ctx.region()).await?;
            put_tags(&tx, &ctx, &input.bucket, tags).await
        })
        .await?;
    }
    configure(ctx, &request, &name).await?;
    Ok(resource(ctx, &name))
}

/// Whether an earlier attempt for this very resource made the bucket; one that somebody else made
/// is not taken over.
async fn made_before(
    ctx: &Context,
    request: &ResourceRequest,
    name: &str,
) -> Result<bool, ServiceError> {
    let taken = |message: String| ServiceError::new("AlreadyExists", message).with_status(409);
    let tx = ctx.store().begin().await?;
    let row = match own(&tx, ctx, name, None).await {
        Ok(row) => row,
        Err(error) if error.code() == "NoSuchBucket" => return Ok(false),
        Err(error) if error.code() == "AccessDenied" => {
            return Err(taken(format!("{name} already exists")));
        }
        Err(error) => return Err(error),
    };
    let tags = document(&tx, &row, TAGS).await?.unwrap_or_default();
    let tag = |key: &str| {
        let tags = tags.get("TagSet").and_then(Value::as_array);
        let mut tags = tags.into_iter().flatten();
        let found = tags.find(|tag| tag.get("Key").and_then(Value::as_str) == Some(key));
        found.and_then(|tag| tag.get("Value")).and_then(Value::as_str).map(str::to_owned)
    };
    let ours = tag(STACK_ID).as_deref() == Some(&request.stack_id)
        && tag(LOGICAL_ID).as_deref() == Some(&request.logical_id);
    if request.attempt > 1 && ours {
        return Ok(true);
    }
    Err(taken(format!("{name} already exists")))
}

/// The tags of the resource and of its stack, and the mark.
fn tags(request: &ResourceRequest) -> Vec<(String, String)> {
    let mut tags = request.tag_list();
    for (key, value) in [(STACK_ID, &request.stack_id), (LOGICAL_ID, &request.logical_id)] {
        if !tags.iter().any(|(k, _)| k == key) {
            tags.push((key.to_owned(), value.clone()));
        }
    }
    tags
}

/// Not by an operation: nobody else may set tags that begin with `aws:`.
async fn put_tags(
    tx: &Tx,
    ctx: &Context,
    name: &str,
    tags: &[(String, String)],
) -> Result<(), ServiceError> {
    let row = own(tx, ctx, name, None).await?;
    let tag_set = to_set(tags);
    put_config(tx, &row, TAGS, &Tagging { tag_set })
}

fn resource(ctx: &Context, name: &str) -> Resource {
    let region = ctx.region();
    let dash = [
        "us-east-1",
        "us-west-1",
        "us-west-2",
        "ap-southeast-1",
        "ap-southeast-2",
        "ap-northeast-1",
        "eu-west-1",
        "sa-east-1",
    ];
    let mark = if dash.contains(&region) { '-' } else { '.' };
    Resource::new(name)
        .with("Arn", format!("arn:aws:s3:::{name}"))
        .with("DomainName", format!("{name}.s3.amazonaws.com"))
        .with("DualStackDomainName", format!("{name}.s3.dualstack.{region}.amazonaws.com"))
        .with("RegionalDomainName", format!("{name}.s3.{region}.amazonaws.com"))
        .with("WebsiteURL", format!("http://{name}.s3-website{mark}{region}.amazonaws.com"))
}

/// Brings everything but the name to what the properties say.
async fn configure(
    ctx: &Context,
    request: &ResourceRequest,
    name: &str,
) -> Result<(), ServiceError> {
    let set = Setting { ctx, request, name };
    set.put_or(
        "OwnershipControls",
        "PutBucketOwnershipControls",
        "OwnershipControls",
        |p| Ok(p.clone()),
        "DeleteBucketOwnershipControls",
    )
    .await?;
    set.put_or(
        "PublicAccessBlockConfiguration",
        "PutPublicAccessBlock",
        "PublicAccessBlockConfiguration",
        |p| Ok(p.clone()),
        "DeletePublicAccessBlock",
    )
    .await?;
    set.put_or(
        "BucketEncryption",
        "PutBucketEncryption",
        "ServerSideEncryptionConfiguration",
        |p| Ok(encryption(p)),
        "DeleteBucketEncryption",
    )
    .await?;
    set.put_or("CorsConfiguration", "PutBucketCors", "CORSConfiguration", cors, "DeleteBucketCors")
        .await?;
    set.put_or(
        "LifecycleConfiguration",
        "PutBucketLifecycleConfiguration",
        "LifecycleConfiguration",
        lifecycle,
        "DeleteBucketLifecycle",
    )
    .await?;
    set.put_or(
        "WebsiteConfiguration",
        "PutBucketWebsite",
        "WebsiteConfiguration",
        website,
        "DeleteBucketWebsite",
    )
    .await?;
    set.versioning().await?;
    set.notification().await?;
    set.object_lock().await?;
    set.access_control().await?;
    let accesses = access("PutBucketTagging", name);
    ctx.kernel().check(ctx, accesses).await?;
    ctx.transact((name.to_owned(), tags(request)), |tx, ctx, input| async move {
        put_tags(&tx, &ctx, &input.0, &input.1).await
    })
    .await
}

struct Setting<'a> {
    ctx: &'a Context,
    request: &'a ResourceRequest,
    name: &'a str,
}

impl Setting<'_> {
    /// The property, if this is a creation or an update that changes it: `Some(None)` if it is gone.
    fn changed(&self, property: &str) -> Option<Option<&Value>> {
        let value = self.request.properties.get(property);
        let relevant = match self.request.old.is_null() {
            true => value.is_some(),
            false => self.request.changed(property),
        };
        relevant.then_some(value)
    }

    async fn put_or(
        &self,
        property: &str,
        put: &str,
        member: &str,
        translate: impl Fn(&Value) -> Result<Value, ServiceError>,
        delete: &str,
    ) -> Result<(), ServiceError> {
        match self.changed(property) {
            None => {}
            Some(Some(value)) => {
                let input = Value::Object(serde_json::Map::from_iter([
                    ("Bucket".to_owned(), self.name.into()),
                    (member.to_owned(), translate(value)?),
                ]));
                call(self.ctx, put, input).await?;
            }
            Some(None) => {
                call(self.ctx, delete, json!({"Bucket": self.name})).await?;
            }
        }
        Ok(())
    }

    async fn versioning(&self) -> Result<(), ServiceError> {
        let Some(value) = self.changed("VersioningConfiguration") else {
            return Ok(());
        };
        let status = value.and_then(|v| v.get("Status")).cloned();
        let status = status.unwrap_or_else(|| "Suspended".into());
        let input = json!({
            "Bucket": self.name,
            "VersioningConfiguration": {"Status": status},
        });
        call(self.ctx, "PutBucketVersioning", input).await.map(drop)
    }

    async fn object_lock(&self) -> Result<(), ServiceError> {
        let Some(Some(value)) = self.changed("ObjectLockConfiguration") else {
            return Ok(());
        };
        let input = json!({"Bucket": self.name, "ObjectLockConfiguration": object_lock(value)});
        call(self.ctx, "PutObjectLockConfiguration", input).await.map(drop)
    }

    async fn notification(&self) -> Result<(), ServiceError> {
        let Some(value) = self.changed("NotificationConfiguration") else {
            return Ok(());
        };
        let input = json!({
            "Bucket": self.name,
            "NotificationConfiguration": notification(value.unwrap_or(&Value::Null))?,
        });
        call(self.ctx, "PutBucketNotificationConfiguration", input).await.map(drop)
    }

    async fn access_control(&self) -> Result<(), ServiceError> {
        let Some(value) = self.changed("AccessControl") else {
            return Ok(());
        };
        let acl = canned(value.and_then(Value::as_str).unwrap_or("Private"));
        if acl.starts_with("bucket-owner") {
            // Says nothing about a bucket, only about objects that others put there.
            return Ok(());
        }
        let input = json!({"Bucket": self.name, "ACL": acl});
        call(self.ctx, "PutBucketAcl", input).await.map(drop)
    }
}
