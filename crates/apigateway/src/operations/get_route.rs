//! `GetRoute`: one route.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::access;
use crate::ApiGateway;
use crate::api::apigatewayv2::operations::GetRoute;
use crate::api::apigatewayv2::shapes::{GetRouteInput, GetRouteOutput};
use crate::engine::parts::{ROUTE, get};

impl Handler<GetRoute> for ApiGateway {
    fn authorize(&self, ctx: &Context, input: &GetRouteInput) -> Vec<Access> {
        access(ctx, "GET", &format!("/apis/{}/routes/{}", input.api_id, input.route_id))
    }

    async fn handle(
        &self,
        ctx: Context,
        input: GetRouteInput,
    ) -> Result<GetRouteOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let row = get(&tx, &ctx, &input.api_id, ROUTE, &input.route_id).await?;
            super::read(row.document)
        })
        .await
    }
}
