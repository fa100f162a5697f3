//! `SetAlarmState`: gives an alarm a state, until it is looked at again.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{alarm_access, alarm_key};
use crate::CloudWatch;
use crate::alarms::{State, change_state};
use crate::api::cloudwatch::operations::SetAlarmState;
use crate::api::cloudwatch::shapes::{SetAlarmStateInput, SetAlarmStateOutput};
use crate::store::ALARMS;

impl Handler<SetAlarmState> for CloudWatch {
    fn authorize(&self, ctx: &Context, input: &SetAlarmStateInput) -> Vec<Access> {
        alarm_access(ctx, "SetAlarmState", &[&input.alarm_name])
    }

    async fn handle(
        &self,
        ctx: Context,
        input: SetAlarmStateInput,
    ) -> Result<SetAlarmStateOutput, ServiceError> {
        let data = input.state_reason_data.as_deref();
        if data.is_some_and(|text| serde_json::from_str::<serde_json::Value>(text).is_err()) {
            return Err(ServiceError::new(
                "InvalidFormatFault",
                "The StateReasonData is not valid JSON.",
            ));
        }
        ctx.transact(input, |tx, ctx, input| async move {
            let key = alarm_key(&ctx, &input.alarm_name);
            let row = ALARMS.get(&tx, &key).await?.ok_or_else(|| {
                ServiceError::new(
                    "ResourceNotFound",
                    format!("Alarm \"{}\" does not exist.", input.alarm_name),
                )
            })?;
            let state = State {
                value: input.state_value.clone(),
                reason: input.state_reason.clone(),
                data: input.state_reason_data.clone(),
            };
            change_state(&tx, &key, row, state).await?;
            Ok(SetAlarmStateOutput::default())
        })
        .await
    }
}
