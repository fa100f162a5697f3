//! `CreateStage`: makes a stage.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::access;
use crate::ApiGateway;
use crate::api::apigatewayv2::operations::CreateStage;
use crate::api::apigatewayv2::shapes::{CreateStageInput, CreateStageOutput};
use crate::engine::checks::check_stage;
use crate::engine::parts::{STAGE, merge, put, require_api, without};
use crate::error::conflict;
use crate::store::PARTS;
use undercast_smithy::to_document;

impl Handler<CreateStage> for ApiGateway {
    fn authorize(&self, ctx: &Context, input: &CreateStageInput) -> Vec<Access> {
        access(ctx, "POST", &format!("/apis/{}/stages", input.api_id))
    }

    async fn handle(
        &self,
        ctx: Context,
        input: CreateStageInput,
    ) -> Result<CreateStageOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {

            let name = &input.stage_name;
            let key = (input.api_id.clone(), STAGE.to_owned(), name.clone());
            require_api(&tx, &ctx, &input.api_id).await?;
            if PARTS.get(&tx, &key).await?.is_some() {
                return Err(conflict("Stage already exists"));
            }
            let defaults = serde_json::json!({
                "StageName": name, "AutoDeploy": false, "StageVariables": {}, "RouteSettings": {}, "Tags": {},
                "DefaultRouteSettings": {"DetailedMetricsEnabled": false},
            });
            let document = merge(&defaults, &without(to_document(&*input), &["ApiId"]));
            check_stage(&tx, &ctx, &input.api_id, &document).await?;
            let row = put(&tx, &ctx, &input.api_id, (STAGE, name), document).await?;
            super::read(super::shown_part(row))
})
.await
    }
}
