//! `DescribeLogStreams`: the streams of a log group.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{access, arn, group_name, offset, require};
use crate::Logs;
use crate::api::logs::operations::DescribeLogStreams;
use crate::api::logs::shapes::{DescribeLogStreamsInput, DescribeLogStreamsOutput, LogStream};
use crate::store::STREAMS;

impl Handler<DescribeLogStreams> for Logs {
    fn authorize(&self, ctx: &Context, input: &DescribeLogStreamsInput) -> Vec<Access> {
        access(ctx, "DescribeLogStreams", input.log_group_name.as_deref().unwrap_or_default())
    }

    async fn handle(
        &self,
        ctx: Context,
        input: DescribeLogStreamsInput,
    ) -> Result<DescribeLogStreamsOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let name =
                group_name(input.log_group_name.as_ref(), input.log_group_identifier.as_ref())?;
            let (_, group) = require(&tx, &ctx, &name).await?;
            let prefix = input.log_stream_name_prefix.clone().unwrap_or_default();
            let rows = STREAMS
                .scan(&tx, STREAMS.starting_with(&(group.number,), &prefix), 100_000, false)
                .await?;
            let mut rows: Vec<_> = rows.into_iter().map(|(key, row)| (key.1, row)).collect();
            if input.order_by.as_deref() == Some("LastEventTime") {
                rows.sort_by_key(|(_, row)| row.last_ms);
            }
            if input.descending.unwrap_or(false) {
                rows.reverse();
            }
            let start = offset(input.next_token.as_ref())?;
            let size = usize::try_from(input.limit.unwrap_or(50)).unwrap_or(50);
            let more = rows.len() > start + size;
            let shown = rows.into_iter().skip(start).take(size).map(|(stream, row)| LogStream {
                arn: Some(format!("{}:log-stream:{stream}", arn(&ctx, &name))),
                log_stream_name: Some(stream),
                creation_time: Some(row.created_ms),
                first_event_timestamp: row.first_ms,
                last_event_timestamp: row.last_ms,
                last_ingestion_time: row.ingested_ms,
                upload_sequence_token: Some("1".to_owned()),
                stored_bytes: Some(0),
            });
            Ok(DescribeLogStreamsOutput {
                log_streams: Some(shown.collect()),
                next_token: more.then(|| (start + size).to_string()),
            })
        })
        .await
    }
}
