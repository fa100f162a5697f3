//! `DescribeStackDriftDetectionStatus`: what came of a detection.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{access, time};
use crate::CloudFormation;
use crate::api::cloudformation::operations::DescribeStackDriftDetectionStatus;
use crate::api::cloudformation::shapes::{
    DescribeStackDriftDetectionStatusInput, DescribeStackDriftDetectionStatusOutput,
};
use crate::error::validation;
use crate::stack;
use crate::store::DETECTIONS;

impl Handler<DescribeStackDriftDetectionStatus> for CloudFormation {
    fn authorize(&self, ctx: &Context, _: &DescribeStackDriftDetectionStatusInput) -> Vec<Access> {
        access(ctx, "DescribeStackDriftDetectionStatus", "")
    }

    async fn handle(
        &self,
        ctx: Context,
        input: DescribeStackDriftDetectionStatusInput,
    ) -> Result<DescribeStackDriftDetectionStatusOutput, ServiceError> {
        let id = input.stack_drift_detection_id;
        let row = DETECTIONS.read(ctx.store(), &stack::key(&ctx, &id)).await?;
        let row = row.ok_or_else(|| validation(format!("Drift detection {id} does not exist")))?;
        Ok(DescribeStackDriftDetectionStatusOutput {
            stack_id: row.stack_id,
            stack_drift_detection_id: id,
            stack_drift_status: Some(row.status),
            // The detection is over when its id is answered.
            detection_status: "DETECTION_COMPLETE".to_owned(),
            detection_status_reason: None,
            drifted_stack_resource_count: Some(row.drifted),
            timestamp: time(row.time_ms),
        })
    }
}
