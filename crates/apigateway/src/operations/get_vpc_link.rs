//! `GetVpcLink`: one VPC link.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::access;
use crate::ApiGateway;
use crate::api::apigatewayv2::operations::GetVpcLink;
use crate::api::apigatewayv2::shapes::{GetVpcLinkInput, GetVpcLinkOutput};

impl Handler<GetVpcLink> for ApiGateway {
    fn authorize(&self, ctx: &Context, input: &GetVpcLinkInput) -> Vec<Access> {
        access(ctx, "GET", &format!("/vpclinks/{}", input.vpc_link_id))
    }

    async fn handle(
        &self,
        ctx: Context,
        input: GetVpcLinkInput,
    ) -> Result<GetVpcLinkOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let row = super::require_link(&tx, &ctx, &input.vpc_link_id).await?;
            super::read(super::shown_link(&row))
        })
        .await
    }
}
