//! One step of one resource: create, update, replace or delete, recorded before and after.

use std::collections::BTreeMap;

use undercast_kernel::{Context, Resource, ResourceRequest, ResourceType, ServiceError};
use undercast_smithy::Document;
use undercast_store::Tx;

use super::note::note;
use super::{Deployment, dynamic};
use crate::nested;
use crate::policy::{self, Does};
use crate::stack::{self, Event};
use crate::store::{
    BeforeRow, OBSOLETE, ObsoleteRow, OperationRow, RESOURCES, ResourceRow, STACKS, StackRow,
};
use crate::template::ResourceDefinition;
use crate::{types, waits};

/// What a resource is to be, everything resolved.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub(crate) logical_id: String,
    pub(crate) kind: String,
    pub(crate) properties: Document,
    pub(crate) depends_on: Vec<String>,
    pub(crate) deletion_policy: String,
    pub(crate) update_replace_policy: String,
    pub(crate) metadata: Option<String>,
    pub(crate) update_policy: Option<String>,
    pub(crate) creation_policy: Option<Document>,
}

pub(crate) enum Change {
    To(Wanted),
}

/// What has to happen to get from a row to what is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    Create,
    Update,
    Replace,
    Nothing,
}

pub(crate) fn action(
    row: Option<&ResourceRow>,
    wanted: &Wanted,
    resource_type: &dyn ResourceType,
) -> Action {
    let Some(row) = row.filter(|row| !row.physical_id.is_empty()) else {
        return Action::Create;
    };
    if row.kind != wanted.kind {
        return Action::Replace;
    }
    let changed = changed_properties(&row.properties, &wanted.properties);
    // The same address may hold another template now.
    let may_differ_within = row.kind == nested::KIND;
    let unfinished = row.status.ends_with("_FAILED") || row.status.ends_with("_IN_PROGRESS");
    if changed.is_empty() && !unfinished && !may_differ_within {
        return Action::Nothing;
    }
    if changed.iter().any(|name| resource_type.replaced_by().contains(&name.as_str())) {
        return Action::Replace;
    }
    Action::Update
}

/// Whether the resource stands only when its `CreationPolicy` is satisfied: of the types that know one, the
/// cloud has this alone.
fn waits_for_signals(
    wanted: &Wanted,
    action: Action,
    result: &Result<Resource, ServiceError>,
) -> bool {
    wanted.kind == waits::CONDITION && action == Action::Create && result.is_ok()
}

/// The names of the top-level properties that differ.
pub(crate) fn changed_properties(old: &Document, new: &Document) -> Vec<String> {
    let empty = serde_json::Map::new();
    let (old, new) = (old.as_object().unwrap_or(&empty), new.as_object().unwrap_or(&empty));
    let mut names: Vec<String> = old.keys().chain(new.keys()).cloned().collect();
    names.sort();
    names.dedup();
    names.retain(|name| old.get(name) != new.get(name));
    names
}

/// The first property that the type does not know.
fn unknown_property<'a>(properties: &'a Document, of: &dyn ResourceType) -> Option<&'a str> {
    let known = |name: &&str| {
        of.properties().contains(name)
            || of.inert_properties().contains(name)
            || of.properties() == ["*"]
    };
    properties.as_object()?.keys().map(String::as_str).find(|name| !known(name))
}

impl Deployment {
    /// Brings a resource to what is wanted. An error has been recorded in row and events.
    pub(super) async fn apply(&self, stack: &StackRow, change: Change) -> Result<(), ServiceError> {
        let Change::To(wanted) = change;
        let Some(operation) = &stack.operation else {
            return Ok(());
        };
        let key = self.resource_key(&wanted.logical_id);
        let row = RESOURCES.read(self.ctx.store(), &key).await?;
        let Some(resource_type) = types::find(self.ctx.kernel(), &wanted.kind) else {
            let reason = format!("Unrecognized resource types: [{}]", wanted.kind);
            return self.failed(stack, &wanted, row, "CREATE_FAILED", &reason).await;
        };
        let done_before = row
            .as_ref()
            .is_some_and(|r| r.operation == operation.token && r.status.ends_with("_COMPLETE"));
        let action = action(row.as_ref(), &wanted, resource_type.as_ref());
        if done_before && (action == Action::Nothing || wanted.kind == nested::KIND) {
            return Ok(());
        }
        if let Some(name) = unknown_property(&wanted.properties, resource_type.as_ref()) {
            let status = if action == Action::Create { "CREATE_FAILED" } else { "UPDATE_FAILED" };
            let reason = format!("Encountered unsupported property {name}");
            return self.failed(stack, &wanted, row, status, &reason).await;
        }
        if action == Action::Nothing {
            return self.keep(&wanted, row).await;
        }
        let does = match action {
            Action::Update => Some(Does::Modify),
            Action::Replace => Some(Does::Replace),
            _ => None,
        };
        if let (Some(policy), Some(does)) = (&operation.policy, does)
            && let Err(reason) = policy::allows(policy, does, &wanted.logical_id, &wanted.kind)
        {
            return self.failed(stack, &wanted, row, "UPDATE_FAILED", &reason).await;
        }
        let taken_in =
            operation.imports.get(&wanted.logical_id).filter(|_| action == Action::Create);
        let status = match action {
            Action::Create if taken_in.is_some() => "IMPORT_IN_PROGRESS",
            Action::Create => "CREATE_IN_PROGRESS",
            _ => "UPDATE_IN_PROGRESS",
        };
        let replaces = action == Action::Replace;
        let started = self.started(stack, operation, &wanted, row, status, replaces).await?;
        let mut request = request(stack, operation, &started, &wanted.properties);
        let filled = self.fill(&mut request, &wanted.kind, true).await;
        if let Some(physical_id) = taken_in {
            request.physical_id.clone_from(physical_id);
            request.old.clone_from(&request.properties);
        }
        let mut result = match (filled, action) {
            (Err(error), _) => Err(error),
            (Ok(()), _) if taken_in.is_some() => {
                resource_type.update(self.actor.clone(), request).await
            }
            (Ok(()), Action::Update) => resource_type.update(self.actor.clone(), request).await,
            (Ok(()), _) => resource_type.create(self.actor.clone(), request).await,
        };
        let policy = wanted.creation_policy.as_ref();
        if let Some(policy) = policy.filter(|_| waits_for_signals(&wanted, action, &result)) {
            let id = &wanted.logical_id;
            let signalled = waits::resource_signals(&self.ctx, &self.uuid, id, policy).await;
            result = signalled.and(result);
        }
        match result {
            Ok(resource) => {
                let note = note(&wanted, resource_type.as_ref());
                self.succeeded(stack, &wanted, started, resource, (action, note)).await
            }
            Err(error) => {
                let status = match action {
                    Action::Create if taken_in.is_some() => "IMPORT_FAILED",
                    Action::Create => "CREATE_FAILED",
                    _ => "UPDATE_FAILED",
                };
                let reason = failure(&error, &wanted.kind, self.ctx.request_id());
                // A nested stack has noted its id meanwhile.
                let row = RESOURCES.read(self.ctx.store(), &key).await?.unwrap_or(started);
                self.failed(stack, &wanted, Some(row), status, &reason).await
            }
        }
    }

    /// Puts values in the place of dynamic references. A nested stack gets the references: it resolves
    /// them where it uses them.
    pub(super) async fn fill(
        &self,
        request: &mut ResourceRequest,
        kind: &str,
        strict: bool,
    ) -> Result<(), ServiceError> {
        match kind {
            nested::KIND => Ok(()),
            _ => dynamic::resolve(&self.actor, request, strict).await,
        }
    }

    pub(super) fn resource_key(&self, logical_id: &str) -> (String, String, String, String) {
        let (account, region, uuid) = stack::key(&self.ctx, &self.uuid);
        (account, region, uuid, logical_id.to_owned())
    }

    /// Records that a step begins: a crash after this finds the attempt counted.
    async fn started(
        &self,
        stack: &StackRow,
        operation: &OperationRow,
        wanted: &Wanted,
        row: Option<ResourceRow>,
        status: &'static str,
        replaces: bool,
    ) -> Result<ResourceRow, ServiceError> {
        let again = row.as_ref().is_some_and(|r| r.operation == operation.token);
        let before = match &row {
            Some(row) if again => row.before.clone(),
            Some(row) if !row.physical_id.is_empty() => Some(before(row)),
            _ => None,
        };
        let generation = match &row {
            Some(row) if replaces && !(again && row.status == "UPDATE_IN_PROGRESS") => {
                row.generation + 1
            }
            Some(row) => row.generation,
            None => 0,
        };
        let new = ResourceRow {
            logical_id: wanted.logical_id.clone(),
            kind: wanted.kind.clone(),
            physical_id: row.as_ref().map(|r| r.physical_id.clone()).unwrap_or_default(),
            status: status.to_owned(),
            reason: None,
            properties: row.as_ref().map_or(Document::Null, |r| r.properties.clone()),
            attributes: row.as_ref().map(|r| r.attributes.clone()).unwrap_or_default(),
            generation,
            depends_on: wanted.depends_on.clone(),
            deletion_policy: wanted.deletion_policy.clone(),
            update_replace_policy: wanted.update_replace_policy.clone(),
            metadata: wanted.metadata.clone(),
            update_policy: wanted.update_policy.clone(),
            updated_ms: self.ctx.now_ms(),
            operation: operation.token.clone(),
            attempt: if again { row.as_ref().map_or(1, |r| r.attempt + 1) } else { 1 },
            before,
        };
        let reason = replaces.then(|| {
            "Requested update requires the creation of a new physical resource; hence creating one."
                .to_owned()
        });
        let properties = Some(wanted.properties.to_string());
        self.store_row(stack, new.clone(), reason, properties).await?;
        Ok(new)
    }

    async fn succeeded(
        &self,
        stack: &StackRow,
        wanted: &Wanted,
        mut row: ResourceRow,
        resource: Resource,
        (action, note): (Action, Option<String>),
    ) -> Result<(), ServiceError> {
        let complete = match action {
            Action::Create if row.status == "IMPORT_IN_PROGRESS" => "IMPORT_COMPLETE",
            Action::Create => "CREATE_COMPLETE",
            _ => "UPDATE_COMPLETE",
        };
        let replaced = (action != Action::Create && row.physical_id != resource.physical_id)
            .then(|| row.before.clone())
            .flatten();
        let initiated = complete == "CREATE_COMPLETE" && row.physical_id.is_empty();
        let started_ms = row.updated_ms;
        row.physical_id = resource.physical_id;
        row.attributes = resource.attributes;
        row.properties = wanted.properties.clone();
        row.updated_ms = self.ctx.now_ms();
        let (ctx, key, stack) =
            (self.ctx.clone(), self.resource_key(&wanted.logical_id), stack.clone());
        let properties = wanted.properties.to_string();
        self.ctx
            .store()
            .transact(move |tx| {
                let (ctx, key, stack) = (ctx.clone(), key.clone(), stack.clone());
                let (mut row, replaced) = (row.clone(), replaced.clone());
                let (properties, note) = (properties.clone(), note.clone());
                async move {
                    if initiated {
                        let reason = Some("Resource creation Initiated".to_owned());
                        let properties = Some(properties.clone());
                        // Before the next event, for clients that sort by time alone.
                        let time_ms = Some(started_ms.max(tx.now_ms() - 1));
                        event_at(&tx, &ctx, &stack, &row, reason, properties, time_ms)?;
                    }
                    if let Some(old) = &replaced {
                        obsolete(&tx, &key, &row, old)?;
                    }
                    complete.clone_into(&mut row.status);
                    RESOURCES.put(&tx, &key, &row)?;
                    event(&tx, &ctx, &stack, &row, note, Some(properties))
                }
            })
            .await
    }

    /// Nothing changes but what the template says around the properties.
    async fn keep(&self, wanted: &Wanted, row: Option<ResourceRow>) -> Result<(), ServiceError> {
        let Some(mut row) = row else { return Ok(()) };
        let same = row.depends_on == wanted.depends_on
            && row.deletion_policy == wanted.deletion_policy
            && row.update_replace_policy == wanted.update_replace_policy
            && row.metadata == wanted.metadata
            && row.update_policy == wanted.update_policy;
        if same {
            return Ok(());
        }
        row.depends_on.clone_from(&wanted.depends_on);
        row.deletion_policy.clone_from(&wanted.deletion_policy);
        row.update_replace_policy.clone_from(&wanted.update_replace_policy);
        row.metadata.clone_from(&wanted.metadata);
        row.update_policy.clone_from(&wanted.update_policy);
        self.put_row(row).await
    }

    async fn failed(
        &self,
        stack: &StackRow,
        wanted: &Wanted,
        row: Option<ResourceRow>,
        status: &'static str,
        reason: &str,
    ) -> Result<(), ServiceError> {
        let operation = stack.operation.as_ref().map(|o| o.token.clone()).unwrap_or_default();
        let mut row = row.unwrap_or_else(|| empty_row(wanted, &operation));
        if row.operation != operation {
            row.before = Some(before(&row));
            row.operation = operation;
        }
        status.clone_into(&mut row.status);
        row.reason = Some(reason.to_owned());
        row.updated_ms = self.ctx.now_ms();
        let properties = Some(wanted.properties.to_string());
        self.store_row(stack, row, Some(reason.to_owned()), properties).await?;
        Err(crate::error::validation(reason))
    }

    /// A resource whose properties cannot be resolved fails before it is touched.
    pub(super) async fn refuse(
        &self,
        stack: &StackRow,
        definition: &ResourceDefinition,
        reason: &str,
    ) -> Result<(), ServiceError> {
        let row =
            RESOURCES.read(self.ctx.store(), &self.resource_key(&definition.logical_id)).await?;
        let status = if row.is_some() { "UPDATE_FAILED" } else { "CREATE_FAILED" };
        let wanted = Wanted {
            logical_id: definition.logical_id.clone(),
            kind: definition.kind.clone(),
            properties: Document::Null,
            depends_on: Vec::new(),
            deletion_policy: String::new(),
            update_replace_policy: String::new(),
            metadata: None,
            update_policy: None,
            creation_policy: None,
        };
        match self.failed(stack, &wanted, row, status, reason).await {
            Err(error) if error.code() != "ValidationError" => Err(error),
            _ => Ok(()),
        }
    }

    pub(super) async fn store_row(
        &self,
        stack: &StackRow,
        row: ResourceRow,
        reason: Option<String>,
        properties: Option<String>,
    ) -> Result<(), ServiceError> {
        let (ctx, key, stack) =
            (self.ctx.clone(), self.resource_key(&row.logical_id), stack.clone());
        self.ctx
            .store()
            .transact(move |tx| {
                let (ctx, key, stack, row) = (ctx.clone(), key.clone(), stack.clone(), row.clone());
                let (reason, properties) = (reason.clone(), properties.clone());
                async move {
                    RESOURCES.put(&tx, &key, &row)?;
                    event(&tx, &ctx, &stack, &row, reason, properties)
                }
            })
            .await
    }

    async fn put_row(&self, row: ResourceRow) -> Result<(), ServiceError> {
        let key = self.resource_key(&row.logical_id);
        self.ctx
            .store()
            .transact(move |tx| {
                let (key, row) = (key.clone(), row.clone());
                async move { Ok::<_, ServiceError>(RESOURCES.put(&tx, &key, &row)?) }
            })
            .await
    }
}

pub(super) fn event(
    tx: &Tx,
    ctx: &Context,
    stack: &StackRow,
    row: &ResourceRow,
    reason: Option<String>,
    properties: Option<String>,
) -> Result<(), ServiceError> {
    event_at(tx, ctx, stack, row, reason, properties, None)
}

/// The same about something that happened a little before.
fn event_at(
    tx: &Tx,
    ctx: &Context,
    stack: &StackRow,
    row: &ResourceRow,
    reason: Option<String>,
    properties: Option<String>,
    time_ms: Option<i64>,
) -> Result<(), ServiceError> {
    let event = Event {
        logical_id: &row.logical_id,
        physical_id: &row.physical_id,
        kind: &row.kind,
        status: &row.status,
        reason,
        properties,
        time_ms,
    };
    stack::record(tx, ctx, stack, event)
}

fn obsolete(
    tx: &Tx,
    key: &(String, String, String, String),
    row: &ResourceRow,
    old: &BeforeRow,
) -> Result<(), ServiceError> {
    let retain = matches!(row.update_replace_policy.as_str(), "Retain" | "RetainExceptOnCreate");
    let (account, region, uuid, logical_id) = key.clone();
    let obsolete = ObsoleteRow {
        logical_id: row.logical_id.clone(),
        kind: old.kind.clone(),
        physical_id: old.physical_id.clone(),
        properties: old.properties.clone(),
        generation: old.generation,
        retain,
        operation: row.operation.clone(),
    };
    OBSOLETE.put(tx, &(account, region, uuid, logical_id, old.generation), &obsolete)?;
    Ok(())
}

pub(super) fn before(row: &ResourceRow) -> BeforeRow {
    BeforeRow {
        kind: row.kind.clone(),
        physical_id: row.physical_id.clone(),
        properties: row.properties.clone(),
        attributes: row.attributes.clone(),
        generation: row.generation,
        depends_on: row.depends_on.clone(),
        deletion_policy: row.deletion_policy.clone(),
        update_replace_policy: row.update_replace_policy.clone(),
        metadata: row.metadata.clone(),
        update_policy: row.update_policy.clone(),
    }
}

fn empty_row(wanted: &Wanted, operation: &str) -> ResourceRow {
    ResourceRow {
        logical_id: wanted.logical_id.clone(),
        kind: wanted.kind.clone(),
        physical_id: String::new(),
        status: String::new(),
        reason: None,
        properties: Document::Null,
        attributes: BTreeMap::new(),
        generation: 0,
        depends_on: wanted.depends_on.clone(),
        deletion_policy: wanted.deletion_policy.clone(),
        update_replace_policy: wanted.update_replace_policy.clone(),
        metadata: None,
        update_policy: None,
        updated_ms: 0,
        operation: operation.to_owned(),
        attempt: 1,
        before: None,
    }
}

/// The request for a step on `row` towards `properties`.
pub(super) fn request(
    stack: &StackRow,
    operation: &OperationRow,
    row: &ResourceRow,
    properties: &Document,
) -> ResourceRequest {
    let definition = &operation.target;
    let seed = format!("{}/{}/{}", stack.id, row.logical_id, row.generation);
    let mut tags = definition.tags.clone();
    for (name, value) in [
        ("aws:cloudformation:stack-name", &stack.name),
        ("aws:cloudformation:stack-id", &stack.id),
        ("aws:cloudformation:logical-id", &row.logical_id),
    ] {
        tags.insert(name.to_owned(), value.clone());
    }
    ResourceRequest {
        stack_id: stack.id.clone(),
        stack_name: stack.name.clone(),
        logical_id: row.logical_id.clone(),
        generation: row.generation,
        suffix: suffix(&seed),
        physical_id: row.physical_id.clone(),
        properties: properties.clone(),
        old: row.properties.clone(),
        tags,
        attempt: row.attempt,
        metadata: document(row.metadata.as_ref()),
        update_policy: document(row.update_policy.as_ref()),
        operation: operation.token.clone(),
        is_rollback: false,
    }
}

fn document(text: Option<&String>) -> Document {
    text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}

/// Letters and digits that follow from the seed, as CloudFormation puts them behind names.
fn suffix(seed: &str) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let hash = stack::hash(seed);
    hash.as_bytes()
        .chunks(2)
        .filter_map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .filter_map(|byte| LETTERS.get(usize::from(byte) % LETTERS.len()).copied())
        .map(char::from)
        .take(20)
        .collect()
}

/// The reason in a failed resource's event, as resource handlers word it.
pub(super) fn failure(error: &ServiceError, kind: &str, request_id: &str) -> String {
    if error.code() == crate::error::FAILED {
        return error.message().to_owned();
    }
    let service = kind.split("::").nth(1).unwrap_or(kind);
    let handler = match error.code() {
        "NotImplemented" | "ServiceUnavailable" | "InternalFailure" => "ServiceInternalError",
        code if code.contains("AlreadyExists")
            || code.contains("Conflict")
            || code.contains("InUse")
            || code.contains("Exists") =>
        {
            "AlreadyExists"
        }
        "ReleaseRolledBack" | "DeploymentFailed" => "NotStabilized",
        code if code.contains("NotFound")
            || code.contains("NoSuch")
            || code.contains("NonExistent") =>
        {
            "NotFound"
        }
        code if code.contains("AccessDenied") => "AccessDenied",
        _ => "InvalidRequest",
    };
    format!(
        "Resource handler returned message: \"{} (Service: {service}, Status Code: {}, Request ID: {request_id}) (Code: {})\" (HandlerErrorCode: {handler})",
        error.message(),
        error.status().unwrap_or(400),
        error.code(),
    )
}

impl Deployment {
    /// Removes the row of a resource that is gone.
    pub(super) async fn drop_row(
        &self,
        stack: &StackRow,
        row: ResourceRow,
        status: &'static str,
    ) -> Result<(), ServiceError> {
        let (ctx, key, stack) =
            (self.ctx.clone(), self.resource_key(&row.logical_id), stack.clone());
        self.ctx
            .store()
            .transact(move |tx| {
                let (ctx, key, stack, mut row) =
                    (ctx.clone(), key.clone(), stack.clone(), row.clone());
                async move {
                    status.clone_into(&mut row.status);
                    RESOURCES.delete(&tx, &key)?;
                    // The row stays while its stack can still be asked about it.
                    if STACKS.get(&tx, &stack::key(&ctx, &stack.uuid)).await?.is_some() {
                        event(&tx, &ctx, &stack, &row, None, None)?;
                    }
                    Ok::<_, ServiceError>(())
                }
            })
            .await
    }
}
