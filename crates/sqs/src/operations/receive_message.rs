//! `ReceiveMessage`: takes messages from a queue, waiting for them if there are none.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::Sqs;
use crate::api::sqs::operations::ReceiveMessage;
use crate::api::sqs::shapes::{
    Message, MessageAttributeValue, ReceiveMessageInput, ReceiveMessageOutput,
};
use crate::engine::known;
use crate::engine::message::{check_token, md5_of, md5_of_attributes, shown_sequence};
use crate::engine::queue::arn_of_url;
use crate::engine::queue::require;
use crate::engine::receive::{Received, Want};
use crate::error::{not_of_this_kind, parameter};
use crate::limits::{VISIBILITY_S_MAX, WAIT_S_MAX};
use crate::store::{AttributeRow, MESSAGES, QueueRow, TURNS};
use std::collections::BTreeMap;
use std::time::Duration;
use undercast_smithy::Blob;
use undercast_store::Watch;

impl Handler<ReceiveMessage> for Sqs {
    fn authorize(&self, ctx: &Context, input: &ReceiveMessageInput) -> Vec<Access> {
        vec![Access::new("sqs:ReceiveMessage", arn_of_url(ctx, &input.queue_url))]
    }

    async fn handle(
        &self,
        ctx: Context,
        input: ReceiveMessageInput,
    ) -> Result<ReceiveMessageOutput, ServiceError> {
        let n = match input.max_number_of_messages.unwrap_or(1) {
            n @ 1..=10 => usize::try_from(n).unwrap_or(1),
            n => {
                return Err(parameter(format!(
                    "Value {n} for parameter MaxNumberOfMessages is invalid. Reason: Must be between 1 and 10, if provided."
                )));
            }
        };
        let (key, queue) = require(&ctx.store().begin().await?, &ctx, &input.queue_url).await?;
        let visibility_s = within(
            input.visibility_timeout,
            queue.visibility_s(),
            VISIBILITY_S_MAX,
            "VisibilityTimeout",
        )?;
        let wait_s =
            within(input.wait_time_seconds, queue.wait_s(), WAIT_S_MAX, "WaitTimeSeconds")?;
        let want = Want { n, visibility_s, attempt: input.receive_request_attempt_id.clone() };
        if let Some(attempt) = &want.attempt {
            if !queue.is_fifo() {
                return Err(not_of_this_kind(attempt, "ReceiveRequestAttemptId"));
            }
            check_token("ReceiveRequestAttemptId", attempt)?;
        }
        let is_again = want.attempt.is_some();
        let deadline =
            ctx.env().clock.monotonic() + Duration::from_secs(u64::try_from(wait_s).unwrap_or(0));
        let mut watch: Option<Watch> = None;
        let received = loop {
            if is_again {
                let again = ctx
                    .transact((queue.clone(), want.clone()), |tx, _, input| async move {
                        known::attempt(&tx, &input.0, &input.1).await
                    });
                let again = again.await?;
                if !again.is_empty() {
                    break again;
                }
            }
            if let Some(watch) = &mut watch {
                watch.take_changed();
            }
            let received = self.heads.receive(&ctx, &key, queue.number, want.clone()).await?;
            let left = deadline.saturating_sub(ctx.env().clock.monotonic());
            if !received.is_empty() || left.is_zero() {
                break received;
            }
            match &mut watch {
                Some(watch) => wait(&ctx, &queue, watch, left).await?,
                // Only who waits needs a watch; what came before it is looked for once more.
                None if queue.is_fifo() => {
                    watch = Some(TURNS.watch(ctx.store(), &(queue.number,)));
                }
                None => watch = Some(MESSAGES.watch(ctx.store(), &(queue.number,))),
            }
        };
        match received.len() {
            0 => super::count(&ctx, &input.queue_url, "NumberOfEmptyReceives", 1, "Count"),
            n => super::count(&ctx, &input.queue_url, "NumberOfMessagesReceived", n, "Count"),
        }
        let messages: Vec<Message> = received.into_iter().map(|r| shown(r, &input)).collect();
        Ok(ReceiveMessageOutput { messages: Some(messages).filter(|m| !m.is_empty()) })
    }
}

fn within(given: Option<i32>, default: i64, max: i64, name: &str) -> Result<i64, ServiceError> {
    match given.map(i64::from) {
        None => Ok(default),
        Some(value) if (0..=max).contains(&value) => Ok(value),
        Some(value) => Err(parameter(format!(
            "Value {value} for parameter {name} is invalid. Reason: Must be >= 0 and <= {max}, if provided."
        ))),
    }
}

/// Until something is put into the queue, a hidden message may be seen again, or the time is over.
async fn wait(
    ctx: &Context,
    queue: &QueueRow,
    watch: &mut Watch,
    left: Duration,
) -> Result<(), ServiceError> {
    let now_ms = ctx.now_ms();
    let (all, later) = ((queue.number,), (queue.number, now_ms.saturating_add(1)));
    let next = match queue.is_fifo() {
        true => {
            let turns = TURNS.list(ctx.store(), TURNS.from(&all, &later), 1, false).await?;
            turns.first().map(|(key, _)| key.1)
        }
        false => {
            let range = MESSAGES.from(&all, &later);
            let messages = MESSAGES.list(ctx.store(), range, 1, false).await?;
            messages.first().map(|(key, _)| key.1)
        }
    };
    let clock = &ctx.env().clock;
    let visible = async {
        match next {
            Some(at) => clock.sleep_until_ms(at).await,
            None => std::future::pending().await,
        }
    };
    let something = async {
        futures::pin_mut!(visible);
        let changed = watch.changed();
        futures::pin_mut!(changed);
        futures::future::select(visible, changed).await;
    };
    let _ = ctx.env().timeout(left, something).await;
    Ok(())
}

/// Whether an attribute is asked for by one of the names: exact, `All`, or a prefix such as `foo.*`.
fn asked(names: &[String], name: &str) -> bool {
    names.iter().any(|n| match n.strip_suffix(".*").or_else(|| n.strip_suffix('*')) {
        Some(prefix) => name.starts_with(prefix),
        None => n == "All" || n == name,
    })
}

fn shown(received: Received, input: &ReceiveMessageInput) -> Message {
    let Received { handle, row, body } = received;
    let sequence = handle.group.as_ref().map(|_| shown_sequence(handle.number));
    let wanted: Vec<String> = input
        .attribute_names
        .iter()
        .chain(&input.message_system_attribute_names)
        .flatten()
        .cloned()
        .collect();
    let system = [
        ("SenderId", Some(row.sender)),
        ("SentTimestamp", Some(row.sent_ms.to_string())),
        ("ApproximateReceiveCount", Some(row.receives.to_string())),
        ("ApproximateFirstReceiveTimestamp", row.first_received_ms.map(|t| t.to_string())),
        ("AWSTraceHeader", row.trace),
        ("MessageGroupId", row.group),
        ("MessageDeduplicationId", row.deduplication),
        ("SequenceNumber", sequence),
        ("DeadLetterQueueSourceArn", row.dead_letter_of),
    ];
    let attributes: BTreeMap<String, String> = system
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)))
        .filter(|(name, _)| wanted.iter().any(|w| w == "All" || w == name))
        .collect();
    let names = input.message_attribute_names.as_deref().unwrap_or_default();
    let own: BTreeMap<String, AttributeRow> =
        row.attributes.into_iter().filter(|(name, _)| asked(names, name)).collect();
    Message {
        message_id: Some(row.id),
        receipt_handle: Some(handle.encode()),
        md5_of_body: Some(md5_of(&body)),
        body: Some(body),
        attributes: Some(attributes).filter(|a| !a.is_empty()),
        md5_of_message_attributes: md5_of_attributes(&own),
        message_attributes: Some(
            own.into_iter().map(|(name, value)| (name, shown_attribute(value))).collect(),
        )
        .filter(|a: &BTreeMap<_, _>| !a.is_empty()),
    }
}

fn shown_attribute(value: AttributeRow) -> MessageAttributeValue {
    MessageAttributeValue {
        string_value: value.text,
        binary_value: value.bytes.map(Blob),
        data_type: value.kind,
        ..MessageAttributeValue::default()
    }
}
