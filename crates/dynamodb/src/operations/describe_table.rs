//! `DescribeTable`: what a table is.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::on_table;
use crate::Dynamo;
use crate::api::dynamodb::operations::DescribeTable;
use crate::api::dynamodb::shapes::{DescribeTableInput, DescribeTableOutput};
use crate::engine::describe::describe;
use crate::engine::table::{check_name, table_key};
use crate::error::no_table;

impl Handler<DescribeTable> for Dynamo {
    fn authorize(&self, ctx: &Context, input: &DescribeTableInput) -> Vec<Access> {
        on_table(ctx, "DescribeTable", &input.table_name)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: DescribeTableInput,
    ) -> Result<DescribeTableOutput, ServiceError> {
        check_name(&input.table_name)?;
        let tx = ctx.store().begin().await?;
        let key = table_key(&ctx, &input.table_name);
        let table = self.tables.find(&tx, &key).await?;
        let table = table.ok_or_else(|| no_table(&key.2))?;
        Ok(DescribeTableOutput { table: Some(describe(&tx, &table, "ACTIVE").await?) })
    }
}
