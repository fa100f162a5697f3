//! `CreateChangeSet`: what would happen to a stack. The way in which every tool deploys.

use std::collections::BTreeMap;

use undercast_kernel::{Access, Context, Handler, ServiceError};
use undercast_store::Tx;

use super::create_stack::fresh;
use super::{Parts, Source, access_with_role, check_role, fetch_template, parts};
use crate::CloudFormation;
use crate::api::cloudformation::operations::CreateChangeSet;
use crate::api::cloudformation::shapes::{CreateChangeSetInput, CreateChangeSetOutput};
use crate::error::{no_such_change_set, no_such_stack, validation};
use crate::import;
use crate::plan;
use crate::stack;
use crate::store::{
    CHANGE_SETS, ChangeRow, ChangeSetRow, Definition, NAMES, NameRow, STACKS, StackRow,
};
use crate::template::Template;

const NO_CHANGES: &str = "The submitted information didn't contain changes. Submit different information to create a change set.";

impl Handler<CreateChangeSet> for CloudFormation {
    fn authorize(&self, ctx: &Context, input: &CreateChangeSetInput) -> Vec<Access> {
        access_with_role(ctx, "CreateChangeSet", &input.stack_name, input.role_arn.as_deref())
    }

    async fn handle(
        &self,
        ctx: Context,
        input: CreateChangeSetInput,
    ) -> Result<CreateChangeSetOutput, ServiceError> {
        check_role(&ctx, input.role_arn.as_deref()).await?;
        let kind = input.change_set_type.unwrap_or_else(|| "UPDATE".to_owned());
        let wanted = input.resources_to_import.unwrap_or_default();
        if kind != "IMPORT" && !wanted.is_empty() {
            return Err(validation("ResourcesToImport needs a change set of type IMPORT."));
        }
        let name = input.stack_name;
        let current = plan::load(&ctx, &name).await?;
        let source = Source {
            body: input.template_body,
            url: input.template_url,
            previous: input.use_previous_template.unwrap_or(false),
        };
        let text = fetch_template(&ctx, &source, current.as_ref()).await?;
        let mut parts = parts(
            text,
            input.parameters,
            input.tags,
            input.capabilities,
            input.role_arn,
            input.notification_arns,
        );
        let old = current.as_ref().and_then(|s| s.current.as_ref());
        parts.transform(&ctx, old).await?;
        let resolved = match &parts.processed {
            Some(Err(_)) => BTreeMap::new(),
            _ => parts.resolve_ssm(&ctx, old).await?,
        };
        let imports = match (kind.as_str(), &parts.processed) {
            ("IMPORT", Some(Ok(_)) | None) => {
                let template = Template::parse(parts.effective()?)?;
                import::physical_ids(&ctx, &template, wanted).await?
            }
            _ => BTreeMap::new(),
        };
        let new = New {
            imports,
            stack: name,
            name: input.change_set_name,
            kind,
            description: input.description,
            on_failure: input.on_stack_failure,
            include_nested: input.include_nested_stacks.unwrap_or(false),
        };
        let takes_existing = input.import_existing_resources == Some(true);
        let text = parts.effective().unwrap_or_default().to_owned();
        let this = ctx.clone();
        let (id, stack_id) = ctx
            .store()
            .transact(move |tx| {
                let (ctx, parts, resolved, new) =
                    (this.clone(), parts.clone(), resolved.clone(), new.clone());
                async move { create(&tx, &ctx, &parts, &resolved, &new).await }
            })
            .await?;
        if takes_existing {
            take_existing(&ctx, &id, &text).await?;
        }
        Ok(CreateChangeSetOutput { id: Some(id), stack_id: Some(stack_id) })
    }
}

/// Has a change set take in what is there already instead of making it.
async fn take_existing(ctx: &Context, id: &str, text: &str) -> Result<(), ServiceError> {
    let Ok(template) = Template::parse(text) else { return Ok(()) };
    let (stack, set) = ctx
        .transact(id.to_owned(), |tx, ctx, id| async move { find(&tx, &ctx, &id, None).await })
        .await?;
    let ids = import::existing(ctx, &template, &set.changes).await?;
    if ids.is_empty() {
        return Ok(());
    }
    let (account, region, uuid) = stack::key(ctx, &stack.uuid);
    let key = (account, region, uuid, set.uuid.clone());
    ctx.transact((key, ids), |tx, _, given| async move {
        let (key, ids) = &*given;
        if let Some(mut set) = CHANGE_SETS.get(&tx, key).await? {
            for change in set.changes.iter_mut().filter(|c| ids.contains_key(&c.logical_id)) {
                "Import".clone_into(&mut change.action);
                change.physical_id = ids.get(&change.logical_id).cloned();
            }
            set.imports.clone_from(ids);
            CHANGE_SETS.put(&tx, key, &set)?;
        }
        Ok(())
    })
    .await
}

#[derive(Clone)]
struct New {
    imports: BTreeMap<String, String>,
    stack: String,
    name: String,
    kind: String,
    description: Option<String>,
    on_failure: Option<String>,
    include_nested: bool,
}

async fn create(
    tx: &Tx,
    ctx: &Context,
    parts: &Parts,
    resolved: &BTreeMap<String, String>,
    new: &New,
) -> Result<(String, String), ServiceError> {
    let mut stack = target(tx, ctx, new).await?;
    let prefix = stack::key(ctx, &stack.uuid);
    let sets = CHANGE_SETS.scan(tx, CHANGE_SETS.prefix(&prefix), 1_000, false).await?;
    if let Some((key, set)) = sets.into_iter().find(|(_, set)| set.name == new.name) {
        if set.execution_status != "EXECUTE_COMPLETE" {
            return Err(ServiceError::new(
                "AlreadyExistsException",
                format!("ChangeSet {} already exists", new.name),
            ));
        }
        CHANGE_SETS.delete(tx, &key)?;
    }
    if let Some(Err(reason)) = &parts.processed {
        return fail(tx, ctx, (&stack, reason), parts, new);
    }
    let (definition, prepared) = parts.define(tx, ctx, &stack, resolved).await?;
    let mut changes = plan::changes(tx, ctx, &stack, &prepared).await?;
    if new.kind == "IMPORT" {
        changes = import::changes(changes, &new.imports)?;
    }
    let outputs_only = stack.current.as_ref().is_some_and(|old| {
        old.template != definition.template
            && changes.is_empty()
            && outputs_differ(&stack, &prepared)
    });
    let nothing = changes.is_empty()
        && new.kind == "UPDATE"
        && !outputs_only
        && stack.current.as_ref().is_some_and(|old| old.tags == definition.tags);
    let failed = nothing.then(|| NO_CHANGES.to_owned());
    let id = keep(tx, ctx, &stack.uuid, new, (definition, changes), failed)?;
    if stack.current.is_none() {
        stack.description.clone_from(&prepared.template.description);
        STACKS.put(tx, &prefix, &stack)?;
    }
    Ok((id, stack.id))
}

/// A change set whose template could not be made.
fn fail(
    tx: &Tx,
    ctx: &Context,
    (stack, reason): (&StackRow, &str),
    parts: &Parts,
    new: &New,
) -> Result<(String, String), ServiceError> {
    let definition = Definition {
        template: stack::keep_template(tx, ctx, &parts.text)?,
        tags: parts.tags.clone().unwrap_or_default(),
        capabilities: parts.capabilities.clone(),
        notification_arns: parts.notification_arns.clone(),
        ..Definition::default()
    };
    let made = (definition, Vec::new());
    let id = keep(tx, ctx, &stack.uuid, new, made, Some(reason.to_owned()))?;
    Ok((id, stack.id.clone()))
}

/// Writes a change set and answers its id. It can be executed unless there is a reason why it failed.
fn keep(
    tx: &Tx,
    ctx: &Context,
    stack_uuid: &str,
    new: &New,
    (definition, changes): (Definition, Vec<ChangeRow>),
    failed: Option<String>,
) -> Result<String, ServiceError> {
    let uuid = tx.ids().uuid();
    let id = ctx.arn("cloudformation", format!("changeSet/{}/{uuid}", new.name));
    let is_good = failed.is_none();
    let row = ChangeSetRow {
        id: id.clone(),
        name: new.name.clone(),
        uuid: uuid.clone(),
        kind: new.kind.clone(),
        status: if is_good { "CREATE_COMPLETE" } else { "FAILED" }.to_owned(),
        reason: failed,
        execution_status: if is_good { "AVAILABLE" } else { "UNAVAILABLE" }.to_owned(),
        description: new.description.clone(),
        created_ms: tx.now_ms(),
        definition,
        changes,
        on_failure: new.on_failure.clone(),
        include_nested: new.include_nested,
        imports: new.imports.clone(),
    };
    let (account, region, stack_uuid) = stack::key(ctx, stack_uuid);
    CHANGE_SETS.put(tx, &(account, region, stack_uuid, uuid), &row)?;
    Ok(id)
}

/// Whether outputs are added, removed or changed by the new template.
fn outputs_differ(stack: &StackRow, prepared: &stack::Prepared) -> bool {
    let wanted: Vec<_> =
        prepared.template.outputs.iter().filter(|o| prepared.holds(o.condition.as_ref())).collect();
    wanted.len() != stack.outputs.len()
        || wanted.iter().any(|o| {
            !stack.outputs.iter().any(|have| {
                have.key == o.key
                    && (o.value.is_object()
                        || crate::template::model::plain(&o.value) == have.value)
            })
        })
}

/// The stack that the change set is for; a new one begins in `REVIEW_IN_PROGRESS`.
async fn target(tx: &Tx, ctx: &Context, new: &New) -> Result<StackRow, ServiceError> {
    let found = stack::find(tx, ctx, &new.stack).await?;
    let is_new = new.kind == "CREATE" || (new.kind == "IMPORT" && found.is_none());
    if is_new {
        return match found {
            Some(stack) if stack.status == "REVIEW_IN_PROGRESS" => Ok(stack),
            Some(_) => Err(validation(format!(
                "Stack [{}] already exists and cannot be created again with the changeSet [{}].",
                new.stack, new.name
            ))),
            None if new.stack.starts_with("arn:") => Err(no_such_stack(&new.stack)),
            None => {
                let mut stack = fresh(tx, ctx, &new.stack);
                let reason = Some("User Initiated".to_owned());
                stack::set_status(tx, ctx, &mut stack, "REVIEW_IN_PROGRESS", reason)?;
                let name = NameRow { uuid: stack.uuid.clone() };
                NAMES.put(tx, &stack::key(ctx, &stack.name), &name)?;
                STACKS.put(tx, &stack::key(ctx, &stack.uuid), &stack)?;
                Ok(stack)
            }
        };
    }
    let stack = found.ok_or_else(|| validation(format!("Stack [{}] does not exist", new.stack)))?;
    if stack.status != "REVIEW_IN_PROGRESS" {
        super::require_updatable(&stack)?;
    }
    Ok(stack)
}

/// Finds a change set by its ARN, or by its name within a stack.
pub(crate) async fn find(
    tx: &Tx,
    ctx: &Context,
    name_or_id: &str,
    stack_name: Option<&String>,
) -> Result<(StackRow, ChangeSetRow), ServiceError> {
    let missing = || no_such_change_set(name_or_id);
    if name_or_id.starts_with("arn:") {
        let prefix = (ctx.account().to_owned(), ctx.region().to_owned());
        let rows = CHANGE_SETS.scan(tx, CHANGE_SETS.prefix(&prefix), 10_000, false).await?;
        let (key, row) = rows.into_iter().find(|(_, r)| r.id == name_or_id).ok_or_else(missing)?;
        let stack = STACKS.get(tx, &(key.0, key.1, key.2)).await?.ok_or_else(missing)?;
        return Ok((stack, row));
    }
    let Some(stack_name) = stack_name else {
        return Err(validation(
            "StackName must be specified if ChangeSetName is not specified as an ARN.",
        ));
    };
    let stack = stack::find(tx, ctx, stack_name)
        .await?
        .ok_or_else(|| validation(format!("Stack [{stack_name}] does not exist")))?;
    let prefix = stack::key(ctx, &stack.uuid);
    let rows = CHANGE_SETS.scan(tx, CHANGE_SETS.prefix(&prefix), 1_000, false).await?;
    let row =
        rows.into_iter().map(|(_, r)| r).find(|r| r.name == name_or_id).ok_or_else(missing)?;
    Ok((stack, row))
}
