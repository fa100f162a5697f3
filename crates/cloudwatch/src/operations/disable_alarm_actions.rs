//! `DisableAlarmActions`: switches the actions of alarms; those that are not there are passed over.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{alarm_access, switch_actions};
use crate::CloudWatch;
use crate::api::cloudwatch::operations::DisableAlarmActions;
use crate::api::cloudwatch::shapes::{DisableAlarmActionsInput, DisableAlarmActionsOutput};

impl Handler<DisableAlarmActions> for CloudWatch {
    fn authorize(&self, ctx: &Context, input: &DisableAlarmActionsInput) -> Vec<Access> {
        let names: Vec<&String> = input.alarm_names.iter().collect();
        alarm_access(ctx, "DisableAlarmActions", &names)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: DisableAlarmActionsInput,
    ) -> Result<DisableAlarmActionsOutput, ServiceError> {
        switch_actions(&ctx, input.alarm_names, false).await?;
        Ok(DisableAlarmActionsOutput::default())
    }
}
