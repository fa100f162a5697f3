//! `UpdateStage`: changes a stage.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::access;
use crate::ApiGateway;
use crate::api::apigatewayv2::operations::UpdateStage;
use crate::api::apigatewayv2::shapes::{UpdateStageInput, UpdateStageOutput};
use crate::engine::checks::check_stage;
use crate::engine::parts::{STAGE, get, merge_maps, put, without};
use undercast_smithy::to_document;

impl Handler<UpdateStage> for ApiGateway {
    fn authorize(&self, ctx: &Context, input: &UpdateStageInput) -> Vec<Access> {
        access(ctx, "PATCH", &format!("/apis/{}/stages/{}", input.api_id, input.stage_name))
    }

    async fn handle(
        &self,
        ctx: Context,
        input: UpdateStageInput,
    ) -> Result<UpdateStageOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let old = get(&tx, &ctx, &input.api_id, STAGE, &input.stage_name).await?;
            let given = without(to_document(&*input), &["ApiId", "StageName"]);
            let maps = ["RouteSettings", "StageVariables"];
            let document = merge_maps(&old.document, &given, &maps);
            check_stage(&tx, &ctx, &input.api_id, &document).await?;
            let row = put(&tx, &ctx, &input.api_id, (STAGE, &input.stage_name), document).await?;
            super::read(super::shown_part(row))
        })
        .await
    }
}
