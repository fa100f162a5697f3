//! `DeleteEventSourceMapping`: removes a mapping.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::Lambda;
use crate::api::lambda::operations::DeleteEventSourceMapping;
use crate::api::lambda::shapes::{DeleteEventSourceMappingInput, EventSourceMappingConfiguration};
use crate::error::no_resource;
use crate::mappings;
use crate::store::{MAPPED, MAPPINGS};

impl Handler<DeleteEventSourceMapping> for Lambda {
    fn authorize(&self, ctx: &Context, input: &DeleteEventSourceMappingInput) -> Vec<Access> {
        vec![Access::new("lambda:DeleteEventSourceMapping", mappings::arn(ctx, &input.uuid))]
    }

    async fn handle(
        &self,
        ctx: Context,
        input: DeleteEventSourceMappingInput,
    ) -> Result<EventSourceMappingConfiguration, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let key = mappings::key(&ctx, &input.uuid);
            let row = MAPPINGS.get(&tx, &key).await?.ok_or_else(no_resource)?;
            MAPPINGS.delete(&tx, &key)?;
            let (account, region, _) = key;
            MAPPED.delete(&tx, &(account, region, row.source.clone(), row.function.clone()))?;
            let shown = mappings::described(&ctx, &tx, &input.uuid, &row, "Deleting").await?;
            mappings::forget(&tx, &input.uuid).await?;
            Ok(shown)
        })
        .await
    }
}
