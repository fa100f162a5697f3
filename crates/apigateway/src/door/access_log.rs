//! Lines of access logs on their way to CloudWatch Logs: collected while the last batch is written, never
//! on the path of an answer. The buffer is bounded; what does not fit is counted.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use undercast_kernel::{Arn, Context, Kernel, ServiceError};

use crate::limits::{LOG_BATCH_BYTES_MAX, LOG_BATCH_EVENTS_MAX, LOG_BUFFER_BYTES_MAX};

/// Lets a burst of lines become one batch.
const GATHER: Duration = Duration::from_millis(15);

/// Where the lines of a stage go.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Destination {
    account: String,
    region: String,
    group: String,
    stream: String,
}

impl Destination {
    /// `None` if the ARN is not that of a log group.
    pub(crate) fn parse(arn: &str, api: &str, stage: &str) -> Option<Self> {
        let arn = Arn::parse(arn).filter(|arn| arn.service == "logs")?;
        let group = arn.resource.strip_prefix("log-group:")?;
        let group = group.strip_suffix(":*").unwrap_or(group).to_owned();
        let stream = format!("{api}/{stage}");
        (!group.is_empty()).then_some(Self {
            account: arn.account,
            region: arn.region,
            group,
            stream,
        })
    }
}

#[derive(Default)]
struct Buffer {
    lines: BTreeMap<Destination, Vec<(i64, String)>>,
    bytes: usize,
    lost: usize,
    is_shipping: bool,
}

#[derive(Clone, Default)]
pub(crate) struct AccessLog {
    buffer: Arc<Mutex<Buffer>>,
}

impl AccessLog {
    fn buffer(&self) -> MutexGuard<'_, Buffer> {
        self.buffer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn push(&self, kernel: &Kernel, to: &Destination, time_ms: i64, line: String) {
        let mut buffer = self.buffer();
        if buffer.bytes + line.len() > LOG_BUFFER_BYTES_MAX {
            buffer.lost += 1;
            return;
        }
        buffer.bytes += line.len();
        match buffer.lines.get_mut(to) {
            Some(lines) => lines.push((time_ms, line)),
            None => {
                buffer.lines.insert(to.clone(), vec![(time_ms, line)]);
            }
        }
        if !std::mem::replace(&mut buffer.is_shipping, true) {
            let (log, own) = (self.clone(), kernel.clone());
            kernel.env().spawn("apigateway.access-log", async move { log.ship(&own).await });
        }
    }

    /// Writes until nothing is left.
    async fn ship(&self, kernel: &Kernel) {
        loop {
            kernel.env().clock.sleep(GATHER).await;
            let (lines, lost) = {
                let mut buffer = self.buffer();
                buffer.bytes = 0;
                if buffer.lines.is_empty() {
                    buffer.is_shipping = false;
                    return;
                }
                (std::mem::take(&mut buffer.lines), std::mem::take(&mut buffer.lost))
            };
            if lost > 0 {
                tracing::warn!(target: "undercast::apigateway", "{lost} lines of access logs were dropped");
            }
            for (to, mut lines) in lines {
                lines.sort_by_key(|(time_ms, _)| *time_ms);
                while !lines.is_empty() {
                    let rest = lines.split_off(batch_of(&lines));
                    let batch = std::mem::replace(&mut lines, rest);
                    if let Err(error) = write(kernel, &to, &batch).await {
                        let group = &to.group;
                        tracing::warn!(target: "undercast::apigateway", "access log {group}: {error}");
                    }
                }
            }
        }
    }
}

/// How many of the lines one call may hold; each counts 26 bytes more than its text.
fn batch_of(lines: &[(i64, String)]) -> usize {
    let mut bytes = 0;
    let fit = lines.iter().take(LOG_BATCH_EVENTS_MAX).take_while(|(_, line)| {
        bytes += line.len() + 26;
        bytes <= LOG_BATCH_BYTES_MAX
    });
    fit.count().max(1)
}

async fn write(
    kernel: &Kernel,
    to: &Destination,
    lines: &[(i64, String)],
) -> Result<(), ServiceError> {
    let ctx = kernel.service_context("apigateway.amazonaws.com", &to.account, &to.region);
    let events: Vec<Value> = lines
        .iter()
        .map(|(time_ms, line)| json!({"timestamp": time_ms, "message": line}))
        .collect();
    let stream = json!({"logGroupName": to.group, "logStreamName": to.stream});
    let mut put = stream.clone();
    if let Value::Object(put) = &mut put {
        put.insert("logEvents".to_owned(), Value::Array(events));
    }
    match call(&ctx, "PutLogEvents", &put).await {
        Err(error) if error.code() == "ResourceNotFoundException" => {
            match call(&ctx, "CreateLogStream", &stream).await {
                Err(error) if error.code() != "ResourceAlreadyExistsException" => {
                    return Err(error);
                }
                _ => {}
            }
            call(&ctx, "PutLogEvents", &put).await
        }
        other => other,
    }
}

async fn call(ctx: &Context, operation: &str, input: &Value) -> Result<(), ServiceError> {
    ctx.kernel().call(ctx, "logs", operation, input).await.map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_log_groups_are_destinations() {
        let of = |arn: &str| Destination::parse(arn, "a", "s");
        let to = of("arn:aws:logs:us-east-1:000000000000:log-group:/x/y:*").unwrap();
        assert_eq!((to.group.as_str(), to.stream.as_str()), ("/x/y", "a/s"));
        assert_eq!(of("arn:aws:logs:us-east-1:000000000000:log-group:g").unwrap().group, "g");
        assert!(of("arn:aws:firehose:us-east-1:000000000000:deliverystream/d").is_none());
        assert!(of("g").is_none());
    }
}
