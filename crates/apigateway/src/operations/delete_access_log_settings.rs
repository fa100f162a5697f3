//! `DeleteAccessLogSettings`: takes the access log off a stage.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::access;
use crate::ApiGateway;
use crate::api::apigatewayv2::operations::DeleteAccessLogSettings;
use crate::api::apigatewayv2::shapes::{
    DeleteAccessLogSettingsInput, DeleteAccessLogSettingsOutput,
};
use crate::engine::parts::{STAGE, get, put, without};

impl Handler<DeleteAccessLogSettings> for ApiGateway {
    fn authorize(&self, ctx: &Context, input: &DeleteAccessLogSettingsInput) -> Vec<Access> {
        access(
            ctx,
            "DELETE",
            &format!("/apis/{}/stages/{}/accesslogsettings", input.api_id, input.stage_name),
        )
    }

    async fn handle(
        &self,
        ctx: Context,
        input: DeleteAccessLogSettingsInput,
    ) -> Result<DeleteAccessLogSettingsOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let row = get(&tx, &ctx, &input.api_id, STAGE, &input.stage_name).await?;
            let document = without(row.document, &["AccessLogSettings"]);
            put(&tx, &ctx, &input.api_id, (STAGE, &input.stage_name), document).await?;
            Ok(DeleteAccessLogSettingsOutput::default())
        })
        .await
    }
}
