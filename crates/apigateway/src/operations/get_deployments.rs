//! `GetDeployments`: the deployments of an API.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::access;
use crate::ApiGateway;
use crate::api::apigatewayv2::operations::GetDeployments;
use crate::api::apigatewayv2::shapes::{GetDeploymentsInput, GetDeploymentsOutput};
use crate::engine::parts::{DEPLOYMENT, list};

impl Handler<GetDeployments> for ApiGateway {
    fn authorize(&self, ctx: &Context, input: &GetDeploymentsInput) -> Vec<Access> {
        access(ctx, "GET", &format!("/apis/{}/deployments", input.api_id))
    }

    async fn handle(
        &self,
        ctx: Context,
        input: GetDeploymentsInput,
    ) -> Result<GetDeploymentsOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let rows = list(&tx, &ctx, &input.api_id, DEPLOYMENT).await?;
            let items = rows.into_iter().map(super::shown_deployment).collect();
            super::read_page(items, input.next_token.as_deref(), input.max_results.as_deref())
        })
        .await
    }
}
