//! `GetDomainNames`: the domain names of the account.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::access;
use crate::ApiGateway;
use crate::api::apigatewayv2::operations::GetDomainNames;
use crate::api::apigatewayv2::shapes::{GetDomainNamesInput, GetDomainNamesOutput};
use crate::limits::ROWS_MAX;
use crate::store::DOMAINS;

impl Handler<GetDomainNames> for ApiGateway {
    fn authorize(&self, ctx: &Context, _: &GetDomainNamesInput) -> Vec<Access> {
        access(ctx, "GET", "/domainnames")
    }

    async fn handle(
        &self,
        ctx: Context,
        input: GetDomainNamesInput,
    ) -> Result<GetDomainNamesOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let scope = (ctx.account().to_owned(), ctx.region().to_owned());
            let rows = DOMAINS.scan(&tx, DOMAINS.prefix(&scope), ROWS_MAX, false).await?;
            let items = rows.into_iter().map(|(_, row)| row.document).collect();
            super::read_page(items, input.next_token.as_deref(), input.max_results.as_deref())
        })
        .await
    }
}
