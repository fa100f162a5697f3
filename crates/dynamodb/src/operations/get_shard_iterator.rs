//! `GetShardIterator`: a place in a shard to read from.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::Dynamo;
use crate::api::dynamodbstreams::operations::GetShardIterator;
use crate::api::dynamodbstreams::shapes::{GetShardIteratorInput, GetShardIteratorOutput};
use crate::engine::stream::{Iterator, bounds, find, number_of, parse_arn, shard_of};
use crate::error::{invalid, no_shard, trimmed};

impl Handler<GetShardIterator> for Dynamo {
    fn authorize(&self, _: &Context, input: &GetShardIteratorInput) -> Vec<Access> {
        vec![Access::new("dynamodb:GetShardIterator", input.stream_arn.as_str())]
    }

    async fn handle(
        &self,
        ctx: Context,
        input: GetShardIteratorInput,
    ) -> Result<GetShardIteratorOutput, ServiceError> {
        let key = parse_arn(&input.stream_arn)?;
        let row = find(&ctx.store().begin().await?, &key).await?;
        let shard = shard_of(&row, &input.shard_id)
            .ok_or_else(|| no_shard(&input.shard_id, &input.stream_arn))?;
        self.streams.number(&ctx, row.number, shard).await?;
        let (first, next) = bounds(&ctx.store().begin().await?, row.number, shard).await?;
        let kind = input.shard_iterator_type.as_str();
        let at = match (kind, &input.sequence_number) {
            ("TRIM_HORIZON", None) => first,
            ("LATEST", None) => next,
            ("TRIM_HORIZON" | "LATEST", Some(_)) => {
                return Err(invalid(format!(
                    "SequenceNumber must not be specified when ShardIteratorType is {kind}"
                )));
            }
            (_, None) => {
                return Err(invalid(format!(
                    "SequenceNumber is required when ShardIteratorType is {kind}"
                )));
            }
            (_, Some(text)) => {
                let number = number_of(text, shard).filter(|number| *number <= next);
                let number = number.ok_or_else(|| {
                    invalid(format!("Invalid SequenceNumber {text} for shard {}", input.shard_id))
                })?;
                let at = if kind == "AFTER_SEQUENCE_NUMBER" { number + 1 } else { number };
                if at < first {
                    return Err(trimmed());
                }
                at.min(next)
            }
        };
        let iterator = Iterator { stream: key, shard, at, made_ms: ctx.now_ms() };
        Ok(GetShardIteratorOutput { shard_iterator: Some(iterator.shown()) })
    }
}
