//! `DeleteStage`: deletes a stage.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::access;
use crate::ApiGateway;
use crate::api::apigatewayv2::operations::DeleteStage;
use crate::api::apigatewayv2::shapes::{DeleteStageInput, DeleteStageOutput};
use crate::engine::parts::{STAGE, delete};

impl Handler<DeleteStage> for ApiGateway {
    fn authorize(&self, ctx: &Context, input: &DeleteStageInput) -> Vec<Access> {
        access(ctx, "DELETE", &format!("/apis/{}/stages/{}", input.api_id, input.stage_name))
    }

    async fn handle(
        &self,
        ctx: Context,
        input: DeleteStageInput,
    ) -> Result<DeleteStageOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            delete(&tx, &ctx, &input.api_id, STAGE, &input.stage_name).await?;
            Ok(DeleteStageOutput::default())
        })
        .await
    }
}
