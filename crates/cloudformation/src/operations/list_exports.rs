//! `ListExports`: what the stacks of a region export.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{PAGE, access, offset, page};
use crate::CloudFormation;
use crate::api::cloudformation::operations::ListExports;
use crate::api::cloudformation::shapes::{Export, ListExportsInput, ListExportsOutput};
use crate::store::EXPORTS;

impl Handler<ListExports> for CloudFormation {
    fn authorize(&self, ctx: &Context, _: &ListExportsInput) -> Vec<Access> {
        access(ctx, "ListExports", "")
    }

    async fn handle(
        &self,
        ctx: Context,
        input: ListExportsInput,
    ) -> Result<ListExportsOutput, ServiceError> {
        let start = offset(input.next_token.as_ref())?;
        let prefix = (ctx.account().to_owned(), ctx.region().to_owned());
        let rows = ctx
            .store()
            .transact(move |tx| {
                let prefix = prefix.clone();
                async move {
                    let range = EXPORTS.prefix(&prefix);
                    Ok::<_, ServiceError>(EXPORTS.scan(&tx, range, 10_000, false).await?)
                }
            })
            .await?;
        let exports = rows.into_iter().map(|(key, row)| Export {
            exporting_stack_id: Some(row.stack_id),
            name: Some(key.2),
            value: Some(row.value),
        });
        let (exports, next_token) = page(exports.collect(), start, PAGE);
        Ok(ListExportsOutput { exports: Some(exports), next_token })
    }
}
