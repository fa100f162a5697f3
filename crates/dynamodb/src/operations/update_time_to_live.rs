//! `UpdateTimeToLive`: lets items expire, or no longer.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::on_table;
use crate::Dynamo;
use crate::api::dynamodb::operations::UpdateTimeToLive;
use crate::api::dynamodb::shapes::{UpdateTimeToLiveInput, UpdateTimeToLiveOutput};
use crate::engine::table::{check_name, table_key};
use crate::error::{invalid, no_table};
use crate::store::{TABLES, TtlRow};
use crate::tasks::{spawn_backfill, spawn_purge};

impl Handler<UpdateTimeToLive> for Dynamo {
    fn authorize(&self, ctx: &Context, input: &UpdateTimeToLiveInput) -> Vec<Access> {
        on_table(ctx, "UpdateTimeToLive", &input.table_name)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: UpdateTimeToLiveInput,
    ) -> Result<UpdateTimeToLiveOutput, ServiceError> {
        check_name(&input.table_name)?;
        ctx.transact(input, |tx, ctx, input| async move {
            let key = table_key(&ctx, &input.table_name);
            let row = TABLES.get(&tx, &key).await?;
            let mut row = row.ok_or_else(|| no_table(&key.2))?;
            let wanted = &input.time_to_live_specification;
            row.ttl = match (row.ttl.take(), wanted.enabled) {
                (Some(ttl), true) if ttl.attribute == wanted.attribute_name => {
                    return Err(invalid("TimeToLive is already enabled"));
                }
                (Some(ttl), _) if ttl.attribute != wanted.attribute_name => {
                    return Err(invalid(format!(
                        "TimeToLive is active on a different AttributeName: current AttributeName is {}",
                        ttl.attribute
                    )));
                }
                (None, false) => return Err(invalid("TimeToLive is already disabled")),
                (Some(ttl), _) => {
                    spawn_purge(&tx, &[ttl.number])?;
                    None
                }
                (None, true) => {
                    let number = tx.ids().u64();
                    spawn_backfill(&tx, &key, number)?;
                    Some(TtlRow {
                        attribute: wanted.attribute_name.clone(),
                        number,
                        backfilling: true,
                    })
                }
            };
            TABLES.put(&tx, &key, &row)?;
            Ok(UpdateTimeToLiveOutput {
                time_to_live_specification: Some(wanted.clone()),
            })
        })
        .await
    }
}
