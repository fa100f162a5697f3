//! Drift: whether resources are what the template says.

use undercast_kernel::{Context, ServiceError};
use undercast_smithy::{Document, Timestamp};

use crate::api::cloudformation::shapes::{PropertyDifference, StackResourceDrift};
use crate::readback::{self, Reality};
use crate::store::{DriftRow, ResourceRow, StackRow};

/// Looks at one resource; `None` where its type cannot be read back.
pub(crate) async fn look(
    ctx: &Context,
    row: &ResourceRow,
) -> Result<Option<DriftRow>, ServiceError> {
    let reality = readback::read(ctx, &row.kind, &row.physical_id).await?;
    let (status, actual, differences) = match reality {
        Reality::Unknown => return Ok(None),
        Reality::Gone => ("DELETED", None, Vec::new()),
        Reality::Is(actual) => {
            let differences = readback::differences(&row.kind, &row.properties, &actual);
            let status = if differences.is_empty() { "IN_SYNC" } else { "MODIFIED" };
            (status, Some(actual), differences)
        }
    };
    Ok(Some(DriftRow {
        status: status.to_owned(),
        logical_id: row.logical_id.clone(),
        physical_id: row.physical_id.clone(),
        kind: row.kind.clone(),
        expected: row.properties.to_string(),
        actual: actual.as_ref().map(Document::to_string),
        differences,
        time_ms: ctx.now_ms(),
    }))
}

pub(crate) fn shown(stack: &StackRow, row: DriftRow) -> StackResourceDrift {
    let differences = row.differences.into_iter().map(|difference| PropertyDifference {
        property_path: difference.path,
        expected_value: difference.expected,
        actual_value: difference.actual,
        difference_type: difference.kind,
    });
    StackResourceDrift {
        stack_id: stack.id.clone(),
        logical_resource_id: row.logical_id,
        physical_resource_id: Some(row.physical_id),
        resource_type: row.kind,
        expected_properties: Some(row.expected),
        actual_properties: row.actual,
        property_differences: Some(differences.collect()),
        stack_resource_drift_status: row.status,
        timestamp: Timestamp::from_millis(row.time_ms),
        ..StackResourceDrift::default()
    }
}
