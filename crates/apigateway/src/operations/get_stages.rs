//! `GetStages`: the stages of an API.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::access;
use crate::ApiGateway;
use crate::api::apigatewayv2::operations::GetStages;
use crate::api::apigatewayv2::shapes::{GetStagesInput, GetStagesOutput};
use crate::engine::parts::{STAGE, list};

impl Handler<GetStages> for ApiGateway {
    fn authorize(&self, ctx: &Context, input: &GetStagesInput) -> Vec<Access> {
        access(ctx, "GET", &format!("/apis/{}/stages", input.api_id))
    }

    async fn handle(
        &self,
        ctx: Context,
        input: GetStagesInput,
    ) -> Result<GetStagesOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let rows = list(&tx, &ctx, &input.api_id, STAGE).await?;
            let items = rows.into_iter().map(super::shown_part).collect();
            super::read_page(items, input.next_token.as_deref(), input.max_results.as_deref())
        })
        .await
    }
}
