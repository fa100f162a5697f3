//! `ListFunctions`: the functions of an account and region, a page at a time.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::Lambda;
use crate::api::lambda::operations::ListFunctions;
use crate::api::lambda::shapes::{ListFunctionsInput, ListFunctionsOutput};
use crate::describe;
use crate::name::{FunctionName, LATEST};
use crate::store::{FUNCTIONS, VERSIONS};

impl Handler<ListFunctions> for Lambda {
    fn authorize(&self, _: &Context, _: &ListFunctionsInput) -> Vec<Access> {
        vec![Access::new("lambda:ListFunctions", "*")]
    }

    async fn handle(
        &self,
        ctx: Context,
        input: ListFunctionsInput,
    ) -> Result<ListFunctionsOutput, ServiceError> {
        let size = super::page_size(input.max_items);
        let scope = (ctx.account().to_owned(), ctx.region().to_owned());
        let range = match &input.marker {
            Some(last) => {
                FUNCTIONS.after(&scope, &(scope.0.clone(), scope.1.clone(), last.clone()))
            }
            None => FUNCTIONS.prefix(&scope),
        };
        let tx = ctx.store().begin().await?;
        let rows = FUNCTIONS.scan(&tx, range, size + 1, false).await?;
        let next_marker = rows.get(size).and(rows.get(size - 1)).map(|(key, _)| key.2.clone());
        let all = input.function_version.as_deref() == Some("ALL");
        let mut functions = Vec::new();
        for (key, row) in rows.into_iter().take(size) {
            let name = FunctionName {
                account: key.0.clone(),
                region: key.1.clone(),
                name: key.2.clone(),
                qualifier: None,
            };
            let arn = if all { name.arn_with(LATEST) } else { name.arn() };
            functions.push(describe::listed(&ctx, &name, arn, LATEST, &row.latest));
            if !all {
                continue;
            }
            for ((.., number), config) in
                VERSIONS.scan(&tx, VERSIONS.prefix(&key), 1000, false).await?
            {
                let version = number.to_string();
                functions.push(describe::listed(
                    &ctx,
                    &name,
                    name.arn_with(&version),
                    &version,
                    &config,
                ));
            }
        }
        Ok(ListFunctionsOutput { next_marker, functions: Some(functions) })
    }
}
