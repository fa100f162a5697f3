//! `ListImports`: the stacks that import an export.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{PAGE, access, offset, page};
use crate::CloudFormation;
use crate::api::cloudformation::operations::ListImports;
use crate::api::cloudformation::shapes::{ListImportsInput, ListImportsOutput};
use crate::error::validation;
use crate::store::IMPORTS;

impl Handler<ListImports> for CloudFormation {
    fn authorize(&self, ctx: &Context, _: &ListImportsInput) -> Vec<Access> {
        access(ctx, "ListImports", "")
    }

    async fn handle(
        &self,
        ctx: Context,
        input: ListImportsInput,
    ) -> Result<ListImportsOutput, ServiceError> {
        let start = offset(input.next_token.as_ref())?;
        let name = input.export_name;
        let prefix = (ctx.account().to_owned(), ctx.region().to_owned(), name.clone());
        let rows = ctx
            .store()
            .transact(move |tx| {
                let prefix = prefix.clone();
                async move {
                    let range = IMPORTS.prefix(&prefix);
                    Ok::<_, ServiceError>(IMPORTS.scan(&tx, range, 10_000, false).await?)
                }
            })
            .await?;
        if rows.is_empty() {
            return Err(validation(format!("Export '{name}' is not imported by any stack.")));
        }
        let names = rows.into_iter().map(|(_, row)| row.stack_name).collect();
        let (imports, next_token) = page(names, start, PAGE);
        Ok(ListImportsOutput { imports: Some(imports), next_token })
    }
}
