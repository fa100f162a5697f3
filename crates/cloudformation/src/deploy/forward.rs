//! Forward: making and changing resources in dependency order, several at once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::FutureExt;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use undercast_kernel::ServiceError;
use undercast_smithy::Document;

use super::resource::{Change, Wanted};
use super::{Deployment, PARALLEL_MAX, Step, imports_of};
use crate::policy::{self, Does};
use crate::stack::{self, Prepared};
use crate::store::{
    EXPORTS, ExportRow, IMPORTS, ImportRow, OperationKind, OutputRow, Phase, RESOURCES,
    ResourceRow, STACKS, SettledRow, StackRow,
};
use crate::template::intrinsics::{self, Lookup, Unresolved};
use crate::template::model::{plain, references};
use crate::template::{ResourceDefinition, Template};

/// The resources that must be there before this one: named ones and `DependsOn`, as far as their
/// conditions hold.
pub(crate) fn dependencies(
    prepared: &Prepared,
    definition: &ResourceDefinition,
) -> BTreeSet<String> {
    let pruned = prune(&definition.properties, prepared);
    let named = references(&pruned).unwrap_or_default();
    let around = [definition.metadata.as_ref(), definition.update_policy.as_ref()];
    let around = around.into_iter().flatten().map(|value| prune(value, prepared));
    let around = around.flat_map(|value| references(&value).unwrap_or_default());
    let around = around.filter(|name| *name != definition.logical_id);
    let exists = |name: &String| prepared.resources().any(|r| r.logical_id == *name);
    let named = named.into_iter().chain(around).chain(definition.depends_on.iter().cloned());
    named.filter(exists).collect()
}

/// The document without the branches of `Fn::If` that are not taken.
fn prune(value: &Document, prepared: &Prepared) -> Document {
    match value {
        Document::Array(values) => values.iter().map(|v| prune(v, prepared)).collect(),
        Document::Object(entries) => {
            let branch = entries.get("Fn::If").filter(|_| entries.len() == 1);
            if let Some([Document::String(name), yes, no]) =
                branch.and_then(Document::as_array).map(Vec::as_slice)
            {
                return prune(if prepared.holds(Some(name)) { yes } else { no }, prepared);
            }
            entries.iter().map(|(k, v)| (k.clone(), prune(v, prepared))).collect()
        }
        scalar => scalar.clone(),
    }
}

/// Whether the dependencies go round in a circle, and who is in it.
pub(crate) fn circle(prepared: &Prepared) -> Option<Vec<String>> {
    let mut waiting: BTreeMap<String, BTreeSet<String>> =
        prepared.resources().map(|r| (r.logical_id.clone(), dependencies(prepared, r))).collect();
    loop {
        let free: Vec<String> = waiting
            .iter()
            .filter(|(_, needs)| !needs.iter().any(|n| waiting.contains_key(n)))
            .map(|(name, _)| name.clone())
            .collect();
        if free.is_empty() {
            break;
        }
        for name in free {
            waiting.remove(&name);
        }
    }
    (!waiting.is_empty()).then(|| waiting.into_keys().collect())
}

/// What `Ref` and `Fn::GetAtt` find among the rows.
pub(crate) fn look_up(
    rows: &BTreeMap<String, ResourceRow>,
    name: &str,
    attribute: Option<&str>,
) -> Lookup {
    let Some(row) = rows.get(name) else {
        return Lookup::Later;
    };
    if row.physical_id.is_empty() {
        return Lookup::Later;
    }
    let Some(attribute) = attribute else {
        return Lookup::Known(row.physical_id.clone().into());
    };
    if let Some(value) = row.attributes.get(attribute) {
        return Lookup::Known(value.clone());
    }
    // An attribute of an attribute: `Outputs.Name`, `Endpoint.Address`.
    let mut parts = attribute.split('.');
    let first = parts.next().and_then(|p| row.attributes.get(p));
    match parts.fold(first, |value, part| value.and_then(|v| v.get(part))) {
        Some(value) => Lookup::Known(value.clone()),
        None => Lookup::NoAttribute,
    }
}

impl Deployment {
    /// Runs the phase. The inner error is a resource's failure: the reason for a rollback.
    pub(super) async fn forward(
        &self,
        stack: &StackRow,
    ) -> Result<Result<(), String>, ServiceError> {
        let Some(operation) = stack.operation.clone() else {
            return Ok(Ok(()));
        };
        let (prepared, exports) = match self.prepare(stack, &operation.target).await {
            Ok(prepared) => prepared,
            Err(error) if error.code() == "ValidationError" => {
                return Ok(Err(error.message().to_owned()));
            }
            Err(error) => return Err(error),
        };
        let prepared = Arc::new(prepared);
        let needs: BTreeMap<String, BTreeSet<String>> = prepared
            .resources()
            .map(|r| (r.logical_id.clone(), dependencies(&prepared, r)))
            .collect();
        let mut waiting: Vec<ResourceDefinition> = prepared.resources().cloned().collect();
        let mut done: BTreeSet<String> = BTreeSet::new();
        let mut running: FuturesUnordered<Step> = FuturesUnordered::new();
        let mut failed: Vec<String> = Vec::new();
        let mut rows = self.rows().await?;
        if let Some(policy) = &operation.policy {
            for row in rows.values().filter(|r| !needs.contains_key(&r.logical_id)) {
                if let Err(reason) =
                    policy::allows(policy, Does::Delete, &row.logical_id, &row.kind)
                {
                    return Ok(Err(reason));
                }
            }
        }
        loop {
            let given_up = self.given_up().await?.is_some();
            let mut still = Vec::new();
            for definition in std::mem::take(&mut waiting) {
                let ready = needs.get(&definition.logical_id).is_none_or(|n| n.is_subset(&done));
                let stops = given_up || !failed.is_empty();
                if !ready || stops || running.len() >= PARALLEL_MAX {
                    still.push(definition);
                    continue;
                }
                let scope_rows = &rows;
                let lookup =
                    |name: &str, attribute: Option<&str>| look_up(scope_rows, name, attribute);
                let scope = prepared.scope(&exports, &lookup);
                match wanted(&definition, &scope, needs.get(&definition.logical_id)) {
                    Ok(wanted) => running.push(self.step(stack, wanted)),
                    Err(reason) => {
                        self.refuse(stack, &definition, &reason).await?;
                        failed.push(definition.logical_id.clone());
                    }
                }
            }
            waiting = still;
            match running.next().await {
                Some((name, Ok(()))) => {
                    let row = RESOURCES.read(self.ctx.store(), &self.resource_key(&name)).await?;
                    rows.extend(row.map(|row| (name.clone(), row)));
                    done.insert(name);
                }
                Some((name, Err(_))) => failed.push(name),
                None => break,
            }
        }
        if let Some(reason) = self.given_up().await? {
            return Ok(Err(reason));
        }
        if !failed.is_empty() {
            failed.sort();
            let verb = if operation.kind == OperationKind::Create { "create" } else { "update" };
            return Ok(Err(format!(
                "The following resource(s) failed to {verb}: [{}]. ",
                failed.join(", ")
            )));
        }
        self.finish_forward(stack, &prepared, &exports).await
    }

    /// Why the operation is to be given up, if it is.
    async fn given_up(&self) -> Result<Option<String>, ServiceError> {
        let operation = self.load().await?.and_then(|stack| stack.operation);
        Ok(operation.and_then(|operation| operation.given_up(self.ctx.now_ms())))
    }

    pub(crate) async fn rows(&self) -> Result<BTreeMap<String, ResourceRow>, ServiceError> {
        let (ctx, uuid) = (self.ctx.clone(), self.uuid.clone());
        self.ctx
            .store()
            .transact(move |tx| {
                let (ctx, uuid) = (ctx.clone(), uuid.clone());
                async move { stack::resources(&tx, &ctx, &uuid).await }
            })
            .await
    }

    fn step(&self, stack: &StackRow, wanted: Wanted) -> Step {
        let (this, stack) = (self.clone(), stack.clone());
        async move {
            let name = wanted.logical_id.clone();
            let result = this.apply(&stack, Change::To(wanted)).await;
            (name, result.map_err(|e| e.to_string()))
        }
        .boxed()
    }

    /// Outputs, exports and imports; then on to the cleanup.
    async fn finish_forward(
        &self,
        stack: &StackRow,
        prepared: &Arc<Prepared>,
        exports: &BTreeMap<String, String>,
    ) -> Result<Result<(), String>, ServiceError> {
        let rows = self.rows().await?;
        let lookup = |name: &str, attribute: Option<&str>| look_up(&rows, name, attribute);
        let scope = prepared.scope(exports, &lookup);
        let outputs = match outputs(prepared, &scope) {
            Ok(outputs) => outputs,
            Err(reason) => return Ok(Err(reason)),
        };
        let imports = imports(&prepared.template, prepared, &scope);
        let (ctx, uuid) = (self.ctx.clone(), stack.uuid.clone());
        let settled = self
            .ctx
            .store()
            .transact(move |tx| {
                let (ctx, uuid) = (ctx.clone(), uuid.clone());
                let (outputs, imports) = (outputs.clone(), imports.clone());
                async move { settle(&tx, &ctx, &uuid, outputs, imports).await }
            })
            .await;
        match settled {
            Ok(()) => Ok(Ok(())),
            Err(error) if error.code() == "ValidationError" => Ok(Err(error.message().to_owned())),
            Err(error) => Err(error),
        }
    }
}

/// What a resource is to be.
fn wanted(
    definition: &ResourceDefinition,
    scope: &intrinsics::Scope<'_>,
    needs: Option<&BTreeSet<String>>,
) -> Result<Wanted, String> {
    let text = |value: &Document| {
        let resolved = intrinsics::resolve(value, scope).map_err(reason)?;
        Ok::<_, String>(resolved.as_ref().map(plain).unwrap_or_default())
    };
    Ok(Wanted {
        logical_id: definition.logical_id.clone(),
        kind: definition.kind.clone(),
        properties: intrinsics::resolve_value(&definition.properties, scope).map_err(reason)?,
        depends_on: needs.into_iter().flatten().cloned().collect(),
        deletion_policy: text(&definition.deletion_policy)?,
        update_replace_policy: text(&definition.update_replace_policy)?,
        metadata: definition.metadata.as_ref().map(|value| resolved_or_raw(value, scope)),
        creation_policy: match &definition.creation_policy {
            Some(value) => intrinsics::resolve(value, scope).map_err(reason)?,
            None => None,
        },
        update_policy: match &definition.update_policy {
            Some(value) => {
                Some(intrinsics::resolve_value(value, scope).map_err(reason)?.to_string())
            }
            None => None,
        },
    })
}

/// Metadata may hold whatever a tool left there: what cannot be resolved stays as it is.
fn resolved_or_raw(value: &Document, scope: &intrinsics::Scope<'_>) -> String {
    intrinsics::resolve_value(value, scope).unwrap_or_else(|_| value.clone()).to_string()
}

fn reason(unresolved: Unresolved) -> String {
    unresolved.into_error().0
}

fn outputs(prepared: &Prepared, scope: &intrinsics::Scope<'_>) -> Result<Vec<OutputRow>, String> {
    let mut rows = Vec::new();
    for output in &prepared.template.outputs {
        if !prepared.holds(output.condition.as_ref()) {
            continue;
        }
        let value = intrinsics::resolve_value(&output.value, scope).map_err(reason)?;
        if value.is_array() || value.is_object() {
            return Err(format!(
                "Template format error: Output {} is malformed. The Value field of every Outputs member must evaluate to a String and not a List.",
                output.key
            ));
        }
        let export = match &output.export {
            Some(name) => Some(plain(&intrinsics::resolve_value(name, scope).map_err(reason)?)),
            None => None,
        };
        rows.push(OutputRow {
            key: output.key.clone(),
            value: plain(&value),
            description: output.description.clone(),
            export,
        });
    }
    Ok(rows)
}

/// The names of the exports that the template imports.
fn imports(
    template: &Template,
    prepared: &Prepared,
    scope: &intrinsics::Scope<'_>,
) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for resource in prepared.resources() {
        collect_imports(&prune(&resource.properties, prepared), scope, &mut names);
    }
    for output in &template.outputs {
        collect_imports(&prune(&output.value, prepared), scope, &mut names);
    }
    names
}

fn collect_imports(value: &Document, scope: &intrinsics::Scope<'_>, names: &mut BTreeSet<String>) {
    match value {
        Document::Array(values) => values.iter().for_each(|v| collect_imports(v, scope, names)),
        Document::Object(entries) => {
            for (key, value) in entries {
                if key == "Fn::ImportValue"
                    && let Ok(Some(name)) = intrinsics::resolve(value, scope)
                {
                    names.insert(plain(&name));
                }
                collect_imports(value, scope, names);
            }
        }
        _ => {}
    }
}

/// Puts outputs, exports and imports in place and moves the operation on, in one transaction.
async fn settle(
    tx: &undercast_store::Tx,
    ctx: &undercast_kernel::Context,
    uuid: &str,
    outputs: Vec<OutputRow>,
    imports: BTreeSet<String>,
) -> Result<(), ServiceError> {
    let key = stack::key(ctx, uuid);
    let Some(mut stack) = STACKS.get(tx, &key).await? else {
        return Ok(());
    };
    // Somebody may have said so at the last moment.
    if let Some(reason) = stack.operation.as_ref().and_then(|o| o.given_up(tx.now_ms())) {
        return Err(crate::error::validation(reason));
    }
    let by_parent = stack.operation.as_ref().is_some_and(|operation| operation.by_parent);
    let before = match by_parent {
        true => Some(SettledRow {
            current: stack.current.clone(),
            outputs: stack.outputs.clone(),
            imports: imports_of(tx, ctx, uuid).await?.into_iter().map(|key| key.2).collect(),
        }),
        false => None,
    };
    publish(tx, ctx, &mut stack, outputs, &imports).await?;
    if let Some(mut operation) = stack.operation.take() {
        stack.current = Some(operation.target.clone());
        operation.phase = Phase::Cleanup;
        operation.before = before;
        let status = match (operation.kind, operation.goes_back) {
            _ if operation.is_import() => None,
            (OperationKind::Update, true) => Some("UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS"),
            (OperationKind::Update, false) => Some("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"),
            _ => None,
        };
        stack.operation = Some(operation);
        if let Some(status) = status {
            stack::set_status(tx, ctx, &mut stack, status, None)?;
        }
    }
    STACKS.put(tx, &key, &stack)?;
    Ok(())
}

/// Puts outputs, exports and imports in place, as far as nobody holds the old ones.
pub(crate) async fn publish(
    tx: &undercast_store::Tx,
    ctx: &undercast_kernel::Context,
    stack: &mut StackRow,
    outputs: Vec<OutputRow>,
    imports: &BTreeSet<String>,
) -> Result<(), ServiceError> {
    for old in stack.outputs.iter().filter_map(|o| o.export.as_ref()) {
        let kept = outputs.iter().any(|o| o.export.as_ref() == Some(old));
        if !kept {
            crate::operations::refuse_if_imported(tx, ctx, old, "delete export").await?;
            EXPORTS.delete(tx, &stack::key(ctx, old))?;
        }
    }
    for output in &outputs {
        let Some(name) = &output.export else { continue };
        let export_key = stack::key(ctx, name);
        if let Some(row) = EXPORTS.get(tx, &export_key).await?
            && row.stack_id != stack.id
        {
            return Err(crate::error::validation(format!(
                "Export with name {name} is already exported by stack {}. Rolling back.",
                row.stack_id
            )));
        }
        let changed = stack
            .outputs
            .iter()
            .any(|o| o.export.as_ref() == Some(name) && o.value != output.value);
        if changed {
            crate::operations::refuse_if_imported(tx, ctx, name, "update export").await?;
        }
        let row = ExportRow { value: output.value.clone(), stack_id: stack.id.clone() };
        EXPORTS.put(tx, &export_key, &row)?;
    }
    for key in imports_of(tx, ctx, &stack.uuid).await? {
        if !imports.contains(&key.2) {
            IMPORTS.delete(tx, &key)?;
        }
    }
    for name in imports {
        // Reading it makes a concurrent removal of the export a conflict.
        if EXPORTS.get(tx, &stack::key(ctx, name)).await?.is_none() {
            return Err(crate::error::validation(format!("No export named {name} found.")));
        }
        let (account, region, uuid) = stack::key(ctx, &stack.uuid);
        let row = ImportRow { stack_name: stack.name.clone() };
        IMPORTS.put(tx, &(account, region, name.clone(), uuid), &row)?;
    }
    stack.outputs = outputs;
    Ok(())
}
