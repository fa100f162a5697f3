//! `AWS::KMS::Key` and `AWS::KMS::Alias`, made of the service's own operations.

use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::{Value, json};
use undercast_kernel::{
    Context, Kernel, Listed, Resource, ResourceRequest, ResourceType, ServiceError,
};

use super::operations::arn;
use super::store::KEYS;

type Future<T> = BoxFuture<'static, Result<T, ServiceError>>;

pub(crate) struct KeyType;
pub(crate) struct AliasType;

/// Names the key that an earlier attempt made.
const MARK: &str = "undercast:made-by";

async fn call(ctx: &Context, operation: &str, input: Value) -> Result<Value, ServiceError> {
    ctx.kernel().call(ctx, "kms", operation, &input).await
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn is_true(value: Option<&Value>) -> bool {
    value.is_some_and(|v| text(v) == "true")
}

/// The key that an earlier attempt for the same resource made, if one did.
async fn made_before(ctx: &Context, suffix: &str) -> Result<Option<String>, ServiceError> {
    let scope = (ctx.account().to_owned(), ctx.region().to_owned());
    let rows = KEYS.list(ctx.store(), KEYS.prefix(&scope), 10_000, false).await?;
    Ok(rows
        .into_iter()
        .find(|(_, row)| row.tags.get(MARK).is_some_and(|m| m == suffix))
        .map(|(key, _)| key.2))
}

async fn set(ctx: &Context, id: &str, request: &ResourceRequest) -> Result<Resource, ServiceError> {
    let p = &request.properties;
    let key = json!({"KeyId": id});
    let disabled = p.get("Enabled").is_some_and(|v| text(v) == "false");
    if is_true(p.get("EnableKeyRotation")) {
        let input = json!({"KeyId": id, "RotationPeriodInDays": p.get("RotationPeriodInDays")});
        call(ctx, "EnableKeyRotation", input).await?;
    } else if is_true(request.old.get("EnableKeyRotation")) {
        call(ctx, "DisableKeyRotation", key.clone()).await?;
    }
    call(ctx, if disabled { "DisableKey" } else { "EnableKey" }, key).await?;
    Ok(Resource::new(id).with("Arn", arn(ctx, id)).with("KeyId", id))
}

impl ResourceType for KeyType {
    fn name(&self) -> &'static str {
        "AWS::KMS::Key"
    }

    fn properties(&self) -> &'static [&'static str] {
        &[
            "BypassPolicyLockoutSafetyCheck",
            "Description",
            "EnableKeyRotation",
            "Enabled",
            "KeyPolicy",
            "KeySpec",
            "KeyUsage",
            "MultiRegion",
            "Origin",
            "PendingWindowInDays",
            "RotationPeriodInDays",
            "Tags",
        ]
    }

    fn replaced_by(&self) -> &'static [&'static str] {
        &["KeySpec", "KeyUsage", "MultiRegion", "Origin"]
    }

    fn create(&self, ctx: Context, request: ResourceRequest) -> Future<Resource> {
        async move {
            let p = &request.properties;
            if let Some(id) = made_before(&ctx, &request.suffix).await? {
                return set(&ctx, &id, &request).await;
            }
            let mut tags: Vec<Value> = request
                .tag_list()
                .into_iter()
                .filter(|(key, _)| !key.starts_with("aws:"))
                .map(|(key, value)| json!({"TagKey": key, "TagValue": value}))
                .collect();
            tags.push(json!({"TagKey": MARK, "TagValue": request.suffix}));
            let input = json!({
                "Description": p.get("Description"), "KeyUsage": p.get("KeyUsage"), "KeySpec": p.get("KeySpec"),
                "Policy": p.get("KeyPolicy").map(text), "MultiRegion": p.get("MultiRegion"),
                "Origin": p.get("Origin"), "Tags": tags,
            });
            let output = call(&ctx, "CreateKey", input).await?;
            let id = output.get("KeyMetadata").and_then(|m| m.get("KeyId")).map(text).unwrap_or_default();
            set(&ctx, &id, &request).await
        }
        .boxed()
    }

    fn update(&self, ctx: Context, request: ResourceRequest) -> Future<Resource> {
        async move {
            let id = request.physical_id.clone();
            let p = &request.properties;
            if let Some(policy) = p.get("KeyPolicy") {
                call(&ctx, "PutKeyPolicy", json!({"KeyId": id, "Policy": text(policy)})).await?;
            }
            let description = request.text("Description").unwrap_or_default();
            call(&ctx, "UpdateKeyDescription", json!({"KeyId": id, "Description": description}))
                .await?;
            set(&ctx, &id, &request).await
        }
        .boxed()
    }

    fn delete(&self, ctx: Context, request: ResourceRequest) -> Future<()> {
        async move {
            let days = request.properties.get("PendingWindowInDays").cloned().unwrap_or(json!(30));
            let input = json!({"KeyId": request.physical_id, "PendingWindowInDays": days});
            match call(&ctx, "ScheduleKeyDeletion", input).await {
                Err(error)
                    if matches!(error.code(), "NotFoundException" | "KMSInvalidStateException") =>
                {
                    Ok(())
                }
                other => other.map(|_| ()),
            }
        }
        .boxed()
    }
}

impl ResourceType for AliasType {
    fn name(&self) -> &'static str {
        "AWS::KMS::Alias"
    }

    fn properties(&self) -> &'static [&'static str] {
        &["AliasName", "TargetKeyId"]
    }

    fn replaced_by(&self) -> &'static [&'static str] {
        &["AliasName"]
    }

    fn create(&self, ctx: Context, request: ResourceRequest) -> Future<Resource> {
        async move {
            let name = request.text("AliasName").unwrap_or_default().to_owned();
            let input = json!({"AliasName": name, "TargetKeyId": request.text("TargetKeyId")});
            match call(&ctx, "CreateAlias", input).await {
                Err(error) if error.code() == "AlreadyExistsException" && request.attempt > 1 => {}
                other => {
                    other?;
                }
            }
            Ok(Resource::new(name))
        }
        .boxed()
    }

    fn update(&self, ctx: Context, request: ResourceRequest) -> Future<Resource> {
        async move {
            let input = json!({"AliasName": request.physical_id, "TargetKeyId": request.text("TargetKeyId")});
            call(&ctx, "UpdateAlias", input).await?;
            Ok(Resource::new(request.physical_id))
        }
        .boxed()
    }

    fn delete(&self, ctx: Context, request: ResourceRequest) -> Future<()> {
        async move {
            match call(&ctx, "DeleteAlias", json!({"AliasName": request.physical_id})).await {
                Err(error) if error.code() == "NotFoundException" => Ok(()),
                other => other.map(|_| ()),
            }
        }
        .boxed()
    }
}

/// Keys, for `undercast ls`.
pub(crate) async fn list(kernel: Kernel) -> Result<Vec<Listed>, ServiceError> {
    let rows = KEYS.list(kernel.db(), KEYS.all(), 10_000, false).await?;
    Ok(rows
        .into_iter()
        .map(|((account, region, id), row)| Listed {
            kind: "AWS::KMS::Key",
            arn: format!("arn:aws:kms:{region}:{account}:key/{id}"),
            account,
            region,
            name: id,
            note: row.description,
        })
        .collect())
}
