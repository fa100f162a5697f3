//! `EnableAlarmActions`: switches the actions of alarms; those that are not there are passed over.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{alarm_access, switch_actions};
use crate::CloudWatch;
use crate::api::cloudwatch::operations::EnableAlarmActions;
use crate::api::cloudwatch::shapes::{EnableAlarmActionsInput, EnableAlarmActionsOutput};

impl Handler<EnableAlarmActions> for CloudWatch {
    fn authorize(&self, ctx: &Context, input: &EnableAlarmActionsInput) -> Vec<Access> {
        let names: Vec<&String> = input.alarm_names.iter().collect();
        alarm_access(ctx, "EnableAlarmActions", &names)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: EnableAlarmActionsInput,
    ) -> Result<EnableAlarmActionsOutput, ServiceError> {
        switch_actions(&ctx, input.alarm_names, true).await?;
        Ok(EnableAlarmActionsOutput::default())
    }
}
