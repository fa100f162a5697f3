//! `UntagResource`: takes tags off a table.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::tagged;
use crate::Dynamo;
use crate::api::dynamodb::operations::UntagResource;
use crate::api::dynamodb::shapes::{UntagResourceInput, UntagResourceOutput};
use crate::error::no_arn;
use crate::store::TABLES;

impl Handler<UntagResource> for Dynamo {
    fn authorize(&self, _: &Context, input: &UntagResourceInput) -> Vec<Access> {
        vec![Access::new("dynamodb:UntagResource", &input.resource_arn)]
    }

    async fn handle(
        &self,
        ctx: Context,
        input: UntagResourceInput,
    ) -> Result<UntagResourceOutput, ServiceError> {
        ctx.transact(input, |tx, _, input| async move {
            let key = tagged(&input.resource_arn)?;
            let row = TABLES.get(&tx, &key).await?;
            let mut row = row.ok_or_else(|| no_arn(&input.resource_arn))?;
            row.tags.retain(|key, _| !input.tag_keys.contains(key));
            TABLES.put(&tx, &key, &row)?;
            Ok(UntagResourceOutput {})
        })
        .await
    }
}
