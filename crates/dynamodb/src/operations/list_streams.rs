//! `ListStreams`: the streams of the account, or of one table; those that ended within a day among them.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::describe_stream::limit;
use crate::Dynamo;
use crate::api::dynamodbstreams::operations::ListStreams;
use crate::api::dynamodbstreams::shapes::{ListStreamsInput, ListStreamsOutput, Stream};
use crate::engine::stream::{arn, parse_arn};
use crate::engine::table::table_key;
use crate::limits::STREAM_MS;
use crate::store::STREAMS;

/// More rows than a page has, for those that have ended and wait to be deleted.
const ROWS: usize = 200;

impl Handler<ListStreams> for Dynamo {
    fn authorize(&self, ctx: &Context, input: &ListStreamsInput) -> Vec<Access> {
        let table = input.table_name.as_deref().map_or("*", |name| name);
        vec![Access::new(
            "dynamodb:ListStreams",
            ctx.arn("dynamodb", format!("table/{table}/stream/*")),
        )]
    }

    async fn handle(
        &self,
        ctx: Context,
        input: ListStreamsInput,
    ) -> Result<ListStreamsOutput, ServiceError> {
        let limit = limit(input.limit)?;
        let (account, region) = (ctx.account().to_owned(), ctx.region().to_owned());
        let mut range = match &input.table_name {
            Some(name) => STREAMS.prefix(&table_key(&ctx, name)),
            None => STREAMS.prefix(&(account, region)),
        };
        if let Some(start) = &input.exclusive_start_stream_arn {
            range = range.after_key(&STREAMS.key(&parse_arn(start)?));
        }
        let now = ctx.now_ms();
        let mut streams = Vec::new();
        let mut has_more = true;
        while has_more && streams.len() <= limit {
            let rows = STREAMS.list(ctx.store(), range.clone(), ROWS, false).await?;
            has_more = rows.len() == ROWS;
            for (key, row) in rows {
                range = range.after_key(&STREAMS.key(&key));
                if row.ended_ms.is_none_or(|ended| ended + STREAM_MS > now) {
                    streams.push(Stream {
                        stream_arn: Some(arn(&key)),
                        table_name: Some(key.2),
                        stream_label: Some(key.3),
                    });
                }
            }
        }
        let more = streams.len() > limit;
        streams.truncate(limit);
        let last = streams.last().and_then(|stream| stream.stream_arn.clone());
        Ok(ListStreamsOutput {
            streams: Some(streams),
            last_evaluated_stream_arn: last.filter(|_| more),
        })
    }
}
