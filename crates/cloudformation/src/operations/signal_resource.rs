//! `SignalResource`: tells a resource that waits by its creation policy what came of it.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::access;
use crate::CloudFormation;
use crate::api::cloudformation::operations::SignalResource;
use crate::api::cloudformation::shapes::{SignalResourceInput, SignalResourceOutput};
use crate::error::validation;
use crate::stack;
use crate::store::{RESOURCES, SignalRow};
use crate::waits;

impl Handler<SignalResource> for CloudFormation {
    fn authorize(&self, ctx: &Context, input: &SignalResourceInput) -> Vec<Access> {
        access(ctx, "SignalResource", &input.stack_name)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: SignalResourceInput,
    ) -> Result<SignalResourceOutput, ServiceError> {
        let store = ctx.store().clone();
        store
            .transact(move |tx| {
                let (ctx, input) = (ctx.clone(), input.clone());
                async move {
                    let stack = stack::require(&tx, &ctx, &input.stack_name).await?;
                    let awaited = waits::of_resource(&ctx, &stack.uuid, &input.logical_resource_id);
                    let Some(row) = RESOURCES.get(&tx, &awaited).await? else {
                        return Err(validation(format!(
                            "Resource {} does not exist for stack {}",
                            input.logical_resource_id, stack.name
                        )));
                    };
                    if !row.status.ends_with("_IN_PROGRESS") {
                        return Err(validation(format!(
                            "Resource {} is in {} state and can not be signaled.",
                            row.logical_id, row.status
                        )));
                    }
                    let signal = SignalRow {
                        unique_id: input.unique_id,
                        success: input.status == "SUCCESS",
                        ..SignalRow::default()
                    };
                    match waits::signal(&tx, &awaited, signal).await? {
                        true => Ok(()),
                        false => Err(validation("The resource has too many signals.")),
                    }
                }
            })
            .await?;
        Ok(SignalResourceOutput::default())
    }
}
