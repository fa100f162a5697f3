//! `DeleteTable`: deletes a table at once; its items go in the background.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::on_table;
use crate::Dynamo;
use crate::api::dynamodb::operations::DeleteTable;
use crate::api::dynamodb::shapes::{DeleteTableInput, DeleteTableOutput, TableDescription};
use crate::engine::describe::describe;
use crate::engine::stream;
use crate::engine::table::{check_name, table_key};
use crate::error::{invalid, no_table};
use crate::store::TABLES;
use crate::tasks::spawn_purge;

impl Handler<DeleteTable> for Dynamo {
    fn authorize(&self, ctx: &Context, input: &DeleteTableInput) -> Vec<Access> {
        on_table(ctx, "DeleteTable", &input.table_name)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: DeleteTableInput,
    ) -> Result<DeleteTableOutput, ServiceError> {
        check_name(&input.table_name)?;
        let key = table_key(&ctx, &input.table_name);
        let description = ctx
            .transact(key, |tx, _, key| async move {
                let table = self.tables.find(&tx, &key).await?;
                let table = table.ok_or_else(|| no_table(&key.2))?;
                if table.row.protected {
                    return Err(invalid(format!(
                        "Resource cannot be deleted as it is currently protected against deletion. Disable deletion protection first. Table: {}",
                        key.2
                    )));
                }
                let mut numbers = vec![table.row.number];
                numbers.extend(table.row.indexes.iter().map(|index| index.number));
                numbers.extend(table.row.ttl.iter().map(|ttl| ttl.number));
                let description = describe(&tx, &table, "DELETING").await?;
                TABLES.delete(&tx, &key)?;
                stream::changed(&tx, &key, Some(&table.row), None).await?;
                spawn_purge(&tx, &numbers)?;
                Ok::<_, ServiceError>(description)
            })
            .await?;
        // What AWS leaves out by then.
        let description = TableDescription {
            attribute_definitions: None,
            key_schema: None,
            creation_date_time: None,
            ..description
        };
        Ok(DeleteTableOutput { table_description: Some(description) })
    }
}
