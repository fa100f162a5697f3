//! The stream of a table as event source mappings read it.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::json;
use undercast_kernel::smithy::document::to_document;
use undercast_kernel::{
    Context, ServiceError, StreamPage, StreamRecord, StreamSource, StreamStart,
};
use undercast_store::{Tx, Watch};

use crate::Dynamo;
use crate::engine::stream::{
    SHARDS, bounds, find, parse_arn, read, shard_id, shard_of, shown_record,
};
use crate::error::no_shard;
use crate::store::{CHANGES, StreamInfoRow, StreamKey};

/// What one call reads: more than fits an invocation is of no use.
const READ_BYTES_MAX: usize = 4 << 20;

pub(crate) struct Source(pub(crate) Arc<Dynamo>);

/// A shard of a stream that is there.
struct Place {
    key: StreamKey,
    row: StreamInfoRow,
    shard: u32,
}

async fn place(tx: &Tx, arn: &str, shard: &str) -> Result<Place, ServiceError> {
    let key = parse_arn(arn)?;
    let row = find(tx, &key).await?;
    let shard = shard_of(&row, shard).ok_or_else(|| no_shard(shard, arn))?;
    Ok(Place { key, row, shard })
}

impl StreamSource for Source {
    fn service(&self) -> &'static str {
        "dynamodb"
    }

    fn actions(&self) -> &'static [&'static str] {
        &["GetRecords", "GetShardIterator", "DescribeStream", "ListStreams"]
    }

    fn shards(
        &self,
        ctx: Context,
        arn: String,
    ) -> BoxFuture<'static, Result<Vec<String>, ServiceError>> {
        async move {
            let tx = ctx.store().begin().await?;
            let row = find(&tx, &parse_arn(&arn)?).await?;
            Ok((0..SHARDS).map(|shard| shard_id(&row, shard)).collect())
        }
        .boxed()
    }

    fn start(
        &self,
        ctx: Context,
        arn: String,
        shard: String,
        start: StreamStart,
    ) -> BoxFuture<'static, Result<u64, ServiceError>> {
        let dynamo = Arc::clone(&self.0);
        async move {
            let Place { row, shard, .. } = place(&ctx.store().begin().await?, &arn, &shard).await?;
            dynamo.streams.number(&ctx, row.number, shard).await?;
            let (first, next) = bounds(&ctx.store().begin().await?, row.number, shard).await?;
            Ok(if start == StreamStart::Latest { next } else { first })
        }
        .boxed()
    }

    fn read(
        &self,
        ctx: Context,
        arn: String,
        shard: String,
        position: u64,
        limit: usize,
    ) -> BoxFuture<'static, Result<StreamPage, ServiceError>> {
        let dynamo = Arc::clone(&self.0);
        async move {
            let Place { key, row, shard } =
                place(&ctx.store().begin().await?, &arn, &shard).await?;
            dynamo.streams.number(&ctx, row.number, shard).await?;
            let tx = ctx.store().begin().await?;
            let (first, end) = bounds(&tx, row.number, shard).await?;
            let from = position.clamp(first, end);
            let (rows, next) = read(&tx, row.number, shard, from, limit, READ_BYTES_MAX).await?;
            let mut records = Vec::with_capacity(rows.len());
            for (number, record) in rows {
                let shown = shown_record(&tx, &key, &row, shard, (number, &record)).await?;
                let sequence = shown.dynamodb.as_ref().and_then(|d| d.sequence_number.clone());
                let mut body = to_document(&shown);
                let at_s = record.at_ms.div_euclid(1000);
                if let Some(time) = body.pointer_mut("/dynamodb/ApproximateCreationDateTime") {
                    *time = at_s.into();
                }
                if let Some(event) = body.as_object_mut() {
                    event.insert("eventSourceARN".to_owned(), arn.as_str().into());
                    if record.expired {
                        let by =
                            json!({"type": "Service", "principalId": "dynamodb.amazonaws.com"});
                        event.insert("userIdentity".to_owned(), by);
                    }
                }
                records.push(StreamRecord {
                    sequence: sequence.unwrap_or_default(),
                    position: number,
                    at_ms: record.at_ms,
                    group: u64::from(record.spread),
                    body,
                });
            }
            let is_end = row.ended_ms.is_some() && next >= end;
            Ok(StreamPage { records, next, is_end })
        }
        .boxed()
    }

    fn watch(
        &self,
        ctx: Context,
        arn: String,
        shard: String,
    ) -> BoxFuture<'static, Result<Watch, ServiceError>> {
        async move {
            let Place { row, shard, .. } = place(&ctx.store().begin().await?, &arn, &shard).await?;
            Ok(CHANGES.watch(ctx.store(), &(row.number, shard)))
        }
        .boxed()
    }
}
