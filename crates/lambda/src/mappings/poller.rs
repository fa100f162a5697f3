//! The poller of one mapping: receives, filters, invokes, deletes.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::{Value, json};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use undercast_kernel::{Arn, Context, Kernel, ServiceError};

use super::MappingKey;
use super::caller::{
    BACKOFF_FIRST, BACKOFF_MAX, Caller, EVENT_BYTES_MAX, patterns, unless_stopped,
};
use super::event::{failures, record};
use super::filter::Pattern;
use crate::functions::{Functions, Outcome, Target};
use crate::store::MappingRow;

/// With how many invocations at a time a poller begins, and how far it grows with the backlog.
const CONCURRENCY_FIRST: usize = 5;
const CONCURRENCY_MAX: usize = 100;
const LONG_POLL_S: u64 = 20;
/// How many messages one call gives or takes.
const CALL_MESSAGES_MAX: usize = 10;
const VISIBILITY_S: u64 = 30;

pub(super) struct Poller {
    worker: Arc<Worker>,
    slots: Arc<Semaphore>,
    /// How many invocations may run at a time now.
    concurrency: usize,
    stopped: watch::Receiver<()>,
}

/// What the poller and the batches that it started share.
struct Worker {
    caller: Caller,
    row: MappingRow,
    filters: Vec<Pattern>,
    queue: Arn,
    url: String,
}

/// Messages that were received together.
struct Batch {
    messages: Vec<Value>,
    received: Duration,
}

impl Poller {
    pub(super) fn new(
        kernel: &Kernel,
        functions: &Arc<Functions>,
        (account, region, uuid): &MappingKey,
        row: MappingRow,
        stopped: watch::Receiver<()>,
    ) -> Self {
        let ctx = kernel.service_context("lambda.amazonaws.com", account, region);
        let queue = Arn::parse(&row.source)
            .unwrap_or_else(|| Arn::new("sqs", region, account, row.source.as_str()));
        let concurrency = CONCURRENCY_FIRST.min(concurrency_max(&row));
        let worker = Worker {
            filters: patterns(&row),
            url: format!("{}/{}/{}", ctx.public_url(), queue.account, queue.resource),
            caller: Caller::new(functions, ctx, &row, uuid),
            queue,
            row,
        };
        Self {
            worker: Arc::new(worker),
            slots: Arc::new(Semaphore::new(concurrency)),
            concurrency,
            stopped,
        }
    }

    /// Runs until it is stopped. Batches under way are finished even then.
    pub(super) async fn run(mut self) {
        let mut backoff = BACKOFF_FIRST;
        loop {
            let slot = Arc::clone(&self.slots).acquire_owned();
            let Some(Ok(slot)) = self.unless_stopped(slot).await else {
                return;
            };
            let worker = Arc::clone(&self.worker);
            let batch = self.unless_stopped(async move { worker.gather().await });
            match batch.await {
                None => return,
                Some(Ok(batch)) => {
                    backoff = BACKOFF_FIRST;
                    self.scale(&batch);
                    self.begin(batch, slot);
                }
                Some(Err(error)) if error.code() == "ResourceNotFoundException" => {
                    drop(slot);
                    let created = self.worker.caller.function_changes();
                    if self.unless_stopped(created).await.is_none() {
                        return;
                    }
                }
                Some(Err(error)) => {
                    drop(slot);
                    tracing::warn!("{} cannot be read: {error}", self.worker.row.source);
                    let pause = self.worker.caller.ctx.env().clock.sleep(backoff);
                    backoff = (backoff * 2).min(BACKOFF_MAX);
                    if self.unless_stopped(pause).await.is_none() {
                        return;
                    }
                }
            }
        }
    }

    /// `None` if the poller was stopped first.
    async fn unless_stopped<T>(&mut self, work: impl Future<Output = T> + Send) -> Option<T> {
        unless_stopped(&mut self.stopped, work).await
    }

    /// More invocations at a time while every batch is full, back to few when the queue is empty.
    fn scale(&mut self, batch: &Batch) {
        let max = concurrency_max(&self.worker.row);
        let full = usize::try_from(self.worker.row.batch_size).unwrap_or(1);
        if batch.messages.is_empty() {
            let excess = self.concurrency.saturating_sub(CONCURRENCY_FIRST);
            self.concurrency -= self.slots.forget_permits(excess);
        } else if batch.messages.len() >= full.min(CALL_MESSAGES_MAX)
            && self.slots.available_permits() == 0
            && self.concurrency < max
        {
            self.concurrency += 1;
            self.slots.add_permits(1);
        }
    }

    fn begin(&self, batch: Batch, slot: OwnedSemaphorePermit) {
        if batch.messages.is_empty() {
            return;
        }
        let worker = Arc::clone(&self.worker);
        let work: BoxFuture<'static, ()> = async move {
            if let Err(error) = worker.handle(batch).await {
                let (source, function) = (&worker.row.source, &worker.row.function);
                tracing::warn!("messages of {source} for {function} come back: {error}");
            }
            drop(slot);
        }
        .boxed();
        self.worker.caller.ctx.env().spawn("lambda.batch", work);
    }
}

fn concurrency_max(row: &MappingRow) -> usize {
    let own = row.concurrency_max.and_then(|n| usize::try_from(n).ok());
    own.unwrap_or(CONCURRENCY_MAX).clamp(1, 1000)
}

impl Worker {
    /// The call in the queue's account and region, as the function's role makes it.
    async fn at_queue(&self, target: &Target) -> Result<Context, ServiceError> {
        let ctx = self.caller.as_role(target).await?;
        let (account, region) = (self.queue.account.clone(), self.queue.region.clone());
        Ok(ctx.within(account, region))
    }

    /// One batch: what is there, or what comes within the window after the first message.
    async fn gather(&self) -> Result<Batch, ServiceError> {
        let target = self.caller.target().await?;
        let ctx = self.at_queue(&target).await?;
        let wanted = usize::try_from(self.row.batch_size).unwrap_or(1);
        let mut messages = self.receive(&ctx, wanted, LONG_POLL_S).await?;
        let received = ctx.env().clock.monotonic();
        let window = Duration::from_secs(u64::from(self.row.window_s));
        let mut bytes: usize = messages.iter().map(size).sum();
        while !messages.is_empty() && messages.len() < wanted && bytes < EVENT_BYTES_MAX {
            let since = ctx.env().clock.monotonic().saturating_sub(received);
            let left = window.saturating_sub(since);
            // Receiving waits in whole seconds.
            let left_s = (left + Duration::from_millis(500)).as_secs();
            if left_s == 0 {
                break;
            }
            let more = self.receive(&ctx, wanted - messages.len(), left_s.min(LONG_POLL_S)).await?;
            bytes += more.iter().map(size).sum::<usize>();
            messages.extend(more);
        }
        Ok(Batch { messages, received })
    }

    async fn receive(
        &self,
        ctx: &Context,
        wanted: usize,
        wait_s: u64,
    ) -> Result<Vec<Value>, ServiceError> {
        let input = json!({
            "QueueUrl": self.url,
            "MaxNumberOfMessages": wanted.min(CALL_MESSAGES_MAX),
            "WaitTimeSeconds": wait_s,
            "MessageSystemAttributeNames": ["All"],
            "MessageAttributeNames": ["All"],
        });
        let output = ctx.kernel().call(ctx, "sqs", "ReceiveMessage", &input).await?;
        let messages = output.get("Messages").and_then(Value::as_array);
        Ok(messages.cloned().unwrap_or_default())
    }

    /// How long received messages stay hidden.
    async fn visibility(&self, target: &Target) -> Result<Duration, ServiceError> {
        let ctx = &self.at_queue(target).await?;
        let input = json!({"QueueUrl": self.url, "AttributeNames": ["VisibilityTimeout"]});
        let output = ctx.kernel().call(ctx, "sqs", "GetQueueAttributes", &input).await;
        let seconds = output.ok().and_then(|output| {
            let value = output.pointer("/Attributes/VisibilityTimeout")?;
            value.as_str()?.parse().ok()
        });
        Ok(Duration::from_secs(seconds.unwrap_or(VISIBILITY_S)))
    }

    async fn handle(&self, batch: Batch) -> Result<(), ServiceError> {
        let region = &self.queue.region;
        let records = batch.messages.iter().map(|m| record(m, &self.row.source, region));
        let (wanted, unwanted): (Vec<_>, Vec<_>) = records.partition(|record| self.wants(record));
        if !unwanted.is_empty() {
            let target = self.caller.target().await?;
            let ctx = self.at_queue(&target).await?;
            self.delete(&ctx, unwanted.iter()).await?;
        }
        for records in split(wanted) {
            let is_done = self.give(&records, &batch).await?;
            if !is_done && self.row.is_fifo() {
                // Later messages of the same groups have to wait for those that failed.
                break;
            }
        }
        Ok(())
    }

    fn wants(&self, record: &Value) -> bool {
        if self.filters.is_empty() {
            return true;
        }
        let mut parsed = None;
        self.filters.iter().any(|filter| {
            if !filter.reads_body() {
                return filter.matches(record);
            }
            // A body that is no JSON matches no pattern for JSON.
            let parsed = parsed.get_or_insert_with(|| with_json_body(record));
            parsed.as_ref().is_some_and(|record| filter.matches(record))
        })
    }

    /// Invokes the function and deletes what it has dealt with. Answers whether that is all of it.
    async fn give(&self, records: &[Value], batch: &Batch) -> Result<bool, ServiceError> {
        let payload: Bytes = json!({"Records": records}).to_string().into();
        let (target, outcome) = self.invoke(payload, batch).await?;
        if outcome.error.is_some() {
            return Ok(false);
        }
        let ids: BTreeSet<&str> =
            records.iter().filter_map(|r| r.get("messageId")?.as_str()).collect();
        let failed = match self.row.partial {
            true => failures(&outcome.payload, &ids),
            false => Some(BTreeSet::new()),
        };
        let Some(failed) = failed else {
            return Ok(false);
        };
        let done = records.iter().filter(|record| {
            let id = record.get("messageId").and_then(Value::as_str);
            !id.is_some_and(|id| failed.contains(id))
        });
        let ctx = self.at_queue(&target).await?;
        self.delete(&ctx, done).await?;
        Ok(failed.is_empty())
    }

    /// Where there is no room for the function it is tried again, as long as the messages stay hidden.
    async fn invoke(
        &self,
        payload: Bytes,
        batch: &Batch,
    ) -> Result<(Target, Outcome), ServiceError> {
        let clock = &self.caller.ctx.env().clock;
        let mut backoff = BACKOFF_FIRST;
        loop {
            let target = self.caller.target().await?;
            let request_id = self.caller.ctx.env().ids.uuid();
            let error = match self.caller.invoke(&target, request_id, payload.clone()).await {
                Ok(outcome) => return Ok((target, outcome)),
                Err(error) => error,
            };
            if error.code() != "TooManyRequestsException" {
                return Err(error);
            }
            let since = clock.monotonic().saturating_sub(batch.received);
            let timeout = Duration::from_secs(u64::from(target.config.settings.timeout_s));
            if since + backoff + timeout >= self.visibility(&target).await? {
                return Err(error);
            }
            clock.sleep(backoff).await;
            backoff = (backoff * 2).min(BACKOFF_MAX);
        }
    }

    async fn delete<'a>(
        &self,
        ctx: &Context,
        records: impl Iterator<Item = &'a Value>,
    ) -> Result<(), ServiceError> {
        let handles: Vec<&Value> =
            records.filter_map(|record| record.get("receiptHandle")).collect();
        for chunk in handles.chunks(CALL_MESSAGES_MAX) {
            let entries: Vec<Value> = chunk
                .iter()
                .enumerate()
                .map(|(index, handle)| json!({"Id": index.to_string(), "ReceiptHandle": handle}))
                .collect();
            let input = json!({"QueueUrl": self.url, "Entries": entries});
            ctx.kernel().call(ctx, "sqs", "DeleteMessageBatch", &input).await?;
        }
        Ok(())
    }
}

fn size(message: &Value) -> usize {
    let body = message.get("Body").and_then(Value::as_str);
    body.map_or(0, str::len)
}

fn with_json_body(record: &Value) -> Option<Value> {
    let body = record.get("body")?.as_str()?;
    let body: Value = serde_json::from_str(body).ok()?;
    let mut record = record.clone();
    record.as_object_mut()?.insert("body".to_owned(), body);
    Some(record)
}

/// Records in portions that one invocation can carry.
fn split(records: Vec<Value>) -> Vec<Vec<Value>> {
    let (mut all, mut portion, mut bytes) = (Vec::new(), Vec::new(), 0);
    for record in records {
        let own = record.to_string().len();
        if bytes + own > EVENT_BYTES_MAX && !portion.is_empty() {
            all.push(std::mem::take(&mut portion));
            bytes = 0;
        }
        bytes += own;
        portion.push(record);
    }
    if !portion.is_empty() {
        all.push(portion);
    }
    all
}
