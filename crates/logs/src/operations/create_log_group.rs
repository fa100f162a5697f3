//! `CreateLogGroup`: makes a log group.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{access, check_name, key};
use crate::Logs;
use crate::api::logs::operations::CreateLogGroup;
use crate::api::logs::shapes::{CreateLogGroupInput, CreateLogGroupOutput};
use crate::store::{GROUPS, GroupRow};

impl Handler<CreateLogGroup> for Logs {
    fn authorize(&self, ctx: &Context, input: &CreateLogGroupInput) -> Vec<Access> {
        access(ctx, "CreateLogGroup", &input.log_group_name)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: CreateLogGroupInput,
    ) -> Result<CreateLogGroupOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            check_name(&input.log_group_name)?;
            let key = key(&ctx, &input.log_group_name);
            if GROUPS.get(&tx, &key).await?.is_some() {
                return Err(ServiceError::new(
                    "ResourceAlreadyExistsException",
                    "The specified log group already exists",
                ));
            }
            let row = GroupRow {
                number: tx.ids().u64(),
                created_ms: tx.now_ms(),
                retention_days: None,
                kms_key_id: input.kms_key_id.clone(),
                class: input.log_group_class.clone().unwrap_or_else(|| "STANDARD".to_owned()),
                filters: 0,
                subscriptions: 0,
                tags: input.tags.clone().unwrap_or_default(),
            };
            GROUPS.put(&tx, &key, &row)?;
            Ok(CreateLogGroupOutput::default())
        })
        .await
    }
}
