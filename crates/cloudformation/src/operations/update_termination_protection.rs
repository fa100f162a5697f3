//! `UpdateTerminationProtection`: whether a stack may be deleted.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::access;
use crate::CloudFormation;
use crate::api::cloudformation::operations::UpdateTerminationProtection;
use crate::api::cloudformation::shapes::{
    UpdateTerminationProtectionInput, UpdateTerminationProtectionOutput,
};
use crate::stack;
use crate::store::STACKS;

impl Handler<UpdateTerminationProtection> for CloudFormation {
    fn authorize(&self, ctx: &Context, input: &UpdateTerminationProtectionInput) -> Vec<Access> {
        access(ctx, "UpdateTerminationProtection", &input.stack_name)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: UpdateTerminationProtectionInput,
    ) -> Result<UpdateTerminationProtectionOutput, ServiceError> {
        let store = ctx.store().clone();
        let id = store
            .transact(move |tx| {
                let (ctx, input) = (ctx.clone(), input.clone());
                async move {
                    let mut row = stack::require(&tx, &ctx, &input.stack_name).await?;
                    row.termination_protection = input.enable_termination_protection;
                    STACKS.put(&tx, &stack::key(&ctx, &row.uuid), &row)?;
                    Ok::<_, ServiceError>(row.id)
                }
            })
            .await?;
        Ok(UpdateTerminationProtectionOutput { stack_id: Some(id) })
    }
}
