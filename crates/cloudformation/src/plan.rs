//! What an update would do, before it does it: the changes in a change set.

use std::collections::BTreeSet;

use undercast_kernel::{Context, ServiceError};
use undercast_smithy::Document;
use undercast_store::Tx;

use crate::deploy::look_up;
use crate::nested;
use crate::stack::{self, Prepared};
use crate::store::{ChangeRow, Definition, ResourceRow, StackRow};
use crate::template::intrinsics::{self, Unresolved};
use crate::types;

pub(crate) async fn load(ctx: &Context, name: &str) -> Result<Option<StackRow>, ServiceError> {
    let (ctx, name) = (ctx.clone(), name.to_owned());
    ctx.clone()
        .store()
        .transact(move |tx| {
            let (ctx, name) = (ctx.clone(), name.clone());
            async move { stack::find(&tx, &ctx, &name).await }
        })
        .await
}

/// Whether two definitions agree in all but the text of the template.
pub(crate) fn same(old: Option<&Definition>, new: &Definition) -> bool {
    old.is_some_and(|old| {
        old.template == new.template
            && old.parameters == new.parameters
            && old.resolved == new.resolved
            && old.tags == new.tags
    })
}

/// The changes from what is there to what the template wants, in the order of the logical ids.
pub(crate) async fn changes(
    tx: &Tx,
    ctx: &Context,
    stack: &StackRow,
    prepared: &Prepared,
) -> Result<Vec<ChangeRow>, ServiceError> {
    let rows = stack::resources(tx, ctx, &stack.uuid).await?;
    let exports = stack::exports(tx, ctx).await?;
    let lookup = |name: &str, attribute: Option<&str>| look_up(&rows, name, attribute);
    let scope = prepared.scope(&exports, &lookup);
    let mut changes = Vec::new();
    let mut kept = BTreeSet::new();
    let mut definitions: Vec<_> = prepared.resources().collect();
    definitions.sort_by_key(|d| crate::deploy::dependencies(prepared, d).len());
    for definition in definitions {
        kept.insert(definition.logical_id.clone());
        let resolved = intrinsics::resolve_value(&definition.properties, &scope);
        let Some(row) = rows.get(&definition.logical_id) else {
            let (name, kind) = (definition.logical_id.clone(), definition.kind.clone());
            changes.push(ChangeRow { after: resolved.ok(), ..change("Add", name, kind) });
            continue;
        };
        let resolved = match resolved {
            Ok(value) => Some(value),
            Err(Unresolved::Later(_)) => None,
            Err(Unresolved::Wrong(error)) => return Err(error.into()),
        };
        let change = modify(ctx, row, &definition.kind, resolved.as_ref());
        if let Some(change) = change {
            changes.push(change);
        }
    }
    for row in rows.values().filter(|row| !kept.contains(&row.logical_id)) {
        changes.push(ChangeRow {
            physical_id: Some(row.physical_id.clone()),
            before: Some(row.properties.clone()),
            ..change("Remove", row.logical_id.clone(), row.kind.clone())
        });
    }
    changes.sort_by(|a, b| a.logical_id.cmp(&b.logical_id));
    Ok(changes)
}

fn change(action: &str, logical_id: String, kind: String) -> ChangeRow {
    ChangeRow {
        action: action.to_owned(),
        logical_id,
        physical_id: None,
        kind,
        replacement: None,
        properties: Vec::new(),
        before: None,
        after: None,
    }
}

fn modify(
    ctx: &Context,
    row: &ResourceRow,
    kind: &str,
    resolved: Option<&Document>,
) -> Option<ChangeRow> {
    let resource_type = types::find(ctx.kernel(), kind)?;
    let change = |replacement: &str, properties: Vec<(String, String)>| ChangeRow {
        physical_id: Some(row.physical_id.clone()),
        replacement: Some(replacement.to_owned()),
        properties,
        before: Some(row.properties.clone()),
        after: resolved.cloned(),
        ..change("Modify", row.logical_id.clone(), kind.to_owned())
    };
    if row.kind != kind {
        return Some(change("True", Vec::new()));
    }
    let Some(resolved) = resolved else {
        return Some(change("Conditional", Vec::new()));
    };
    let names = crate::deploy::changed_properties(&row.properties, resolved);
    if names.is_empty() && kind != nested::KIND {
        return None;
    }
    let recreates = |name: &String| resource_type.replaced_by().contains(&name.as_str());
    let replacement = if names.iter().any(recreates) { "True" } else { "False" };
    let properties = names
        .iter()
        .map(|name| (name.clone(), if recreates(name) { "Always" } else { "Never" }.to_owned()))
        .collect();
    Some(change(replacement, properties))
}
