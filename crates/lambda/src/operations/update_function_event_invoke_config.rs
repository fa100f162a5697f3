//! `UpdateFunctionEventInvokeConfig`: changes some of how events that wait are treated.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::events;
use crate::Lambda;
use crate::api::lambda::operations::UpdateFunctionEventInvokeConfig;
use crate::api::lambda::shapes::{FunctionEventInvokeConfig, UpdateFunctionEventInvokeConfigInput};
use crate::name::FunctionName;

impl Handler<UpdateFunctionEventInvokeConfig> for Lambda {
    fn authorize(
        &self,
        ctx: &Context,
        input: &UpdateFunctionEventInvokeConfigInput,
    ) -> Vec<Access> {
        super::access(
            ctx,
            "UpdateFunctionEventInvokeConfig",
            &input.function_name,
            input.qualifier.as_deref(),
        )
    }

    async fn handle(
        &self,
        ctx: Context,
        input: UpdateFunctionEventInvokeConfigInput,
    ) -> Result<FunctionEventInvokeConfig, ServiceError> {
        let name = FunctionName::parse(&ctx, &input.function_name, input.qualifier.as_deref())?;
        let change = events::Change {
            retries: input.maximum_retry_attempts,
            age_s: input.maximum_event_age_in_seconds,
            destinations: input.destination_config,
        };
        let missing = events::missing(&name);
        let message = missing.message().to_owned();
        events::put(&ctx, name, change, move |old| {
            old.ok_or_else(|| crate::error::not_found(message.clone()))
        })
        .await
    }
}
