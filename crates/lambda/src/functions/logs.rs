//! Log lines on their way to CloudWatch Logs: collected while the last batch is written, never on the
//! path of an answer. A function may log faster than anything can be kept, so the buffer is bounded, and
//! what does not fit is counted in the stream that lost it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use undercast_kernel::{Context, Kernel, ServiceError};
use undercast_sandbox::{Function, LogLine};

use super::lock;

const BUFFER_BYTES_MAX: usize = 32 << 20;
/// What one call to CloudWatch Logs may hold; each event counts 26 bytes more than its text.
const BATCH_BYTES_MAX: usize = 1_000_000;
const BATCH_EVENTS_MAX: usize = 10_000;
const EVENT_BYTES_MAX: usize = 255 * 1024;
/// Lets a burst of lines become one batch.
const GATHER: Duration = Duration::from_millis(15);

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct StreamKey {
    account: String,
    region: String,
    group: String,
    stream: String,
}

#[derive(Default)]
struct Buffer {
    lines: BTreeMap<StreamKey, Vec<LogLine>>,
    bytes: usize,
    lost: usize,
    is_shipping: bool,
}

#[derive(Clone)]
pub(crate) struct LogShipper {
    kernel: Kernel,
    buffer: Arc<Mutex<Buffer>>,
}

impl LogShipper {
    pub(crate) fn new(kernel: Kernel) -> Self {
        Self { kernel, buffer: Arc::default() }
    }

    pub(crate) fn push(&self, function: &Function, stream: &str, lines: Vec<LogLine>) {
        let key = StreamKey {
            account: function.account.clone(),
            region: function.region.clone(),
            group: function.log_group.clone(),
            stream: stream.to_owned(),
        };
        let mut buffer = lock(&self.buffer);
        let bytes: usize = lines.iter().map(|line| line.text.len() + 26).sum();
        if buffer.bytes + bytes > BUFFER_BYTES_MAX {
            buffer.lost += lines.len();
            return;
        }
        buffer.bytes += bytes;
        buffer.lines.entry(key).or_default().extend(lines);
        if !std::mem::replace(&mut buffer.is_shipping, true) {
            let shipper = self.clone();
            let ship = async move { shipper.ship().await };
            self.kernel.env().spawn("lambda.logs", ship);
        }
    }

    /// Writes until nothing is left.
    async fn ship(&self) {
        let mut known = BTreeSet::new();
        loop {
            self.kernel.env().clock.sleep(GATHER).await;
            let (lines, lost) = {
                let mut buffer = lock(&self.buffer);
                buffer.bytes = 0;
                if buffer.lines.is_empty() {
                    buffer.is_shipping = false;
                    return;
                }
                (std::mem::take(&mut buffer.lines), std::mem::take(&mut buffer.lost))
            };
            if lost > 0 {
                tracing::warn!(
                    "{lost} log lines were dropped: they came faster than they could be kept"
                );
            }
            for (key, lines) in lines {
                for batch in batches(lines) {
                    if let Err(error) = self.write(&key, &batch, &mut known).await {
                        let (group, lines) = (&key.group, batch.len());
                        tracing::warn!("{lines} log lines of {group} were not kept: {error}");
                    }
                }
            }
        }
    }

    async fn write(
        &self,
        key: &StreamKey,
        events: &[Value],
        known: &mut BTreeSet<StreamKey>,
    ) -> Result<(), ServiceError> {
        let (account, region) = (&key.account, &key.region);
        let ctx = self.kernel.service_context("lambda.amazonaws.com", account, region);
        let put = json!({
            "logGroupName": key.group,
            "logStreamName": key.stream,
            "logEvents": events,
        });
        if !known.contains(key) {
            create(&ctx, key).await?;
            known.insert(key.clone());
        }
        match self.kernel.call(&ctx, "logs", "PutLogEvents", &put).await {
            Err(error) if error.code() == "ResourceNotFoundException" => {
                create(&ctx, key).await?;
                self.kernel.call(&ctx, "logs", "PutLogEvents", &put).await?;
            }
            other => {
                other?;
            }
        }
        Ok(())
    }
}

/// Makes group and stream where they are missing.
async fn create(ctx: &Context, key: &StreamKey) -> Result<(), ServiceError> {
    let group = json!({"logGroupName": key.group});
    let stream = json!({"logGroupName": key.group, "logStreamName": key.stream});
    for attempt in ["CreateLogStream", "CreateLogGroup", "CreateLogStream"] {
        let input = if attempt == "CreateLogGroup" { &group } else { &stream };
        match ctx.kernel().call(ctx, "logs", attempt, input).await {
            Ok(_) if attempt == "CreateLogStream" => return Ok(()),
            Ok(_) => {}
            Err(error) if error.code() == "ResourceAlreadyExistsException" => {
                if attempt == "CreateLogStream" {
                    return Ok(());
                }
            }
            Err(error) if error.code() == "ResourceNotFoundException" => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Events in the order of their times, in batches that CloudWatch Logs takes.
fn batches(mut lines: Vec<LogLine>) -> Vec<Vec<Value>> {
    lines.sort_by_key(|line| line.unix_ms);
    let (mut all, mut batch, mut bytes) = (Vec::new(), Vec::new(), 0);
    for line in lines {
        let mut text = line.text;
        if text.len() > EVENT_BYTES_MAX {
            text.truncate(text.floor_char_boundary(EVENT_BYTES_MAX));
        }
        if text.is_empty() {
            continue;
        }
        bytes += text.len() + 26;
        if bytes > BATCH_BYTES_MAX || batch.len() == BATCH_EVENTS_MAX {
            bytes = text.len() + 26;
            all.push(std::mem::take(&mut batch));
        }
        batch.push(json!({"timestamp": line.unix_ms, "message": text}));
    }
    if !batch.is_empty() {
        all.push(batch);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_in_order_and_in_batches() {
        let line = |unix_ms, text: &str| LogLine { unix_ms, text: text.to_owned() };
        let all = batches(vec![line(2, "b\n"), line(1, "a\n"), line(3, "")]);
        assert_eq!(all.len(), 1);
        assert_eq!(all[0][0]["message"], "a\n");
        assert_eq!(all[0].len(), 2);
        let large = "x".repeat(200_000);
        let many = (0..12).map(|at| line(at, &large)).collect();
        assert_eq!(batches(many).iter().map(Vec::len).collect::<Vec<_>>(), [4, 4, 4]);
    }
}
