//! What answers a request: a function, another HTTP server, or an operation of a service.

use std::time::Duration;

use serde_json::{Map, Value, json};
use undercast_kernel::http::{Request, Response};
use undercast_kernel::resource_policy;
use undercast_kernel::{
    Access, Answered, Arn, Context, Given, HttpGiven, InvokeKind, InvokeRequest, Mode, Principal,
    ServiceError, Subject,
};
use undercast_smithy::Body;

use super::{PRINCIPAL, Visit, outward};
use crate::engine::compiled::{Integration, Matched, Target};
use crate::engine::event::{self, Surroundings};
use crate::engine::mapping::{self, encoded, resolve};
use crate::engine::reply::{self, message};
use crate::engine::service::Subtype;
use crate::engine::variables::{Facts, Integrated};
use crate::limits::{BODY_BYTES_MAX, HOPS_MAX};

/// What stands in `via` of a request that went through an HTTP API.
const VIA: &str = "HTTP/1.1 AmazonAPIGateway";
/// Credentials of this form are the caller's own.
const CALLER: &str = "arn:aws:iam::*:user/*";
/// How the gateway names the session of a role that it takes on.
const SESSION: &str = "BackplaneAssumeRoleSession";

/// What an integration answers, or why it does not.
type Reply = Result<Response, (u16, &'static str, String)>;

fn broken(why: impl ToString) -> (u16, &'static str, String) {
    (500, "Internal Server Error", why.to_string())
}

fn unavailable(why: impl ToString) -> (u16, &'static str, String) {
    (503, "Service Unavailable", why.to_string())
}

impl Visit<'_> {
    /// Calls the integration. Where somebody watches the route, a candidate gets the request afterwards.
    pub(super) async fn paired(
        &self,
        matched: &Matched<'_>,
        integration: &Integration,
    ) -> (Response, Integrated) {
        let ctx = self.context();
        if self.request.side.is_some() {
            return self.call(ctx, matched, integration).await;
        }
        let (api, stage) = (self.around.api, self.around.stage);
        let subject = Subject::Route { api, stage, route: matched.route_key };
        let Some(pair) = self.kernel.shadow().and_then(|shadow| shadow.pair(&ctx, &subject)) else {
            return self.call(ctx, matched, integration).await;
        };
        let clock = &self.kernel.env().clock;
        let begun = clock.monotonic();
        let (response, integrated) =
            self.call(ctx.on_side(pair.side()), matched, integration).await;
        let took = clock.monotonic().saturating_sub(begun);
        let (response, answered) = kept(response).await;
        if let Some(answered) = answered {
            pair.answered(Given::Http(Box::new(self.given())), answered, took);
        }
        (response, integrated)
    }

    /// The request, complete enough to be made again.
    fn given(&self) -> HttpGiven {
        let request = self.request;
        HttpGiven {
            method: request.method.clone(),
            host: request.host.clone(),
            path: self.around.path.to_owned(),
            query: request.query.clone(),
            headers: request.headers.clone(),
            body: self.body.clone(),
            source_ip: request.source_ip.clone(),
            authorized: self.around.authorized.cloned(),
        }
    }

    async fn call(
        &self,
        ctx: Context,
        matched: &Matched<'_>,
        integration: &Integration,
    ) -> (Response, Integrated) {
        let clock = &self.kernel.env().clock;
        let begun = clock.monotonic();
        let time = Duration::from_millis(integration.timeout_ms);
        let answer = self.kernel.env().timeout(time, self.reply(ctx, matched, integration)).await;
        let answer = answer.unwrap_or_else(|_| Err(unavailable("the integration timed out")));
        let took = clock.monotonic().saturating_sub(begun).as_millis();
        let mut integrated = Integrated {
            latency_ms: u64::try_from(took).unwrap_or(u64::MAX),
            ..Integrated::default()
        };
        let response = match answer {
            Ok(response) => {
                integrated.status = response.status;
                self.mapped(response, matched, integration).await
            }
            Err((status, text, why)) => {
                tracing::warn!(target: "undercast::apigateway", api = self.around.api, "{}: {why}", matched.route_key);
                integrated.status = status;
                integrated.error = Some(why);
                message(status, text)
            }
        };
        (response, integrated)
    }

    fn facts<'f>(
        &'f self,
        matched: &'f Matched<'f>,
        response: Option<(&'f Response, &'f bytes::Bytes)>,
    ) -> Facts<'f> {
        let (request, body, around) = (self.request, self.body, &self.around);
        Facts { request, body, matched: Some(matched), around, response, outcome: None }
    }

    async fn reply(&self, ctx: Context, matched: &Matched<'_>, integration: &Integration) -> Reply {
        let facts = self.facts(matched, None);
        let changed = (!integration.request.is_empty())
            .then(|| mapping::apply_to_request(&integration.request, self.request, &facts));
        let request = changed.as_ref().map_or(self.request, |out| &out.request);
        let path = changed.as_ref().and_then(|out| out.path.as_deref());
        let stand_in = self.request.stand_in.as_ref().and_then(|as_| as_.function.clone());
        match &integration.target {
            Target::Http { uri, method } if stand_in.is_none() => {
                let url = self.url(uri, path, request, matched);
                self.by_http(ctx, url, method.as_deref(), request).await
            }
            Target::Service { subtype, parameters } if stand_in.is_none() => {
                self.by_service(ctx, subtype, parameters, integration, &facts).await
            }
            Target::Function { arn, payload } => {
                let around =
                    Surroundings { raw_path: path.unwrap_or(self.around.raw_path), ..self.around };
                let event = event::build(request, self.body, matched, &around, payload);
                let function = match stand_in {
                    Some(function) => function,
                    None => self.function(arn, matched, integration).await?,
                };
                self.by_function(ctx, function, &event, payload).await
            }
            // A function in place of something else gets what functions get today.
            Target::Http { .. } | Target::Service { .. } => {
                let event = event::build(request, self.body, matched, &self.around, "2.0");
                self.by_function(ctx, stand_in.unwrap_or_default(), &event, "2.0").await
            }
        }
    }

    /// The function that the integration names, if the API may call it.
    async fn function(
        &self,
        arn: &str,
        matched: &Matched<'_>,
        integration: &Integration,
    ) -> Result<String, (u16, &'static str, String)> {
        let function = with_variables(arn, self.around.variables);
        let route = match matched.route_key.split_once(' ') {
            Some(("ANY", path)) => format!("*{path}"),
            Some((method, path)) => format!("{method}{path}"),
            None => matched.route_key.to_owned(),
        };
        let source = self.arn(&format!("{}/{route}", self.around.stage));
        self.may_invoke(&function, integration.credentials.as_deref(), &source)
            .await
            .map_err(broken)?;
        Ok(function)
    }

    /// In secure mode, whether the role, or the function's policy, lets the API call a function.
    pub(super) async fn may_invoke(
        &self,
        function: &str,
        credentials: Option<&str>,
        source: &str,
    ) -> Result<(), ServiceError> {
        if self.kernel.settings().mode != Mode::Secure {
            return Ok(());
        }
        let ctx = self.context();
        if let Some(credentials) = credentials {
            let caller = self.taking_on(&ctx, credentials)?;
            let access = Access::new("lambda:InvokeFunction", function);
            return self.kernel.check(&caller, vec![access]).await;
        }
        resource_policy::may_invoke(&ctx, function, PRINCIPAL, source).await
    }

    /// The context of an integration's role, or of whoever signed the request.
    fn taking_on(&self, ctx: &Context, credentials: &str) -> Result<Context, ServiceError> {
        if credentials == CALLER {
            return match &self.request.caller {
                undercast_kernel::http::Signed::By(caller) => {
                    Ok(ctx.with_principal(caller.principal().clone()))
                }
                _ => Err(ServiceError::access_denied("the request is not signed")),
            };
        }
        let role = Arn::parse(credentials).and_then(|arn| {
            let name = arn.resource.strip_prefix("role/")?.rsplit('/').next()?.to_owned();
            let (account, session) = (arn.account, SESSION.to_owned());
            Some(Principal::Role { account, name, id: "AROAAPIGATEWAY".to_owned(), session })
        });
        let role = role.filter(|role| role.account() == Some(self.around.account));
        role.map(|role| ctx.with_principal(role))
            .ok_or_else(|| ServiceError::access_denied(format!("{credentials} is no role of ours")))
    }

    async fn by_function(
        &self,
        ctx: Context,
        function: String,
        event: &Value,
        payload: &str,
    ) -> Reply {
        let port = self.kernel.invoke().map_err(broken)?;
        let invoke = InvokeRequest {
            function,
            payload: event.to_string().into(),
            kind: InvokeKind::RequestResponse,
            guise: None,
        };
        match port.invoke(ctx, invoke).await {
            Err(error) if error.code() == "TooManyRequestsException" => Err(unavailable(error)),
            Err(error) => Err(broken(error)),
            Ok(answer) if answer.function_error.is_some() => Err(broken("the function failed")),
            Ok(answer) => reply::read(&answer.payload, payload)
                .ok_or_else(|| broken("the function's answer has no form that is known")),
        }
    }

    /// Where the request goes: variables filled in, the path under `$default` behind it.
    fn url(
        &self,
        uri: &str,
        path: Option<&str>,
        request: &Request,
        matched: &Matched<'_>,
    ) -> String {
        let mut url = with_variables(uri, self.around.variables);
        for (name, value) in &matched.parameters {
            let segments: Vec<String> = value.split('/').map(encoded).collect();
            url = url.replace(&format!("{{{name}}}"), &segments.join("/"));
        }
        if let Some(path) = path {
            let from = url.find("://").map_or(0, |at| at + 3);
            let end = url.get(from..).and_then(|rest| rest.find(['/', '?']));
            url.truncate(end.map_or(url.len(), |end| from + end));
            let slash = if path.starts_with('/') { "" } else { "/" };
            url = format!("{url}{slash}{path}");
        } else if matched.route_key == "$default" {
            url = format!("{}{}", url.trim_end_matches('/'), self.around.path);
        }
        if !request.query.is_empty() {
            let mark = if url.contains('?') { '&' } else { '?' };
            url = format!("{url}{mark}{}", request.query);
        }
        url
    }

    async fn by_http(
        &self,
        ctx: Context,
        url: String,
        method: Option<&str>,
        request: &Request,
    ) -> Reply {
        let hops = request.headers.iter().filter(|(name, value)| name == "via" && value == VIA);
        if hops.count() >= HOPS_MAX {
            return Err(broken("the request goes round"));
        }
        let mut outgoing = outward::blank(method.unwrap_or(&request.method));
        outgoing.headers = event::headers(request, &self.around);
        outgoing.headers.retain(|(name, _)| name != "host");
        let (by, from) = (self.around.domain, &request.source_ip);
        let forwarded =
            format!("by={by};for={from};host={};proto={}", request.host, request.scheme);
        outgoing.headers.push(("forwarded".to_owned(), forwarded));
        outgoing.headers.push(("via".to_owned(), VIA.to_owned()));
        outgoing.source_ip.clone_from(&request.source_ip);
        outgoing.body = Body::from_bytes(self.body.clone());
        outward::send(self.kernel, &url, outgoing, ctx.side()).await.map_err(unavailable)
    }

    async fn by_service(
        &self,
        ctx: Context,
        subtype: &Subtype,
        parameters: &Map<String, Value>,
        integration: &Integration,
        facts: &Facts<'_>,
    ) -> Reply {
        let get = |name: &str| resolve(parameters.get(name)?.as_str()?, facts);
        let input = match subtype.input(get) {
            Ok(input) => input,
            Err(error) => return Ok(shown_error(&error, 400)),
        };
        let role = integration.credentials.as_deref().unwrap_or_default();
        let mut ctx = self.taking_on(&ctx, role).map_err(broken)?;
        if let Some(region) = get("Region") {
            ctx = ctx.within(self.around.account, region);
        }
        let call = self.kernel.call(&ctx, subtype.service, subtype.operation, &input);
        Ok(match call.await {
            Ok(output) => Response::json(200, &output),
            Err(error) => {
                let status = error.status().unwrap_or(400);
                shown_error(&error, status)
            }
        })
    }

    /// The answer with the integration's response parameters.
    async fn mapped(
        &self,
        response: Response,
        matched: &Matched<'_>,
        integration: &Integration,
    ) -> Response {
        let Some(changes) = integration.response.get(&response.status) else {
            return response;
        };
        let Ok(body) = response.body.collect(BODY_BYTES_MAX).await else {
            return message(500, "Internal Server Error");
        };
        let whole = Response { body: Body::from_bytes(body.clone()), ..response };
        let mut changed = Response {
            status: whole.status,
            headers: whole.headers.clone(),
            body: Body::from_bytes(body.clone()),
        };
        let facts = self.facts(matched, Some((&whole, &body)));
        mapping::apply_to_response(changes, &mut changed, &facts);
        changed
    }
}

fn shown_error(error: &ServiceError, status: u16) -> Response {
    let body = json!({"__type": error.code(), "message": error.message()});
    Response::json(status, &body)
}

/// The response, and a copy of it if it is not a stream.
async fn kept(mut response: Response) -> (Response, Option<Answered>) {
    let Ok(body) = response.body.collect(BODY_BYTES_MAX).await else {
        return (message(500, "Internal Server Error"), None);
    };
    response.body = Body::from_bytes(body.clone());
    let answered =
        Answered::Http { status: response.status, headers: response.headers.clone(), body };
    (response, Some(answered))
}

/// Puts the values of `${stageVariables.name}` in.
pub(super) fn with_variables(text: &str, variables: &Map<String, Value>) -> String {
    let mut out = text.to_owned();
    for (name, value) in variables {
        let value = value.as_str().unwrap_or_default();
        out = out.replace(&format!("${{stageVariables.{name}}}"), value);
    }
    out
}
