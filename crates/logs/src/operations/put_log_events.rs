//! `PutLogEvents`: appends events to a stream.

use std::sync::Arc;

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{FILTERS_MAX, access, no_stream, require};
use crate::Logs;
use crate::api::logs::operations::PutLogEvents;
use crate::api::logs::shapes::{PutLogEventsInput, PutLogEventsOutput, RejectedLogEventsInfo};
use crate::filters::{self, Arrived};
use crate::store::{EVENTS, EventRow, FILTERS, STREAMS};
use crate::tasks::DAY_MS;

impl Handler<PutLogEvents> for Logs {
    fn authorize(&self, ctx: &Context, input: &PutLogEventsInput) -> Vec<Access> {
        access(ctx, "PutLogEvents", &input.log_group_name)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: PutLogEventsInput,
    ) -> Result<PutLogEventsOutput, ServiceError> {
        let input = Arc::new(input);
        let put = ctx.transact(Arc::clone(&input), |tx, ctx, input| async move {
            let (group_key, group) = require(&tx, &ctx, &input.log_group_name).await?;
            let key = (group.number, input.log_stream_name.clone());
            let mut stream = STREAMS.get(&tx, &key).await?.ok_or_else(no_stream)?;
            if input
                .log_events
                .windows(2)
                .any(|pair| matches!(pair, [a, b] if a.timestamp > b.timestamp))
            {
                return Err(ServiceError::new(
                    "InvalidParameterException",
                    "Log events in a single PutLogEvents request must be in chronological order.",
                ));
            }
            let now = tx.now_ms();
            let oldest = match group.retention_days {
                Some(days) => now - i64::from(days).min(14) * DAY_MS,
                None => now - 14 * DAY_MS,
            };
            let (mut old, mut new) = (None, None);
            let sequence = tx.ids().u64() << 16;
            let mut arrived = Vec::with_capacity(input.log_events.len());
            for (index, event) in input.log_events.iter().enumerate() {
                let at = i32::try_from(index).unwrap_or(i32::MAX);
                if event.timestamp < oldest {
                    old = Some(at + 1);
                    continue;
                }
                if event.timestamp > now + 2 * 3_600_000 {
                    new.get_or_insert(at);
                    continue;
                }
                let row = EventRow {
                    stream: input.log_stream_name.clone(),
                    message: event.message.clone(),
                    ingested_ms: now,
                };
                let number = sequence.wrapping_add(u64::try_from(index).unwrap_or(0));
                EVENTS.put(&tx, &(group.number, event.timestamp, number), &row)?;
                arrived.push((index, number));
                stream.first_ms =
                    Some(stream.first_ms.map_or(event.timestamp, |t| t.min(event.timestamp)));
                stream.last_ms =
                    Some(stream.last_ms.map_or(event.timestamp, |t| t.max(event.timestamp)));
                stream.ingested_ms = Some(now);
            }
            STREAMS.put(&tx, &key, &stream)?;
            if group.subscriptions > 0 {
                let (events, stream) = (events(&input, &arrived), &input.log_stream_name);
                filters::subscribe(&tx, (&group_key, group.number), stream, &events).await?;
            }
            let filters = match group.filters {
                0 => Vec::new(),
                _ => {
                    FILTERS.scan(&tx, FILTERS.prefix(&(group.number,)), FILTERS_MAX, false).await?
                }
            };
            let rejected = RejectedLogEventsInfo {
                too_old_log_event_end_index: old,
                too_new_log_event_start_index: new,
                expired_log_event_end_index: None,
            };
            let output = PutLogEventsOutput {
                next_sequence_token: Some("1".to_owned()),
                rejected_log_events_info: Some(rejected)
                    .filter(|r| *r != RejectedLogEventsInfo::default()),
                ..PutLogEventsOutput::default()
            };
            Ok((output, arrived, filters))
        });
        let (output, arrived, filters) = put.await?;
        let filters: Vec<_> = filters.into_iter().map(|(_, filter)| filter).collect();
        filters::count(&ctx, &input.log_group_name, &filters, &events(&input, &arrived));
        Ok(output)
    }
}

/// The events that were taken, by their places and with their numbers.
fn events<'a>(input: &'a PutLogEventsInput, taken: &[(usize, u64)]) -> Vec<Arrived<'a>> {
    let of = |(index, number): &(usize, u64)| {
        let event = input.log_events.get(*index)?;
        Some(Arrived { number: *number, at_ms: event.timestamp, message: &event.message })
    };
    taken.iter().filter_map(of).collect()
}
