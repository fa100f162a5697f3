//! Where the result of an asynchronous invocation goes: destinations and dead letter queues.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use undercast_kernel::{Arn, Context, Counted, Db, ServiceError};
use undercast_smithy::Timestamp;
use undercast_store::Tx;

use super::payload::Payload;
use super::{Waiting, enqueue_for_arn};
use crate::error::invalid;
use crate::functions::{Functions, Outcome, Target};
use crate::name::LATEST;
use crate::store::InvokeConfigRow;

const ERROR_MESSAGE_CHARS_MAX: usize = 1024;

/// What came of an event.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Ending {
    condition: String,
    attempts: u32,
    /// None if the function never answered.
    answer: Option<Answer>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Answer {
    payload: Payload,
    version: String,
    error: Option<String>,
}

impl Ending {
    pub(super) fn refused(condition: &str, attempts: u32) -> Self {
        Self { condition: condition.to_owned(), attempts, answer: None }
    }

    pub(super) async fn of(
        db: &Db,
        condition: &str,
        attempts: u32,
        outcome: Outcome,
    ) -> Result<Self, ServiceError> {
        Ok(Self {
            condition: condition.to_owned(),
            attempts,
            answer: Some(Answer {
                payload: Payload::keep(db, outcome.payload).await?,
                version: outcome.version,
                error: outcome.error,
            }),
        })
    }

    pub(super) fn is_success(&self) -> bool {
        self.condition == "Success"
    }

    pub(super) fn is_small(&self) -> bool {
        self.answer.as_ref().is_none_or(|a| a.payload.is_small())
    }

    pub(super) fn link(&self, tx: &Tx, owner: &[u8]) -> Result<(), ServiceError> {
        self.answer.iter().try_for_each(|a| a.payload.link(tx, owner))
    }

    pub(super) fn unlink(&self, tx: &Tx, owner: &[u8]) -> Result<(), ServiceError> {
        self.answer.iter().try_for_each(|a| a.payload.unlink(tx, owner))
    }

    async fn answered(&self, db: &Db) -> Result<Bytes, ServiceError> {
        match &self.answer {
            Some(answer) => answer.payload.load(db).await,
            None => Ok(Bytes::new()),
        }
    }
}

/// A destination that is served here.
pub(crate) fn check_destination(arn: &str) -> Result<(), ServiceError> {
    match Arn::parse(arn).as_ref().map(|arn| arn.service.as_str()) {
        Some("sqs" | "lambda") => Ok(()),
        Some("sns") => Err(ServiceError::unsupported("an SNS topic as destination")),
        Some("events") => Err(ServiceError::unsupported("an event bus as destination")),
        Some("s3") => Err(ServiceError::unsupported("a bucket as destination")),
        _ => Err(invalid(format!("The destination ARN {arn} is invalid."))),
    }
}

pub(super) async fn deliver(
    functions: &Functions,
    ctx: &Context,
    target: &Target,
    config: &InvokeConfigRow,
    waiting: &Waiting,
    ending: &Ending,
) -> Result<(), ServiceError> {
    // What the role may do decides, as with AWS.
    let as_role = functions.as_role(ctx, target).await?;
    let event = waiting.payload.load(ctx.store()).await?;
    let answer = ending.answered(ctx.store()).await?;
    let destination = match ending.is_success() {
        true => &config.on_success,
        false => &config.on_failure,
    };
    if let Some(arn) = destination {
        let record = record(ctx, target, waiting, ending, &event, &answer);
        let sent = send(functions, &as_role, arn, record).await;
        sent.inspect_err(|_| lost(ctx, target, "DestinationDeliveryFailures"))?;
    }
    let dead_letter = target.config.settings.dead_letter.as_ref();
    if let Some(arn) = dead_letter.filter(|_| !ending.is_success()) {
        let attributes = attributes(waiting, ending, &answer);
        let sent = send_message(&as_role, arn, &text(&event), attributes).await;
        sent.inspect_err(|_| lost(ctx, target, "DeadLetterErrors"))?;
    }
    Ok(())
}

/// Counts a result that could not be delivered.
fn lost(ctx: &Context, target: &Target, name: &str) {
    let dimensions = &[("FunctionName", target.name.name.as_str())];
    let counted = Counted { namespace: "AWS/Lambda", name, dimensions, value: 1.0, unit: "Count" };
    ctx.count(&counted);
}

fn text(bytes: &[u8]) -> String {
    match bytes {
        [] => "{}".to_owned(),
        _ => String::from_utf8_lossy(bytes).into_owned(),
    }
}

/// A payload as it stands in a record: JSON where it is that.
fn value(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap_or_else(|_| text(bytes).into())
}

fn record(
    ctx: &Context,
    target: &Target,
    waiting: &Waiting,
    ending: &Ending,
    event: &[u8],
    answer: &[u8],
) -> Value {
    let qualifier = target.name.qualifier.as_deref().unwrap_or(LATEST);
    let mut record = Map::new();
    record.insert("version".to_owned(), "1.0".into());
    let now = Timestamp::from_millis(ctx.now_ms()).iso8601_millis();
    record.insert("timestamp".to_owned(), now.into());
    let about = json!({
        "requestId": waiting.request_id,
        "functionArn": target.name.arn_with(qualifier),
        "condition": ending.condition,
        "approximateInvokeCount": ending.attempts,
    });
    record.insert("requestContext".to_owned(), about);
    let event = if event.is_empty() { json!({}) } else { value(event) };
    record.insert("requestPayload".to_owned(), event);
    if let Some(answered) = &ending.answer {
        let mut about = json!({"statusCode": 200, "executedVersion": answered.version});
        if let (Some(error), Value::Object(about)) = (&answered.error, &mut about) {
            about.insert("functionError".to_owned(), error.clone().into());
        }
        record.insert("responseContext".to_owned(), about);
        record.insert("responsePayload".to_owned(), value(answer));
    }
    Value::Object(record)
}

fn attributes(waiting: &Waiting, ending: &Ending, answer: &[u8]) -> Value {
    let message = match ending.answer {
        Some(_) => value(answer)
            .get("errorMessage")
            .and_then(Value::as_str)
            .map(|text| text.chars().take(ERROR_MESSAGE_CHARS_MAX).collect())
            .unwrap_or_else(|| ending.condition.clone()),
        None => "Rate Exceeded.".to_owned(),
    };
    let code = if ending.answer.is_some() { "200" } else { "429" };
    json!({
        "RequestID": {"DataType": "String", "StringValue": waiting.request_id},
        "ErrorCode": {"DataType": "Number", "StringValue": code},
        "ErrorMessage": {"DataType": "String", "StringValue": message},
    })
}

async fn send(
    functions: &Functions,
    ctx: &Context,
    arn: &str,
    record: Value,
) -> Result<(), ServiceError> {
    let is_function = Arn::parse(arn).is_some_and(|arn| arn.service == "lambda");
    if is_function {
        return enqueue_for_arn(functions, ctx, arn, record.to_string().into()).await;
    }
    send_message(ctx, arn, &record.to_string(), json!({})).await
}

/// A message to the queue with this ARN, with the rights of `ctx`.
pub(crate) async fn send_message(
    ctx: &Context,
    queue: &str,
    body: &str,
    attributes: Value,
) -> Result<(), ServiceError> {
    let Some(arn) = Arn::parse(queue) else {
        return Err(invalid(format!("{queue} is not the ARN of a queue")));
    };
    let ctx = ctx.within(arn.account.clone(), arn.region.clone());
    let input = json!({
        "QueueUrl": format!("{}/{}/{}", ctx.public_url(), arn.account, arn.resource),
        "MessageBody": body,
        "MessageAttributes": attributes,
    });
    ctx.kernel().call(&ctx, "sqs", "SendMessage", &input).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn destinations_that_are_not_served_are_named() {
        assert!(check_destination("arn:aws:sqs:us-east-1:000000000000:q").is_ok());
        let error = check_destination("arn:aws:sns:us-east-1:000000000000:t").unwrap_err();
        assert_eq!(error.code(), "NotImplemented");
        assert_eq!(
            check_destination("nonsense").unwrap_err().code(),
            "InvalidParameterValueException"
        );
    }
}
