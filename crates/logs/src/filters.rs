//! What is done with events as they arrive: metric filters and metrics embedded in them count, subscriptions
//! send them on.
//!
//! What is to be sent is written with the events themselves, so that nothing is lost and a function gets each event
//! at least once, in the order of arrival. What is counted goes through the kernel's metrics port.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures::FutureExt;
use serde_json::{Value, json};
use undercast_kernel::service::TaskSpec;
use undercast_kernel::{
    Context, Counted, InvokeKind, InvokeRequest, Kernel, ServiceError, resource_policy,
};
use undercast_store::{Backoff, NewTask, Outcome, Task, TaskError, Tx};

use crate::pattern::{Pattern, field};
use crate::store::{
    FILTERS, FilterRow, GroupKey, OUTGOING, OutgoingRow, SUBSCRIPTIONS, SubscriptionRow,
};
use crate::tasks::DAY_MS;

const KIND: &str = "logs.deliver";
/// Who invokes functions for subscriptions.
pub(crate) const PRINCIPAL: &str = "logs.amazonaws.com";
/// A function gets no more than this of messages at once, unless one alone is longer.
const PAYLOAD_BYTES_MAX: usize = 128 << 10;
const EVENTS_AT_ONCE: usize = 500;
/// Metrics and values in one event with embedded metrics.
const EMBEDDED_MAX: usize = 100;
const DIMENSIONS_MAX: usize = 30;

/// The metric filters and subscriptions of a group that is deleted.
pub(crate) async fn drop_all(tx: &Tx, group: u64) -> Result<(), ServiceError> {
    for (key, _) in FILTERS.scan(tx, FILTERS.prefix(&(group,)), 1_000, false).await? {
        FILTERS.delete(tx, &key)?;
    }
    for (key, _) in SUBSCRIPTIONS.scan(tx, SUBSCRIPTIONS.prefix(&(group,)), 100, false).await? {
        SUBSCRIPTIONS.delete(tx, &key)?;
    }
    Ok(())
}

/// An event that has been accepted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arrived<'a> {
    pub(crate) number: u64,
    pub(crate) at_ms: i64,
    pub(crate) message: &'a str,
}

/// Writes down what the subscriptions of the group will send.
pub(crate) async fn subscribe(
    tx: &Tx,
    group: (&GroupKey, u64),
    stream: &str,
    events: &[Arrived<'_>],
) -> Result<(), ServiceError> {
    let range = SUBSCRIPTIONS.prefix(&(group.1,));
    for ((_, name), row) in SUBSCRIPTIONS.scan(tx, range, 10, false).await? {
        let pattern = Pattern::parse(&row.pattern).map_err(ServiceError::internal)?;
        let mut any = false;
        // What comes in one call keeps its order.
        let base = tx.ids().u64() << 16;
        for (place, event) in (base..).zip(events.iter().filter(|e| pattern.matches(e.message))) {
            any = true;
            let outgoing = OutgoingRow {
                stream: stream.to_owned(),
                at_ms: event.at_ms,
                number: event.number,
                message: event.message.to_owned(),
            };
            OUTGOING.put(tx, &(row.number, tx.now_ms(), place), &outgoing)?;
        }
        if any {
            let payload = json!((group.0, group.1, name, row.number)).to_string().into_bytes();
            let key = row.number.to_be_bytes().to_vec();
            tx.spawn(NewTask { kind: KIND, key, due_ms: tx.now_ms(), payload: payload.into() })?;
        }
    }
    Ok(())
}

pub(crate) fn task() -> TaskSpec {
    let backoff = Backoff { first: Duration::from_millis(500), max: Duration::from_secs(60) };
    let run = Arc::new(|kernel, task| run(kernel, task).boxed());
    TaskSpec { name: KIND, concurrency: 4, attempts_max: 0, backoff, run }
}

async fn run(kernel: Kernel, task: Task) -> Result<Outcome, TaskError> {
    let (group, number, name, own): (GroupKey, u64, String, u64) =
        serde_json::from_slice(&task.payload).map_err(TaskError::fatal)?;
    let row = SUBSCRIPTIONS.read(kernel.db(), &(number, name.clone())).await?;
    let row = row.filter(|row| row.number == own);
    let mut rows =
        OUTGOING.list(kernel.db(), OUTGOING.prefix(&(own,)), EVENTS_AT_ONCE, false).await?;
    let Some((first, head)) = rows.first().cloned() else {
        return Ok(Outcome::Done);
    };
    let ctx = kernel.service_context(PRINCIPAL, &group.0, &group.1);
    if let Some(row) = row {
        let mut bytes = 0;
        let together = rows.iter().take_while(|(_, next)| {
            let is_first = bytes == 0;
            bytes += next.message.len() + 1;
            next.stream == head.stream && (is_first || bytes <= PAYLOAD_BYTES_MAX)
        });
        let count = together.count();
        rows.truncate(count);
        let sent = send(&ctx, &group.2, &name, &row, &rows).await;
        // AWS tries for a day.
        let is_late = first.1 < ctx.now_ms() - DAY_MS;
        if let Err(error) = sent {
            if !is_late {
                return Err(TaskError::new(error));
            }
            tracing::warn!(target: "undercast::logs", "events of {} were not delivered: {error}", group.2);
        }
    }
    let keys: Arc<Vec<_>> = Arc::new(rows.into_iter().map(|(key, _)| key).collect());
    let gone = kernel.db().transact(|tx| {
        let keys = Arc::clone(&keys);
        async move {
            keys.iter().try_for_each(|key| OUTGOING.delete(&tx, key))?;
            Ok::<_, ServiceError>(())
        }
    });
    gone.await.map_err(TaskError::new)?;
    Ok(Outcome::Again { due_ms: ctx.now_ms(), payload: None })
}

/// The id of an event, as every answer shows it.
fn event_id(row: &OutgoingRow) -> String {
    format!("{:020}{:036}", row.at_ms, row.number)
}

async fn send(
    ctx: &Context,
    group: &str,
    name: &str,
    row: &SubscriptionRow,
    rows: &[((u64, i64, u64), OutgoingRow)],
) -> Result<(), ServiceError> {
    let events = rows.iter().map(
        |(_, row)| json!({"id": event_id(row), "timestamp": row.at_ms, "message": row.message}),
    );
    let stream = rows.first().map(|(_, row)| row.stream.as_str()).unwrap_or_default();
    let data = json!({
        "messageType": "DATA_MESSAGE",
        "owner": ctx.account(),
        "logGroup": group,
        "logStream": stream,
        "subscriptionFilters": [name],
        "logEvents": events.collect::<Vec<_>>(),
    });
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(data.to_string().as_bytes()).map_err(ServiceError::internal)?;
    let packed = encoder.finish().map_err(ServiceError::internal)?;
    let payload = json!({"awslogs": {"data": BASE64.encode(packed)}}).to_string();
    may_invoke(ctx, group, &row.destination).await?;
    let request = InvokeRequest {
        function: row.destination.clone(),
        payload: payload.into_bytes().into(),
        kind: InvokeKind::Event,
        guise: None,
    };
    ctx.kernel().invoke()?.invoke(ctx.clone(), request).await.map(drop)
}

/// Whether the function's policy lets us in for this group.
pub(crate) async fn may_invoke(
    ctx: &Context,
    group: &str,
    function: &str,
) -> Result<(), ServiceError> {
    let source = format!("{}:*", crate::operations::arn(ctx, group));
    resource_policy::may_invoke(ctx, function, PRINCIPAL, &source).await
}

/// Counts what the filters of the group and the events themselves say, and the events.
pub(crate) fn count(ctx: &Context, group: &str, filters: &[FilterRow], events: &[Arrived<'_>]) {
    if events.is_empty() || ctx.kernel().metrics().is_none() {
        return;
    }
    let bytes: usize = events.iter().map(|event| event.message.len() + 26).sum();
    for (name, value, unit) in
        [("IncomingLogEvents", events.len(), "Count"), ("IncomingBytes", bytes, "Bytes")]
    {
        let value = f64::from(u32::try_from(value).unwrap_or(u32::MAX));
        let dimensions = &[("LogGroupName", group)];
        ctx.count(&Counted { namespace: "AWS/Logs", name, dimensions, value, unit });
    }
    for filter in filters {
        apply(ctx, filter, events);
    }
    for event in events.iter().filter(|event| event.message.contains("\"CloudWatchMetrics\"")) {
        embedded(ctx, event.message);
    }
}

fn apply(ctx: &Context, filter: &FilterRow, events: &[Arrived<'_>]) {
    let Ok(pattern) = Pattern::parse(&filter.pattern) else {
        return;
    };
    let count = |value: f64, dimensions: &[(&str, &str)]| {
        let (namespace, name) = (filter.namespace.as_str(), filter.metric.as_str());
        let unit = filter.unit.as_deref().unwrap_or("None");
        ctx.count(&Counted { namespace, name, dimensions, value, unit });
    };
    let mut any = false;
    for event in events {
        let Some(found) = pattern.extract(event.message) else {
            continue;
        };
        any = true;
        let value = match filter.value.starts_with('$') {
            true => field(&filter.value, event.message, &found),
            false => Some(filter.value.clone()),
        };
        let value =
            value.and_then(|text| text.parse().ok()).filter(|value: &f64| value.is_finite());
        let Some(value) = value else {
            continue;
        };
        let dimensions: Option<Vec<(&str, String)>> = filter
            .dimensions
            .iter()
            .map(|(name, selector)| Some((name.as_str(), field(selector, event.message, &found)?)))
            .collect();
        // An event without the fields of the dimensions is not counted.
        if let Some(dimensions) = dimensions {
            let dimensions: Vec<_> = dimensions.iter().map(|(k, v)| (*k, v.as_str())).collect();
            count(value, &dimensions);
        }
    }
    if let Some(default) = filter.default.filter(|_| !any) {
        count(default, &[]);
    }
}

/// Metrics that a message carries in the embedded metric format.
fn embedded(ctx: &Context, message: &str) {
    let Ok(value) = serde_json::from_str::<Value>(message) else {
        return;
    };
    let directives = value.pointer("/_aws/CloudWatchMetrics").and_then(Value::as_array);
    let mut left = EMBEDDED_MAX;
    for directive in directives.into_iter().flatten() {
        let Some(namespace) = directive.get("Namespace").and_then(Value::as_str) else {
            continue;
        };
        let sets = directive.get("Dimensions").and_then(Value::as_array);
        let sets: Vec<_> =
            sets.into_iter().flatten().filter_map(|set| dimensions(set, &value)).collect();
        let sets = if sets.is_empty() { vec![BTreeMap::new()] } else { sets };
        for metric in directive.get("Metrics").and_then(Value::as_array).into_iter().flatten() {
            let Some(name) = metric.get("Name").and_then(Value::as_str) else {
                continue;
            };
            let unit = metric.get("Unit").and_then(Value::as_str).unwrap_or("None");
            let values = match value.get(name) {
                Some(Value::Array(all)) => all.iter().filter_map(Value::as_f64).collect(),
                Some(one) => one.as_f64().into_iter().collect(),
                None => Vec::new(),
            };
            for number in values {
                for set in &sets {
                    if left == 0 {
                        return;
                    }
                    left -= 1;
                    let dimensions: Vec<_> =
                        set.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
                    let value = number;
                    ctx.count(&Counted { namespace, name, dimensions: &dimensions, value, unit });
                }
            }
        }
    }
}

/// The values of a set of dimensions; `None` if one is not there.
fn dimensions(set: &Value, message: &Value) -> Option<BTreeMap<String, String>> {
    let names = set.as_array().filter(|all| all.len() <= DIMENSIONS_MAX)?;
    let of = |name: &Value| {
        let name = name.as_str()?;
        let value = message.get(name)?;
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        Some((name.to_owned(), text))
    };
    names.iter().map(of).collect()
}
