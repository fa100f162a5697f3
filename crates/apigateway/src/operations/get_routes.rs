//! `GetRoutes`: the routes of an API.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::access;
use crate::ApiGateway;
use crate::api::apigatewayv2::operations::GetRoutes;
use crate::api::apigatewayv2::shapes::{GetRoutesInput, GetRoutesOutput};
use crate::engine::parts::{ROUTE, list};

impl Handler<GetRoutes> for ApiGateway {
    fn authorize(&self, ctx: &Context, input: &GetRoutesInput) -> Vec<Access> {
        access(ctx, "GET", &format!("/apis/{}/routes", input.api_id))
    }

    async fn handle(
        &self,
        ctx: Context,
        input: GetRoutesInput,
    ) -> Result<GetRoutesOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let rows = list(&tx, &ctx, &input.api_id, ROUTE).await?;
            let items = rows.into_iter().map(|row| row.document).collect();
            super::read_page(items, input.next_token.as_deref(), input.max_results.as_deref())
        })
        .await
    }
}
