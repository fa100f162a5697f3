//! A stack being changed: one durable task, which goes on wherever it was stopped.
//!
//! An operation moves through phases. `Forward` makes and changes resources in dependency order;
//! `Cleanup` deletes what the new template no longer has. A failure in `Forward` leads to `RollBack`,
//! which puts every touched resource back, and `RollBackCleanup`. `Delete` deletes them all. Each step
//! of each resource is recorded with the operation's token, so that a second run skips what is done.

mod dynamic;
mod forward;
mod note;
mod remove;
mod resource;
mod rollback;

pub(crate) use forward::{circle, dependencies, look_up, publish};
pub(crate) use resource::changed_properties;

use std::sync::Arc;

use futures::FutureExt;
use futures::future::{BoxFuture, select};
use undercast_kernel::service::TaskSpec;
use undercast_kernel::{Context, Kernel, ServiceError};
use undercast_store::{Backoff, NewTask, Outcome, Task, TaskError, Tx};

use crate::stack::{self, Prepared};
use crate::store::{
    DETECTIONS, DRIFTS, Definition, EXPORTS, IMPORTS, NAMES, OperationKind, OperationRow, Phase,
    STACKS, StackRow,
};

pub const TASK: &str = "cloudformation.deploy";

/// How many resources of one stack are worked on at once.
const PARALLEL_MAX: usize = 16;

pub fn task() -> TaskSpec {
    TaskSpec {
        name: TASK,
        // A stack may wait for a custom resource or a release for long.
        concurrency: 32,
        attempts_max: 0,
        backoff: Backoff {
            first: std::time::Duration::from_millis(200),
            max: std::time::Duration::from_secs(30),
        },
        run: Arc::new(|kernel, task| run(kernel, task).boxed()),
    }
}

/// Puts the row of a stack and starts the operation that it describes. A nested stack is worked on by
/// the task of its parent, so that no task waits for another.
pub fn begin(tx: &Tx, ctx: &Context, stack: &mut StackRow) -> Result<(), ServiceError> {
    if let Some(operation) = &stack.operation {
        stack.role_arn.clone_from(&operation.target.role_arn);
    }
    STACKS.put(tx, &stack::key(ctx, &stack.uuid), stack)?;
    if stack.operation.as_ref().is_some_and(|operation| operation.by_parent) {
        return Ok(());
    }
    let payload = serde_json::json!({
        "account": ctx.account(),
        "region": ctx.region(),
        "uuid": stack.uuid,
    });
    tx.spawn(NewTask {
        kind: TASK,
        key: stack.uuid.clone().into_bytes(),
        due_ms: tx.now_ms(),
        payload: payload.to_string().into(),
    })?;
    Ok(())
}

async fn run(kernel: Kernel, task: Task) -> Result<Outcome, TaskError> {
    let payload: serde_json::Value =
        serde_json::from_slice(&task.payload).map_err(|e| TaskError::new(e.to_string()))?;
    let part =
        |name: &str| payload.get(name).and_then(|v| v.as_str()).unwrap_or_default().to_owned();
    let ctx = kernel.service_context(crate::NAME, &part("account"), &part("region"));
    let done = drive(ctx, part("uuid")).await;
    done.map_err(|e| TaskError::new(format!("{e}: {:?}", e.log_source())))?;
    Ok(Outcome::Done)
}

/// Works on the operation of a stack until it is over, or waits for the parent. `ctx` is CloudFormation's
/// own.
pub(crate) fn drive(ctx: Context, uuid: String) -> BoxFuture<'static, Result<(), ServiceError>> {
    let deployment = Deployment { actor: ctx.clone(), ctx, uuid };
    async move { deployment.acting().await?.advance().await }.boxed()
}

/// Ends when the operation of a stack is to be given up: long waits look at this meanwhile.
pub(crate) async fn interrupted(ctx: &Context, uuid: &str) {
    let key = stack::key(ctx, uuid);
    let mut watch = STACKS.watch(ctx.store(), &key);
    loop {
        let stack = STACKS.read(ctx.store(), &key).await.ok().flatten();
        let operation = stack.and_then(|stack| stack.operation);
        if operation.as_ref().is_some_and(|o| o.given_up(ctx.now_ms()).is_some()) {
            return;
        }
        match operation.and_then(|operation| operation.deadline_ms) {
            Some(deadline_ms) => {
                let sleep = ctx.env().clock.sleep_until_ms(deadline_ms);
                select(watch.changed().boxed(), sleep).await;
            }
            None => watch.changed().await,
        }
    }
}

/// One run over the stack's operation.
#[derive(Clone)]
pub(crate) struct Deployment {
    /// CloudFormation's own work, on its own rows.
    pub(crate) ctx: Context,
    /// What is done to resources: in the name of the operation's role, or else of who asked for it.
    pub(crate) actor: Context,
    pub(crate) uuid: String,
}

impl Deployment {
    /// The same in whose name resources are made.
    async fn acting(mut self) -> Result<Self, ServiceError> {
        let Some(operation) = self.load().await?.and_then(|stack| stack.operation) else {
            return Ok(self);
        };
        let principal = match (operation.target.role_arn, self.ctx.kernel().credentials()) {
            (Some(role), Some(port)) => {
                let session = "AWSCloudFormation".to_owned();
                Some(port.assume(self.ctx.kernel().clone(), role, session).await?.principal)
            }
            _ => operation.caller.principal(self.ctx.account()),
        };
        if let Some(principal) = principal {
            self.actor = self.ctx.with_principal(principal);
        }
        Ok(self)
    }

    /// Goes through the phases until the operation is over.
    async fn advance(&self) -> Result<(), ServiceError> {
        while let Some(stack) = self.load().await? {
            let Some(operation) = &stack.operation else {
                break;
            };
            match operation.phase {
                Phase::Forward => match self.forward(&stack).await? {
                    Ok(()) => {}
                    Err(reason) => self.fail(reason).await?,
                },
                Phase::Cleanup if operation.is_held() => break,
                Phase::Cleanup => self.cleanup(&stack).await?,
                Phase::RollBack => self.roll_back(&stack).await?,
                Phase::RollBackCleanup => self.roll_back_cleanup(&stack).await?,
                Phase::Delete => self.delete(&stack).await?,
            }
        }
        Ok(())
    }

    pub(super) async fn load(&self) -> Result<Option<StackRow>, ServiceError> {
        Ok(STACKS.read(self.ctx.store(), &stack::key(&self.ctx, &self.uuid)).await?)
    }

    /// Changes the stack's row in a transaction of its own.
    pub(crate) async fn change(
        &self,
        change: impl Fn(&Tx, &mut StackRow) -> Result<(), ServiceError> + Send + Sync + Clone + 'static,
    ) -> Result<(), ServiceError> {
        let (ctx, key) = (self.ctx.clone(), stack::key(&self.ctx, &self.uuid));
        ctx.store()
            .transact(move |tx| {
                let (key, change) = (key.clone(), change.clone());
                async move {
                    if let Some(mut stack) = STACKS.get(&tx, &key).await? {
                        change(&tx, &mut stack)?;
                        STACKS.put(&tx, &key, &stack)?;
                    }
                    Ok::<_, ServiceError>(())
                }
            })
            .await
    }

    /// What is to be done after a failure in `Forward`.
    async fn fail(&self, reason: String) -> Result<(), ServiceError> {
        self.release_children_that_stay().await?;
        let ctx = self.ctx.clone();
        self.change(move |tx, stack| {
            let Some(operation) = stack.operation.clone() else {
                return Ok(());
            };
            let created = operation.kind == OperationKind::Create;
            let mut next = operation.clone();
            next.reason = Some(reason.clone());
            // Whoever cancels wants to be back where the stack was.
            let on_failure = match &operation.cancelled {
                Some(_) => "ROLLBACK",
                None => operation.on_failure.as_str(),
            };
            let (status, phase) = match (created, on_failure) {
                _ if operation.is_import() => {
                    ("IMPORT_ROLLBACK_IN_PROGRESS", Some(Phase::RollBackCleanup))
                }
                (false, _) if operation.goes_back => ("UPDATE_ROLLBACK_FAILED", None),
                (true, "DO_NOTHING") => ("CREATE_FAILED", None),
                (false, "DO_NOTHING") => ("UPDATE_FAILED", None),
                (true, "DELETE") => ("DELETE_IN_PROGRESS", Some(Phase::Delete)),
                (true, _) => ("ROLLBACK_IN_PROGRESS", Some(Phase::RollBackCleanup)),
                (false, _) => ("UPDATE_ROLLBACK_IN_PROGRESS", Some(Phase::RollBack)),
            };
            stack::set_status(tx, &ctx, stack, status, Some(reason.clone()))?;
            stack.operation = phase.map(|phase| {
                next.phase = phase;
                next
            });
            Ok(())
        })
        .await
    }

    /// Where nothing is rolled back, what is made of nested stacks stays.
    async fn release_children_that_stay(&self) -> Result<(), ServiceError> {
        let operation = self.load().await?.and_then(|stack| stack.operation);
        let stays = |o: OperationRow| o.on_failure == "DO_NOTHING" && o.cancelled.is_none();
        match operation.is_some_and(stays) {
            true => self.release_children().await,
            false => Ok(()),
        }
    }

    /// The template of a definition with all that is known of it.
    pub(crate) async fn prepare(
        &self,
        stack: &StackRow,
        definition: &Definition,
    ) -> Result<(Prepared, std::collections::BTreeMap<String, String>), ServiceError> {
        let (ctx, stack, definition) = (self.ctx.clone(), stack.clone(), definition.clone());
        self.ctx
            .store()
            .transact(move |tx| {
                let (ctx, stack, definition) = (ctx.clone(), stack.clone(), definition.clone());
                async move {
                    let text = stack::template_text(&tx, &ctx, &definition.template).await?;
                    let exports = stack::exports(&tx, &ctx).await?;
                    let pseudo = stack::pseudo(&ctx, &stack, &definition);
                    let prepared = Prepared::new(&text, &definition, pseudo, &exports)?;
                    Ok::<_, ServiceError>((prepared, exports))
                }
            })
            .await
    }

    /// The end of a stack: its name is free, its exports and imports are gone; the row stays for
    /// those who know its id.
    pub(crate) async fn forget(&self, stack: &StackRow) -> Result<(), ServiceError> {
        let (ctx, uuid) = (self.ctx.clone(), stack.uuid.clone());
        self.ctx
            .store()
            .transact(move |tx| {
                let (ctx, uuid) = (ctx.clone(), uuid.clone());
                async move {
                    let key = stack::key(&ctx, &uuid);
                    let Some(mut stack) = STACKS.get(&tx, &key).await? else {
                        return Ok(());
                    };
                    NAMES.delete(&tx, &stack::key(&ctx, &stack.name))?;
                    release_exports(&tx, &ctx, &stack).await?;
                    release_imports(&tx, &ctx, &stack).await?;
                    forget_drift(&tx, &ctx, &mut stack).await?;
                    stack.deleted_ms = Some(tx.now_ms());
                    stack::set_status(&tx, &ctx, &mut stack, "DELETE_COMPLETE", None)?;
                    stack.operation = None;
                    STACKS.put(&tx, &key, &stack)?;
                    Ok::<_, ServiceError>(())
                }
            })
            .await
    }
}

async fn release_exports(tx: &Tx, ctx: &Context, stack: &StackRow) -> Result<(), ServiceError> {
    for output in &stack.outputs {
        let Some(name) = &output.export else { continue };
        let key = stack::key(ctx, name);
        if EXPORTS.get(tx, &key).await?.is_some_and(|row| row.stack_id == stack.id) {
            EXPORTS.delete(tx, &key)?;
        }
    }
    Ok(())
}

async fn forget_drift(tx: &Tx, ctx: &Context, stack: &mut StackRow) -> Result<(), ServiceError> {
    if let Some(detection) = stack.drift.take() {
        DETECTIONS.delete(tx, &stack::key(ctx, &detection.id))?;
    }
    let prefix = DRIFTS.prefix(&stack::key(ctx, &stack.uuid));
    for (key, _) in DRIFTS.scan(tx, prefix, 2_000, false).await? {
        DRIFTS.delete(tx, &key)?;
    }
    Ok(())
}

/// All import rows of a stack.
pub(crate) async fn imports_of(
    tx: &Tx,
    ctx: &Context,
    uuid: &str,
) -> Result<Vec<(String, String, String, String)>, ServiceError> {
    let prefix = (ctx.account().to_owned(), ctx.region().to_owned());
    let rows = IMPORTS.scan(tx, IMPORTS.prefix(&prefix), 10_000, false).await?;
    Ok(rows.into_iter().map(|(key, _)| key).filter(|key| key.3 == uuid).collect())
}

async fn release_imports(tx: &Tx, ctx: &Context, stack: &StackRow) -> Result<(), ServiceError> {
    for key in imports_of(tx, ctx, &stack.uuid).await? {
        IMPORTS.delete(tx, &key)?;
    }
    Ok(())
}

pub(crate) type Step = BoxFuture<'static, (String, Result<(), String>)>;
