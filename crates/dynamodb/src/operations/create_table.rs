//! `CreateTable`: makes a table, which can be used at once.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::on_table;
use crate::Dynamo;
use crate::api::dynamodb::operations::CreateTable;
use crate::api::dynamodb::shapes::{CreateTableInput, CreateTableOutput};
use crate::engine::definition;
use crate::engine::describe::describe;
use crate::engine::stream;
use crate::engine::table::{Table, check_name, table_key};
use crate::error::in_use;
use crate::store::TABLES;

impl Handler<CreateTable> for Dynamo {
    fn authorize(&self, ctx: &Context, input: &CreateTableInput) -> Vec<Access> {
        on_table(ctx, "CreateTable", &input.table_name)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: CreateTableInput,
    ) -> Result<CreateTableOutput, ServiceError> {
        for (name, given) in [
            ("ResourcePolicy", input.resource_policy.is_some()),
            ("GlobalTableSourceArn", input.global_table_source_arn.is_some()),
            (
                "GlobalTableSettingsReplicationMode",
                input.global_table_settings_replication_mode.is_some(),
            ),
        ] {
            if given {
                return Err(ServiceError::unsupported(format_args!("the parameter {name}")));
            }
        }
        check_name(&input.table_name)?;
        let key = table_key(&ctx, &input.table_name);
        let description = ctx
            .transact((key.clone(), input), |tx, ctx, input| async move {
                let (key, input) = &*input;
                let row = definition::table(&tx, &ctx, input)?;
                if TABLES.get(&tx, key).await?.is_some() {
                    return Err(in_use(format!("Table already exists: {}", key.2)));
                }
                TABLES.put(&tx, key, &row)?;
                stream::changed(&tx, key, None, Some(&row)).await?;
                describe(&tx, &Table::new(key.clone(), row), "CREATING").await
            })
            .await?;
        // The next call knows the keys of the table when it is authorized.
        self.tables.find(&ctx.store().begin().await?, &key).await?;
        Ok(CreateTableOutput { table_description: Some(description) })
    }
}
