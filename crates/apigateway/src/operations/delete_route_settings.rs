//! `DeleteRouteSettings`: takes the settings of one route off a stage.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::access;
use crate::ApiGateway;
use crate::api::apigatewayv2::operations::DeleteRouteSettings;
use crate::api::apigatewayv2::shapes::{DeleteRouteSettingsInput, DeleteRouteSettingsOutput};
use crate::engine::parts::{STAGE, get, put};
use crate::error::not_found;

impl Handler<DeleteRouteSettings> for ApiGateway {
    fn authorize(&self, ctx: &Context, input: &DeleteRouteSettingsInput) -> Vec<Access> {
        access(
            ctx,
            "DELETE",
            &format!(
                "/apis/{}/stages/{}/routesettings/{}",
                input.api_id, input.stage_name, input.route_key
            ),
        )
    }

    async fn handle(
        &self,
        ctx: Context,
        input: DeleteRouteSettingsInput,
    ) -> Result<DeleteRouteSettingsOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let mut row = get(&tx, &ctx, &input.api_id, STAGE, &input.stage_name).await?;
            let settings =
                row.document.get_mut("RouteSettings").and_then(|all| all.as_object_mut());
            if settings.and_then(|all| all.shift_remove(&input.route_key)).is_none() {
                return Err(not_found("RouteSettings", &input.route_key));
            }
            put(&tx, &ctx, &input.api_id, (STAGE, &input.stage_name), row.document).await?;
            Ok(DeleteRouteSettingsOutput::default())
        })
        .await
    }
}
