//! `DeleteVpcLink`: deletes a VPC link.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::access;
use crate::ApiGateway;
use crate::api::apigatewayv2::operations::DeleteVpcLink;
use crate::api::apigatewayv2::shapes::{DeleteVpcLinkInput, DeleteVpcLinkOutput};
use crate::engine::parts::key;
use crate::store::VPC_LINKS;

impl Handler<DeleteVpcLink> for ApiGateway {
    fn authorize(&self, ctx: &Context, input: &DeleteVpcLinkInput) -> Vec<Access> {
        access(ctx, "DELETE", &format!("/vpclinks/{}", input.vpc_link_id))
    }

    async fn handle(
        &self,
        ctx: Context,
        input: DeleteVpcLinkInput,
    ) -> Result<DeleteVpcLinkOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            super::require_link(&tx, &ctx, &input.vpc_link_id).await?;
            VPC_LINKS.delete(&tx, &key(&ctx, &input.vpc_link_id))?;
            Ok(DeleteVpcLinkOutput::default())
        })
        .await
    }
}
