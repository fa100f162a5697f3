//! Custom resources: a function does the work and answers by HTTPS PUT to an address that it is
//! given.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, Either, select};
use undercast_kernel::http::{HttpEndpoint, Request, Response};
use undercast_kernel::{
    Access, Context, InvokeKind, InvokeRequest, Kernel, Resource, ResourceRequest, ResourceType,
    ServiceError,
};
use undercast_smithy::Document;

use crate::error::failed;
use crate::stack;
use crate::store::{RESPONSES, ResponseRow};
use crate::template::model::plain;

/// How long a function has for its answer when the template does not say (`ServiceTimeout`).
const TIMEOUT_S: u64 = 3600;
const RESPONSE_BYTES_MAX: u64 = 4096 * 16;
/// The path of the answer's address; the host may be any.
const PATH: &str = "/_undercast/custom-resource-response/";

/// `Custom::*` and `AWS::CloudFormation::CustomResource`.
pub(crate) struct CustomResource {
    pub(crate) kind: String,
}

impl ResourceType for CustomResource {
    fn name(&self) -> &'static str {
        "AWS::CloudFormation::CustomResource"
    }

    fn properties(&self) -> &'static [&'static str] {
        &["*"]
    }

    fn replaced_by(&self) -> &'static [&'static str] {
        &["ServiceToken"]
    }

    fn create(
        &self,
        ctx: Context,
        request: ResourceRequest,
    ) -> BoxFuture<'static, Result<Resource, ServiceError>> {
        let kind = self.kind.clone();
        async move { ask(&ctx, &kind, "Create", &request).await }.boxed()
    }

    fn update(
        &self,
        ctx: Context,
        request: ResourceRequest,
    ) -> BoxFuture<'static, Result<Resource, ServiceError>> {
        let kind = self.kind.clone();
        async move { ask(&ctx, &kind, "Update", &request).await }.boxed()
    }

    fn delete(
        &self,
        ctx: Context,
        request: ResourceRequest,
    ) -> BoxFuture<'static, Result<(), ServiceError>> {
        let kind = self.kind.clone();
        async move { ask(&ctx, &kind, "Delete", &request).await.map(|_| ()) }.boxed()
    }
}

/// Sends the request to the function and waits for its answer.
async fn ask(
    ctx: &Context,
    kind: &str,
    verb: &str,
    request: &ResourceRequest,
) -> Result<Resource, ServiceError> {
    let token = ctx.env().ids.hex(32);
    let service_token = request.text("ServiceToken").unwrap_or_default().to_owned();
    let access = Access::new("lambda:InvokeFunction", service_token.clone());
    ctx.kernel().check(ctx, vec![access]).await?;
    if !service_token.starts_with("arn:aws:lambda:") {
        return Err(failed(format!("Invalid service token: {service_token}")));
    }
    let url = format!("{}{PATH}{token}", ctx.kernel().settings().callback_url);
    let event = event(ctx, kind, verb, request, &url);
    let timeout = request.text("ServiceTimeout").and_then(|t| t.parse().ok()).unwrap_or(TIMEOUT_S);
    put_response(ctx, &token, None).await?;
    let watch = RESPONSES.watch(ctx.store(), &token);
    let invoke = InvokeRequest {
        function: service_token,
        payload: event.to_string().into(),
        kind: InvokeKind::Event,
        guise: None,
    };
    ctx.kernel().invoke()?.invoke(ctx.clone(), invoke).await?;
    let uuid = stack::uuid_of(&request.stack_id).unwrap_or_default();
    let answer = wait(ctx, &token, watch, &uuid, Duration::from_secs(timeout)).await;
    drop_response(ctx, &token).await?;
    read_answer(&answer?, request)
}

fn event(ctx: &Context, kind: &str, verb: &str, request: &ResourceRequest, url: &str) -> Document {
    let mut event = serde_json::json!({
        "RequestType": verb,
        "ServiceToken": request.text("ServiceToken"),
        "ResponseURL": url,
        "StackId": request.stack_id,
        "RequestId": ctx.env().ids.uuid(),
        "LogicalResourceId": request.logical_id,
        "ResourceType": kind,
        "ResourceProperties": stringify(&request.properties),
    });
    if let Document::Object(event) = &mut event {
        if verb != "Create" {
            event.insert("PhysicalResourceId".to_owned(), request.physical_id.clone().into());
        }
        if verb == "Update" {
            event.insert("OldResourceProperties".to_owned(), stringify(&request.old));
        }
    }
    event
}

/// CloudFormation hands scalars to custom resources as text.
fn stringify(value: &Document) -> Document {
    match value {
        Document::Array(values) => values.iter().map(stringify).collect(),
        Document::Object(entries) => {
            entries.iter().map(|(k, v)| (k.clone(), stringify(v))).collect()
        }
        Document::Bool(_) | Document::Number(_) => plain(value).into(),
        other => other.clone(),
    }
}

async fn put_response(
    ctx: &Context,
    token: &str,
    body: Option<String>,
) -> Result<(), ServiceError> {
    let token = token.to_owned();
    ctx.store()
        .transact(move |tx| {
            let (token, row) = (token.clone(), ResponseRow { body: body.clone() });
            async move { Ok::<_, ServiceError>(RESPONSES.put(&tx, &token, &row)?) }
        })
        .await
}

async fn drop_response(ctx: &Context, token: &str) -> Result<(), ServiceError> {
    let token = token.to_owned();
    ctx.store()
        .transact(move |tx| {
            let token = token.clone();
            async move { Ok::<_, ServiceError>(RESPONSES.delete(&tx, &token)?) }
        })
        .await
}

async fn wait(
    ctx: &Context,
    token: &str,
    mut watch: undercast_store::Watch,
    uuid: &str,
    timeout: Duration,
) -> Result<String, ServiceError> {
    let answer = async {
        loop {
            let row = RESPONSES.read(ctx.store(), &token.to_owned()).await?;
            if let Some(body) = row.and_then(|row| row.body) {
                return Ok(body);
            }
            watch.changed().await;
        }
    };
    let given_up = crate::deploy::interrupted(ctx, uuid);
    let first = select(answer.boxed(), given_up.boxed());
    match ctx.env().timeout(timeout, first).await {
        Ok(Either::Left((result, _))) => result,
        Ok(Either::Right(_)) => Err(failed("Resource creation or update cancelled")),
        Err(_) => Err(failed(
            "CloudFormation did not receive a response from your Custom Resource. Please check your logs for requestId. If you are using the Python cfn-response module, you may need to update your Lambda function code so that CloudFormation can attach the updated version.",
        )),
    }
}

fn read_answer(body: &str, request: &ResourceRequest) -> Result<Resource, ServiceError> {
    let answer: Document = serde_json::from_str(body)
        .map_err(|_| failed("Invalid response object: the response is not JSON"))?;
    let text = |name: &str| answer.get(name).map(plain).filter(|t| !t.is_empty());
    match text("Status").as_deref() {
        Some("SUCCESS") => {}
        Some("FAILED") => {
            let reason = text("Reason").unwrap_or_else(|| "Unknown reason".to_owned());
            return Err(failed(format!(
                "Received response status [FAILED] from custom resource. Message returned: {reason}"
            )));
        }
        _ => {
            return Err(failed("Invalid response object: Status must be SUCCESS or FAILED"));
        }
    }
    let known = Some(request.physical_id.clone()).filter(|id| !id.is_empty());
    let physical_id = text("PhysicalResourceId").or(known);
    let physical_id = physical_id.ok_or_else(|| failed("Invalid PhysicalResourceId"))?;
    let attributes: BTreeMap<String, Document> = match answer.get("Data") {
        Some(Document::Object(data)) => data.iter().map(|(k, v)| (k.clone(), v.clone())).collect(),
        _ => BTreeMap::new(),
    };
    Ok(Resource { physical_id, attributes })
}

/// Takes the answers of custom resources.
pub(crate) struct ResponseEndpoint;

impl HttpEndpoint for ResponseEndpoint {
    fn matches(&self, request: &Request) -> bool {
        request.path.starts_with(PATH)
    }

    fn serve(&self, kernel: Kernel, request: Request) -> BoxFuture<'static, Response> {
        async move {
            let token = request.path.strip_prefix(PATH).unwrap_or_default().to_owned();
            if request.method != "PUT" {
                return Response::new(405);
            }
            let Ok(body) = request.body.collect(RESPONSE_BYTES_MAX).await else {
                return Response::new(413);
            };
            let body = String::from_utf8_lossy(&body).into_owned();
            let stored = kernel
                .db()
                .transact(move |tx| {
                    let (token, body) = (token.clone(), body.clone());
                    async move {
                        // Only a first answer that somebody waits for counts.
                        let waiting = RESPONSES.get(&tx, &token).await?;
                        let first = waiting.is_some_and(|row| row.body.is_none());
                        if first {
                            RESPONSES.put(&tx, &token, &ResponseRow { body: Some(body) })?;
                        }
                        Ok::<_, ServiceError>(first)
                    }
                })
                .await;
            match stored {
                Ok(true) => Response::new(200),
                Ok(false) => Response::new(403),
                Err(_) => Response::new(503),
            }
        }
        .boxed()
    }
}
