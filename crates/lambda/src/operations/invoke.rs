//! `Invoke`: runs a function, or queues an event for it.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::Lambda;
use crate::api::lambda::operations::Invoke;
use crate::api::lambda::shapes::{InvokeInput, InvokeOutput};
use crate::asynchronous;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use undercast_smithy::Blob;

use crate::error::{invalid, too_large};
use crate::functions::{Event, check_json};
use crate::limits::{ASYNC_BYTES_MAX, SYNC_BYTES_MAX};
use crate::name::FunctionName;

impl Handler<Invoke> for Lambda {
    fn authorize(&self, ctx: &Context, input: &InvokeInput) -> Vec<Access> {
        super::access(ctx, "InvokeFunction", &input.function_name, input.qualifier.as_deref())
    }

    async fn handle(&self, ctx: Context, input: InvokeInput) -> Result<InvokeOutput, ServiceError> {
        let name = FunctionName::parse(&ctx, &input.function_name, input.qualifier.as_deref())?;
        if input.durable_execution_name.is_some() || input.tenant_id.is_some() {
            return Err(ServiceError::unsupported("durable execution and tenant isolation"));
        }
        let payload = input.payload.map(|blob| blob.0).unwrap_or_default();
        let kind = input.invocation_type.as_deref().unwrap_or("RequestResponse");
        let limit = if kind == "Event" { ASYNC_BYTES_MAX } else { SYNC_BYTES_MAX };
        if payload.len() > limit {
            return Err(too_large(payload.len(), kind, limit));
        }
        check_json(&payload)?;
        let target = self.functions.resolve(&ctx, name).await?;
        let event = Event {
            request_id: ctx.request_id().to_owned(),
            payload,
            client_context: input.client_context.as_deref().map(client_context).transpose()?,
            trace_id: None,
            wants_log: input.log_type.as_deref() == Some("Tail"),
            ..Event::default()
        };
        match kind {
            "DryRun" => Ok(status(204)),
            "Event" => {
                asynchronous::enqueue(&ctx, &target.name, event).await?;
                Ok(status(202))
            }
            _ => {
                let outcome = self.functions.run(&ctx, &target, event).await?;
                Ok(InvokeOutput {
                    function_error: outcome.error,
                    log_result: outcome.log.map(|log| BASE64.encode(log)),
                    payload: Some(Blob(outcome.payload)),
                    executed_version: Some(outcome.version),
                    ..status(200)
                })
            }
        }
    }
}

fn status(code: i32) -> InvokeOutput {
    InvokeOutput { status_code: Some(code), ..InvokeOutput::default() }
}

/// The header is base64 of JSON.
pub(super) fn client_context(header: &str) -> Result<String, ServiceError> {
    let bytes = BASE64.decode(header).ok();
    let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    text.filter(|text| serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok())
        .ok_or_else(|| invalid("Client context must be a valid Base64-encoded JSON object."))
}
