//! `GetQueueAttributes`: the attributes of a queue.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::Sqs;
use crate::api::sqs::operations::GetQueueAttributes;
use crate::api::sqs::shapes::{GetQueueAttributesInput, GetQueueAttributesOutput};
use crate::engine::fifo;
use crate::engine::queue::arn_of_url;
use crate::engine::queue::{arn, require};
use crate::limits::IN_FLIGHT_MAX;
use crate::store::{COUNTS, MESSAGES, QueueRow};
use std::collections::BTreeMap;
use undercast_store::Tx;

impl Handler<GetQueueAttributes> for Sqs {
    fn authorize(&self, ctx: &Context, input: &GetQueueAttributesInput) -> Vec<Access> {
        vec![Access::new("sqs:GetQueueAttributes", arn_of_url(ctx, &input.queue_url))]
    }

    async fn handle(
        &self,
        ctx: Context,
        input: GetQueueAttributesInput,
    ) -> Result<GetQueueAttributesOutput, ServiceError> {
        let names = input.attribute_names.clone().unwrap_or_default();
        let known = |name: &String| name == "All" || NAMES.contains(&name.as_str());
        if let Some(name) = names.iter().find(|name| !known(name)) {
            return Err(ServiceError::new(
                "InvalidAttributeName",
                format!("Unknown Attribute {name}."),
            ));
        }
        let all = ctx
            .transact(input, |tx, ctx, input| async move {
                attributes(&tx, &ctx, &input.queue_url).await
            })
            .await?;
        let wanted = |name: &String| names.iter().any(|n| n == "All" || n == name);
        let shown: BTreeMap<String, String> =
            all.into_iter().filter(|(name, _)| wanted(name)).collect();
        Ok(GetQueueAttributesOutput { attributes: Some(shown).filter(|s| !s.is_empty()) })
    }
}

const NAMES: &[&str] = &[
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesDelayed",
    "ApproximateNumberOfMessagesNotVisible",
    "ContentBasedDeduplication",
    "CreatedTimestamp",
    "DeduplicationScope",
    "DelaySeconds",
    "FifoQueue",
    "FifoThroughputLimit",
    "KmsDataKeyReusePeriodSeconds",
    "KmsMasterKeyId",
    "LastModifiedTimestamp",
    "MaximumMessageSize",
    "MessageRetentionPeriod",
    "Policy",
    "QueueArn",
    "ReceiveMessageWaitTimeSeconds",
    "RedriveAllowPolicy",
    "RedrivePolicy",
    "SqsManagedSseEnabled",
    "VisibilityTimeout",
];

/// What an attribute is when nobody has set it.
pub(crate) fn defaults(fifo: bool) -> BTreeMap<&'static str, &'static str> {
    let of_fifo = [
        ("ContentBasedDeduplication", "false"),
        ("DeduplicationScope", "queue"),
        ("FifoQueue", "true"),
        ("FifoThroughputLimit", "perQueue"),
    ];
    let mut defaults = BTreeMap::from([
        ("DelaySeconds", "0"),
        ("MaximumMessageSize", "1048576"),
        ("MessageRetentionPeriod", "345600"),
        ("ReceiveMessageWaitTimeSeconds", "0"),
        ("SqsManagedSseEnabled", "true"),
        ("VisibilityTimeout", "30"),
    ]);
    if fifo {
        defaults.extend(of_fifo);
    }
    defaults
}

/// How many messages are in flight, and how many are delayed.
async fn hidden(tx: &Tx, row: &QueueRow) -> Result<(usize, usize), ServiceError> {
    if row.is_fifo() {
        return fifo::in_flight(tx, row.number).await;
    }
    // What is in flight or delayed stands beyond now; that part is bounded.
    let later = MESSAGES
        .prefix(&(row.number,))
        .from_key(MESSAGES.key(&(row.number, tx.now_ms().saturating_add(1))));
    let rows = MESSAGES.scan(tx, later, IN_FLIGHT_MAX, false).await?;
    let in_flight = rows.iter().filter(|(_, row)| row.receives > 0).count();
    Ok((in_flight, rows.len() - in_flight))
}

async fn attributes(
    tx: &Tx,
    ctx: &Context,
    url: &str,
) -> Result<BTreeMap<String, String>, ServiceError> {
    let (key, row) = require(tx, ctx, url).await?;
    let total = tx.sum(&COUNTS.key(&(row.number,))).await?.max(0);
    let (in_flight, delayed) = hidden(tx, &row).await?;
    let hidden = i64::try_from(in_flight + delayed).unwrap_or(i64::MAX);
    let mut all: BTreeMap<String, String> = defaults(row.is_fifo())
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    all.extend(row.attributes.clone());
    if all.contains_key("KmsMasterKeyId") {
        all.insert("SqsManagedSseEnabled".to_owned(), "false".to_owned());
        all.entry("KmsDataKeyReusePeriodSeconds".to_owned()).or_insert_with(|| "300".to_owned());
    }
    for (name, value) in [
        ("ApproximateNumberOfMessages", (total - hidden).max(0).to_string()),
        ("ApproximateNumberOfMessagesNotVisible", in_flight.to_string()),
        ("ApproximateNumberOfMessagesDelayed", delayed.to_string()),
        ("CreatedTimestamp", (row.created_ms / 1000).to_string()),
        ("LastModifiedTimestamp", (row.modified_ms / 1000).to_string()),
        ("QueueArn", arn(&ctx.within(&key.0, &key.1), &key.2)),
    ] {
        all.insert(name.to_owned(), value);
    }
    Ok(all)
}
