//! Batches of a log that were given up, as their destination is told of them.

use serde_json::{Value, json};
use undercast_kernel::{ServiceError, StreamRecord};
use undercast_smithy::Timestamp;

use super::caller::Caller;
use crate::asynchronous::send_message;
use crate::functions::Outcome;

pub(super) struct Failed<'a> {
    pub(super) function: &'a str,
    pub(super) source: &'a str,
    pub(super) shard: &'a str,
    pub(super) condition: &'a str,
    pub(super) request_id: &'a str,
    pub(super) attempts: u32,
    /// None if the function never answered.
    pub(super) outcome: Option<&'a Outcome>,
    pub(super) first: &'a StreamRecord,
    pub(super) last: &'a StreamRecord,
    pub(super) count: usize,
}

/// Without the records themselves, as on AWS: they are still in the log.
fn record(failed: &Failed<'_>, now_ms: i64) -> Value {
    let second = |ms| Timestamp::from_millis(ms).iso8601();
    let mut record = json!({
        "requestContext": {
            "requestId": failed.request_id,
            "functionArn": failed.function,
            "condition": failed.condition,
            "approximateInvokeCount": failed.attempts,
        },
        "version": "1.0",
        "timestamp": Timestamp::from_millis(now_ms).iso8601_millis(),
        "DDBStreamBatchInfo": {
            "shardId": failed.shard,
            "startSequenceNumber": failed.first.sequence,
            "endSequenceNumber": failed.last.sequence,
            "approximateArrivalOfFirstRecord": second(whole(failed.first.at_ms)),
            "approximateArrivalOfLastRecord": second(whole(failed.last.at_ms)),
            "batchSize": failed.count,
            "streamArn": failed.source,
        },
    });
    if let (Some(outcome), Some(fields)) = (failed.outcome, record.as_object_mut()) {
        let answer = json!({
            "statusCode": 200,
            "executedVersion": outcome.version,
            "functionError": outcome.error,
        });
        fields.insert("responseContext".to_owned(), answer);
    }
    record
}

fn whole(ms: i64) -> i64 {
    ms.div_euclid(1000) * 1000
}

/// Sends the record of a batch. A queue that is not there, or that the role may not reach, keeps nothing waiting.
pub(super) async fn report(
    caller: &Caller,
    queue: &str,
    failed: &Failed<'_>,
) -> Result<(), ServiceError> {
    let target = caller.target().await?;
    let ctx = caller.as_role(&target).await?;
    let record = record(failed, ctx.now_ms());
    match send_message(&ctx, queue, &record.to_string(), json!({})).await {
        Err(error) if error.status().is_none_or(|status| status < 500) => {
            tracing::warn!("{queue} is not told of a batch that failed: {error}");
            Ok(())
        }
        other => other,
    }
}
