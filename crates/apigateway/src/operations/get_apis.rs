//! `GetApis`: the APIs of an account and region.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{access, shown_api};
use crate::ApiGateway;
use crate::api::apigatewayv2::operations::GetApis;
use crate::api::apigatewayv2::shapes::{GetApisInput, GetApisOutput};
use crate::store::APIS;

impl Handler<GetApis> for ApiGateway {
    fn authorize(&self, ctx: &Context, _: &GetApisInput) -> Vec<Access> {
        access(ctx, "GET", "/apis")
    }

    async fn handle(
        &self,
        ctx: Context,
        input: GetApisInput,
    ) -> Result<GetApisOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let scope = (ctx.account().to_owned(), ctx.region().to_owned());
            let rows = APIS.scan(&tx, APIS.prefix(&scope), 10_000, false).await?;
            let items = rows.iter().map(|(key, row)| shown_api(&ctx, &key.2, row)).collect();
            super::read_page(items, input.next_token.as_deref(), input.max_results.as_deref())
        })
        .await
    }
}
