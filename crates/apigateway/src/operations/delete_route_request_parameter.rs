//! `DeleteRouteRequestParameter`: takes a request parameter off a route.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::access;
use crate::ApiGateway;
use crate::api::apigatewayv2::operations::DeleteRouteRequestParameter;
use crate::api::apigatewayv2::shapes::{
    DeleteRouteRequestParameterInput, DeleteRouteRequestParameterOutput,
};
use crate::engine::parts::{ROUTE, get, put};
use crate::error::not_found;

impl Handler<DeleteRouteRequestParameter> for ApiGateway {
    fn authorize(&self, ctx: &Context, input: &DeleteRouteRequestParameterInput) -> Vec<Access> {
        access(
            ctx,
            "DELETE",
            &format!(
                "/apis/{}/routes/{}/requestparameters/{}",
                input.api_id, input.route_id, input.request_parameter_key
            ),
        )
    }

    async fn handle(
        &self,
        ctx: Context,
        input: DeleteRouteRequestParameterInput,
    ) -> Result<DeleteRouteRequestParameterOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let mut row = get(&tx, &ctx, &input.api_id, ROUTE, &input.route_id).await?;
            let all = row.document.get_mut("RequestParameters").and_then(|all| all.as_object_mut());
            let key = &input.request_parameter_key;
            if all.and_then(|all| all.shift_remove(key)).is_none() {
                return Err(not_found("RequestParameter", key));
            }
            put(&tx, &ctx, &input.api_id, (ROUTE, &input.route_id), row.document).await?;
            Ok(DeleteRouteRequestParameterOutput::default())
        })
        .await
    }
}
