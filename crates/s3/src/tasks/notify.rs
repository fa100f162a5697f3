//! Delivering notifications, at least once: what cannot be delivered for a while is tried again, what has
//! no destination any more is dropped, as AWS drops it.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use serde_json::{Value, json};
use undercast_kernel::service::TaskSpec;
use undercast_kernel::{
    Arn, Context, InvokeKind, InvokeRequest, Kernel, Mode, Principal, ServiceError, ServiceEvent,
};
use undercast_store::{Backoff, Outcome, Task, TaskError};

use super::broken;
use crate::engine::bucket::arn;
use crate::engine::notify::{Delivery, Destination};
use crate::engine::policy::lets_service;

pub(crate) const NOTIFY: &str = "s3.notify";
/// As which S3 itself calls others.
pub(crate) const S3_SERVICE: &str = "s3.amazonaws.com";
const CONCURRENCY: usize = 16;
/// With the delays between them, about a day.
const ATTEMPTS_MAX: u32 = 300;

pub(crate) fn notify() -> TaskSpec {
    TaskSpec {
        name: NOTIFY,
        concurrency: CONCURRENCY,
        attempts_max: ATTEMPTS_MAX,
        backoff: Backoff::new(Duration::from_millis(200), Duration::from_secs(300)),
        run: Arc::new(|kernel, task| run(kernel, task).boxed()),
    }
}

async fn run(kernel: Kernel, task: Task) -> Result<Outcome, TaskError> {
    let delivery: Delivery = serde_json::from_slice(&task.payload).map_err(|e| broken(&e))?;
    match deliver(&kernel, &delivery).await {
        Ok(()) => Ok(Outcome::Done),
        Err(error) if is_final(&error) => {
            let (bucket, to) = (&delivery.bucket, &delivery.to);
            tracing::warn!(target: "undercast::s3", "a notification of {bucket} for {to:?} was dropped: {error}");
            Ok(Outcome::Done)
        }
        Err(error) => Err(broken(&error)),
    }
}

/// Nobody is there any more, or nobody who may be reached.
fn is_final(error: &ServiceError) -> bool {
    let code = error.code();
    code.contains("NotFound")
        || code.contains("NonExistent")
        || code.contains("DoesNotExist")
        || code.starts_with("AccessDenied")
}

async fn deliver(kernel: &Kernel, delivery: &Delivery) -> Result<(), ServiceError> {
    let ctx = kernel.service_context(S3_SERVICE, &delivery.account, &delivery.region);
    match &delivery.to {
        Destination::Function(function) => invoke(&ctx, delivery, function).await,
        Destination::Queue(queue) => send(&ctx, delivery, queue).await,
        Destination::EventBridge => put(&ctx, delivery).await,
    }
}

fn denied(to: &str) -> ServiceError {
    ServiceError::access_denied(format!("the policy of {to} does not let S3 reach it"))
}

async fn invoke(ctx: &Context, delivery: &Delivery, function: &str) -> Result<(), ServiceError> {
    let is_secure = ctx.kernel().settings().mode == Mode::Secure;
    if let (true, Some(arn)) = (is_secure, Arn::parse(function))
        && !lets_invoke(ctx, &arn, &delivery.bucket, &delivery.account).await?
    {
        return Err(denied(function));
    }
    let request = InvokeRequest {
        function: function.to_owned(),
        payload: delivery.message.to_string().into(),
        kind: InvokeKind::Event,
        ..InvokeRequest::default()
    };
    ctx.kernel().invoke()?.invoke(ctx.clone(), request).await?;
    Ok(())
}

async fn send(ctx: &Context, delivery: &Delivery, queue: &str) -> Result<(), ServiceError> {
    let arn = Arn::parse(queue).ok_or_else(|| denied(queue))?;
    if ctx.kernel().settings().mode == Mode::Secure {
        let policy = queue_policy(ctx, &arn).await?.unwrap_or_default();
        let source = (delivery.bucket.as_str(), delivery.account.as_str());
        if !lets_service(&policy, S3_SERVICE, "sqs:SendMessage", queue, source) {
            return Err(denied(queue));
        }
    }
    let input = json!({
        "QueueUrl": queue_url(ctx, &arn),
        "MessageBody": delivery.message.to_string(),
    });
    let ctx = ctx.within(arn.account, arn.region);
    ctx.kernel().call(&ctx, "sqs", "SendMessage", &input).await?;
    Ok(())
}

async fn put(ctx: &Context, delivery: &Delivery) -> Result<(), ServiceError> {
    let Some(bus) = ctx.kernel().event_bus() else {
        return Ok(());
    };
    let message = &delivery.message;
    let event = ServiceEvent {
        source: "aws.s3",
        detail_type: message.get("type").and_then(Value::as_str).unwrap_or_default().to_owned(),
        time_ms: message.get("time_ms").and_then(Value::as_i64).unwrap_or_default(),
        resources: vec![arn(&delivery.bucket)],
        detail: message.get("detail").cloned().unwrap_or_default(),
    };
    bus.put(ctx.clone(), event).await
}

/// The same call, made by S3 itself.
pub(crate) fn as_s3(ctx: &Context, account: &str, region: &str) -> Context {
    let principal = Principal::Service { name: S3_SERVICE, account: account.to_owned() };
    ctx.with_principal(principal).within(account, region)
}

/// Whether the policy of a function (or of its version or alias) lets S3 call it for this bucket.
pub(crate) async fn lets_invoke(
    ctx: &Context,
    function: &Arn,
    bucket: &str,
    account: &str,
) -> Result<bool, ServiceError> {
    let mut parts = function.resource.split(':').skip(1);
    let Some(name) = parts.next() else {
        return Ok(false);
    };
    let mut input = json!({"FunctionName": name});
    if let (Some(qualifier), Value::Object(input)) = (parts.next(), &mut input) {
        input.insert("Qualifier".to_owned(), qualifier.into());
    }
    let ctx = ctx.within(function.account.clone(), function.region.clone());
    let answer = match ctx.kernel().call(&ctx, "lambda", "GetPolicy", &input).await {
        Ok(answer) => answer,
        Err(error) if is_final(&error) => return Ok(false),
        Err(error) => return Err(error),
    };
    let policy = policy(answer.get("Policy"));
    let arn = function.to_string();
    Ok(lets_service(&policy, S3_SERVICE, "lambda:InvokeFunction", &arn, (bucket, account)))
}

/// The policy of a queue, empty if it has none; `None` if there is no queue.
pub(crate) async fn queue_policy(
    ctx: &Context,
    queue: &Arn,
) -> Result<Option<Value>, ServiceError> {
    let input = json!({"QueueUrl": queue_url(ctx, queue), "AttributeNames": ["Policy"]});
    let ctx = ctx.within(queue.account.clone(), queue.region.clone());
    match ctx.kernel().call(&ctx, "sqs", "GetQueueAttributes", &input).await {
        Ok(answer) => Ok(Some(policy(answer.pointer("/Attributes/Policy")))),
        Err(error) if is_final(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

fn policy(text: Option<&Value>) -> Value {
    let text = text.and_then(Value::as_str).unwrap_or_default();
    serde_json::from_str(text).unwrap_or_default()
}

fn queue_url(ctx: &Context, queue: &Arn) -> String {
    format!("{}/{}/{}", ctx.public_url(), queue.account, queue.resource)
}
