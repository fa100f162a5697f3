//! Stacks within stacks. A nested stack is a stack like any other, worked on by the task of its parent.
//!
//! Its update waits, once it is made, before anything is cleaned up: if the parent's update stays, the
//! parent's cleanup lets the child go on ([`Deployment::release_children`]); if the parent rolls back, the
//! child does as well, from the rows that its own update left.

use std::collections::BTreeMap;

use futures::FutureExt;
use futures::channel::oneshot;
use futures::future::{BoxFuture, Either, select};
use undercast_kernel::{Context, Resource, ResourceRequest, ResourceType, ServiceError};
use undercast_smithy::Document;
use undercast_store::Tx;

use crate::deploy::{self, Deployment};
use crate::error::failed;
use crate::operations::{
    Parts, Source, access, continue_update_rollback, create_stack, delete_stack, fetch_template,
    update_stack,
};
use crate::stack;
use crate::store::{Definition, EVENTS, NAMES, Phase, RESOURCES, STACKS, StackRow};
use crate::template::model::plain;
use crate::template::parameters::Given;

pub(crate) const KIND: &str = "AWS::CloudFormation::Stack";
/// How deep stacks may lie in each other: a template could name itself.
const DEPTH_MAX: usize = 10;
const NAME_MAX: usize = 128;

pub(crate) struct NestedStack;

impl ResourceType for NestedStack {
    fn name(&self) -> &'static str {
        KIND
    }

    fn properties(&self) -> &'static [&'static str] {
        &["NotificationARNs", "Parameters", "Tags", "TemplateURL", "TimeoutInMinutes"]
    }

    fn create(
        &self,
        ctx: Context,
        request: ResourceRequest,
    ) -> BoxFuture<'static, Result<Resource, ServiceError>> {
        async move { bring(&ctx, &request).await }.boxed()
    }

    fn update(
        &self,
        ctx: Context,
        request: ResourceRequest,
    ) -> BoxFuture<'static, Result<Resource, ServiceError>> {
        async move {
            match request.is_rollback {
                true => roll_back(&ctx, &request).await,
                false => bring(&ctx, &request).await,
            }
        }
        .boxed()
    }

    fn delete(
        &self,
        ctx: Context,
        request: ResourceRequest,
    ) -> BoxFuture<'static, Result<(), ServiceError>> {
        async move { delete(&ctx, &request).await }.boxed()
    }
}

/// Creates or updates the child, and works on it until it stands.
async fn bring(ctx: &Context, request: &ResourceRequest) -> Result<Resource, ServiceError> {
    let child = child(ctx, request).await?;
    let creates = child.as_ref().is_none_or(|child| child.current.is_none());
    let uuid = match child {
        // A crash interrupted it, or it is made already and waits.
        Some(child) if child.operation.is_some() => child.uuid,
        child => match begin(ctx, request, child).await? {
            (uuid, true) => uuid,
            (uuid, false) => return Ok(resource(&load(ctx, &uuid).await?)),
        },
    };
    work_on(ctx, &uuid).await?;
    let child = load(ctx, &uuid).await?;
    let is_held = child.operation.as_ref().is_some_and(|operation| operation.is_held());
    if is_held || matches!(child.status.as_str(), "CREATE_COMPLETE" | "UPDATE_COMPLETE") {
        return Ok(resource(&child));
    }
    let verb = if creates { "created" } else { "updated" };
    Err(unsuccessful(ctx, &child, verb).await?)
}

/// Puts a child back as it was before the parent's operation.
async fn roll_back(ctx: &Context, request: &ResourceRequest) -> Result<Resource, ServiceError> {
    let uuid = load(ctx, &request.physical_id).await?.uuid;
    work_on(ctx, &uuid).await?;
    let (this, of) = (ctx.clone(), uuid.clone());
    ctx.store()
        .transact(move |tx| {
            let (ctx, uuid) = (this.clone(), of.clone());
            async move { turn_back(&tx, &ctx, &uuid).await }
        })
        .await?;
    work_on(ctx, &uuid).await?;
    let child = load(ctx, &uuid).await?;
    if child.status == "UPDATE_ROLLBACK_FAILED" {
        return Err(unsuccessful(ctx, &child, "rolled back").await?);
    }
    Ok(resource(&child))
}

/// From an update that waits, or a rollback that failed, to the rollback.
async fn turn_back(tx: &Tx, ctx: &Context, uuid: &str) -> Result<(), ServiceError> {
    let key = stack::key(ctx, uuid);
    let Some(mut child) = STACKS.get(tx, &key).await? else {
        return Ok(());
    };
    if child.status == "UPDATE_ROLLBACK_FAILED" && child.operation.is_none() {
        let how = continue_update_rollback::How { by_parent: true, ..Default::default() };
        return continue_update_rollback::begin(tx, ctx, &mut child, &[], how).await;
    }
    let Some(mut operation) = child.operation.clone().filter(|operation| operation.is_held())
    else {
        return Ok(());
    };
    let before = operation.before.take().unwrap_or_default();
    deploy::publish(tx, ctx, &mut child, before.outputs, &before.imports).await?;
    child.current = before.current;
    operation.phase = Phase::RollBack;
    child.operation = Some(operation);
    stack::set_status(tx, ctx, &mut child, "UPDATE_ROLLBACK_IN_PROGRESS", None)?;
    STACKS.put(tx, &key, &child)?;
    Ok(())
}

async fn delete(ctx: &Context, request: &ResourceRequest) -> Result<(), ServiceError> {
    let Some(child) = child(ctx, request).await?.filter(|child| child.deleted_ms.is_none()) else {
        return Ok(());
    };
    ctx.kernel().check(ctx, access(ctx, "DeleteStack", &child.id)).await?;
    release(ctx, &child.uuid).await?;
    let (this, uuid) = (ctx.clone(), child.uuid.clone());
    ctx.store()
        .transact(move |tx| {
            let (ctx, uuid) = (this.clone(), uuid.clone());
            async move {
                let Some(mut child) = STACKS.get(&tx, &stack::key(&ctx, &uuid)).await? else {
                    return Ok(());
                };
                if child.deleted_ms.is_some() || child.operation.is_some() {
                    return Ok(());
                }
                let how = delete_stack::How { by_parent: true, ..Default::default() };
                delete_stack::begin(&tx, &ctx, &mut child, how).await
            }
        })
        .await?;
    work_on(ctx, &child.uuid).await?;
    let child = load(ctx, &child.uuid).await?;
    match child.deleted_ms {
        Some(_) => Ok(()),
        None => Err(unsuccessful(ctx, &child, "deleted").await?),
    }
}

/// Begins the creation or the update of a child; its uuid, and whether there is something to do.
async fn begin(
    ctx: &Context,
    request: &ResourceRequest,
    child: Option<StackRow>,
) -> Result<(String, bool), ServiceError> {
    let parent = load(ctx, &request.stack_id).await?;
    let Some(operation) = parent.operation.clone() else {
        return Err(ServiceError::internal("a nested stack without an operation of its parent"));
    };
    let source =
        Source { url: request.text("TemplateURL").map(str::to_owned), ..Source::default() };
    let text = fetch_template(ctx, &source, None).await?;
    let mut parts = parts(request, &operation.target, text);
    let old = child.as_ref().and_then(|child| child.current.as_ref());
    parts.transform(ctx, old).await?;
    parts.require_auto_expand()?;
    let resolved = parts.resolve_ssm(ctx, old).await?;
    let verb = if child.is_some() { "UpdateStack" } else { "CreateStack" };
    let name = request.generated_name(NAME_MAX);
    ctx.kernel().check(ctx, access(ctx, verb, &name)).await?;
    let depth = depth(ctx, &parent).await?;
    if depth >= DEPTH_MAX {
        return Err(failed(format!("Stacks are nested more than {DEPTH_MAX} deep")));
    }
    let keeps = operation.on_failure == "DO_NOTHING";
    let (this, request) = (ctx.clone(), request.clone());
    ctx.store()
        .transact(move |tx| {
            let (ctx, request, name) = (this.clone(), request.clone(), name.clone());
            let (parts, resolved) = (parts.clone(), resolved.clone());
            let (parent, child) = (parent.clone(), child.clone());
            async move {
                if let Some(mut child) = child {
                    let how = update_stack::How {
                        client_token: None,
                        on_failure: if keeps { "DO_NOTHING" } else { "ROLLBACK" }.to_owned(),
                        by_parent: true,
                        policy: child.policy.clone(),
                    };
                    let made_from = (&parts, &resolved);
                    let begun = update_stack::begin(&tx, &ctx, &mut child, made_from, how).await?;
                    return Ok((child.uuid, begun));
                }
                let root = parent.root_id.clone().unwrap_or_else(|| parent.id.clone());
                let new = create_stack::New {
                    name,
                    // The parent's rollback deletes it.
                    on_failure: "DO_NOTHING".to_owned(),
                    timeout_minutes: request.text("TimeoutInMinutes").and_then(|t| t.parse().ok()),
                    deadline_ms: parent.operation.as_ref().and_then(|o| o.deadline_ms),
                    parent: Some((parent.id.clone(), root)),
                    ..create_stack::New::default()
                };
                let id = create_stack::create(&tx, &ctx, &parts, &resolved, &new).await?;
                note(&tx, &ctx, &parent, &request.logical_id, &id).await?;
                Ok::<_, ServiceError>((stack::uuid_of(&id).unwrap_or_default(), true))
            }
        })
        .await
}

/// Writes the child's id into the parent's row, so that a child which fails is found by the rollback.
async fn note(
    tx: &Tx,
    ctx: &Context,
    parent: &StackRow,
    logical_id: &str,
    id: &str,
) -> Result<(), ServiceError> {
    let (account, region, uuid) = stack::key(ctx, &parent.uuid);
    let key = (account, region, uuid, logical_id.to_owned());
    if let Some(mut row) = RESOURCES.get(tx, &key).await? {
        id.clone_into(&mut row.physical_id);
        RESOURCES.put(tx, &key, &row)?;
    }
    Ok(())
}

/// What the child is made from.
fn parts(request: &ResourceRequest, parent: &Definition, text: String) -> Parts {
    let list = |value: &Document| match value {
        Document::Array(values) => values.iter().map(plain).collect::<Vec<_>>().join(","),
        other => plain(other),
    };
    let given = request.properties.get("Parameters").and_then(Document::as_object);
    let given = given.into_iter().flatten();
    let arns = request.properties.get("NotificationARNs").and_then(Document::as_array);
    // The stack's tags without those that name the resource in its parent.
    let tags = request.tag_list().into_iter().filter(|(key, _)| !key.starts_with("aws:"));
    Parts {
        text,
        parameters: given.map(|(name, value)| (name.clone(), Given::Value(list(value)))).collect(),
        tags: Some(tags.collect::<BTreeMap<_, _>>()),
        capabilities: parent.capabilities.clone(),
        role_arn: parent.role_arn.clone(),
        notification_arns: arns.into_iter().flatten().map(plain).collect(),
        ..Parts::default()
    }
}

/// How many stacks a stack lies in.
async fn depth(ctx: &Context, of: &StackRow) -> Result<usize, ServiceError> {
    let (mut depth, mut parent) = (1, of.parent_id.clone());
    while let Some(id) = parent.take().filter(|_| depth < DEPTH_MAX) {
        parent = load(ctx, &id).await?.parent_id;
        depth += 1;
    }
    Ok(depth)
}

/// The child, whether or not the parent's row knows its id yet.
async fn child(ctx: &Context, request: &ResourceRequest) -> Result<Option<StackRow>, ServiceError> {
    let uuid = match stack::uuid_of(&request.physical_id) {
        Some(uuid) => Some(uuid),
        None => {
            let key = stack::key(ctx, &request.generated_name(NAME_MAX));
            NAMES.read(ctx.store(), &key).await?.map(|row| row.uuid)
        }
    };
    match uuid {
        Some(uuid) => Ok(STACKS.read(ctx.store(), &stack::key(ctx, &uuid)).await?),
        None => Ok(None),
    }
}

/// A stack by its id or uuid.
async fn load(ctx: &Context, id: &str) -> Result<StackRow, ServiceError> {
    let uuid = stack::uuid_of(id).unwrap_or_else(|| id.to_owned());
    let row = STACKS.read(ctx.store(), &stack::key(ctx, &uuid)).await?;
    row.ok_or_else(|| crate::error::no_such_stack(id))
}

/// Works on the operation of a child. It has a thread's stack of its own, since families may be deep, and
/// ends when its parent's work is dropped.
async fn work_on(ctx: &Context, uuid: &str) -> Result<(), ServiceError> {
    let own = ctx.kernel().service_context(crate::NAME, ctx.account(), ctx.region());
    let work = deploy::drive(own, uuid.to_owned());
    let (mut done, answer) = oneshot::channel();
    ctx.env().spawn("cloudformation.nested", async move {
        let result = select(work, done.cancellation()).await;
        if let Either::Left((result, _)) = result {
            let _ = done.send(result);
        }
    });
    answer.await.map_err(|_| ServiceError::internal("the work on a nested stack was dropped"))?
}

/// Lets an update that waits go on to its end.
async fn release(ctx: &Context, uuid: &str) -> Result<(), ServiceError> {
    let key = stack::key(ctx, uuid);
    ctx.store()
        .transact(move |tx| {
            let key = key.clone();
            async move {
                let Some(mut child) = STACKS.get(&tx, &key).await? else {
                    return Ok(());
                };
                if let Some(operation) = child.operation.as_mut().filter(|o| o.is_held()) {
                    operation.by_parent = false;
                    STACKS.put(&tx, &key, &child)?;
                }
                Ok::<_, ServiceError>(())
            }
        })
        .await?;
    work_on(ctx, uuid).await
}

impl Deployment {
    /// The updates of nested stacks that wait for this one are let go on: they stay.
    pub(crate) async fn release_children(&self) -> Result<(), ServiceError> {
        for row in self.rows().await?.into_values().filter(|row| row.kind == KIND) {
            if let Some(uuid) = stack::uuid_of(&row.physical_id) {
                release(&self.ctx, &uuid).await?;
            }
        }
        Ok(())
    }
}

fn resource(child: &StackRow) -> Resource {
    let outputs: serde_json::Map<String, Document> =
        child.outputs.iter().map(|o| (o.key.clone(), o.value.clone().into())).collect();
    Resource::new(child.id.clone()).with("Outputs", Document::Object(outputs))
}

/// AWS names the resources that failed; the first one's own reason is ours to add.
async fn unsuccessful(
    ctx: &Context,
    child: &StackRow,
    verb: &str,
) -> Result<ServiceError, ServiceError> {
    let mut names = child.reason.clone().unwrap_or_default();
    let prefix = EVENTS.prefix(&stack::key(ctx, &child.uuid));
    let events = EVENTS.list(ctx.store(), prefix, 1_000, true).await?;
    let is_own = |kind: &str, id: &str| kind == KIND && id == child.id;
    let events = events.into_iter().map(|(_, event)| event);
    // Newest first: those of this operation come before the event that began it.
    let since = events.take_while(|event| {
        !(is_own(&event.kind, &event.physical_id)
            && event.reason.as_deref() == Some("User Initiated"))
    });
    let failures = since.filter(|event| {
        event.status.ends_with("_FAILED") && !is_own(&event.kind, &event.physical_id)
    });
    if let Some(event) = failures.last() {
        if names.is_empty() {
            names = format!("The following resource(s) failed: [{}]. ", event.logical_id);
        }
        names.push_str(&format!("{}: {}", event.logical_id, event.reason.unwrap_or_default()));
    }
    Ok(failed(format!("Embedded stack {} was not successfully {verb}: {names}", child.id)))
}
