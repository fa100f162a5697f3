//! `GetEventSourceMapping`: a mapping.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::Lambda;
use crate::api::lambda::operations::GetEventSourceMapping;
use crate::api::lambda::shapes::{EventSourceMappingConfiguration, GetEventSourceMappingInput};
use crate::error::no_resource;
use crate::mappings;
use crate::store::MAPPINGS;

impl Handler<GetEventSourceMapping> for Lambda {
    fn authorize(&self, ctx: &Context, input: &GetEventSourceMappingInput) -> Vec<Access> {
        vec![Access::new("lambda:GetEventSourceMapping", mappings::arn(ctx, &input.uuid))]
    }

    async fn handle(
        &self,
        ctx: Context,
        input: GetEventSourceMappingInput,
    ) -> Result<EventSourceMappingConfiguration, ServiceError> {
        let key = mappings::key(&ctx, &input.uuid);
        let tx = ctx.store().begin().await?;
        let row = MAPPINGS.get(&tx, &key).await?.ok_or_else(no_resource)?;
        mappings::described(&ctx, &tx, &input.uuid, &row, mappings::state(&row)).await
    }
}
