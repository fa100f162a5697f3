//! `DeleteAlarms`: deletes alarms; those that are not there are passed over.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{alarm_access, alarm_key};
use crate::CloudWatch;
use crate::alarms::{evaluate, remember};
use crate::api::cloudwatch::operations::DeleteAlarms;
use crate::api::cloudwatch::shapes::{DeleteAlarmsInput, DeleteAlarmsOutput};
use crate::store::ALARMS;

impl Handler<DeleteAlarms> for CloudWatch {
    fn authorize(&self, ctx: &Context, input: &DeleteAlarmsInput) -> Vec<Access> {
        let names: Vec<&String> = input.alarm_names.iter().collect();
        alarm_access(ctx, "DeleteAlarms", &names)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: DeleteAlarmsInput,
    ) -> Result<DeleteAlarmsOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            for name in &input.alarm_names {
                let key = alarm_key(&ctx, name);
                let Some(row) = ALARMS.get(&tx, &key).await? else {
                    continue;
                };
                ALARMS.delete(&tx, &key)?;
                let data = serde_json::json!({"version": "1.0", "type": "Delete"});
                let summary = format!("Alarm \"{name}\" deleted");
                let kind = "ConfigurationUpdate";
                remember(&tx, &key, row.is_composite, kind, summary, &data).await?;
                evaluate::spawn_forget(&tx, &key)?;
                evaluate::spawn_composites(&tx, &key)?;
            }
            Ok(DeleteAlarmsOutput::default())
        })
        .await
    }
}
