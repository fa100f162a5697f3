//! `UpdateDomainName`: changes the configuration of a domain name.

use undercast_kernel::{Access, Context, Handler, ServiceError};
use undercast_smithy::to_document;

use super::access;
use crate::ApiGateway;
use crate::api::apigatewayv2::operations::UpdateDomainName;
use crate::api::apigatewayv2::shapes::{UpdateDomainNameInput, UpdateDomainNameOutput};
use crate::engine::domains;

impl Handler<UpdateDomainName> for ApiGateway {
    fn authorize(&self, ctx: &Context, input: &UpdateDomainNameInput) -> Vec<Access> {
        access(ctx, "PATCH", &format!("/domainnames/{}", input.domain_name))
    }

    async fn handle(
        &self,
        ctx: Context,
        input: UpdateDomainNameInput,
    ) -> Result<UpdateDomainNameOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let row = domains::update(&tx, &ctx, &to_document(&*input)).await?;
            super::read(row.document)
        })
        .await
    }
}
