//! `CreateVpcLink`: names the way to a private network; there is none here, and hosts are reached as they are.

use serde_json::json;
use undercast_kernel::{Access, Context, Handler, ServiceError};
use undercast_smithy::to_document;

use super::access;
use crate::ApiGateway;
use crate::api::apigatewayv2::operations::CreateVpcLink;
use crate::api::apigatewayv2::shapes::{CreateVpcLinkInput, CreateVpcLinkOutput};
use crate::engine::parts::{key, merge, new_id};
use crate::store::{KeptRow, VPC_LINKS};

impl Handler<CreateVpcLink> for ApiGateway {
    fn authorize(&self, ctx: &Context, _: &CreateVpcLinkInput) -> Vec<Access> {
        access(ctx, "POST", "/vpclinks")
    }

    async fn handle(
        &self,
        ctx: Context,
        input: CreateVpcLinkInput,
    ) -> Result<CreateVpcLinkOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let id = new_id(&tx, 6);
            let state = json!({
                "VpcLinkId": id, "VpcLinkStatus": "AVAILABLE", "VpcLinkVersion": "V2",
                "VpcLinkStatusMessage": "VPC link is ready to route traffic",
                "SecurityGroupIds": [], "Tags": {},
            });
            let document = merge(&state, &to_document(&*input));
            let row = KeptRow { document, created_ms: tx.now_ms() };
            VPC_LINKS.put(&tx, &key(&ctx, &id), &row)?;
            super::read(super::shown_link(&row))
        })
        .await
    }
}
