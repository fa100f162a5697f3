//! `GetVpcLinks`: the VPC links of the account.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::access;
use crate::ApiGateway;
use crate::api::apigatewayv2::operations::GetVpcLinks;
use crate::api::apigatewayv2::shapes::{GetVpcLinksInput, GetVpcLinksOutput};
use crate::limits::ROWS_MAX;
use crate::store::VPC_LINKS;

impl Handler<GetVpcLinks> for ApiGateway {
    fn authorize(&self, ctx: &Context, _: &GetVpcLinksInput) -> Vec<Access> {
        access(ctx, "GET", "/vpclinks")
    }

    async fn handle(
        &self,
        ctx: Context,
        input: GetVpcLinksInput,
    ) -> Result<GetVpcLinksOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let scope = (ctx.account().to_owned(), ctx.region().to_owned());
            let rows = VPC_LINKS.scan(&tx, VPC_LINKS.prefix(&scope), ROWS_MAX, false).await?;
            let items = rows.iter().map(|(_, row)| super::shown_link(row)).collect();
            super::read_page(items, input.next_token.as_deref(), input.max_results.as_deref())
        })
        .await
    }
}
