//! One invocation.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::de::IgnoredAny;
use undercast_kernel::{
    Answered, Context, Given, Guise, Lane, Pair, Served, ServiceError, Subject,
};
use undercast_sandbox::{Answer, AnswerStatus, Error, Invocation};

use super::trace::Noted;
use super::{Functions, Running, Target};
use crate::error::throttled;
use crate::limits::SYNC_BYTES_MAX;
use crate::name::{FunctionName, LATEST};

/// What a function is given.
#[derive(Debug, Clone, Default)]
pub(crate) struct Event {
    pub(crate) request_id: String,
    pub(crate) payload: Bytes,
    /// JSON.
    pub(crate) client_context: Option<String>,
    pub(crate) trace_id: Option<String>,
    pub(crate) wants_log: bool,
    /// What the function is told to have been invoked as, where not by its own name.
    pub(crate) invoked_arn: Option<String>,
    /// Less than the function's own timeout.
    pub(crate) deadline: Option<Duration>,
}

/// What it answered.
#[derive(Debug, Clone)]
pub(crate) struct Outcome {
    pub(crate) payload: Bytes,
    /// `Unhandled`.
    pub(crate) error: Option<String>,
    pub(crate) version: String,
    pub(crate) log: Option<String>,
    /// A process was started for it.
    pub(crate) was_cold: bool,
}

impl Functions {
    /// Runs one event and waits for the answer. Where somebody watches, a candidate gets the same event
    /// afterwards.
    pub(crate) async fn run(
        &self,
        ctx: &Context,
        target: &Target,
        event: Event,
    ) -> Result<Outcome, ServiceError> {
        let event = event.traced(ctx, target);
        let clock = &ctx.env().clock;
        let begun = clock.monotonic();
        let outcome = match pair(ctx, target) {
            None => self.run_on(ctx, target, event).await?,
            Some(pair) => self.run_pair(ctx, target, event, pair).await?,
        };
        let served = Served {
            took: clock.monotonic().saturating_sub(begun),
            failed: outcome.error.is_some(),
            is_cold: outcome.was_cold,
        };
        tell(ctx, &target.name, &target.version, served);
        Ok(outcome)
    }

    /// The same for a pair that the caller has begun.
    pub(crate) async fn run_pair(
        &self,
        ctx: &Context,
        target: &Target,
        event: Event,
        pair: Arc<dyn Pair>,
    ) -> Result<Outcome, ServiceError> {
        let event = event.traced(ctx, target);
        let given = given(target, &event);
        let clock = &ctx.env().clock;
        let begun = clock.monotonic();
        let outcome = self.run_on(&ctx.on_side(pair.side()), target, event).await?;
        let took = clock.monotonic().saturating_sub(begun);
        let answered =
            Answered::Function { payload: outcome.payload.clone(), error: outcome.error.clone() };
        pair.answered(given, answered, took);
        Ok(outcome)
    }

    /// Runs one event on the side and in the lane of `ctx`.
    async fn run_on(
        &self,
        ctx: &Context,
        target: &Target,
        event: Event,
    ) -> Result<Outcome, ServiceError> {
        let noted = Noted {
            request_id: event.request_id.clone(),
            trace_id: event.trace_id.clone(),
            name: &target.name,
            version: &target.version,
        };
        let clock = &ctx.env().clock;
        let begun = clock.monotonic();
        let took = || clock.monotonic().saturating_sub(begun);
        let (answer, running) = match self.begin(ctx, target, event).await {
            Ok(begun) => begun,
            Err(error) => {
                noted.note(ctx, took(), false, Some(error.code().to_owned()));
                return Err(error);
            }
        };
        let (payload, broken) = match answer.payload.collect(SYNC_BYTES_MAX).await {
            Ok(payload) => (payload, false),
            Err(error) => (error.payload, true),
        };
        drop(running);
        let failed = broken || answer.status != AnswerStatus::Ok;
        let kind = match answer.status {
            AnswerStatus::FunctionError { kind } => kind,
            AnswerStatus::Ok => "Unhandled".to_owned(),
        };
        let error = failed.then_some(kind);
        let was_cold = answer.init_ms.is_some();
        noted.note(ctx, took(), was_cold, error.clone());
        Ok(Outcome {
            payload,
            error,
            version: target.version.clone(),
            log: answer.log_tail,
            was_cold,
        })
    }

    /// Gives the event to an instance. What it answers may still be on its way; it runs until the guard
    /// is dropped.
    pub(super) async fn begin(
        &self,
        ctx: &Context,
        target: &Target,
        event: Event,
    ) -> Result<(Answer, Option<Running>), ServiceError> {
        let room = self.room(ctx)?;
        let ready = self.ready(ctx, target).await?;
        // What runs in the dark takes nobody's place.
        let limit = target.reserved.filter(|_| !ready.is_dark);
        let running =
            match ready.is_dark {
                true => None,
                false => Some(Running::enter(ready.running.clone(), limit).ok_or_else(|| {
                    throttled("ReservedFunctionConcurrentInvocationLimitExceeded")
                })?),
            };
        let payload = match event.payload.is_empty() {
            true => Bytes::from_static(b"{}"),
            false => event.payload,
        };
        let invocation = Invocation {
            request_id: event.request_id,
            payload,
            client_context: event.client_context,
            trace_id: event.trace_id,
            invoked_arn: event.invoked_arn.unwrap_or_else(|| target.name.own_arn()),
            wants_log_tail: event.wants_log,
            deadline: event.deadline,
            companion: ctx.side().cloned().map(|side| side as Arc<dyn std::any::Any + Send + Sync>),
            ..Invocation::default()
        };
        let answer = room.sandbox.invoke(&ready.function, invocation, &room.as_host);
        let answer = answer.await.map_err(failure)?;
        if let Some(side) = ctx.side().filter(|_| answer.init_ms.is_some()) {
            side.note_cold();
        }
        Ok((answer, running))
    }
}

/// What a candidate gets of an event.
pub(super) fn given(target: &Target, event: &Event) -> Given {
    Given::Event {
        payload: event.payload.clone(),
        guise: Guise {
            request_id: event.request_id.clone(),
            invoked_arn: target.name.own_arn(),
            client_context: event.client_context.clone(),
            trace_id: event.trace_id.clone(),
            deadline: None,
        },
    }
}

/// Tells whoever watches releases how a version has done.
pub(super) fn tell(ctx: &Context, name: &FunctionName, version: &str, served: Served) {
    if let (Some(shadow), Lane::Live) = (ctx.kernel().shadow(), ctx.lane()) {
        let qualifier = name.qualifier.as_deref().unwrap_or(LATEST);
        shadow.served(&Subject::Function { arn: &name.arn(), qualifier }, version, served);
    }
}

/// The pair that this invocation begins, unless it is part of one already.
pub(super) fn pair(ctx: &Context, target: &Target) -> Option<Arc<dyn Pair>> {
    let shadow = ctx.kernel().shadow()?;
    if *ctx.lane() != Lane::Live || ctx.side().is_some() {
        return None;
    }
    let qualifier = target.name.qualifier.as_deref().unwrap_or(LATEST);
    shadow.pair(ctx, &Subject::Function { arn: &target.name.arn(), qualifier })
}

fn failure(error: Error) -> ServiceError {
    match error {
        Error::Throttled { .. } => throttled("ConcurrentInvocationLimitExceeded"),
        Error::RuntimeUnavailable { .. } => {
            ServiceError::new("InvalidRuntimeException", error.to_string())
                .with_status(502)
                .with_field("Type", "Service")
        }
        Error::Gone | Error::Launch(_) | Error::Io { .. } => ServiceError::new(
            "ServiceException",
            format!("The function could not be started: {error}"),
        )
        .with_status(500)
        .with_field("Type", "Service")
        .with_source(error),
    }
}

/// Events are JSON; an empty one stands for `{}`.
pub(crate) fn check_json(payload: &[u8]) -> Result<(), ServiceError> {
    if payload.is_empty() {
        return Ok(());
    }
    let reason = match std::str::from_utf8(payload) {
        Err(error) => {
            let at = error.valid_up_to();
            let byte = payload.get(at).copied().unwrap_or_default();
            let column = at + 1;
            format!("Invalid UTF-8 start byte 0x{byte:02x}{}", position(1, column))
        }
        Ok(text) => match serde_json::from_str::<IgnoredAny>(text) {
            Ok(_) => return Ok(()),
            Err(error) => unexpected(text, error.line(), error.column()),
        },
    };
    Err(ServiceError::new(
        "InvalidRequestContentException",
        format!(
            "Could not parse request body into json: Could not parse payload into json: {reason}"
        ),
    )
    .with_field("Type", "User"))
}

fn unexpected(text: &str, line: usize, column: usize) -> String {
    let line_text = text.lines().nth(line.saturating_sub(1)).unwrap_or_default();
    let found = line_text.chars().nth(column.saturating_sub(1));
    let Some(found) = found else {
        return format!("Unexpected end-of-input{}", position(line, column));
    };
    let code = u32::from(found);
    let shown = match found.is_control() {
        true => format!("(CTRL-CHAR, code {code})"),
        false => format!("'{found}' (code {code})"),
    };
    format!(
        "Unexpected character ({shown}): expected a valid value (JSON String, Number, Array, Object or token 'null', 'true' or 'false'){}",
        position(line, column)
    )
}

fn position(line: usize, column: usize) -> String {
    format!(
        "\n at [Source: REDACTED (`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` disabled); line: {line}, column: {column}]"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_have_to_be_json() {
        assert!(check_json(b"").is_ok());
        assert!(check_json(b"{\"a\": [1, 2]}").is_ok());
        let error = check_json(b"n\x87r").unwrap_err();
        assert!(error.message().contains("Invalid UTF-8 start byte 0x87"), "{error}");
        assert_eq!(check_json(b"hello").unwrap_err().code(), "InvalidRequestContentException");
        assert!(check_json(b"{").is_err());
    }
}
