//! `AWS::SQS::Queue` and `AWS::SQS::QueuePolicy`, made of SQS's own operations.

use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::{Map, Value, json};
use undercast_kernel::{
    Arn, Context, Kernel, Listed, Resource, ResourceRequest, ResourceType, ServiceError,
};

use crate::store::{COUNTS, QUEUES};

type Future<T> = BoxFuture<'static, Result<T, ServiceError>>;

pub(crate) struct QueueType;
pub(crate) struct QueuePolicyType;

const ATTRIBUTES: &[&str] = &[
    "ContentBasedDeduplication",
    "DeduplicationScope",
    "DelaySeconds",
    "FifoThroughputLimit",
    "KmsDataKeyReusePeriodSeconds",
    "KmsMasterKeyId",
    "MaximumMessageSize",
    "MessageRetentionPeriod",
    "ReceiveMessageWaitTimeSeconds",
    "RedriveAllowPolicy",
    "RedrivePolicy",
    "SqsManagedSseEnabled",
    "VisibilityTimeout",
];

async fn call(ctx: &Context, operation: &str, input: Value) -> Result<Value, ServiceError> {
    ctx.kernel().call(ctx, "sqs", operation, &input).await
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The attributes that the properties set; those that only the old ones set are taken back.
fn attributes(request: &ResourceRequest) -> Map<String, Value> {
    let mut attributes = Map::new();
    for name in ATTRIBUTES {
        match (request.properties.get(name), request.old.get(name)) {
            (Some(value), _) => {
                attributes.insert((*name).to_owned(), text(value).into());
            }
            (None, Some(_)) => {
                let default = crate::operations::default_attribute(name).unwrap_or_default();
                attributes.insert((*name).to_owned(), default.into());
            }
            (None, None) => {}
        }
    }
    attributes
}

fn tags(request: &ResourceRequest) -> Value {
    let own = request.tag_list().into_iter().filter(|(key, _)| !key.starts_with("aws:"));
    Value::Object(own.map(|(key, value)| (key, value.into())).collect())
}

impl ResourceType for QueueType {
    fn name(&self) -> &'static str {
        "AWS::SQS::Queue"
    }

    fn properties(&self) -> &'static [&'static str] {
        &[
            "ContentBasedDeduplication",
            "DeduplicationScope",
            "DelaySeconds",
            "FifoQueue",
            "FifoThroughputLimit",
            "KmsDataKeyReusePeriodSeconds",
            "KmsMasterKeyId",
            "MaximumMessageSize",
            "MessageRetentionPeriod",
            "QueueName",
            "ReceiveMessageWaitTimeSeconds",
            "RedriveAllowPolicy",
            "RedrivePolicy",
            "SqsManagedSseEnabled",
            "Tags",
            "VisibilityTimeout",
        ]
    }

    fn replaced_by(&self) -> &'static [&'static str] {
        &["QueueName", "FifoQueue"]
    }

    fn create(&self, ctx: Context, request: ResourceRequest) -> Future<Resource> {
        async move {
            let named = request.text("QueueName").map(str::to_owned);
            let is_fifo = request.properties.get("FifoQueue").is_some_and(|v| text(v) == "true");
            let name = named.unwrap_or_else(|| match is_fifo {
                true => format!("{}.fifo", request.generated_name(75)),
                false => request.generated_name(80),
            });
            // SQS answers an existing queue of the same form; CloudFormation does not take it over.
            let existing = call(&ctx, "GetQueueUrl", json!({"QueueName": name})).await.is_ok();
            if existing && request.attempt == 1 {
                return Err(ServiceError::new(
                    "QueueNameExists",
                    format!("Queue {name} already exists"),
                ));
            }
            let mut attributes = attributes(&request);
            if let Some(fifo) = request.properties.get("FifoQueue") {
                attributes.insert("FifoQueue".to_owned(), text(fifo).into());
            }
            let input =
                json!({"QueueName": name, "Attributes": attributes, "tags": tags(&request)});
            let output = call(&ctx, "CreateQueue", input).await?;
            let url = output.get("QueueUrl").map(text).unwrap_or_default();
            Ok(resource(&ctx, url, &name))
        }
        .boxed()
    }

    fn update(&self, ctx: Context, request: ResourceRequest) -> Future<Resource> {
        async move {
            let url = request.physical_id.clone();
            let attributes = attributes(&request);
            if !attributes.is_empty() {
                call(
                    &ctx,
                    "SetQueueAttributes",
                    json!({"QueueUrl": url, "Attributes": attributes}),
                )
                .await?;
            }
            let wanted = tags(&request);
            let have = call(&ctx, "ListQueueTags", json!({"QueueUrl": url})).await?;
            let gone: Vec<&String> = have
                .get("Tags")
                .and_then(Value::as_object)
                .into_iter()
                .flat_map(|tags| tags.keys())
                .filter(|key| wanted.get(key.as_str()).is_none())
                .collect();
            if !gone.is_empty() {
                call(&ctx, "UntagQueue", json!({"QueueUrl": url, "TagKeys": gone})).await?;
            }
            if wanted.as_object().is_some_and(|w| !w.is_empty()) {
                call(&ctx, "TagQueue", json!({"QueueUrl": url, "Tags": wanted})).await?;
            }
            let name = url.rsplit('/').next().unwrap_or_default().to_owned();
            Ok(resource(&ctx, url, &name))
        }
        .boxed()
    }

    fn delete(&self, ctx: Context, request: ResourceRequest) -> Future<()> {
        async move {
            match call(&ctx, "DeleteQueue", json!({"QueueUrl": request.physical_id})).await {
                Err(error) if error.code() == "QueueDoesNotExist" => Ok(()),
                other => other.map(|_| ()),
            }
        }
        .boxed()
    }
}

fn resource(ctx: &Context, url: String, name: &str) -> Resource {
    Resource::new(url.clone())
        .with("Arn", ctx.arn("sqs", name))
        .with("QueueName", name)
        .with("QueueUrl", url)
}

impl ResourceType for QueuePolicyType {
    fn name(&self) -> &'static str {
        "AWS::SQS::QueuePolicy"
    }

    fn properties(&self) -> &'static [&'static str] {
        &["PolicyDocument", "Queues"]
    }

    fn create(&self, ctx: Context, request: ResourceRequest) -> Future<Resource> {
        async move {
            set_policy(&ctx, &request.properties, &policy(&request)).await?;
            let name = request.generated_name(128);
            Ok(Resource::new(name.clone()).with("Id", name))
        }
        .boxed()
    }

    fn update(&self, ctx: Context, request: ResourceRequest) -> Future<Resource> {
        async move {
            if request.changed("Queues") {
                set_policy(&ctx, &request.old, "").await?;
            }
            set_policy(&ctx, &request.properties, &policy(&request)).await?;
            Ok(Resource::new(request.physical_id.clone()).with("Id", request.physical_id))
        }
        .boxed()
    }

    fn delete(&self, ctx: Context, request: ResourceRequest) -> Future<()> {
        async move { set_policy(&ctx, &request.properties, "").await }.boxed()
    }
}

fn policy(request: &ResourceRequest) -> String {
    request.properties.get("PolicyDocument").map(text).unwrap_or_default()
}

async fn set_policy(ctx: &Context, properties: &Value, policy: &str) -> Result<(), ServiceError> {
    for url in properties.get("Queues").and_then(Value::as_array).into_iter().flatten() {
        let input = json!({"QueueUrl": url, "Attributes": {"Policy": policy}});
        match call(ctx, "SetQueueAttributes", input).await {
            Err(error) if error.code() == "QueueDoesNotExist" && policy.is_empty() => {}
            other => {
                other?;
            }
        }
    }
    Ok(())
}

/// Queues, for `undercast ls`.
pub(crate) async fn list(kernel: Kernel) -> Result<Vec<Listed>, ServiceError> {
    kernel
        .db()
        .transact(|tx| async move {
            let mut listed = Vec::new();
            for ((account, region, name), row) in
                QUEUES.scan(&tx, QUEUES.all(), 10_000, false).await?
            {
                let messages = tx.sum(&COUNTS.key(&(row.number,))).await?;
                listed.push(Listed {
                    kind: "AWS::SQS::Queue",
                    arn: Arn::new("sqs", &region, &account, &name).to_string(),
                    account,
                    region,
                    name,
                    note: format!("{messages} messages"),
                });
            }
            Ok::<_, ServiceError>(listed)
        })
        .await
}
