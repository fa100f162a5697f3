//! `GetStage`: one stage.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::access;
use crate::ApiGateway;
use crate::api::apigatewayv2::operations::GetStage;
use crate::api::apigatewayv2::shapes::{GetStageInput, GetStageOutput};
use crate::engine::parts::{STAGE, get};

impl Handler<GetStage> for ApiGateway {
    fn authorize(&self, ctx: &Context, input: &GetStageInput) -> Vec<Access> {
        access(ctx, "GET", &format!("/apis/{}/stages/{}", input.api_id, input.stage_name))
    }

    async fn handle(
        &self,
        ctx: Context,
        input: GetStageInput,
    ) -> Result<GetStageOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let row = get(&tx, &ctx, &input.api_id, STAGE, &input.stage_name).await?;
            super::read(super::shown_part(row))
        })
        .await
    }
}
