//! One invocation.

use bytes::Bytes;
use serde::de::IgnoredAny;
use undercast_kernel::{Context, ServiceError};
use undercast_sandbox::{AnswerStatus, Error, Invocation};

use super::{Functions, Running, Target};
use crate::error::throttled;
use crate::limits::SYNC_BYTES_MAX;

/// What a function is given.
#[derive(Debug, Clone, Default)]
pub(crate) struct Event {
    pub(crate) request_id: String,
    pub(crate) payload: Bytes,
    /// JSON.
    pub(crate) client_context: Option<String>,
    pub(crate) trace_id: Option<String>,
    pub(crate) wants_log: bool,
}

/// What it answered.
#[derive(Debug, Clone)]
pub(crate) struct Outcome {
    pub(crate) payload: Bytes,
    /// `Unhandled`.
    pub(crate) error: Option<String>,
    pub(crate) version: String,
    pub(crate) log: Option<String>,
}

impl Functions {
    /// Runs one event and waits for the answer.
    pub(crate) async fn run(
        &self,
        ctx: &Context,
        target: &Target,
        event: Event,
    ) -> Result<Outcome, ServiceError> {
        let ready = self.ready(ctx, target).await?;
        let running = Running::enter(ready.running.clone(), target.reserved);
        let Some(_running) = running else {
            return Err(throttled("ReservedFunctionConcurrentInvocationLimitExceeded"));
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
            invoked_arn: target.name.own_arn(),
            wants_log_tail: event.wants_log,
            ..Invocation::default()
        };
        let answer = self.sandbox.invoke(&ready.function, invocation, &self.as_host);
        let answer = answer.await.map_err(failure)?;
        let (payload, broken) = match answer.payload.collect(SYNC_BYTES_MAX).await {
            Ok(payload) => (payload, false),
            Err(error) => (error.payload, true),
        };
        let failed = broken || answer.status != AnswerStatus::Ok;
        let kind = match answer.status {
            AnswerStatus::FunctionError { kind } => kind,
            AnswerStatus::Ok => "Unhandled".to_owned(),
        };
        Ok(Outcome {
            payload,
            error: failed.then_some(kind),
            version: target.version.clone(),
            log: answer.log_tail,
        })
    }
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
