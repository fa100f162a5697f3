//! `UpdateRoute`: changes a route.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::access;
use crate::ApiGateway;
use crate::api::apigatewayv2::operations::UpdateRoute;
use crate::api::apigatewayv2::shapes::{UpdateRouteInput, UpdateRouteOutput};
use crate::engine::checks::check_route;
use crate::engine::parts::{ROUTE, get, merge, put, without};
use undercast_smithy::to_document;

impl Handler<UpdateRoute> for ApiGateway {
    fn authorize(&self, ctx: &Context, input: &UpdateRouteInput) -> Vec<Access> {
        access(ctx, "PATCH", &format!("/apis/{}/routes/{}", input.api_id, input.route_id))
    }

    async fn handle(
        &self,
        ctx: Context,
        input: UpdateRouteInput,
    ) -> Result<UpdateRouteOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let old = get(&tx, &ctx, &input.api_id, ROUTE, &input.route_id).await?;
            let mut document =
                merge(&old.document, &without(to_document(&*input), &["ApiId", "RouteId"]));
            let kind = input.authorization_type.as_deref();
            if matches!(kind, Some("NONE" | "AWS_IAM")) {
                document = without(document, &["AuthorizerId", "AuthorizationScopes"]);
            }
            check_route(&tx, &ctx, &input.api_id, Some(&input.route_id), &document).await?;
            let row = put(&tx, &ctx, &input.api_id, (ROUTE, &input.route_id), document).await?;
            super::read(row.document)
        })
        .await
    }
}
