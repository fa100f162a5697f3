//! `DescribeStream`: a stream and its shards.

use undercast_kernel::smithy::Timestamp;
use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::Dynamo;
use crate::api::dynamodbstreams::operations::DescribeStream;
use crate::api::dynamodbstreams::shapes::{
    DescribeStreamInput, DescribeStreamOutput, KeySchemaElement, SequenceNumberRange, Shard,
    StreamDescription,
};
use crate::engine::stream::{SHARDS, arn, bounds, find, parse_arn, shard_id, shard_of, shown};
use crate::error::{invalid, no_shard};

impl Handler<DescribeStream> for Dynamo {
    fn authorize(&self, _: &Context, input: &DescribeStreamInput) -> Vec<Access> {
        vec![Access::new("dynamodb:DescribeStream", input.stream_arn.as_str())]
    }

    async fn handle(
        &self,
        ctx: Context,
        input: DescribeStreamInput,
    ) -> Result<DescribeStreamOutput, ServiceError> {
        let key = parse_arn(&input.stream_arn)?;
        let row = find(&ctx.store().begin().await?, &key).await?;
        let find_shard =
            |id: &String| shard_of(&row, id).ok_or_else(|| no_shard(id, &input.stream_arn));
        let start = input.exclusive_start_shard_id.as_ref().map(find_shard).transpose()?;
        let start = start.map_or(0, |shard| shard + 1);
        let filter = input.shard_filter.as_ref().map(|filter| {
            let id = filter.shard_id.as_ref();
            id.ok_or_else(|| invalid("ShardId is required when ShardFilter is specified"))
        });
        // Shards are never split, so none has children.
        let has_children = filter.transpose()?.map(find_shard).transpose()?.is_some();
        let limit = limit(input.limit)?;
        let mut shards = Vec::new();
        let wanted = if has_children { SHARDS..SHARDS } else { start.min(SHARDS)..SHARDS };
        for shard in wanted.clone().take(limit) {
            self.streams.number(&ctx, row.number, shard).await?;
            let (first, next) = bounds(&ctx.store().begin().await?, row.number, shard).await?;
            // A shard that has closed without a record ends where it begins.
            let last = row.ended_ms.map(|_| shown(shard, next.saturating_sub(1).max(first)));
            shards.push(Shard {
                shard_id: Some(shard_id(&row, shard)),
                sequence_number_range: Some(SequenceNumberRange {
                    starting_sequence_number: Some(shown(shard, first)),
                    ending_sequence_number: last,
                }),
                parent_shard_id: None,
            });
        }
        let has_more = shards.len() < wanted.count();
        let last = shards.last().and_then(|shard| shard.shard_id.clone());
        let status = if row.ended_ms.is_none() { "ENABLED" } else { "DISABLED" };
        let element = |name: &String, kind: &str| KeySchemaElement {
            attribute_name: name.clone(),
            key_type: kind.to_owned(),
        };
        let keys = std::iter::once(element(&row.hash, "HASH"))
            .chain(row.range.iter().map(|name| element(name, "RANGE")));
        Ok(DescribeStreamOutput {
            stream_description: Some(StreamDescription {
                stream_arn: Some(arn(&key)),
                stream_status: Some(status.to_owned()),
                stream_view_type: Some(row.view.clone()),
                creation_request_date_time: Some(Timestamp::from_millis(row.created_ms)),
                key_schema: Some(keys.collect()),
                shards: Some(shards),
                last_evaluated_shard_id: last.filter(|_| has_more),
                stream_label: Some(key.3),
                table_name: Some(key.2),
            }),
        })
    }
}

/// How many shards or streams a page has.
pub(super) fn limit(wanted: Option<i32>) -> Result<usize, ServiceError> {
    let max = crate::limits::STREAMS_MAX;
    match wanted.map(usize::try_from) {
        None => Ok(max),
        Some(Ok(n)) if (1..=max).contains(&n) => Ok(n),
        Some(_) => Err(invalid(format!(
            "1 validation error detected: Value '{}' at 'limit' failed to satisfy constraint: Member must have value less than or equal to {max}",
            wanted.unwrap_or_default()
        ))),
    }
}
