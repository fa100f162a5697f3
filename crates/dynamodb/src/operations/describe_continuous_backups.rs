//! `DescribeContinuousBackups`: whether a table was told to keep backups.

use undercast_kernel::smithy::Timestamp;
use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::on_table;
use crate::Dynamo;
use crate::api::dynamodb::operations::DescribeContinuousBackups;
use crate::api::dynamodb::shapes::{
    ContinuousBackupsDescription, DescribeContinuousBackupsInput, DescribeContinuousBackupsOutput,
    PointInTimeRecoveryDescription,
};
use crate::engine::table::{check_name, table_key};
use crate::store::{BackupsRow, TABLES};

impl Handler<DescribeContinuousBackups> for Dynamo {
    fn authorize(&self, ctx: &Context, input: &DescribeContinuousBackupsInput) -> Vec<Access> {
        on_table(ctx, "DescribeContinuousBackups", &input.table_name)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: DescribeContinuousBackupsInput,
    ) -> Result<DescribeContinuousBackupsOutput, ServiceError> {
        check_name(&input.table_name)?;
        let key = table_key(&ctx, &input.table_name);
        let row = TABLES.read(ctx.store(), &key).await?;
        let row = row.ok_or_else(|| not_found(&key.2))?;
        Ok(DescribeContinuousBackupsOutput {
            continuous_backups_description: Some(describe(row.backups.as_ref(), ctx.now_ms())),
        })
    }
}

pub(super) fn not_found(name: &str) -> ServiceError {
    ServiceError::new("TableNotFoundException", format!("Table not found: {name}"))
}

/// The setting in AWS's form. Nothing can be restored yet (docs/services/dynamodb.md).
pub(super) fn describe(row: Option<&BackupsRow>, now_ms: i64) -> ContinuousBackupsDescription {
    let row = row.filter(|row| row.enabled);
    let status = if row.is_some() { "ENABLED" } else { "DISABLED" };
    ContinuousBackupsDescription {
        continuous_backups_status: "ENABLED".to_owned(),
        point_in_time_recovery_description: Some(PointInTimeRecoveryDescription {
            point_in_time_recovery_status: Some(status.to_owned()),
            recovery_period_in_days: row.map(|row| row.days),
            earliest_restorable_date_time: row.map(|row| Timestamp::from_millis(row.since_ms)),
            latest_restorable_date_time: row.map(|_| Timestamp::from_millis(now_ms)),
        }),
    }
}
