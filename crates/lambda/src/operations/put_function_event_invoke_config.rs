//! `PutFunctionEventInvokeConfig`: says how events that wait are treated.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::events;
use crate::Lambda;
use crate::api::lambda::operations::PutFunctionEventInvokeConfig;
use crate::api::lambda::shapes::{FunctionEventInvokeConfig, PutFunctionEventInvokeConfigInput};
use crate::name::FunctionName;
use crate::store::InvokeConfigRow;

impl Handler<PutFunctionEventInvokeConfig> for Lambda {
    fn authorize(&self, ctx: &Context, input: &PutFunctionEventInvokeConfigInput) -> Vec<Access> {
        super::access(
            ctx,
            "PutFunctionEventInvokeConfig",
            &input.function_name,
            input.qualifier.as_deref(),
        )
    }

    async fn handle(
        &self,
        ctx: Context,
        input: PutFunctionEventInvokeConfigInput,
    ) -> Result<FunctionEventInvokeConfig, ServiceError> {
        let name = FunctionName::parse(&ctx, &input.function_name, input.qualifier.as_deref())?;
        let change = events::Change {
            retries: input.maximum_retry_attempts,
            age_s: input.maximum_event_age_in_seconds,
            destinations: input.destination_config,
        };
        events::put(&ctx, name, change, |_| Ok(InvokeConfigRow::default())).await
    }
}
