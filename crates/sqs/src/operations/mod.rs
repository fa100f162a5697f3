//! One file for each operation; what several of them share is here.

mod add_permission;
mod cancel_message_move_task;
mod change_message_visibility;
mod change_message_visibility_batch;
mod create_queue;
mod delete_message;
mod delete_message_batch;
mod delete_queue;
mod get_queue_attributes;
mod get_queue_url;
mod list_dead_letter_source_queues;
mod list_message_move_tasks;
mod list_queue_tags;
mod list_queues;
mod purge_queue;
mod receive_message;
mod remove_permission;
mod send_message;
mod send_message_batch;
mod set_queue_attributes;
mod start_message_move_task;
mod tag_queue;
mod untag_queue;

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};
use undercast_kernel::{Context, Counted, ServiceError};
use undercast_store::Tx;

use crate::api::sqs::shapes::{
    BatchResultErrorEntry, MessageAttributeValue, MessageSystemAttributeValue,
};
use crate::engine::message::{NewMessage, md5_of_attributes};
use crate::engine::queue::key_of_arn;
use crate::error::parameter;
use crate::limits::{BATCH_ENTRIES_MAX, BATCH_ID_CHARS_MAX, VISIBILITY_S_MAX};
use crate::store::{AttributeRow, QUEUES, QueueKey, QueueRow};

/// Counts for a metric of the queue.
fn count(ctx: &Context, queue_url: &str, name: &str, value: usize, unit: &str) {
    let queue = queue_url.rsplit('/').next().unwrap_or_default();
    let value = f64::from(u32::try_from(value).unwrap_or(u32::MAX));
    let dimensions = &[("QueueName", queue)];
    ctx.count(&Counted { namespace: "AWS/SQS", name, dimensions, value, unit });
}

/// From the wire to the domain.
fn new_message(
    ctx: &Context,
    body: String,
    attributes: Option<BTreeMap<String, MessageAttributeValue>>,
    system: Option<BTreeMap<String, MessageSystemAttributeValue>>,
    (group, deduplication): (Option<String>, Option<String>),
    delay_s: Option<i32>,
) -> Result<NewMessage, ServiceError> {
    let row = |value: MessageAttributeValue| AttributeRow {
        kind: value.data_type,
        text: value.string_value,
        bytes: value.binary_value.map(|b| b.0),
    };
    let mut trace = None;
    for (name, value) in system.unwrap_or_default() {
        if name != "AWSTraceHeader" {
            return Err(parameter(format!("Message system attribute name '{name}' is invalid.")));
        }
        trace = value.string_value;
    }
    Ok(NewMessage {
        body,
        attributes: attributes.unwrap_or_default().into_iter().map(|(n, v)| (n, row(v))).collect(),
        trace,
        group,
        deduplication,
        delay_s: delay_s.map(i64::from),
        sender: ctx.principal().user_id(),
    })
}

fn md5_of_trace(trace: Option<&str>) -> Option<String> {
    let value =
        AttributeRow { kind: "String".to_owned(), text: Some(trace?.to_owned()), bytes: None };
    md5_of_attributes(&[("AWSTraceHeader".to_owned(), value)].into())
}

/// The ids of a batch: one to ten, each once, of a simple form.
fn check_batch(ids: &[&str], entry: &str) -> Result<(), ServiceError> {
    if ids.is_empty() {
        return Err(ServiceError::new(
            "EmptyBatchRequest",
            format!("There should be at least one {entry} in the request."),
        ));
    }
    if ids.len() > BATCH_ENTRIES_MAX {
        return Err(ServiceError::new(
            "TooManyEntriesInBatchRequest",
            format!("Maximum number of entries per request are 10. You have sent {}.", ids.len()),
        ));
    }
    let valid = |id: &str| {
        !id.is_empty()
            && id.len() <= BATCH_ID_CHARS_MAX
            && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    if !ids.iter().all(|id| valid(id)) {
        return Err(ServiceError::new(
            "InvalidBatchEntryId",
            "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 letters long.",
        ));
    }
    let mut seen = BTreeSet::new();
    if let Some(twice) = ids.iter().find(|id| !seen.insert(**id)) {
        return Err(ServiceError::new("BatchEntryIdsNotDistinct", format!("Id {twice} repeated.")));
    }
    Ok(())
}

fn batch_error(id: String, error: &ServiceError) -> BatchResultErrorEntry {
    BatchResultErrorEntry {
        id,
        sender_fault: true,
        code: error.code().to_owned(),
        message: Some(error.message().to_owned()),
    }
}

fn check_visibility(seconds: i32) -> Result<(), ServiceError> {
    if (0..=VISIBILITY_S_MAX).contains(&i64::from(seconds)) {
        return Ok(());
    }
    Err(parameter(format!(
        "Value {seconds} for parameter VisibilityTimeout is invalid. Reason: VisibilityTimeout must be an integer between 0 and 43200."
    )))
}

fn not_in_flight(handle: &str) -> ServiceError {
    parameter(format!(
        "Value {handle} for parameter ReceiptHandle is invalid. Reason: Message does not exist or is not available for visibility timeout change."
    ))
}

/// The policy of a queue, or an empty one.
fn policy(row: &QueueRow, arn: &str) -> Value {
    let have = row.attributes.get("Policy").and_then(|text| serde_json::from_str(text).ok());
    have.unwrap_or_else(|| {
        json!({"Version": "2012-10-17", "Id": format!("{arn}/SQSDefaultPolicy"), "Statement": []})
    })
}

/// What an attribute is when nobody has set it.
pub(crate) fn default_attribute(name: &str) -> Option<&'static str> {
    get_queue_attributes::defaults(true).get(name).copied()
}

/// The queue that a move names by its ARN.
async fn move_queue(
    tx: &Tx,
    ctx: &Context,
    parameter: &str,
    arn: &str,
) -> Result<(QueueKey, QueueRow), ServiceError> {
    let none = || {
        ServiceError::new(
            "ResourceNotFoundException",
            format!("The resource that you specified for the {parameter} parameter doesn't exist."),
        )
    };
    let key = key_of_arn(arn).filter(|key| key.0 == ctx.account() && key.1 == ctx.region());
    let key = key.ok_or_else(none)?;
    let row = QUEUES.get(tx, &key).await?.ok_or_else(none)?;
    Ok((key, row))
}

/// What a client names a move by.
fn move_handle(key: &(u64, i64, u64), source: &str) -> String {
    let id = json!({"taskId": key, "sourceArn": source});
    BASE64.encode(id.to_string())
}

fn parse_move_handle(handle: &str) -> Option<((u64, i64, u64), String)> {
    let id: Value = serde_json::from_slice(&BASE64.decode(handle).ok()?).ok()?;
    let key = serde_json::from_value(id.get("taskId")?.clone()).ok()?;
    Some((key, id.get("sourceArn")?.as_str()?.to_owned()))
}
