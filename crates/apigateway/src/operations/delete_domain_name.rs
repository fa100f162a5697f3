//! `DeleteDomainName`: gives a host up, with the mappings under it.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::access;
use crate::ApiGateway;
use crate::api::apigatewayv2::operations::DeleteDomainName;
use crate::api::apigatewayv2::shapes::{DeleteDomainNameInput, DeleteDomainNameOutput};
use crate::engine::domains;

impl Handler<DeleteDomainName> for ApiGateway {
    fn authorize(&self, ctx: &Context, input: &DeleteDomainNameInput) -> Vec<Access> {
        access(ctx, "DELETE", &format!("/domainnames/{}", input.domain_name))
    }

    async fn handle(
        &self,
        ctx: Context,
        input: DeleteDomainNameInput,
    ) -> Result<DeleteDomainNameOutput, ServiceError> {
        let output = ctx
            .transact(input, |tx, ctx, input| async move {
                domains::delete(&tx, &ctx, &input.domain_name).await?;
                Ok(DeleteDomainNameOutput::default())
            })
            .await?;
        self.hosts_changed(&ctx).await?;
        Ok(output)
    }
}
