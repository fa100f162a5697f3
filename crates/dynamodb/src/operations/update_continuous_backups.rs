//! `UpdateContinuousBackups`: keeps the setting. There are no backups yet.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::describe_continuous_backups::{describe, not_found};
use super::on_table;
use crate::Dynamo;
use crate::api::dynamodb::operations::UpdateContinuousBackups;
use crate::api::dynamodb::shapes::{UpdateContinuousBackupsInput, UpdateContinuousBackupsOutput};
use crate::engine::table::{check_name, table_key};
use crate::store::{BackupsRow, TABLES};

impl Handler<UpdateContinuousBackups> for Dynamo {
    fn authorize(&self, ctx: &Context, input: &UpdateContinuousBackupsInput) -> Vec<Access> {
        on_table(ctx, "UpdateContinuousBackups", &input.table_name)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: UpdateContinuousBackupsInput,
    ) -> Result<UpdateContinuousBackupsOutput, ServiceError> {
        check_name(&input.table_name)?;
        ctx.transact(input, |tx, ctx, input| async move {
            let key = table_key(&ctx, &input.table_name);
            let row = TABLES.get(&tx, &key).await?;
            let mut row = row.ok_or_else(|| not_found(&key.2))?;
            let wanted = &input.point_in_time_recovery_specification;
            let before = row.backups.as_ref().filter(|backups| backups.enabled);
            row.backups = Some(BackupsRow {
                enabled: wanted.point_in_time_recovery_enabled,
                days: wanted.recovery_period_in_days.unwrap_or(35),
                since_ms: before.map_or(tx.now_ms(), |backups| backups.since_ms),
            });
            TABLES.put(&tx, &key, &row)?;
            Ok(UpdateContinuousBackupsOutput {
                continuous_backups_description: Some(describe(row.backups.as_ref(), tx.now_ms())),
            })
        })
        .await
    }
}
