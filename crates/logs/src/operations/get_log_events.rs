//! `GetLogEvents`: the events of one stream, in order of time.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{access, group_name, no_stream, require};
use crate::Logs;
use crate::api::logs::operations::GetLogEvents;
use crate::api::logs::shapes::{GetLogEventsInput, GetLogEventsOutput, OutputLogEvent};
use crate::store::{EVENTS, STREAMS};

impl Handler<GetLogEvents> for Logs {
    fn authorize(&self, ctx: &Context, input: &GetLogEventsInput) -> Vec<Access> {
        access(ctx, "GetLogEvents", input.log_group_name.as_deref().unwrap_or_default())
    }

    async fn handle(
        &self,
        ctx: Context,
        input: GetLogEventsInput,
    ) -> Result<GetLogEventsOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let name =
                group_name(input.log_group_name.as_ref(), input.log_group_identifier.as_ref())?;
            let (_, group) = require(&tx, &ctx, &name).await?;
            let stream = STREAMS
                .get(&tx, &(group.number, input.log_stream_name.clone()))
                .await?
                .ok_or_else(no_stream)?;
            let size = usize::try_from(input.limit.unwrap_or(10_000)).unwrap_or(10_000);
            let from = input.start_time.unwrap_or(i64::MIN).max(stream.first_ms.unwrap_or(0));
            let to = input
                .end_time
                .unwrap_or(i64::MAX)
                .min(stream.last_ms.unwrap_or(0).saturating_add(1));
            let rows = if from < to {
                EVENTS
                    .scan(
                        &tx,
                        EVENTS.between(&(group.number, from), &(group.number, to)),
                        EVENTS_MAX,
                        false,
                    )
                    .await?
            } else {
                Vec::new()
            };
            let events: Vec<_> =
                rows.into_iter().filter(|(_, row)| row.stream == input.log_stream_name).collect();
            let (start, end) = window(
                input.next_token.as_deref(),
                input.start_from_head.unwrap_or(false),
                events.len(),
                size,
            )?;
            let shown =
                events.into_iter().skip(start).take(end - start).map(|(key, row)| OutputLogEvent {
                    timestamp: Some(key.1),
                    message: Some(row.message),
                    ingestion_time: Some(row.ingested_ms),
                });
            Ok(GetLogEventsOutput {
                events: Some(shown.collect()),
                next_forward_token: Some(format!("f/{end:056}/s")),
                next_backward_token: Some(format!("b/{start:056}/s")),
            })
        })
        .await
    }
}

/// How many events of a group one call looks at.
const EVENTS_MAX: usize = 100_000;

/// Which of `total` events a call shows: from the head, from the tail, or where a token says. A
/// forward token at the end gives the same token again: that is how clients know that they are done.
fn window(
    token: Option<&str>,
    from_head: bool,
    total: usize,
    size: usize,
) -> Result<(usize, usize), ServiceError> {
    let place = |token: &str| {
        token.get(2..58).and_then(|digits| digits.parse::<usize>().ok()).ok_or_else(|| {
            ServiceError::new("InvalidParameterException", "The specified nextToken is invalid.")
        })
    };
    match token {
        Some(token) if token.starts_with("f/") => {
            let start = place(token)?.min(total);
            Ok((start, (start + size).min(total)))
        }
        Some(token) => {
            let end = place(token)?.min(total);
            Ok((end.saturating_sub(size), end))
        }
        None if from_head => Ok((0, size.min(total))),
        None => Ok((total.saturating_sub(size), total)),
    }
}
