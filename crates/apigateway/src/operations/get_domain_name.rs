//! `GetDomainName`: one domain name.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::access;
use crate::ApiGateway;
use crate::api::apigatewayv2::operations::GetDomainName;
use crate::api::apigatewayv2::shapes::{GetDomainNameInput, GetDomainNameOutput};
use crate::engine::domains;

impl Handler<GetDomainName> for ApiGateway {
    fn authorize(&self, ctx: &Context, input: &GetDomainNameInput) -> Vec<Access> {
        access(ctx, "GET", &format!("/domainnames/{}", input.domain_name))
    }

    async fn handle(
        &self,
        ctx: Context,
        input: GetDomainNameInput,
    ) -> Result<GetDomainNameOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let row = domains::require(&tx, &ctx, &input.domain_name).await?;
            super::read(row.document)
        })
        .await
    }
}
