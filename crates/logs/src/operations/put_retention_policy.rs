//! `PutRetentionPolicy`: how many days a group keeps its events.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{access, require};
use crate::Logs;
use crate::api::logs::operations::PutRetentionPolicy;
use crate::api::logs::shapes::{PutRetentionPolicyInput, PutRetentionPolicyOutput};
use crate::store::GROUPS;
use crate::tasks;

impl Handler<PutRetentionPolicy> for Logs {
    fn authorize(&self, ctx: &Context, input: &PutRetentionPolicyInput) -> Vec<Access> {
        access(ctx, "PutRetentionPolicy", &input.log_group_name)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: PutRetentionPolicyInput,
    ) -> Result<PutRetentionPolicyOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {

            if !DAYS.contains(&input.retention_in_days) {
                return Err(ServiceError::new("InvalidParameterException", format!("1 validation error detected: Value '{}' at 'retentionInDays' failed to satisfy constraint: Member must satisfy enum value set: {DAYS:?}", input.retention_in_days)));
            }
            let (key, mut row) = require(&tx, &ctx, &input.log_group_name).await?;
            row.retention_days = Some(input.retention_in_days);
            tasks::spawn_retention(&tx, &key)?;
            GROUPS.put(&tx, &key, &row)?;
            Ok(PutRetentionPolicyOutput::default())
})
.await
    }
}

const DAYS: &[i32] = &[
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922,
    3288, 3653,
];
