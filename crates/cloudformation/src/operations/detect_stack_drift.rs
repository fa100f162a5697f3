//! `DetectStackDrift`: looks at all resources of a stack that can be read back.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::access;
use crate::CloudFormation;
use crate::api::cloudformation::operations::DetectStackDrift;
use crate::api::cloudformation::shapes::{DetectStackDriftInput, DetectStackDriftOutput};
use crate::drift;
use crate::error::validation;
use crate::stack;
use crate::store::{DETECTIONS, DRIFTS, DetectionRow, STACKS};

impl Handler<DetectStackDrift> for CloudFormation {
    fn authorize(&self, ctx: &Context, input: &DetectStackDriftInput) -> Vec<Access> {
        access(ctx, "DetectStackDrift", &input.stack_name)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: DetectStackDriftInput,
    ) -> Result<DetectStackDriftOutput, ServiceError> {
        let (stack, rows) = super::stack_and_resources(&ctx, &input.stack_name).await?;
        if stack.operation.is_some() || stack.status.ends_with("_IN_PROGRESS") {
            return Err(validation(format!(
                "Drift detection cannot be performed on stack [{}] while it is in {} state.",
                stack.id, stack.status
            )));
        }
        let only = input.logical_resource_ids.unwrap_or_default();
        let mut found = Vec::new();
        for row in rows.values().filter(|r| only.is_empty() || only.contains(&r.logical_id)) {
            found.extend(drift::look(&ctx, row).await?);
        }
        let drifted = found.iter().filter(|row| row.status != "IN_SYNC").count();
        let detection = DetectionRow {
            id: ctx.env().ids.uuid(),
            stack_id: stack.id.clone(),
            status: if drifted == 0 { "IN_SYNC" } else { "DRIFTED" }.to_owned(),
            drifted: i32::try_from(drifted).unwrap_or(i32::MAX),
            time_ms: ctx.now_ms(),
        };
        let store = ctx.store().clone();
        let id = store
            .transact(move |tx| {
                let (ctx, uuid) = (ctx.clone(), stack.uuid.clone());
                let (found, detection) = (found.clone(), detection.clone());
                async move {
                    let key = stack::key(&ctx, &uuid);
                    for row in found {
                        let (account, region, uuid) = key.clone();
                        DRIFTS.put(&tx, &(account, region, uuid, row.logical_id.clone()), &row)?;
                    }
                    if let Some(mut stack) = STACKS.get(&tx, &key).await? {
                        // The last detection is kept, and no other.
                        if let Some(old) = stack.drift.replace(detection.clone()) {
                            DETECTIONS.delete(&tx, &stack::key(&ctx, &old.id))?;
                        }
                        STACKS.put(&tx, &key, &stack)?;
                    }
                    DETECTIONS.put(&tx, &stack::key(&ctx, &detection.id), &detection)?;
                    Ok::<_, ServiceError>(detection.id)
                }
            })
            .await?;
        Ok(DetectStackDriftOutput { stack_drift_detection_id: id })
    }
}
