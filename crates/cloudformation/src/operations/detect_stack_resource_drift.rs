//! `DetectStackResourceDrift`: looks at one resource.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::access;
use crate::CloudFormation;
use crate::api::cloudformation::operations::DetectStackResourceDrift;
use crate::api::cloudformation::shapes::{
    DetectStackResourceDriftInput, DetectStackResourceDriftOutput,
};
use crate::drift;
use crate::error::validation;
use crate::stack;
use crate::store::DRIFTS;

impl Handler<DetectStackResourceDrift> for CloudFormation {
    fn authorize(&self, ctx: &Context, input: &DetectStackResourceDriftInput) -> Vec<Access> {
        access(ctx, "DetectStackResourceDrift", &input.stack_name)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: DetectStackResourceDriftInput,
    ) -> Result<DetectStackResourceDriftOutput, ServiceError> {
        let (stack, rows) = super::stack_and_resources(&ctx, &input.stack_name).await?;
        let name = input.logical_resource_id;
        let row = rows.get(&name).ok_or_else(|| {
            validation(format!("Resource {name} does not exist for stack {}", stack.name))
        })?;
        let found = drift::look(&ctx, row).await?.ok_or_else(|| {
            validation(format!("Drift detection is not supported for {} resources.", row.kind))
        })?;
        let (account, region, uuid) = stack::key(&ctx, &stack.uuid);
        let (key, kept) = ((account, region, uuid, name), found.clone());
        let store = ctx.store().clone();
        store
            .transact(move |tx| {
                let (key, kept) = (key.clone(), kept.clone());
                async move { Ok::<_, ServiceError>(DRIFTS.put(&tx, &key, &kept)?) }
            })
            .await?;
        Ok(DetectStackResourceDriftOutput { stack_resource_drift: drift::shown(&stack, found) })
    }
}
