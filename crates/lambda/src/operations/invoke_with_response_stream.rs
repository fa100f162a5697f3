//! `InvokeWithResponseStream`: runs a function and passes its answer on as it is written.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use futures::StreamExt as _;
use undercast_kernel::{Access, Context, Handler, ServiceError};
use undercast_smithy::{Blob, Body, Event as StreamEvent};

use super::invoke::client_context;
use crate::Lambda;
use crate::api::lambda::operations::InvokeWithResponseStream;
use crate::api::lambda::shapes::{
    InvokeResponseStreamUpdate, InvokeWithResponseStreamCompleteEvent,
    InvokeWithResponseStreamInput, InvokeWithResponseStreamOutput,
};
use crate::error::too_large;
use crate::functions::{Event, Piece, check_json};
use crate::limits::SYNC_BYTES_MAX;
use crate::name::FunctionName;

impl Handler<InvokeWithResponseStream> for Lambda {
    fn authorize(&self, ctx: &Context, input: &InvokeWithResponseStreamInput) -> Vec<Access> {
        super::access(ctx, "InvokeFunction", &input.function_name, input.qualifier.as_deref())
    }

    async fn handle(
        &self,
        ctx: Context,
        input: InvokeWithResponseStreamInput,
    ) -> Result<InvokeWithResponseStreamOutput, ServiceError> {
        let name = FunctionName::parse(&ctx, &input.function_name, input.qualifier.as_deref())?;
        if input.tenant_id.is_some() {
            return Err(ServiceError::unsupported("tenant isolation"));
        }
        let payload = input.payload.map(|blob| blob.0).unwrap_or_default();
        if payload.len() > SYNC_BYTES_MAX {
            return Err(too_large(payload.len(), "ResponseStream", SYNC_BYTES_MAX));
        }
        check_json(&payload)?;
        let target = self.functions.resolve(&ctx, name).await?;
        if input.invocation_type.as_deref() == Some("DryRun") {
            return Ok(InvokeWithResponseStreamOutput {
                status_code: Some(204),
                ..InvokeWithResponseStreamOutput::default()
            });
        }
        let event = Event {
            request_id: ctx.request_id().to_owned(),
            payload,
            client_context: input.client_context.as_deref().map(client_context).transpose()?,
            wants_log: input.log_type.as_deref() == Some("Tail"),
            ..Event::default()
        };
        let streamed = self.functions.stream(&ctx, &target, event).await?;
        Ok(InvokeWithResponseStreamOutput {
            status_code: Some(200),
            executed_version: Some(streamed.version),
            event_stream: Body::from_events(streamed.pieces.map(shown).boxed()),
            ..InvokeWithResponseStreamOutput::default()
        })
    }
}

fn shown(piece: Piece) -> StreamEvent {
    match piece {
        Piece::Chunk(bytes) => {
            let update = InvokeResponseStreamUpdate { payload: Some(Blob(bytes)) };
            StreamEvent::new("PayloadChunk", update)
        }
        Piece::End(end) => {
            let (code, details) = end.error.unzip();
            let complete = InvokeWithResponseStreamCompleteEvent {
                error_code: code,
                error_details: details.map(|text| String::from_utf8_lossy(&text).into_owned()),
                log_result: end.log.map(|log| BASE64.encode(log)),
            };
            StreamEvent::new("InvokeComplete", complete)
        }
    }
}
