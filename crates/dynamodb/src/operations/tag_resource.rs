//! `TagResource`: tags a table.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::tagged;
use crate::Dynamo;
use crate::api::dynamodb::operations::TagResource;
use crate::api::dynamodb::shapes::{TagResourceInput, TagResourceOutput};
use crate::engine::definition::add_tags;
use crate::error::no_arn;
use crate::store::TABLES;

impl Handler<TagResource> for Dynamo {
    fn authorize(&self, _: &Context, input: &TagResourceInput) -> Vec<Access> {
        vec![Access::new("dynamodb:TagResource", &input.resource_arn)]
    }

    async fn handle(
        &self,
        ctx: Context,
        input: TagResourceInput,
    ) -> Result<TagResourceOutput, ServiceError> {
        ctx.transact(input, |tx, _, input| async move {
            let key = tagged(&input.resource_arn)?;
            let row = TABLES.get(&tx, &key).await?;
            let mut row = row.ok_or_else(|| no_arn(&input.resource_arn))?;
            add_tags(&mut row, &input.tags)?;
            TABLES.put(&tx, &key, &row)?;
            Ok(TagResourceOutput {})
        })
        .await
    }
}
