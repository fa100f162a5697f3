//! Events that wait: queued durably before the caller hears of it, tried as AWS tries them, and handed to
//! a destination or a dead letter queue in the end.
//!
//! A failed function is tried again after one minute, then after two; what is throttled or fails on our
//! side is tried again for hours. A destination is served in a step of its own, so that a crash between
//! the answer and its delivery does not run the function again.

mod deliver;
mod payload;

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use serde::{Deserialize, Serialize};
use undercast_kernel::service::TaskSpec;
use undercast_kernel::{Context, Kernel, ServiceError};
use undercast_store::{Backoff, NewTask, Outcome as TaskOutcome, Task, TaskError};

use crate::error::no_function;
use crate::functions::{Event, Functions, Outcome, Target};
use crate::limits::{EVENT_AGE_S, EVENT_RETRIES};
use crate::name::{FunctionName, LATEST};
use crate::store::{INVOKE_CONFIGS, InvokeConfigRow};
use deliver::Ending;
pub(crate) use deliver::{check_destination, send_message};
use payload::Payload;

const KIND: &str = "lambda.async";
/// How many events are run at the same time.
const CONCURRENCY: usize = 64;
/// Before the second and the third attempt.
const RETRY_S: [i64; 2] = [60, 120];
const SYSTEM_RETRY_S_MAX: i64 = 300;
/// A destination that cannot be reached for so many attempts is given up.
const DELIVERIES_MAX: u32 = 12;

/// What a task carries.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Waiting {
    account: String,
    region: String,
    name: String,
    qualifier: Option<String>,
    request_id: String,
    payload: Payload,
    client_context: Option<String>,
    trace_id: Option<String>,
    queued_ms: i64,
    /// How often the function has run.
    attempts: u32,
    /// How often in a row it could not be run.
    refusals: u32,
    /// What came of it, once that is clear and has to be delivered.
    ending: Option<Ending>,
}

impl Waiting {
    fn name(&self) -> FunctionName {
        FunctionName {
            account: self.account.clone(),
            region: self.region.clone(),
            name: self.name.clone(),
            qualifier: self.qualifier.clone(),
        }
    }

    fn owner(&self) -> Vec<u8> {
        format!("{KIND}/{}", self.request_id).into_bytes()
    }

    fn encode(&self) -> Result<bytes::Bytes, ServiceError> {
        Ok(serde_json::to_vec(self).map_err(ServiceError::internal)?.into())
    }
}

/// Queues an event. When this returns, it will be handled whatever happens.
pub(crate) async fn enqueue(
    ctx: &Context,
    name: &FunctionName,
    event: Event,
) -> Result<(), ServiceError> {
    let waiting = Waiting {
        account: name.account.clone(),
        region: name.region.clone(),
        name: name.name.clone(),
        qualifier: name.qualifier.clone(),
        request_id: event.request_id,
        payload: Payload::keep(ctx.store(), event.payload).await?,
        client_context: event.client_context,
        trace_id: event.trace_id.or_else(|| Some(format!("Root={}", ctx.trace()?))),
        queued_ms: 0,
        attempts: 0,
        refusals: 0,
        ending: None,
    };
    ctx.transact(waiting, |tx, _, waiting| async move {
        let waiting = Waiting { queued_ms: tx.now_ms(), ..(*waiting).clone() };
        waiting.payload.link(&tx, &waiting.owner())?;
        tx.spawn(NewTask {
            kind: KIND,
            key: Vec::new(),
            due_ms: tx.now_ms(),
            payload: waiting.encode()?,
        })?;
        Ok(())
    })
    .await
}

pub(crate) fn task(functions: Arc<Functions>) -> TaskSpec {
    TaskSpec {
        name: KIND,
        concurrency: CONCURRENCY,
        attempts_max: 0,
        backoff: Backoff::new(Duration::from_secs(1), Duration::from_secs(300)),
        run: Arc::new(move |kernel, task| {
            let functions = Arc::clone(&functions);
            async move {
                let run = run(&functions, &kernel, &task).await;
                run.map_err(|error| TaskError::new(error.to_string()))
            }
            .boxed()
        }),
    }
}

async fn run(
    functions: &Functions,
    kernel: &Kernel,
    task: &Task,
) -> Result<TaskOutcome, ServiceError> {
    let waiting: Waiting = serde_json::from_slice(&task.payload).map_err(ServiceError::internal)?;
    let ctx = kernel.service_context("lambda.amazonaws.com", &waiting.account, &waiting.region);
    let target = match functions.resolve(&ctx, waiting.name()).await {
        Ok(target) => target,
        Err(error) if error.code() == "ResourceNotFoundException" => {
            let arn = waiting.name().own_arn();
            tracing::warn!("an event for {arn} was dropped: the function is gone");
            return done(kernel, task, &waiting).await;
        }
        Err(error) => return Err(error),
    };
    let config = invoke_config(&ctx, &target.name).await?;
    if let Some(ending) = &waiting.ending {
        let delivery = deliver::deliver(functions, &ctx, &target, &config, &waiting, ending).await;
        return match delivery {
            Err(error) if task.attempt < DELIVERIES_MAX => Err(error),
            Err(error) => {
                let arn = target.name.own_arn();
                tracing::warn!("a result of {arn} could not be delivered: {error}");
                done(kernel, task, &waiting).await
            }
            Ok(()) => done(kernel, task, &waiting).await,
        };
    }
    attempt(functions, &ctx, task, &target, &config, waiting).await
}

/// Runs the function once and decides what follows.
async fn attempt(
    functions: &Functions,
    ctx: &Context,
    task: &Task,
    target: &Target,
    config: &InvokeConfigRow,
    waiting: Waiting,
) -> Result<TaskOutcome, ServiceError> {
    let end = |waiting, ending| end(ctx, task, target, config, waiting, ending);
    if target.reserved == Some(0) {
        let ending = Ending::refused("ZeroReservedConcurrency", waiting.attempts);
        return end(waiting, ending).await;
    }
    let event = Event {
        request_id: waiting.request_id.clone(),
        payload: waiting.payload.load(ctx.store()).await?,
        client_context: waiting.client_context.clone(),
        trace_id: waiting.trace_id.clone(),
        ..Event::default()
    };
    let age_ms = i64::from(config.age_s.unwrap_or(EVENT_AGE_S)) * 1000;
    let last_ms = waiting.queued_ms + age_ms;
    match functions.run(ctx, target, event).await {
        Err(error) => {
            let exponent = waiting.refusals.min(10);
            let due_ms = ctx.now_ms() + (1_i64 << exponent).min(SYSTEM_RETRY_S_MAX) * 1000;
            if due_ms > last_ms {
                tracing::warn!("an event for {} is given up: {error}", target.name.own_arn());
                let ending = Ending::refused("EventAgeExceeded", waiting.attempts);
                return end(waiting, ending).await;
            }
            let refusals = waiting.refusals + 1;
            again(due_ms, &Waiting { refusals, ..waiting })
        }
        Ok(outcome) => {
            let attempts = waiting.attempts + 1;
            let waiting = Waiting { attempts, refusals: 0, ..waiting };
            let retries = config.retries.unwrap_or(EVENT_RETRIES);
            let condition = match next(&outcome, attempts, retries, ctx.now_ms(), last_ms) {
                Next::Again { due_ms } => return again(due_ms, &waiting),
                Next::End { condition } => condition,
            };
            let ending = Ending::of(ctx.store(), condition, attempts, outcome).await?;
            end(waiting, ending).await
        }
    }
}

enum Next {
    Again { due_ms: i64 },
    End { condition: &'static str },
}

fn next(outcome: &Outcome, attempts: u32, retries: u32, now_ms: i64, last_ms: i64) -> Next {
    if outcome.error.is_none() {
        return Next::End { condition: "Success" };
    }
    if attempts > retries {
        return Next::End { condition: "RetriesExhausted" };
    }
    let index = usize::try_from(attempts).unwrap_or_default().saturating_sub(1);
    let wait_s = RETRY_S.get(index).or(RETRY_S.last()).copied().unwrap_or_default();
    let due_ms = now_ms + wait_s * 1000;
    if due_ms > last_ms {
        return Next::End { condition: "EventAgeExceeded" };
    }
    Next::Again { due_ms }
}

fn again(due_ms: i64, waiting: &Waiting) -> Result<TaskOutcome, ServiceError> {
    Ok(TaskOutcome::Again { due_ms, payload: Some(waiting.encode()?) })
}

/// Keeps the ending if somebody is to hear of it.
async fn end(
    ctx: &Context,
    task: &Task,
    target: &Target,
    config: &InvokeConfigRow,
    waiting: Waiting,
    ending: Ending,
) -> Result<TaskOutcome, ServiceError> {
    let dead_letter = target.config.settings.dead_letter.is_some();
    let is_wanted = match ending.is_success() {
        true => config.on_success.is_some(),
        false => config.on_failure.is_some() || dead_letter,
    };
    if !is_wanted {
        return done(ctx.kernel(), task, &waiting).await;
    }
    let waiting = Waiting { ending: Some(ending), ..waiting };
    ctx.transact((task.clone(), waiting), |tx, _, input| async move {
        let (task, waiting) = &*input;
        if let Some(ending) = &waiting.ending {
            ending.link(&tx, &waiting.owner())?;
        }
        task.again(&tx, tx.now_ms(), Some(waiting.encode()?))?;
        Ok(TaskOutcome::Done)
    })
    .await
}

async fn done(
    kernel: &Kernel,
    task: &Task,
    waiting: &Waiting,
) -> Result<TaskOutcome, ServiceError> {
    let ending = waiting.ending.as_ref();
    if waiting.payload.is_small() && ending.is_none_or(Ending::is_small) {
        return Ok(TaskOutcome::Done);
    }
    kernel
        .db()
        .transact(|tx| async move {
            waiting.payload.unlink(&tx, &waiting.owner())?;
            if let Some(ending) = ending {
                ending.unlink(&tx, &waiting.owner())?;
            }
            task.complete(&tx)?;
            Ok::<_, ServiceError>(TaskOutcome::Done)
        })
        .await
}

/// How events of this function, version or alias are treated.
async fn invoke_config(
    ctx: &Context,
    name: &FunctionName,
) -> Result<InvokeConfigRow, ServiceError> {
    let qualifier = name.qualifier.as_deref().unwrap_or(LATEST);
    let row = INVOKE_CONFIGS.read(ctx.store(), &name.qualified_key(qualifier)).await?;
    Ok(row.unwrap_or_default())
}

/// Queues an event for a function that another one names.
pub(crate) async fn enqueue_for_arn(
    functions: &Functions,
    ctx: &Context,
    arn: &str,
    payload: bytes::Bytes,
) -> Result<(), ServiceError> {
    let name = FunctionName::parse(ctx, arn, None)?;
    if name.name.is_empty() {
        return Err(no_function(arn));
    }
    functions.resolve(ctx, name.clone()).await?;
    let event = Event { request_id: ctx.env().ids.uuid(), payload, ..Event::default() };
    enqueue(ctx, &name, event).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(error: bool) -> Outcome {
        Outcome {
            payload: bytes::Bytes::new(),
            error: error.then(|| "Unhandled".to_owned()),
            version: LATEST.to_owned(),
            log: None,
            was_cold: false,
        }
    }

    fn shown(next: Next) -> String {
        match next {
            Next::Again { due_ms } => due_ms.to_string(),
            Next::End { condition } => condition.to_owned(),
        }
    }

    #[test]
    fn failures_are_tried_again_after_one_and_two_minutes() {
        let far = i64::MAX;
        assert_eq!(shown(next(&outcome(false), 1, 2, 0, far)), "Success");
        assert_eq!(shown(next(&outcome(true), 1, 2, 0, far)), "60000");
        assert_eq!(shown(next(&outcome(true), 2, 2, 0, far)), "120000");
        assert_eq!(shown(next(&outcome(true), 3, 2, 0, far)), "RetriesExhausted");
        assert_eq!(shown(next(&outcome(true), 1, 0, 0, far)), "RetriesExhausted");
        assert_eq!(shown(next(&outcome(true), 1, 2, 0, 59_999)), "EventAgeExceeded");
    }
}
