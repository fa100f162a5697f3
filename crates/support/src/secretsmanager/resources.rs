//! `AWS::SecretsManager::Secret`, `RotationSchedule` and `ResourcePolicy`, made of the service's own operations.

use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::{Value, json};
use undercast_kernel::{
    Context, Kernel, Listed, Resource, ResourceRequest, ResourceType, ServiceError,
};

use super::password::{self, Wanted};
use super::store::SECRETS;

type Future<T> = BoxFuture<'static, Result<T, ServiceError>>;

pub(crate) struct SecretType;
pub(crate) struct RotationScheduleType;
pub(crate) struct ResourcePolicyType;

async fn call(ctx: &Context, operation: &str, input: Value) -> Result<Value, ServiceError> {
    ctx.kernel().call(ctx, "secretsmanager", operation, &input).await
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn is_true(value: Option<&Value>) -> Option<bool> {
    value.map(|value| text(value) == "true")
}

/// The value that a template gives, or has generated.
fn value(ctx: &Context, properties: &Value) -> Result<Option<String>, ServiceError> {
    if let Some(given) = properties.get("SecretString") {
        return Ok(Some(text(given)));
    }
    let Some(rules) = properties.get("GenerateSecretString") else { return Ok(None) };
    let flag = |name: &str| is_true(rules.get(name)).unwrap_or(false);
    let exclude = rules.get("ExcludeCharacters").map(text).unwrap_or_default();
    let wanted = Wanted {
        length: rules.get("PasswordLength").and_then(|length| text(length).parse().ok()),
        exclude: &exclude,
        no_numbers: flag("ExcludeNumbers"),
        no_punctuation: flag("ExcludePunctuation"),
        no_uppercase: flag("ExcludeUppercase"),
        no_lowercase: flag("ExcludeLowercase"),
        space: flag("IncludeSpace"),
        require_each: is_true(rules.get("RequireEachIncludedType")),
    };
    let password = password::make(&*ctx.env().ids, &wanted)?;
    let refused = |message: &str| ServiceError::new("InvalidRequestException", message);
    match (rules.get("SecretStringTemplate"), rules.get("GenerateStringKey")) {
        (None, None) => Ok(Some(password)),
        (Some(template), Some(name)) => {
            let parsed = serde_json::from_str(&text(template));
            let Ok(Value::Object(mut document)) = parsed else {
                return Err(refused("SecretStringTemplate is not a valid JSON object."));
            };
            document.insert(text(name), password.into());
            Ok(Some(Value::Object(document).to_string()))
        }
        _ => Err(refused("SecretStringTemplate and GenerateStringKey have to be given together.")),
    }
}

/// The tags of the resource and its stack, as operations take them.
fn tags(request: &ResourceRequest) -> Vec<Value> {
    let list = request.tag_list().into_iter();
    list.map(|(key, value)| json!({"Key": key, "Value": value})).collect()
}

fn made(arn: &str) -> Resource {
    Resource::new(arn).with("Id", arn)
}

fn arn_of(output: &Value) -> String {
    output.get("ARN").map(text).unwrap_or_default()
}

/// A secret that an earlier attempt made for this resource.
async fn made_before(
    ctx: &Context,
    name: &str,
    request: &ResourceRequest,
) -> Result<Option<String>, ServiceError> {
    let found = match call(ctx, "DescribeSecret", json!({"SecretId": name})).await {
        Err(error) if error.code() == "ResourceNotFoundException" => return Ok(None),
        found => found?,
    };
    let own = request.tags.get("aws:cloudformation:stack-id").map(String::as_str);
    let tags = found.get("Tags").and_then(Value::as_array);
    let is_own = tags.into_iter().flatten().any(|tag| {
        let key = tag.get("Key").and_then(Value::as_str);
        key == Some("aws:cloudformation:stack-id")
            && tag.get("Value").and_then(Value::as_str) == own
    });
    Ok(is_own.then(|| arn_of(&found)))
}

impl ResourceType for SecretType {
    fn name(&self) -> &'static str {
        "AWS::SecretsManager::Secret"
    }

    fn properties(&self) -> &'static [&'static str] {
        &["Description", "GenerateSecretString", "KmsKeyId", "Name", "SecretString", "Tags"]
    }

    fn replaced_by(&self) -> &'static [&'static str] {
        &["Name"]
    }

    fn create(&self, ctx: Context, request: ResourceRequest) -> Future<Resource> {
        async move {
            let name = match request.text("Name") {
                Some(name) => name.to_owned(),
                None => {
                    let suffix: String = request.suffix.chars().take(12).collect();
                    format!("{}-{suffix}", request.logical_id)
                }
            };
            if request.attempt > 1
                && let Some(arn) = made_before(&ctx, &name, &request).await?
            {
                return Ok(made(&arn));
            }
            let p = &request.properties;
            let input = json!({
                "Name": name, "Description": p.get("Description"), "KmsKeyId": p.get("KmsKeyId"),
                "SecretString": value(&ctx, p)?, "Tags": tags(&request),
            });
            Ok(made(&arn_of(&call(&ctx, "CreateSecret", input).await?)))
        }
        .boxed()
    }

    fn update(&self, ctx: Context, request: ResourceRequest) -> Future<Resource> {
        async move {
            let (arn, p) = (&request.physical_id, &request.properties);
            let is_new = request.changed("SecretString") || request.changed("GenerateSecretString");
            let value = if is_new { value(&ctx, p)? } else { None };
            let input = json!({
                "SecretId": arn, "Description": request.text("Description").unwrap_or_default(),
                "KmsKeyId": p.get("KmsKeyId"), "SecretString": value,
            });
            call(&ctx, "UpdateSecret", input).await?;
            let names = |tags: Option<&Value>| -> Vec<Value> {
                let tags = tags.and_then(Value::as_array).into_iter().flatten();
                tags.filter_map(|tag| tag.get("Key").cloned()).collect()
            };
            let kept = names(p.get("Tags"));
            let gone: Vec<Value> = names(request.old.get("Tags"))
                .into_iter()
                .filter(|name| !kept.contains(name))
                .collect();
            if !gone.is_empty() {
                call(&ctx, "UntagResource", json!({"SecretId": arn, "TagKeys": gone})).await?;
            }
            let tags = tags(&request);
            if !tags.is_empty() {
                call(&ctx, "TagResource", json!({"SecretId": arn, "Tags": tags})).await?;
            }
            Ok(made(arn))
        }
        .boxed()
    }

    fn delete(&self, ctx: Context, request: ResourceRequest) -> Future<()> {
        async move {
            let input =
                json!({"SecretId": request.physical_id, "ForceDeleteWithoutRecovery": true});
            gone(call(&ctx, "DeleteSecret", input).await)
        }
        .boxed()
    }
}

/// What is gone already, or is going, is deleted.
fn gone(answer: Result<Value, ServiceError>) -> Result<(), ServiceError> {
    match answer {
        Err(error)
            if matches!(error.code(), "ResourceNotFoundException" | "InvalidRequestException") =>
        {
            Ok(())
        }
        other => other.map(|_| ()),
    }
}

async fn schedule(ctx: &Context, request: &ResourceRequest) -> Result<Resource, ServiceError> {
    let p = &request.properties;
    let number = |value: &Value| text(value).parse::<i64>().unwrap_or_default();
    let rules = p.get("RotationRules").map(|rules| {
        json!({
            "AutomaticallyAfterDays": rules.get("AutomaticallyAfterDays").map(number),
            "Duration": rules.get("Duration"),
            "ScheduleExpression": rules.get("ScheduleExpression"),
        })
    });
    // The version's id is the same in every attempt.
    let token: String = request.operation.chars().chain(request.suffix.chars()).collect();
    let token: String = token.chars().filter(char::is_ascii_alphanumeric).collect();
    let input = json!({
        "SecretId": p.get("SecretId"), "RotationLambdaARN": p.get("RotationLambdaARN"),
        "RotationRules": rules, "RotateImmediately": is_true(p.get("RotateImmediatelyOnUpdate")),
        "ClientRequestToken": format!("{token:0>32}").chars().take(64).collect::<String>(),
    });
    Ok(made(&arn_of(&call(ctx, "RotateSecret", input).await?)))
}

impl ResourceType for RotationScheduleType {
    fn name(&self) -> &'static str {
        "AWS::SecretsManager::RotationSchedule"
    }

    fn properties(&self) -> &'static [&'static str] {
        &["RotateImmediatelyOnUpdate", "RotationLambdaARN", "RotationRules", "SecretId"]
    }

    fn replaced_by(&self) -> &'static [&'static str] {
        &["SecretId"]
    }

    fn create(&self, ctx: Context, request: ResourceRequest) -> Future<Resource> {
        async move { schedule(&ctx, &request).await }.boxed()
    }

    fn update(&self, ctx: Context, request: ResourceRequest) -> Future<Resource> {
        async move { schedule(&ctx, &request).await }.boxed()
    }

    fn delete(&self, ctx: Context, request: ResourceRequest) -> Future<()> {
        async move {
            let input = json!({"SecretId": request.physical_id});
            gone(call(&ctx, "CancelRotateSecret", input).await)
        }
        .boxed()
    }
}

async fn put_policy(ctx: &Context, request: &ResourceRequest) -> Result<Resource, ServiceError> {
    let p = &request.properties;
    let input = json!({
        "SecretId": p.get("SecretId"), "ResourcePolicy": p.get("ResourcePolicy").map(text),
        "BlockPublicPolicy": is_true(p.get("BlockPublicPolicy")),
    });
    Ok(made(&arn_of(&call(ctx, "PutResourcePolicy", input).await?)))
}

impl ResourceType for ResourcePolicyType {
    fn name(&self) -> &'static str {
        "AWS::SecretsManager::ResourcePolicy"
    }

    fn properties(&self) -> &'static [&'static str] {
        &["BlockPublicPolicy", "ResourcePolicy", "SecretId"]
    }

    fn replaced_by(&self) -> &'static [&'static str] {
        &["SecretId"]
    }

    fn create(&self, ctx: Context, request: ResourceRequest) -> Future<Resource> {
        async move { put_policy(&ctx, &request).await }.boxed()
    }

    fn update(&self, ctx: Context, request: ResourceRequest) -> Future<Resource> {
        async move { put_policy(&ctx, &request).await }.boxed()
    }

    fn delete(&self, ctx: Context, request: ResourceRequest) -> Future<()> {
        async move {
            let input = json!({"SecretId": request.physical_id});
            gone(call(&ctx, "DeleteResourcePolicy", input).await)
        }
        .boxed()
    }
}

/// Secrets, for `undercast ls`.
pub(crate) async fn list(kernel: Kernel) -> Result<Vec<Listed>, ServiceError> {
    let rows = SECRETS.list(kernel.db(), SECRETS.all(), 10_000, false).await?;
    Ok(rows
        .into_iter()
        .map(|((account, region, name), row)| Listed {
            kind: "AWS::SecretsManager::Secret",
            arn: format!("arn:aws:secretsmanager:{region}:{account}:secret:{name}-{}", row.suffix),
            account,
            region,
            name,
            note: format!("{} versions", row.versions.len()),
        })
        .collect())
}
