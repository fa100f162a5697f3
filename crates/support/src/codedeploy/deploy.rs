//! A deployment as it runs: one durable task that looks at its row, does the next thing, and waits for a hook's
//! answer or for the release that shifts the traffic.
//!
//! `Check` → `Before` (hook) → `Traffic` (a release with the deployment's id as its name) → `After` (hook) →
//! `TidyUp`. A failure leads to `TidyUp` with the reason, and to a deployment that goes back where that is wanted.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::{Value, json};
use undercast_kernel::service::TaskSpec;
use undercast_kernel::{
    Access, Context, InvokeKind, InvokeRequest, Kernel, Released, ServiceError,
};
use undercast_store::{Backoff, NewTask, Outcome, Task, TaskError, Tx};

use super::error::no_deployment;
use super::store::{
    DEPLOYMENTS, DeploymentRow, GROUPS, GroupKey, HookRow, Key, Phase, RevisionRow, Status,
};

const TASK: &str = "codedeploy.deploy";
const PRINCIPAL: &str = "codedeploy.amazonaws.com";
/// How long a hook has for its answer.
const HOOK_MS: i64 = 3_600_000;
/// Nothing but a wake is waited for; this is for wakes that were lost.
const LOOK_AGAIN_MS: i64 = 3_600_000;
const SOON_MS: i64 = 200;
const GONE: &str = "ResourceNotFoundException";
pub(crate) const FAILURE: &str = "DEPLOYMENT_FAILURE";
const ALARMED: &str = "DEPLOYMENT_STOP_ON_ALARM";
const ALARM_ACTIVE: &str = "ALARM_ACTIVE";
pub(crate) const STOPPED: &str = "DEPLOYMENT_STOP_ON_REQUEST";

pub(crate) fn task() -> TaskSpec {
    TaskSpec {
        name: TASK,
        concurrency: 8,
        attempts_max: 0,
        backoff: Backoff { first: Duration::from_millis(500), max: Duration::from_secs(60) },
        run: Arc::new(|kernel, task| run(kernel, task).boxed()),
    }
}

/// Lets the deployment look at itself.
pub(crate) fn wake(tx: &Tx, key: &Key) -> Result<(), ServiceError> {
    let payload = json!(key).to_string().into_bytes();
    let due_ms = tx.now_ms();
    tx.spawn(NewTask { kind: TASK, key: payload.clone(), due_ms, payload: payload.into() })?;
    Ok(())
}

/// Deployments learn here that their release is over.
pub(crate) struct Wake;

impl Released for Wake {
    fn released(&self, ctx: Context, name: String) -> BoxFuture<'static, Result<(), ServiceError>> {
        async move {
            let key = (ctx.account().to_owned(), ctx.region().to_owned(), name);
            ctx.transact(key, |tx, _, key| async move {
                match DEPLOYMENTS.get(&tx, &key).await? {
                    Some(_) => wake(&tx, &key),
                    None => Ok(()),
                }
            })
            .await
        }
        .boxed()
    }
}

enum Next {
    Now,
    At(i64),
    Done,
}

async fn run(kernel: Kernel, task: Task) -> Result<Outcome, TaskError> {
    let key: Key =
        serde_json::from_slice(&task.payload).map_err(|e| TaskError::new(e.to_string()))?;
    let ctx = kernel.service_context(PRINCIPAL, &key.0, &key.1);
    let run = Run { ctx, key };
    loop {
        let next = run.step().await;
        match next.map_err(|e| TaskError::new(format!("{e}: {:?}", e.log_source())))? {
            Next::Now => {}
            Next::At(due_ms) => return Ok(Outcome::Again { due_ms, payload: None }),
            Next::Done => return Ok(Outcome::Done),
        }
    }
}

/// A reason for a deployment to fail: the code and the message that are shown.
struct Fault(&'static str, String);

/// What stands in the way for a while is not a reason to fail.
fn fault(code: &'static str, error: ServiceError) -> Result<Fault, ServiceError> {
    let is_ours =
        error.status().is_some_and(|status| status >= 500) && error.code() != "NotImplemented";
    if is_ours { Err(error) } else { Ok(Fault(code, error.message().to_owned())) }
}

struct Run {
    ctx: Context,
    key: Key,
}

impl Run {
    async fn step(&self) -> Result<Next, ServiceError> {
        let Some(row) = DEPLOYMENTS.read(self.ctx.store(), &self.key).await? else {
            return Ok(Next::Done);
        };
        match row.phase {
            Phase::Check => match self.check(&row).await? {
                Some(fault) => self.fail(fault).await,
                None => self.go_on(Phase::Before).await,
            },
            Phase::Before => self.hook(&row, "BeforeAllowTraffic", Phase::Traffic).await,
            Phase::Traffic if row.undoes.is_some() => self.go_back(&row).await,
            Phase::Traffic => self.shift(&row).await,
            Phase::After => self.hook(&row, "AfterAllowTraffic", Phase::TidyUp).await,
            Phase::TidyUp => self.tidy_up(&row).await,
            Phase::Over => Ok(Next::Done),
        }
    }

    async fn call(
        &self,
        service: &str,
        operation: &str,
        input: Value,
    ) -> Result<Value, ServiceError> {
        self.ctx.kernel().call(&self.ctx, service, operation, &input).await
    }

    fn now_ms(&self) -> i64 {
        self.ctx.now_ms()
    }

    /// Changes the row unless somebody has ended the deployment meanwhile.
    async fn change(
        &self,
        change: impl Fn(&Tx, &mut DeploymentRow) + Send + Sync + Clone + 'static,
    ) -> Result<Next, ServiceError> {
        self.ctx
            .transact((self.key.clone(), change), |tx, _, input| async move {
                let (key, change) = &*input;
                let row = DEPLOYMENTS.get(&tx, key).await?;
                let mut row = row.ok_or_else(|| no_deployment(&key.2))?;
                if !row.is_decided() {
                    change(&tx, &mut row);
                    DEPLOYMENTS.put(&tx, key, &row)?;
                }
                Ok(Next::Now)
            })
            .await
    }

    async fn go_on(&self, phase: Phase) -> Result<Next, ServiceError> {
        self.change(move |tx, row| {
            row.hook = None;
            row.phase = phase;
            if row.status == Status::Created {
                row.status = Status::InProgress;
                row.started_ms = Some(tx.now_ms());
            }
            if phase == Phase::TidyUp {
                row.outcome = Some(Status::Succeeded);
            }
        })
        .await
    }

    async fn fail(&self, fault: Fault) -> Result<Next, ServiceError> {
        self.ctx
            .transact((self.key.clone(), fault), |tx, _, input| async move {
                let (key, Fault(code, message)) = &*input;
                end(&tx, key, Status::Failed, (code, message), None).await
            })
            .await?;
        Ok(Next::Now)
    }

    async fn alias(&self, row: &DeploymentRow) -> Result<Value, ServiceError> {
        let input = json!({"FunctionName": row.spec.function, "Name": row.spec.alias});
        self.call("lambda", "GetAlias", input).await
    }

    /// Whether function, alias and versions are there and agree with the AppSpec.
    async fn check(&self, row: &DeploymentRow) -> Result<Option<Fault>, ServiceError> {
        let spec = &row.spec;
        let function = self.ctx.arn("lambda", format!("function:{}", spec.function));
        let accesses = ["lambda:GetAlias", "lambda:UpdateAlias"];
        let accesses = accesses.map(|action| Access::new(action, function.clone()));
        if let Some(fault) = self.check_role(row, accesses.into()).await? {
            return Ok(Some(fault));
        }
        let input = json!({"FunctionName": spec.function, "Qualifier": spec.target});
        if let Err(error) = self.call("lambda", "GetFunctionConfiguration", input).await {
            return fault("INVALID_LAMBDA_FUNCTION", error).map(Some);
        }
        let alias = match self.alias(row).await {
            Ok(alias) => alias,
            Err(error) => return fault("INVALID_LAMBDA_CONFIGURATION", error).map(Some),
        };
        let found = alias.get("FunctionVersion").and_then(Value::as_str).unwrap_or_default();
        if found == spec.current {
            return Ok(None);
        }
        let (alias, current) = (&spec.alias, &spec.current);
        let message = format!(
            "The alias {alias} of {} leads to version {found}, the AppSpec file says CurrentVersion {current}",
            spec.function
        );
        Ok(Some(Fault("INVALID_LAMBDA_CONFIGURATION", message)))
    }

    async fn hook(
        &self,
        row: &DeploymentRow,
        event: &'static str,
        then: Phase,
    ) -> Result<Next, ServiceError> {
        let function = match row.phase {
            Phase::Before => &row.spec.before,
            _ => &row.spec.after,
        };
        let Some(function) = function else {
            return self.go_on(then).await;
        };
        let Some(hook) = &row.hook else {
            return self
                .change(|tx, row| {
                    row.hook = Some(HookRow {
                        id: tx.ids().hex(32),
                        is_invoked: false,
                        deadline_ms: tx.now_ms() + HOOK_MS,
                        succeeded: None,
                    });
                })
                .await;
        };
        let failed = |why: &str| {
            let message = format!(
                "The overall deployment failed because the function {function} {why} in {event}"
            );
            Fault("HOOK_EXECUTION_FAILURE", message)
        };
        match hook.succeeded {
            Some(true) => self.go_on(then).await,
            Some(false) => self.fail(failed("reported a failure")).await,
            None if self.now_ms() >= hook.deadline_ms => {
                self.fail(failed("did not report its status within an hour")).await
            }
            None if hook.is_invoked => Ok(Next::At(hook.deadline_ms)),
            None => match self.invoke(row, function, &hook.id).await {
                Ok(Some(fault)) => self.fail(fault).await,
                Ok(None) => {
                    self.change(|_, row| {
                        if let Some(hook) = &mut row.hook {
                            hook.is_invoked = true;
                        }
                    })
                    .await
                }
                Err(error) => {
                    let Fault(_, why) = fault("HOOK_EXECUTION_FAILURE", error)?;
                    self.fail(failed(&format!("could not be invoked ({why})"))).await
                }
            },
        }
    }

    /// The service does all by itself, but nothing that the group's role may not do.
    async fn check_role(
        &self,
        row: &DeploymentRow,
        accesses: Vec<Access>,
    ) -> Result<Option<Fault>, ServiceError> {
        let Some(port) = self.ctx.kernel().credentials() else {
            return Ok(None);
        };
        let session = self.key.2.clone();
        let issued = port.assume(self.ctx.kernel().clone(), row.role.clone(), session).await;
        let principal = match issued {
            Ok(issued) => issued.principal,
            Err(error) => return fault("IAM_ROLE_MISSING", error).map(Some),
        };
        let acting = self.ctx.with_principal(principal);
        match self.ctx.kernel().check(&acting, accesses).await {
            Ok(()) => Ok(None),
            Err(error) => {
                let Fault(code, why) = fault("IAM_ROLE_PERMISSIONS", error)?;
                let message = format!(
                    "The IAM role {} does not give you permission to perform operations in the following AWS service: AWSLambda. {why}",
                    row.role
                );
                Ok(Some(Fault(code, message)))
            }
        }
    }

    async fn invoke(
        &self,
        row: &DeploymentRow,
        function: &str,
        hook: &str,
    ) -> Result<Option<Fault>, ServiceError> {
        let arn = match function.starts_with("arn:") {
            true => function.to_owned(),
            false => self.ctx.arn("lambda", format!("function:{function}")),
        };
        let access = Access::new("lambda:InvokeFunction", arn.clone());
        if let Some(fault) = self.check_role(row, vec![access]).await? {
            return Ok(Some(fault));
        }
        let event = json!({"DeploymentId": self.key.2, "LifecycleEventHookExecutionId": hook});
        let request = InvokeRequest {
            function: arn,
            payload: event.to_string().into(),
            kind: InvokeKind::Event,
            guise: None,
        };
        self.ctx.kernel().invoke()?.invoke(self.ctx.clone(), request).await.map(|_| None)
    }

    /// Shifts the traffic: starts the release, or looks how far it is.
    async fn shift(&self, row: &DeploymentRow) -> Result<Next, ServiceError> {
        let name = &self.key.2;
        let found = self.call("release", "DescribeRelease", json!({"Name": name})).await;
        let release = match found {
            Ok(found) => found.get("Release").cloned().unwrap_or_default(),
            Err(error) if error.code() == GONE => return self.start(row).await,
            Err(error) => return Err(error),
        };
        let text = |member: &str| release.get(member).and_then(Value::as_str).unwrap_or_default();
        match text("State") {
            "ROLLED_BACK" => {
                // Unless somebody else took it back.
                if text("StateReason").starts_with("an alarm") {
                    return self.stop_for_alarm(text("StateReason")).await;
                }
                let message = format!("The traffic shift was rolled back: {}", text("StateReason"));
                self.fail(Fault("HEALTH_CONSTRAINTS", message)).await
            }
            "PROMOTED" => {
                let alias = self.alias(row).await?;
                let version = alias.get("FunctionVersion").and_then(Value::as_str);
                // It is decided before it is done.
                match version == Some(&row.spec.target) {
                    true => self.go_on(Phase::After).await,
                    false => Ok(Next::At(self.now_ms() + SOON_MS)),
                }
            }
            _ => Ok(Next::At(self.now_ms() + LOOK_AGAIN_MS)),
        }
    }

    async fn stop_for_alarm(&self, why: &str) -> Result<Next, ServiceError> {
        let message = format!(
            "One or more alarms have been activated according to the Amazon CloudWatch metrics you selected, and the affected deployments have been stopped. {why}"
        );
        self.ctx
            .transact((self.key.clone(), message), |tx, _, input| async move {
                let (key, message) = &*input;
                end(&tx, key, Status::Stopped, (ALARM_ACTIVE, message), None).await
            })
            .await?;
        Ok(Next::Now)
    }

    async fn start(&self, row: &DeploymentRow) -> Result<Next, ServiceError> {
        if row.spec.current == row.spec.target {
            return self.go_on(Phase::After).await;
        }
        let input = json!({
            "Name": self.key.2,
            "FunctionName": row.spec.function,
            "Alias": row.spec.alias,
            "ToVersion": row.spec.target,
            "Steps": minding(row.routing.steps(), row.alarms.minded()),
            "ClientToken": self.key.2,
        });
        match self.call("release", "StartRelease", input).await {
            Ok(_) => Ok(Next::Now),
            Err(error) => {
                let fault = fault("INVALID_LAMBDA_CONFIGURATION", error)?;
                self.fail(fault).await
            }
        }
    }

    /// The traffic goes back to where it was before the deployment that this one undoes.
    async fn go_back(&self, row: &DeploymentRow) -> Result<Next, ServiceError> {
        if let Some(undone) = &row.undoes {
            self.end_release(undone).await?;
        }
        let input = json!({
            "FunctionName": row.spec.function,
            "Name": row.spec.alias,
            "FunctionVersion": row.spec.target,
            "RoutingConfig": {"AdditionalVersionWeights": {}},
        });
        match self.call("lambda", "UpdateAlias", input).await {
            Ok(_) => self.go_on(Phase::TidyUp).await,
            Err(error) => {
                let fault = fault("INVALID_LAMBDA_CONFIGURATION", error)?;
                self.fail(fault).await
            }
        }
    }

    async fn end_release(&self, name: &str) -> Result<(), ServiceError> {
        let input = json!({"Name": name, "Reason": "the deployment is over"});
        let ended = self.call("release", "RollBackRelease", input).await;
        ended.map(drop).or_else(unless(&[GONE, "ConflictException"]))?;
        let deleted = self.call("release", "DeleteRelease", json!({"Name": name})).await;
        deleted.map(drop).or_else(unless(&[GONE]))
    }

    async fn tidy_up(&self, row: &DeploymentRow) -> Result<Next, ServiceError> {
        if row.undoes.is_none() {
            self.end_release(&self.key.2).await?;
        }
        self.ctx
            .transact(self.key.clone(), |tx, _, key| async move {
                match DEPLOYMENTS.get(&tx, &key).await? {
                    Some(row) => settle(&tx, &key, row).await,
                    None => Ok(()),
                }
            })
            .await?;
        Ok(Next::Done)
    }
}

/// The steps of a release that goes back when one of these alarms goes off.
fn minding(mut steps: Value, alarms: &[String]) -> Value {
    for step in steps.as_array_mut().into_iter().flatten().filter(|_| !alarms.is_empty()) {
        if let Some(step) = step.as_object_mut() {
            step.insert("Gates".to_owned(), json!({"Alarms": alarms}));
        }
    }
    steps
}

pub(crate) fn unless(
    codes: &'static [&'static str],
) -> impl Fn(ServiceError) -> Result<(), ServiceError> {
    move |error| if codes.contains(&error.code()) { Ok(()) } else { Err(error) }
}

fn group_key(key: &Key, row: &DeploymentRow) -> GroupKey {
    (key.0.clone(), key.1.clone(), row.application.clone(), row.group.clone())
}

/// The deployment is over: its status shows it, its group learns it, and what takes it back begins.
async fn settle(tx: &Tx, key: &Key, mut row: DeploymentRow) -> Result<(), ServiceError> {
    let Some(outcome) = row.outcome.filter(|_| row.phase == Phase::TidyUp) else {
        return Ok(());
    };
    row.status = outcome;
    row.phase = Phase::Over;
    row.completed_ms = Some(tx.now_ms());
    if row.goes_back {
        let id = new_id(tx);
        let undo_key = (key.0.clone(), key.1.clone(), id.clone());
        DEPLOYMENTS.put(tx, &undo_key, &undo(&key.2, &row, tx.now_ms()))?;
        wake(tx, &undo_key)?;
        row.undone_by = Some(id);
    }
    DEPLOYMENTS.put(tx, key, &row)?;
    let group_key = group_key(key, &row);
    if let Some(mut group) = GROUPS.get(tx, &group_key).await? {
        group.active.clone_from(&row.undone_by);
        if row.undone_by.is_some() {
            group.attempted.clone_from(&row.undone_by);
        }
        if outcome == Status::Succeeded {
            group.succeeded = Some(key.2.clone());
        }
        GROUPS.put(tx, &group_key, &group)?;
    }
    Ok(())
}

/// A deployment ends without success, and is taken back where that is wanted. Does nothing to one whose end is
/// decided.
pub(crate) async fn end(
    tx: &Tx,
    key: &Key,
    status: Status,
    (code, message): (&str, &str),
    goes_back: Option<bool>,
) -> Result<(), ServiceError> {
    let row = DEPLOYMENTS.get(tx, key).await?;
    let mut row = row.ok_or_else(|| no_deployment(&key.2))?;
    if row.is_decided() {
        return Ok(());
    }
    let event = match status {
        Status::Stopped if code == ALARM_ACTIVE => ALARMED,
        Status::Stopped => STOPPED,
        _ => FAILURE,
    };
    let wanted = row.rollback.as_ref().is_some_and(|rollback| rollback.wants(event));
    // Where nothing was checked there is nothing to go back to.
    let has_begun = row.undoes.is_none() && row.phase != Phase::Check;
    row.goes_back = has_begun && goes_back.unwrap_or(wanted);
    row.outcome = Some(status);
    row.phase = Phase::TidyUp;
    row.hook = None;
    row.error = Some((code.to_owned(), message.to_owned()));
    DEPLOYMENTS.put(tx, key, &row)?;
    wake(tx, key)
}

/// The deployment that takes another one back, at once.
fn undo(id: &str, row: &DeploymentRow, now_ms: i64) -> DeploymentRow {
    let mut spec = row.spec.clone();
    std::mem::swap(&mut spec.current, &mut spec.target);
    (spec.before, spec.after) = (None, None);
    let previous = row.previous.clone();
    DeploymentRow {
        config: super::config::DEFAULT.to_owned(),
        routing: super::config::Routing::AllAtOnce,
        revision: previous.unwrap_or_else(|| RevisionRow::of(&spec)),
        previous: Some(row.revision.clone()),
        spec,
        status: Status::InProgress,
        phase: Phase::Traffic,
        outcome: None,
        goes_back: false,
        hook: None,
        hooks_done: Vec::new(),
        error: None,
        creator: "codeDeployRollback".to_owned(),
        rollback: None,
        alarms: Default::default(),
        has_own_alarms: false,
        undoes: Some(id.to_owned()),
        undone_by: None,
        created_ms: now_ms,
        started_ms: Some(now_ms),
        completed_ms: None,
        ..row.clone()
    }
}

/// `d-` and nine letters or digits.
pub(crate) fn new_id(tx: &Tx) -> String {
    format!("d-{}", tx.ids().hex(9).to_uppercase())
}
