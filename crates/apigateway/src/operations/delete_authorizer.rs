//! `DeleteAuthorizer`: deletes an authorizer that no route has.

use serde_json::Value;
use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::access;
use crate::ApiGateway;
use crate::api::apigatewayv2::operations::DeleteAuthorizer;
use crate::api::apigatewayv2::shapes::{DeleteAuthorizerInput, DeleteAuthorizerOutput};
use crate::engine::parts::{AUTHORIZER, ROUTE, delete, list};
use crate::error::conflict;
use crate::store::PartRow;

impl Handler<DeleteAuthorizer> for ApiGateway {
    fn authorize(&self, ctx: &Context, input: &DeleteAuthorizerInput) -> Vec<Access> {
        access(
            ctx,
            "DELETE",
            &format!("/apis/{}/authorizers/{}", input.api_id, input.authorizer_id),
        )
    }

    async fn handle(
        &self,
        ctx: Context,
        input: DeleteAuthorizerInput,
    ) -> Result<DeleteAuthorizerOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let id = input.authorizer_id.as_str();
            let routes = list(&tx, &ctx, &input.api_id, ROUTE).await?;
            let text = |row: &PartRow, name: &str| {
                row.document.get(name).and_then(Value::as_str).map(str::to_owned)
            };
            let used = routes.iter().find(|row| text(row, "AuthorizerId").as_deref() == Some(id));
            if let Some(route) = used.and_then(|row| text(row, "RouteId")) {
                return Err(conflict(format!(
                    "Cannot delete Authorizer with id '{id}' used in Route with id '{route}'"
                )));
            }
            delete(&tx, &ctx, &input.api_id, AUTHORIZER, id).await?;
            Ok(DeleteAuthorizerOutput::default())
        })
        .await
    }
}
