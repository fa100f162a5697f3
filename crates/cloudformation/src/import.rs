//! Taking resources into a stack that are there already.

use std::collections::BTreeMap;

use undercast_kernel::{Context, ServiceError};

use crate::api::cloudformation::shapes::ResourceToImport;
use crate::error::validation;
use crate::readback::{self, Reality};
use crate::store::{ChangeRow, RESOURCES};
use crate::template::Template;
use crate::template::model::plain;

/// How many resources are looked through for one that is in a stack already.
const RESOURCES_MAX: usize = 100_000;

/// Physical ids by the logical ids that they are to have; everything is checked that can be without the
/// stack.
pub(crate) async fn physical_ids(
    ctx: &Context,
    template: &Template,
    wanted: Vec<ResourceToImport>,
) -> Result<BTreeMap<String, String>, ServiceError> {
    let mut ids = BTreeMap::new();
    for one in wanted {
        let (name, kind) = (one.logical_resource_id, one.resource_type);
        let resource = template.resource(&name).filter(|resource| resource.kind == kind);
        let Some(resource) = resource else {
            return Err(validation(format!(
                "Resource {name} of type {kind} to import is not in the template."
            )));
        };
        if resource.deletion_policy.is_null() {
            return Err(validation(format!(
                "The following resources to import [{name}] must have DeletionPolicy attribute specified in the template."
            )));
        }
        let Some(identifier) = readback::identifier(&kind) else {
            return Err(validation(format!("ResourceTypes [{kind}] are not supported for Import")));
        };
        let id =
            one.resource_identifier.get(identifier).filter(|_| one.resource_identifier.len() == 1);
        let Some(id) = id.filter(|id| !id.is_empty()) else {
            return Err(validation(format!(
                "{kind} {name} is identified by {identifier} for an import"
            )));
        };
        if readback::read(ctx, &kind, id).await? == Reality::Gone {
            return Err(validation(format!(
                "Resource {name} with identifier {{{identifier}={id}}} does not exist."
            )));
        }
        ids.insert(name, id.clone());
    }
    if ids.is_empty() {
        return Err(validation("ResourcesToImport must name at least one resource."));
    }
    Ok(ids)
}

/// The changes as those of an import, which changes nothing else.
pub(crate) fn changes(
    changes: Vec<ChangeRow>,
    ids: &BTreeMap<String, String>,
) -> Result<Vec<ChangeRow>, ServiceError> {
    let is_import =
        |change: &ChangeRow| change.action == "Add" && ids.contains_key(&change.logical_id);
    let others: Vec<_> = changes.iter().filter(|change| !is_import(change)).collect();
    if !others.is_empty() {
        let names: Vec<_> = others.iter().map(|change| change.logical_id.as_str()).collect();
        return Err(validation(format!(
            "You have modified resources [{}] in your template that are not being imported. Update, create or delete operations cannot be executed during import operations.",
            names.join(", ")
        )));
    }
    if let Some(name) = ids.keys().find(|id| !changes.iter().any(|c| c.logical_id == **id)) {
        return Err(validation(format!("Resource {name} is in the stack already.")));
    }
    let import = |change: ChangeRow| ChangeRow {
        action: "Import".to_owned(),
        physical_id: ids.get(&change.logical_id).cloned(),
        ..change
    };
    Ok(changes.into_iter().map(import).collect())
}

/// Of the resources that a change set would add, those that are there already under the names that the
/// template gives them, belong to no stack and are to outlive theirs.
pub(crate) async fn existing(
    ctx: &Context,
    template: &Template,
    changes: &[ChangeRow],
) -> Result<BTreeMap<String, String>, ServiceError> {
    let mut ids = BTreeMap::new();
    for change in changes.iter().filter(|change| change.action == "Add") {
        let policy = template.resource(&change.logical_id).map(|r| plain(&r.deletion_policy));
        if !policy.is_some_and(|policy| policy.starts_with("Retain")) {
            continue;
        }
        let properties = change.after.as_ref();
        let name = readback::identifier(&change.kind).and_then(|id| properties?.get(id)?.as_str());
        let Some(name) = name else { continue };
        let is_there = matches!(readback::read(ctx, &change.kind, name).await?, Reality::Is(_));
        if is_there && !is_held(ctx, &change.kind, name).await? {
            ids.insert(change.logical_id.clone(), name.to_owned());
        }
    }
    Ok(ids)
}

/// Whether a stack has the resource.
async fn is_held(ctx: &Context, kind: &str, physical_id: &str) -> Result<bool, ServiceError> {
    let prefix = RESOURCES.prefix(&(ctx.account().to_owned(), ctx.region().to_owned()));
    let rows = RESOURCES.list(ctx.store(), prefix, RESOURCES_MAX, false).await?;
    Ok(rows.iter().any(|(_, row)| row.kind == kind && row.physical_id == physical_id))
}
