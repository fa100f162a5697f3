//! Rolling an update back: every resource that it touched is put back as it was.

use undercast_kernel::ServiceError;

use super::Deployment;
use super::resource::request;
use crate::stack;
use crate::store::{OBSOLETE, ObsoleteRow, Phase, RESOURCES, ResourceRow, StackRow};
use crate::types;

impl Deployment {
    pub(super) async fn roll_back(&self, stack: &StackRow) -> Result<(), ServiceError> {
        let Some(operation) = stack.operation.clone() else {
            return Ok(());
        };
        let mut failed = Vec::new();
        for row in self.rows().await?.into_values() {
            if row.operation == operation.token && row.before.is_some() {
                let name = row.logical_id.clone();
                if self.restore(stack, row).await.is_err() {
                    failed.push(name);
                }
            }
        }
        let ctx = self.ctx.clone();
        self.change(move |tx, stack| {
            if failed.is_empty() {
                if let Some(operation) = &mut stack.operation {
                    operation.phase = Phase::RollBackCleanup;
                }
                let status = "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS";
                return stack::set_status(tx, &ctx, stack, status, None);
            }
            stack.operation = None;
            let reason =
                format!("The following resource(s) failed to update: [{}]. ", failed.join(", "));
            stack::set_status(tx, &ctx, stack, "UPDATE_ROLLBACK_FAILED", Some(reason))
        })
        .await
    }

    /// Puts one resource back: a replacement is dropped for the old one, a change is undone.
    async fn restore(&self, stack: &StackRow, mut row: ResourceRow) -> Result<(), ServiceError> {
        let (Some(before), Some(operation)) = (row.before.clone(), &stack.operation) else {
            return Ok(());
        };
        let replaced = row.physical_id != before.physical_id;
        if !replaced {
            "UPDATE_IN_PROGRESS".clone_into(&mut row.status);
            self.store_row(stack, row.clone(), None, None).await?;
            let mut request = request(stack, operation, &row, &before.properties);
            request.is_rollback = true;
            if row.reason.is_some() {
                // The update failed half-way: nobody knows what it changed.
                request.old = undercast_smithy::Document::Null;
            }
            self.fill(&mut request, &before.kind, false).await?;
            if let Some(resource_type) = types::find(self.ctx.kernel(), &before.kind) {
                match resource_type.update(self.actor.clone(), request).await {
                    Ok(resource) => row.attributes = resource.attributes,
                    Err(error) => {
                        "UPDATE_FAILED".clone_into(&mut row.status);
                        row.reason = Some(error.to_string());
                        self.store_row(stack, row, Some(error.to_string()), None).await?;
                        return Err(error);
                    }
                }
            }
        }
        let replacement = replaced.then(|| ObsoleteRow {
            logical_id: row.logical_id.clone(),
            kind: row.kind.clone(),
            physical_id: row.physical_id.clone(),
            properties: row.properties.clone(),
            generation: row.generation,
            retain: false,
            operation: row.operation.clone(),
        });
        let mut restored = row.clone();
        restored.kind = before.kind;
        restored.physical_id = before.physical_id;
        restored.properties = before.properties;
        if replaced {
            restored.attributes = before.attributes;
        }
        restored.depends_on = before.depends_on;
        restored.deletion_policy = before.deletion_policy;
        restored.update_replace_policy = before.update_replace_policy;
        restored.metadata = before.metadata;
        restored.update_policy = before.update_policy;
        let old_generation = before.generation;
        restored.before = None;
        restored.reason = None;
        "UPDATE_COMPLETE".clone_into(&mut restored.status);
        // The token goes, so that the cleanup does not take the resource for one that was made now.
        restored.operation = format!("{} undone", row.operation);
        let (ctx, key, stack) =
            (self.ctx.clone(), self.resource_key(&row.logical_id), stack.clone());
        self.ctx
            .store()
            .transact(move |tx| {
                let (ctx, key, stack) = (ctx.clone(), key.clone(), stack.clone());
                let (restored, replacement) = (restored.clone(), replacement.clone());
                async move {
                    let (account, region, uuid, logical_id) = key.clone();
                    let old = (
                        account.clone(),
                        region.clone(),
                        uuid.clone(),
                        logical_id.clone(),
                        old_generation,
                    );
                    OBSOLETE.delete(&tx, &old)?;
                    if let Some(row) = &replacement {
                        OBSOLETE.put(
                            &tx,
                            &(account, region, uuid, logical_id, row.generation),
                            row,
                        )?;
                    }
                    RESOURCES.put(&tx, &key, &restored)?;
                    super::resource::event(&tx, &ctx, &stack, &restored, None, None)
                }
            })
            .await
    }
}
