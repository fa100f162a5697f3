//! `CreateRoute`: makes a route.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::access;
use crate::ApiGateway;
use crate::api::apigatewayv2::operations::CreateRoute;
use crate::api::apigatewayv2::shapes::{CreateRouteInput, CreateRouteOutput};
use crate::engine::checks::check_route;
use crate::engine::parts::{ROUTE, merge, new_id, put, without};
use undercast_smithy::to_document;

impl Handler<CreateRoute> for ApiGateway {
    fn authorize(&self, ctx: &Context, input: &CreateRouteInput) -> Vec<Access> {
        access(ctx, "POST", &format!("/apis/{}/routes", input.api_id))
    }

    async fn handle(
        &self,
        ctx: Context,
        input: CreateRouteInput,
    ) -> Result<CreateRouteOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {

            let id = new_id(&tx, 7);
            let document = merge(&serde_json::json!({"RouteId": id, "AuthorizationType": "NONE", "ApiKeyRequired": false}), &without(to_document(&*input), &["ApiId"]));
            check_route(&tx, &ctx, &input.api_id, None, &document).await?;
            let row = put(&tx, &ctx, &input.api_id, (ROUTE, &id), document).await?;
            super::read(row.document)
})
.await
    }
}
