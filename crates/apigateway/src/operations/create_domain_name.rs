//! `CreateDomainName`: takes a host for APIs.

use undercast_kernel::{Access, Context, Handler, ServiceError};
use undercast_smithy::to_document;

use super::access;
use crate::ApiGateway;
use crate::api::apigatewayv2::operations::CreateDomainName;
use crate::api::apigatewayv2::shapes::{CreateDomainNameInput, CreateDomainNameOutput};
use crate::engine::domains;

impl Handler<CreateDomainName> for ApiGateway {
    fn authorize(&self, ctx: &Context, _: &CreateDomainNameInput) -> Vec<Access> {
        access(ctx, "POST", "/domainnames")
    }

    async fn handle(
        &self,
        ctx: Context,
        input: CreateDomainNameInput,
    ) -> Result<CreateDomainNameOutput, ServiceError> {
        let output = ctx
            .transact(input, |tx, ctx, input| async move {
                let row = domains::create(&tx, &ctx, &to_document(&*input)).await?;
                super::read(row.document)
            })
            .await?;
        self.hosts_changed(&ctx).await?;
        Ok(output)
    }
}
