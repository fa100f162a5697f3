//! Deleting: what an update no longer needs, what a failed creation made, a whole stack.

use std::collections::BTreeSet;

use futures::FutureExt;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use undercast_kernel::ServiceError;

use super::resource::{failure, request};
use super::{Deployment, PARALLEL_MAX, Step};
use crate::stack;
use crate::store::{OBSOLETE, ObsoleteRow, OperationKind, Phase, ResourceRow, StackRow};
use crate::types;

impl Deployment {
    /// After a successful update: what was replaced or left the template.
    pub(super) async fn cleanup(&self, stack: &StackRow) -> Result<(), ServiceError> {
        let Some(operation) = &stack.operation else {
            return Ok(());
        };
        self.release_children().await?;
        let (prepared, _) = self.prepare(stack, &operation.target).await?;
        let kept: BTreeSet<String> = prepared.resources().map(|r| r.logical_id.clone()).collect();
        let rows = self.rows().await?;
        let gone: Vec<ResourceRow> =
            rows.into_values().filter(|row| !kept.contains(&row.logical_id)).collect();
        // A failure here does not fail the update; the resource stays and the event says why.
        let _ = self.delete_rows(stack, gone, false).await?;
        self.delete_obsolete(stack).await?;
        let ctx = self.ctx.clone();
        self.change(move |tx, stack| {
            let Some(operation) = stack.operation.take() else {
                return Ok(());
            };
            let status = match (operation.kind, operation.goes_back) {
                _ if operation.is_import() => "IMPORT_COMPLETE",
                (OperationKind::Create, _) => "CREATE_COMPLETE",
                (_, true) => "UPDATE_ROLLBACK_COMPLETE",
                (_, false) => "UPDATE_COMPLETE",
            };
            stack::set_status(tx, &ctx, stack, status, None)
        })
        .await
    }

    /// Deletes what replaced resources left behind.
    pub(super) async fn delete_obsolete(&self, stack: &StackRow) -> Result<(), ServiceError> {
        for (key, row) in self.obsolete().await? {
            if !row.retain {
                let fake = row_of(&row);
                let _ = self.delete_one(stack, fake, false).await;
            }
            self.ctx
                .store()
                .transact(move |tx| {
                    let key = key.clone();
                    async move { Ok::<_, ServiceError>(OBSOLETE.delete(&tx, &key)?) }
                })
                .await?;
        }
        Ok(())
    }

    pub(super) async fn obsolete(
        &self,
    ) -> Result<Vec<((String, String, String, String, u32), ObsoleteRow)>, ServiceError> {
        let prefix = stack::key(&self.ctx, &self.uuid);
        self.ctx
            .store()
            .transact(move |tx| {
                let prefix = prefix.clone();
                async move {
                    Ok::<_, ServiceError>(
                        OBSOLETE.scan(&tx, OBSOLETE.prefix(&prefix), 2_000, false).await?,
                    )
                }
            })
            .await
    }

    /// Deletes the whole stack.
    pub(super) async fn delete(&self, stack: &StackRow) -> Result<(), ServiceError> {
        self.delete_obsolete(stack).await?;
        let rows = self.rows().await?.into_values().collect();
        let failed = self.delete_rows(stack, rows, true).await?;
        if failed.is_empty() {
            return self.forget(stack).await;
        }
        let reason =
            format!("The following resource(s) failed to delete: [{}]. ", failed.join(", "));
        let ctx = self.ctx.clone();
        self.change(move |tx, stack| {
            stack.operation = None;
            stack::set_status(tx, &ctx, stack, "DELETE_FAILED", Some(reason.clone()))
        })
        .await
    }

    /// After a rollback: what the failed operation made.
    pub(super) async fn roll_back_cleanup(&self, stack: &StackRow) -> Result<(), ServiceError> {
        let Some(operation) = stack.operation.clone() else {
            return Ok(());
        };
        let rows = self.rows().await?;
        let made: Vec<ResourceRow> = rows
            .into_values()
            .filter(|row| row.operation == operation.token && row.before.is_none())
            .collect();
        let failed = self.delete_rows(stack, made, false).await?;
        self.delete_obsolete(stack).await?;
        let created = operation.kind == OperationKind::Create;
        let (status, reason) = match (created, failed.is_empty()) {
            _ if operation.is_import() => ("IMPORT_ROLLBACK_COMPLETE", None),
            (true, true) => ("ROLLBACK_COMPLETE", None),
            (false, true) => ("UPDATE_ROLLBACK_COMPLETE", None),
            (true, false) => ("ROLLBACK_FAILED", Some(failed)),
            (false, false) => ("UPDATE_ROLLBACK_FAILED", Some(failed)),
        };
        let reason = reason.map(|names| {
            format!("The following resource(s) failed to delete: [{}]. ", names.join(", "))
        });
        let ctx = self.ctx.clone();
        self.change(move |tx, stack| {
            stack.operation = None;
            if created {
                stack.deleted_ms = None;
            }
            stack::set_status(tx, &ctx, stack, status, reason.clone())
        })
        .await
    }

    /// Deletes rows, dependents first, several at once. Answers the names of those that failed.
    async fn delete_rows(
        &self,
        stack: &StackRow,
        mut waiting: Vec<ResourceRow>,
        whole_stack: bool,
    ) -> Result<Vec<String>, ServiceError> {
        let retain = stack.operation.as_ref().map(|o| o.retain.clone()).unwrap_or_default();
        let mut running: FuturesUnordered<Step> = FuturesUnordered::new();
        let mut present: BTreeSet<String> = waiting.iter().map(|r| r.logical_id.clone()).collect();
        let mut needed: Vec<(String, Vec<String>)> =
            waiting.iter().map(|r| (r.logical_id.clone(), r.depends_on.clone())).collect();
        let mut failed = BTreeSet::new();
        loop {
            let mut still = Vec::new();
            for row in std::mem::take(&mut waiting) {
                let wanted = needed.iter().any(|(name, needs)| {
                    present.contains(name)
                        && *name != row.logical_id
                        && needs.contains(&row.logical_id)
                });
                if wanted || running.len() >= PARALLEL_MAX {
                    still.push(row);
                    continue;
                }
                let (this, stack, name) = (self.clone(), stack.clone(), row.logical_id.clone());
                let kept = retain.contains(&name);
                running.push(
                    async move {
                        let result = this.delete_step(&stack, row, kept, whole_stack).await;
                        (name, result.map_err(|e| e.to_string()))
                    }
                    .boxed(),
                );
            }
            waiting = still;
            match running.next().await {
                Some((name, Ok(()))) => {
                    present.remove(&name);
                    needed.retain(|(n, _)| *n != name);
                }
                Some((name, Err(_))) => {
                    failed.insert(name);
                }
                None => break,
            }
        }
        // What a failed one depends on was not tried.
        Ok(failed.into_iter().collect())
    }

    async fn delete_step(
        &self,
        stack: &StackRow,
        row: ResourceRow,
        kept: bool,
        whole_stack: bool,
    ) -> Result<(), ServiceError> {
        let created_now = stack
            .operation
            .as_ref()
            .is_some_and(|o| matches!(o.phase, Phase::RollBackCleanup) && row.operation == o.token);
        let policy = match row.deletion_policy.as_str() {
            "Retain" => !created_now || whole_stack,
            "RetainExceptOnCreate" => !created_now,
            _ => false,
        };
        // What was to be taken in is left alone.
        let taken_in =
            stack.operation.as_ref().is_some_and(|o| o.imports.contains_key(&row.logical_id));
        if kept || policy || taken_in {
            return self.drop_row(stack, row, "DELETE_SKIPPED").await;
        }
        if row.physical_id.is_empty() {
            return self.drop_row(stack, row, "DELETE_COMPLETE").await;
        }
        self.delete_one(stack, row, true).await
    }

    /// Deletes one resource, with events; `own_row` says whether it is the stack's own.
    async fn delete_one(
        &self,
        stack: &StackRow,
        mut row: ResourceRow,
        own_row: bool,
    ) -> Result<(), ServiceError> {
        let Some(operation) = &stack.operation else {
            return Ok(());
        };
        "DELETE_IN_PROGRESS".clone_into(&mut row.status);
        if own_row {
            self.store_row(stack, row.clone(), None, None).await?;
        } else {
            self.note(stack, &row, None).await?;
        }
        let mut request = request(stack, operation, &row, &row.properties);
        self.fill(&mut request, &row.kind, false).await?;
        let result = match types::find(self.ctx.kernel(), &row.kind) {
            Some(resource_type) => resource_type.delete(self.actor.clone(), request).await,
            None => Ok(()),
        };
        match result {
            Ok(()) if own_row => self.drop_row(stack, row, "DELETE_COMPLETE").await,
            Ok(()) => {
                "DELETE_COMPLETE".clone_into(&mut row.status);
                self.note(stack, &row, None).await
            }
            Err(error) => {
                let reason = failure(&error, &row.kind, self.ctx.request_id());
                "DELETE_FAILED".clone_into(&mut row.status);
                row.reason = Some(reason.clone());
                if own_row {
                    self.store_row(stack, row, Some(reason), None).await?;
                } else {
                    self.note(stack, &row, Some(reason)).await?;
                }
                Err(error)
            }
        }
    }

    /// An event about something that has no row of its own.
    async fn note(
        &self,
        stack: &StackRow,
        row: &ResourceRow,
        reason: Option<String>,
    ) -> Result<(), ServiceError> {
        let (ctx, stack, row) = (self.ctx.clone(), stack.clone(), row.clone());
        self.ctx
            .store()
            .transact(move |tx| {
                let (ctx, stack, row) = (ctx.clone(), stack.clone(), row.clone());
                let reason = reason.clone();
                async move { super::resource::event(&tx, &ctx, &stack, &row, reason, None) }
            })
            .await
    }
}

fn row_of(obsolete: &ObsoleteRow) -> ResourceRow {
    ResourceRow {
        logical_id: obsolete.logical_id.clone(),
        kind: obsolete.kind.clone(),
        physical_id: obsolete.physical_id.clone(),
        status: String::new(),
        reason: None,
        properties: obsolete.properties.clone(),
        attributes: std::collections::BTreeMap::new(),
        generation: obsolete.generation,
        depends_on: Vec::new(),
        deletion_policy: String::new(),
        update_replace_policy: String::new(),
        metadata: None,
        update_policy: None,
        updated_ms: 0,
        operation: obsolete.operation.clone(),
        attempt: 1,
        before: None,
    }
}
