//! `GetRecords`: the records behind an iterator, and the iterator behind them.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::Dynamo;
use crate::api::dynamodbstreams::operations::GetRecords;
use crate::api::dynamodbstreams::shapes::{GetRecordsInput, GetRecordsOutput};
use crate::engine::stream::{Iterator, arn, bounds, find, read, shown_record};
use crate::error::invalid;
use crate::limits::{ITERATOR_MS, PAGE_BYTES_MAX, RECORDS_MAX};

impl Handler<GetRecords> for Dynamo {
    fn authorize(&self, _: &Context, input: &GetRecordsInput) -> Vec<Access> {
        let iterator = Iterator::parse(&input.shard_iterator);
        let stream = iterator.map_or_else(|_| "*".to_owned(), |iterator| arn(&iterator.stream));
        vec![Access::new("dynamodb:GetRecords", stream)]
    }

    async fn handle(
        &self,
        ctx: Context,
        input: GetRecordsInput,
    ) -> Result<GetRecordsOutput, ServiceError> {
        let iterator = Iterator::parse(&input.shard_iterator)?;
        let limit = match input.limit.map(usize::try_from) {
            None => RECORDS_MAX,
            Some(Ok(n)) if (1..=RECORDS_MAX).contains(&n) => n,
            Some(_) => {
                return Err(invalid(format!(
                    "1 validation error detected: Value '{}' at 'limit' failed to satisfy constraint: Member must have value less than or equal to {RECORDS_MAX}",
                    input.limit.unwrap_or_default()
                )));
            }
        };
        if iterator.made_ms + ITERATOR_MS < ctx.now_ms() {
            return Err(ServiceError::new("ExpiredIteratorException", "Iterator expired."));
        }
        let Iterator { stream, shard, at, .. } = iterator;
        let row = find(&ctx.store().begin().await?, &stream).await?;
        self.streams.number(&ctx, row.number, shard).await?;
        let tx = ctx.store().begin().await?;
        let (found, at) = read(&tx, row.number, shard, at, limit, PAGE_BYTES_MAX).await?;
        let (_, next) = bounds(&tx, row.number, shard).await?;
        let mut records = Vec::with_capacity(found.len());
        for (number, record) in &found {
            records.push(shown_record(&tx, &stream, &row, shard, (*number, record)).await?);
        }
        let is_end = row.ended_ms.is_some() && at >= next;
        let iterator = Iterator { stream, shard, at, made_ms: ctx.now_ms() };
        Ok(GetRecordsOutput {
            records: Some(records),
            next_shard_iterator: (!is_end).then(|| iterator.shown()),
        })
    }
}
