//! `UpdateVpcLink`: changes the name of a VPC link.

use undercast_kernel::{Access, Context, Handler, ServiceError};
use undercast_smithy::to_document;

use super::access;
use crate::ApiGateway;
use crate::api::apigatewayv2::operations::UpdateVpcLink;
use crate::api::apigatewayv2::shapes::{UpdateVpcLinkInput, UpdateVpcLinkOutput};
use crate::engine::parts::{key, merge};
use crate::store::VPC_LINKS;

impl Handler<UpdateVpcLink> for ApiGateway {
    fn authorize(&self, ctx: &Context, input: &UpdateVpcLinkInput) -> Vec<Access> {
        access(ctx, "PATCH", &format!("/vpclinks/{}", input.vpc_link_id))
    }

    async fn handle(
        &self,
        ctx: Context,
        input: UpdateVpcLinkInput,
    ) -> Result<UpdateVpcLinkOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let id = &input.vpc_link_id;
            let mut row = super::require_link(&tx, &ctx, id).await?;
            row.document = merge(&row.document, &to_document(&*input));
            VPC_LINKS.put(&tx, &key(&ctx, id), &row)?;
            super::read(super::shown_link(&row))
        })
        .await
    }
}
