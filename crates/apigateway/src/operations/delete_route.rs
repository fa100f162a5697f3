//! `DeleteRoute`: deletes a route.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::access;
use crate::ApiGateway;
use crate::api::apigatewayv2::operations::DeleteRoute;
use crate::api::apigatewayv2::shapes::{DeleteRouteInput, DeleteRouteOutput};
use crate::engine::parts::{ROUTE, delete};

impl Handler<DeleteRoute> for ApiGateway {
    fn authorize(&self, ctx: &Context, input: &DeleteRouteInput) -> Vec<Access> {
        access(ctx, "DELETE", &format!("/apis/{}/routes/{}", input.api_id, input.route_id))
    }

    async fn handle(
        &self,
        ctx: Context,
        input: DeleteRouteInput,
    ) -> Result<DeleteRouteOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            delete(&tx, &ctx, &input.api_id, ROUTE, &input.route_id).await?;
            Ok(DeleteRouteOutput::default())
        })
        .await
    }
}
