//! How other services invoke functions.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use undercast_kernel::{Context, Invoke, InvokeKind, InvokeRequest, InvokeResponse, ServiceError};

use crate::asynchronous;
use crate::functions::{Event, Functions, check_json};
use crate::name::FunctionName;

pub(crate) struct Port(pub(crate) Arc<Functions>);

impl Invoke for Port {
    fn invoke(
        &self,
        ctx: Context,
        request: InvokeRequest,
    ) -> BoxFuture<'static, Result<InvokeResponse, ServiceError>> {
        let functions = Arc::clone(&self.0);
        async move {
            let name = FunctionName::loose(&ctx, &request.function, None);
            let ctx = ctx.within(name.account.clone(), name.region.clone());
            check_json(&request.payload)?;
            let target = functions.resolve(&ctx, name).await?;
            let mut event = Event { payload: request.payload, ..Event::default() };
            match request.guise {
                None => event.request_id = ctx.env().ids.uuid(),
                Some(guise) => {
                    event.request_id = guise.request_id;
                    event.invoked_arn = Some(guise.invoked_arn);
                    event.client_context = guise.client_context;
                    event.trace_id = guise.trace_id;
                    event.deadline = guise.deadline;
                }
            }
            if request.kind == InvokeKind::Event {
                asynchronous::enqueue(&ctx, &target.name, event).await?;
                return Ok(InvokeResponse {
                    payload: bytes::Bytes::new(),
                    function_error: None,
                    executed_version: target.version,
                });
            }
            let outcome = functions.run(&ctx, &target, event).await?;
            Ok(InvokeResponse {
                payload: outcome.payload,
                function_error: outcome.error,
                executed_version: outcome.version,
            })
        }
        .boxed()
    }
}
