//! A queue: finding it by its URL, its attributes and their defaults.

use std::collections::BTreeMap;

use serde_json::Value;
use undercast_kernel::{Context, ServiceError};
use undercast_store::Tx;

use crate::error::{attribute_value, no_queue, parameter};
use crate::limits::{
    DELAY_S_MAX, MESSAGE_BYTES_MAX, MESSAGE_BYTES_MIN, NAME_CHARS_MAX, RECEIVES_MAX,
    RETENTION_S_DEFAULT, RETENTION_S_MAX, RETENTION_S_MIN, VISIBILITY_S_DEFAULT, VISIBILITY_S_MAX,
    WAIT_S_MAX,
};
use crate::store::{QUEUES, QueueKey, QueueRow};

/// Where messages go that nobody could handle.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Redrive {
    pub(crate) target_arn: String,
    pub(crate) receives_max: u32,
}

impl QueueRow {
    fn number_of(&self, attribute: &str, default: i64) -> i64 {
        self.attributes.get(attribute).and_then(|v| v.parse().ok()).unwrap_or(default)
    }

    pub(crate) fn delay_s(&self) -> i64 {
        self.number_of("DelaySeconds", 0)
    }

    pub(crate) fn visibility_s(&self) -> i64 {
        self.number_of("VisibilityTimeout", VISIBILITY_S_DEFAULT)
    }

    pub(crate) fn wait_s(&self) -> i64 {
        self.number_of("ReceiveMessageWaitTimeSeconds", 0)
    }

    pub(crate) fn retention_s(&self) -> i64 {
        self.number_of("MessageRetentionPeriod", RETENTION_S_DEFAULT)
    }

    pub(crate) fn message_bytes_max(&self) -> i64 {
        self.number_of("MaximumMessageSize", MESSAGE_BYTES_MAX)
    }

    pub(crate) fn is_fifo(&self) -> bool {
        is_fifo(&self.name)
    }

    pub(crate) fn is_deduplicated_by_content(&self) -> bool {
        self.attributes.get("ContentBasedDeduplication").is_some_and(|value| value == "true")
    }

    pub(crate) fn redrive(&self) -> Option<Redrive> {
        redrive(self.attributes.get("RedrivePolicy")?)
    }
}

fn redrive(text: &str) -> Option<Redrive> {
    let policy: Value = serde_json::from_str(text).ok()?;
    let receives = policy.get("maxReceiveCount")?;
    let receives = receives.as_i64().or_else(|| receives.as_str()?.parse().ok())?;
    if !(1..=RECEIVES_MAX).contains(&receives) {
        return None;
    }
    Some(Redrive {
        target_arn: policy.get("deadLetterTargetArn")?.as_str()?.to_owned(),
        receives_max: u32::try_from(receives).ok()?,
    })
}

pub(crate) fn key(ctx: &Context, name: &str) -> QueueKey {
    (ctx.account().to_owned(), ctx.region().to_owned(), name.to_owned())
}

pub(crate) fn arn(ctx: &Context, name: &str) -> String {
    ctx.arn("sqs", name)
}

/// The key of the queue that an ARN names.
pub(crate) fn key_of_arn(arn: &str) -> Option<QueueKey> {
    let arn = undercast_kernel::Arn::parse(arn).filter(|arn| arn.service == "sqs")?;
    Some((arn.account, arn.region, arn.resource))
}

/// The URL under the host that the client used.
pub(crate) fn url(ctx: &Context, name: &str) -> String {
    format!("{}/{}/{name}", ctx.public_url(), ctx.account())
}

/// Account and name in a queue URL, whatever its host; a bare name is the caller's.
pub(crate) fn key_of_url(ctx: &Context, url: &str) -> Result<QueueKey, ServiceError> {
    let path = url.split_once("://").map_or(url, |(_, rest)| rest);
    let mut parts = path.trim_end_matches('/').rsplit('/');
    let name = parts.next().filter(|n| !n.is_empty()).ok_or_else(no_queue)?;
    let account = parts.next().filter(|a| a.len() == 12 && a.bytes().all(|b| b.is_ascii_digit()));
    let account = account.unwrap_or(ctx.account());
    Ok((account.to_owned(), ctx.region().to_owned(), name.to_owned()))
}

/// The queue's name in a URL, for an ARN to authorize on.
pub(crate) fn arn_of_url(ctx: &Context, url: &str) -> String {
    match key_of_url(ctx, url) {
        Ok((account, region, name)) => {
            undercast_kernel::Arn::new("sqs", region, account, name).to_string()
        }
        Err(_) => "*".to_owned(),
    }
}

pub(crate) async fn require(
    tx: &Tx,
    ctx: &Context,
    url: &str,
) -> Result<(QueueKey, QueueRow), ServiceError> {
    let key = key_of_url(ctx, url)?;
    let row = QUEUES.get(tx, &key).await?.ok_or_else(no_queue)?;
    Ok((key, row))
}

/// A queue is of the kind that its name says.
pub(crate) fn is_fifo(name: &str) -> bool {
    name.ends_with(".fifo")
}

pub(crate) fn check_name(name: &str, fifo: bool) -> Result<(), ServiceError> {
    let suffix = if fifo { ".fifo" } else { "" };
    let base = name.strip_suffix(suffix).unwrap_or_default();
    let valid = !base.is_empty()
        && name.len() <= NAME_CHARS_MAX
        && base.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    if valid {
        return Ok(());
    }
    Err(parameter(if fifo {
        "The name of a FIFO queue can only include alphanumeric characters, hyphens, or underscores, must end with .fifo suffix and be 1 to 80 in length."
    } else {
        "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length"
    }))
}

/// Checks attributes that a caller sets. An empty value takes an attribute back to its default.
pub(crate) async fn check_attributes(
    tx: &Tx,
    ctx: &Context,
    queue: &str,
    attributes: &BTreeMap<String, String>,
) -> Result<(), ServiceError> {
    let fifo = is_fifo(queue);
    for (name, value) in attributes {
        let within = |min: i64, max: i64| {
            let number = value.parse::<i64>().ok().filter(|n| (min..=max).contains(n));
            number.map(|_| ()).ok_or_else(|| attribute_value(name))
        };
        match name.as_str() {
            "DelaySeconds" => within(0, DELAY_S_MAX)?,
            "MaximumMessageSize" => within(MESSAGE_BYTES_MIN, MESSAGE_BYTES_MAX)?,
            "MessageRetentionPeriod" => within(RETENTION_S_MIN, RETENTION_S_MAX)?,
            "ReceiveMessageWaitTimeSeconds" => within(0, WAIT_S_MAX)?,
            "VisibilityTimeout" => within(0, VISIBILITY_S_MAX)?,
            "KmsDataKeyReusePeriodSeconds" => within(60, 86_400)?,
            "Policy" | "RedriveAllowPolicy" if value.is_empty() => {}
            "Policy" | "RedriveAllowPolicy" => {
                serde_json::from_str::<Value>(value).map_err(|_| attribute_value(name))?;
            }
            "RedrivePolicy" if value.is_empty() => {}
            "RedrivePolicy" => check_redrive(tx, ctx, fifo, value).await?,
            "SqsManagedSseEnabled" if value == "true" || value == "false" => {}
            "SqsManagedSseEnabled" => return Err(attribute_value(name)),
            "KmsMasterKeyId" => {}
            "FifoQueue" if fifo && value == "true" => {}
            "ContentBasedDeduplication" if fifo && (value == "true" || value == "false") => {}
            "DeduplicationScope" if fifo && (value == "queue" || value == "messageGroup") => {}
            "FifoThroughputLimit"
                if fifo && (value == "perQueue" || value == "perMessageGroupId") => {}
            "FifoQueue"
            | "ContentBasedDeduplication"
            | "DeduplicationScope"
            | "FifoThroughputLimit"
                if fifo =>
            {
                return Err(attribute_value(name));
            }
            _ => {
                return Err(ServiceError::new(
                    "InvalidAttributeName",
                    format!("Unknown Attribute {name}."),
                ));
            }
        }
    }
    Ok(())
}

async fn check_redrive(
    tx: &Tx,
    ctx: &Context,
    fifo: bool,
    value: &str,
) -> Result<(), ServiceError> {
    let bad = |reason: &str| {
        parameter(format!("Value {value} for parameter RedrivePolicy is invalid. Reason: {reason}"))
    };
    let Some(redrive) = redrive(value) else {
        let has = |key: &str| value.contains(key);
        return Err(match (has("deadLetterTargetArn"), has("maxReceiveCount")) {
            (false, _) => {
                bad("Redrive policy does not contain mandatory attribute: deadLetterTargetArn.")
            }
            (_, false) => {
                bad("Redrive policy does not contain mandatory attribute: maxReceiveCount.")
            }
            _ => bad("Invalid value for maxReceiveCount: must be between 1 and 1000."),
        });
    };
    let target = key_of_arn(&redrive.target_arn)
        .ok_or_else(|| bad("Dead letter target owned by Amazon SQS queue is invalid."))?;
    if target.0 != ctx.account() || target.1 != ctx.region() {
        return Err(bad("Dead-letter target must be in the same account and region."));
    }
    if QUEUES.get(tx, &target).await?.is_none() {
        return Err(bad("Dead letter target does not exist."));
    }
    if is_fifo(&target.2) != fifo {
        return Err(bad("Dead-letter queue must be same type of queue as the source."));
    }
    Ok(())
}

/// A limit for each group asks for deduplication within each group.
pub(crate) fn check_throughput(attributes: &BTreeMap<String, String>) -> Result<(), ServiceError> {
    let is = |name: &str, value: &str| attributes.get(name).is_some_and(|have| have == value);
    if is("FifoThroughputLimit", "perMessageGroupId") && !is("DeduplicationScope", "messageGroup") {
        return Err(ServiceError::new(
            "InvalidAttributeValue",
            "Invalid value for the parameter FifoThroughputLimit. Reason: The perMessageGroupId value is allowed only when the value for DeduplicationScope is messageGroup.",
        ));
    }
    Ok(())
}
