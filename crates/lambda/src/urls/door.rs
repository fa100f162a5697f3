//! The front door of function URLs: by host (`{id}.lambda-url.{region}.…`) or by path
//! (`/_aws/lambda-url/{id}/…`, which needs no name resolution).

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::{Value, json};
use undercast_kernel::http::{HttpEndpoint, Request, Response, Signed, TRACE_HEADER};
use undercast_kernel::{Access, Context, Kernel, Mode, ServiceError};

use super::event::{Around, build};
use super::reply::{broken, buffered, message, streaming};
use super::{cors, name_of};
use crate::functions::{Event, Functions};
use crate::limits::SYNC_BYTES_MAX;
use crate::store::{POLICIES, QualifiedKey, URL_IDS, URLS, UrlRow};

pub(super) const PATH: &str = "/_aws/lambda-url/";
const FORBIDDEN: &str = "Forbidden. For troubleshooting Function URL authorization issues, see: https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html";

pub(crate) struct UrlDoor(pub(crate) Arc<Functions>);

/// One request to a URL that exists.
struct Visit<'a> {
    functions: &'a Functions,
    kernel: &'a Kernel,
    request: &'a Request,
    key: QualifiedKey,
    row: UrlRow,
    path: String,
    request_id: &'a str,
}

/// The id and the rest of the path that a request names.
fn address(request: &Request) -> Option<(String, String)> {
    if let Some(rest) = request.path.strip_prefix(PATH) {
        let (id, path) = rest.split_once('/').unwrap_or((rest, ""));
        return Some((id.to_owned(), format!("/{path}")));
    }
    let (id, rest) = request.host_name().split_once('.')?;
    let is_ours = rest.starts_with("lambda-url.") && !id.is_empty();
    is_ours.then(|| (id.to_owned(), request.path.clone()))
}

impl HttpEndpoint for UrlDoor {
    fn matches(&self, request: &Request) -> bool {
        address(request).is_some()
    }

    fn asks_who_calls(&self) -> bool {
        true
    }

    fn serve(&self, kernel: Kernel, request: Request) -> BoxFuture<'static, Response> {
        let functions = Arc::clone(&self.0);
        async move {
            let request_id = kernel.env().ids.uuid();
            let served = serve(&functions, &kernel, &request, &request_id).await;
            let response = served.unwrap_or_else(|error| refused(&error));
            response.header("x-amzn-requestid", request_id)
        }
        .boxed()
    }
}

fn refused(error: &ServiceError) -> Response {
    match error.code() {
        "TooManyRequestsException" => {
            let reason = "ReservedFunctionConcurrentInvocationLimitExceeded";
            let body = json!({"Reason": reason, "Type": "User", "message": "Rate Exceeded."});
            Response::json(429, &body)
        }
        "ResourceNotFoundException" => message(404, "Not Found"),
        _ => broken(),
    }
}

async fn serve(
    functions: &Functions,
    kernel: &Kernel,
    request: &Request,
    request_id: &str,
) -> Result<Response, ServiceError> {
    let nobody = || Ok(message(403, "Forbidden"));
    let Some((id, path)) = address(request) else {
        return nobody();
    };
    let Some(owner) = URL_IDS.read(kernel.db(), &(id,)).await? else {
        return nobody();
    };
    let Some(row) = URLS.read(kernel.db(), &owner.key).await? else {
        return nobody();
    };
    let cors = row.cors.clone();
    let cors = cors.as_ref().zip(request.header("origin"));
    let is_preflight =
        request.method == "OPTIONS" && request.header("access-control-request-method").is_some();
    if let Some((cors, origin)) = cors.filter(|_| is_preflight) {
        return Ok(cors::preflight(cors, origin));
    }
    let visit = Visit { functions, kernel, request, key: owner.key, row, path, request_id };
    let response = match visit.may_call().await? {
        Ok(caller) => visit.answer(caller.as_ref()).await?,
        Err(refusal) => refusal,
    };
    Ok(match cors {
        Some((cors, origin)) => cors::decorate(response, cors, origin),
        None => response,
    })
}

impl Visit<'_> {
    async fn answer(&self, caller: Option<&Context>) -> Result<Response, ServiceError> {
        let Ok(body) = self.request.body.collect(SYNC_BYTES_MAX as u64).await else {
            return Ok(message(413, "Request Entity Too Large"));
        };
        let (account, region) = (self.key.0.as_str(), self.key.1.as_str());
        let around = Around {
            id: &self.row.id,
            region,
            request_id: self.request_id,
            now_ms: self.kernel.env().clock.now_ms(),
            path: &self.path,
            caller,
        };
        let event = Event {
            request_id: self.request_id.to_owned(),
            payload: build(self.request, &body, &around).to_string().into(),
            trace_id: self.request.header(TRACE_HEADER).map(str::to_owned),
            ..Event::default()
        };
        let mut ctx = self.kernel.service_context("lambda.amazonaws.com", account, region);
        if let Some(side) = &self.request.side {
            ctx = ctx.on_side(side);
        }
        let target = self.functions.resolve(&ctx, name_of(&self.key)).await?;
        let streamed = self.functions.stream(&ctx, &target, event).await?;
        Ok(match self.row.streams {
            true => streaming(streamed).await,
            false => buffered(streamed).await,
        })
    }

    /// Whether the request may go on, and who makes it where that is asked.
    ///
    /// `AWS_IAM` wants a signature in every mode; in secure mode it has been verified, and policies
    /// decide. `NONE` wants nothing; in secure mode the function's own policy has to let everybody call
    /// its URL.
    async fn may_call(&self) -> Result<Result<Option<Context>, Response>, ServiceError> {
        let is_secure = self.kernel.settings().mode == Mode::Secure;
        let forbidden = || Ok(Err(message(403, FORBIDDEN)));
        if !self.row.is_signed {
            return match !is_secure || self.policy_lets("*").await? {
                true => Ok(Ok(None)),
                false => forbidden(),
            };
        }
        let caller = match &self.request.caller {
            Signed::No => return forbidden(),
            Signed::Wrongly(why) => return Ok(Err(message(403, why))),
            Signed::By(caller) => caller,
        };
        let account = caller.principal().account().unwrap_or_default().to_owned();
        let caller = caller.within(account.clone(), self.key.1.clone());
        if !is_secure || account == self.key.0 {
            let arn = name_of(&self.key).own_arn();
            let access = Access::new("lambda:InvokeFunctionUrl", arn);
            if self.kernel.check(&caller, vec![access]).await.is_ok() {
                return Ok(Ok(Some(caller)));
            }
        }
        match self.policy_lets(&account).await? {
            true => Ok(Ok(Some(caller))),
            false => forbidden(),
        }
    }

    /// Whether the policy of the function or alias lets an account, or everybody, call its URL.
    async fn policy_lets(&self, account: &str) -> Result<bool, ServiceError> {
        let Some(policy) = POLICIES.read(self.kernel.db(), &self.key).await? else {
            return Ok(false);
        };
        let root = format!("arn:aws:iam::{account}:root");
        Ok(policy.statements.iter().any(|statement| {
            let statement: Value = serde_json::from_str(statement).unwrap_or_default();
            let text = |pointer: &str| statement.pointer(pointer).and_then(Value::as_str);
            let who = text("/Principal/AWS").or_else(|| text("/Principal"));
            let kind = text("/Condition/StringEquals/lambda:FunctionUrlAuthType");
            let is_of_kind = kind.is_none_or(|kind| (kind == "AWS_IAM") == self.row.is_signed);
            let is_for = who.is_some_and(|who| who == "*" || who == root);
            let action = text("/Action").unwrap_or_default();
            let is_allowed = matches!(action, "lambda:InvokeFunctionUrl" | "lambda:*" | "*");
            is_of_kind && is_for && is_allowed
        }))
    }
}
