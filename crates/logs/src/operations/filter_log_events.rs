//! `FilterLogEvents`: the events of a group that match a pattern, in order of time.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{access, group_name, require};
use crate::Logs;
use crate::api::logs::operations::FilterLogEvents;
use crate::api::logs::shapes::{FilterLogEventsInput, FilterLogEventsOutput, FilteredLogEvent};
use crate::pattern::Pattern;
use crate::store::EVENTS;

impl Handler<FilterLogEvents> for Logs {
    fn authorize(&self, ctx: &Context, input: &FilterLogEventsInput) -> Vec<Access> {
        access(ctx, "FilterLogEvents", input.log_group_name.as_deref().unwrap_or_default())
    }

    async fn handle(
        &self,
        ctx: Context,
        input: FilterLogEventsInput,
    ) -> Result<FilterLogEventsOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let name =
                group_name(input.log_group_name.as_ref(), input.log_group_identifier.as_ref())?;
            let (_, group) = require(&tx, &ctx, &name).await?;
            let pattern = Pattern::parse(input.filter_pattern.as_deref().unwrap_or_default())
                .map_err(|message| ServiceError::new("InvalidParameterException", message))?;
            let size = usize::try_from(input.limit.unwrap_or(10_000)).unwrap_or(10_000);
            let to = EVENTS.key(&(group.number, input.end_time.unwrap_or(i64::MAX)));
            let from = match &input.next_token {
                Some(token) => EVENTS.after(&(group.number,), &place(group.number, token)?),
                None => {
                    EVENTS.from(&(group.number,), &(group.number, input.start_time.unwrap_or(0)))
                }
            };
            let rows = EVENTS.scan(&tx, from.before_key(to), LOOKED_AT_MAX, false).await?;
            let looked_at_all = rows.len() < LOOKED_AT_MAX;
            let last_seen = rows.last().map(|(key, _)| *key);
            let wanted = |stream: &String| {
                input
                    .log_stream_names
                    .as_ref()
                    .is_none_or(|names| names.is_empty() || names.contains(stream))
                    && input
                        .log_stream_name_prefix
                        .as_ref()
                        .is_none_or(|p| stream.starts_with(p.as_str()))
            };
            let mut events: Vec<_> = rows
                .into_iter()
                .filter(|(_, row)| wanted(&row.stream) && pattern.matches(&row.message))
                .collect();
            let next = if events.len() > size {
                events.truncate(size);
                events.last().map(|(key, _)| *key)
            } else {
                last_seen.filter(|_| !looked_at_all)
            };
            let shown = events.into_iter().map(|(key, row)| FilteredLogEvent {
                log_stream_name: Some(row.stream),
                timestamp: Some(key.1),
                message: Some(row.message),
                ingestion_time: Some(row.ingested_ms),
                event_id: Some(format!("{:020}{:036}", key.1, key.2)),
            });
            Ok(FilterLogEventsOutput {
                events: Some(shown.collect()),
                searched_log_streams: Some(Vec::new()),
                next_token: next.map(|key| format!("{}-{}", key.1, key.2)),
            })
        })
        .await
    }
}

/// How many events one call looks at.
const LOOKED_AT_MAX: usize = 20_000;

/// The event that a token stands for.
fn place(group: u64, token: &str) -> Result<(u64, i64, u64), ServiceError> {
    let parsed =
        token.split_once('-').and_then(|(ms, n)| Some((group, ms.parse().ok()?, n.parse().ok()?)));
    parsed.ok_or_else(|| {
        ServiceError::new("InvalidParameterException", "The specified nextToken is invalid.")
    })
}
