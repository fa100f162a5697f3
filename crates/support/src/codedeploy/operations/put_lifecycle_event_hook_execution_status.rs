//! `PutLifecycleEventHookExecutionStatus`: a hook says how its check went.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{allowed, deployment, key};
use crate::api::codedeploy::operations::PutLifecycleEventHookExecutionStatus;
use crate::api::codedeploy::shapes::{
    PutLifecycleEventHookExecutionStatusInput, PutLifecycleEventHookExecutionStatusOutput,
};
use crate::codedeploy::store::DEPLOYMENTS;
use crate::codedeploy::{CodeDeploy, deploy};

const OPERATION: &str = "PutLifecycleEventHookExecutionStatus";

impl Handler<PutLifecycleEventHookExecutionStatus> for CodeDeploy {
    /// The resource is the deployment's group: `handle` knows it.
    fn authorize(&self, _: &Context, _: &PutLifecycleEventHookExecutionStatusInput) -> Vec<Access> {
        Vec::new()
    }

    async fn handle(
        &self,
        ctx: Context,
        input: PutLifecycleEventHookExecutionStatusInput,
    ) -> Result<PutLifecycleEventHookExecutionStatusOutput, ServiceError> {
        let required = || {
            ServiceError::new(
                "DeploymentIdRequiredException",
                "The deployment ID was not specified.",
            )
        };
        let id = input.deployment_id.clone().ok_or_else(required)?;
        allowed(&ctx, OPERATION, &id).await?;
        let succeeded = match input.status.as_deref() {
            Some("Succeeded") => true,
            Some("Failed") => false,
            _ => {
                return Err(ServiceError::new(
                    "InvalidLifecycleEventHookExecutionStatusException",
                    "The status has to be Succeeded or Failed",
                ));
            }
        };
        let hook = input.lifecycle_event_hook_execution_id.unwrap_or_default();
        ctx.transact((id, hook, succeeded), |tx, ctx, input| async move {
            let (id, hook_id, succeeded) = &*input;
            let mut row = deployment(&tx, &ctx, id).await?;
            if row.hooks_done.contains(hook_id) {
                return Err(ServiceError::new(
                    "LifecycleEventAlreadyCompletedException",
                    "An attempt to return the status of an already completed lifecycle event occurred.",
                ));
            }
            let Some(hook) = row.hook.as_mut().filter(|hook| hook.id == *hook_id) else {
                return Err(ServiceError::new(
                    "InvalidLifecycleEventHookExecutionIdException",
                    "A lifecycle event hook is invalid. Review the hooks section in your AppSpec file to ensure the lifecycle events and hooks functions are valid.",
                ));
            };
            hook.succeeded = Some(*succeeded);
            row.hooks_done.push(hook_id.clone());
            DEPLOYMENTS.put(&tx, &key(&ctx, id), &row)?;
            deploy::wake(&tx, &key(&ctx, id))?;
            Ok(PutLifecycleEventHookExecutionStatusOutput {
                lifecycle_event_hook_execution_id: Some(hook_id.clone()),
            })
        })
        .await
    }
}
