//! `ListTables`: the tables of an account and region.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::Dynamo;
use crate::api::dynamodb::operations::ListTables;
use crate::api::dynamodb::shapes::{ListTablesInput, ListTablesOutput};
use crate::store::TABLES;

impl Handler<ListTables> for Dynamo {
    fn authorize(&self, _: &Context, _: &ListTablesInput) -> Vec<Access> {
        vec![Access::new("dynamodb:ListTables", "*")]
    }

    async fn handle(
        &self,
        ctx: Context,
        input: ListTablesInput,
    ) -> Result<ListTablesOutput, ServiceError> {
        let limit = input.limit.and_then(|n| usize::try_from(n).ok()).unwrap_or(100);
        let scope = (ctx.account().to_owned(), ctx.region().to_owned());
        let range = match input.exclusive_start_table_name {
            Some(last) => TABLES.after(&scope, &(scope.0.clone(), scope.1.clone(), last)),
            None => TABLES.prefix(&scope),
        };
        let rows = TABLES.list(ctx.store(), range, limit + 1, false).await?;
        let more = rows.len() > limit;
        let names: Vec<String> = rows.into_iter().take(limit).map(|(key, _)| key.2).collect();
        Ok(ListTablesOutput {
            last_evaluated_table_name: names.last().filter(|_| more).cloned(),
            table_names: Some(names),
        })
    }
}
