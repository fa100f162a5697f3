//! One candidate, run once in the dark.

use std::sync::Arc;
use std::time::Duration;

use undercast_kernel::http::{Request, StandIn};
use undercast_kernel::smithy::Body;
use undercast_kernel::{
    Given, HttpGiven, InvokeKind, InvokeRequest, Kernel, OutsideRule, ServiceError, Side,
};

use super::passage::{effects, of_function};
use crate::compare::{Answer, Observed};
use crate::store::{CandidateRow, RunKey, TargetRow};

const ANSWER_BYTES_MAX: u64 = 10 << 20;

/// What is run, and how.
pub(crate) struct Trial<'a> {
    pub(crate) kernel: &'a Kernel,
    pub(crate) key: &'a RunKey,
    pub(crate) target: &'a TargetRow,
    pub(crate) candidate: &'a CandidateRow,
    pub(crate) outside: &'a Arc<[OutsideRule]>,
    pub(crate) budget: Duration,
    /// Whose writes it must not see.
    pub(crate) primary: Option<&'a Side>,
}

/// What became of a trial.
pub(crate) struct Tried {
    pub(crate) observed: Observed,
    /// Hosts outside that it wanted to reach and could not.
    pub(crate) refused: Vec<String>,
    /// A process was started for it: its time tells nothing.
    pub(crate) was_cold: bool,
}

/// Gives the candidate what the primary was given, and tells what it did.
pub(crate) async fn run(trial: &Trial<'_>, given: Given) -> Tried {
    let env = trial.kernel.env();
    let run = format!("{}/{}/{}", trial.key.0, trial.key.1, trial.key.2);
    let side = Side::candidate(trial.kernel.db(), &run, trial.primary, trial.outside);
    let (begun, started_ms) = (env.clock.monotonic(), env.clock.now_ms());
    // Functions are stopped by their own deadline; this is for all that is not a function.
    let slack = Duration::from_millis(500);
    let answered = env.timeout(trial.budget + slack, answer(trial, &side, given)).await;
    let took = env.clock.monotonic().saturating_sub(begun);
    side.end();
    let answer = match answered {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => failed(&error),
        Err(_) => Answer::Failed {
            kind: "Timeout".to_owned(),
            message: format!("no answer within {} ms", trial.budget.as_millis()),
        },
    };
    let observed = Observed {
        answer,
        effects: effects(&side),
        duration_ms: took.as_secs_f64() * 1000.0,
        started_ms,
    };
    Tried { observed, refused: side.refused(), was_cold: side.is_cold() }
}

fn failed(error: &ServiceError) -> Answer {
    let kind = match error.code() {
        "TooManyRequestsException" => "Throttled",
        other => other,
    };
    Answer::Failed { kind: kind.to_owned(), message: error.message().to_owned() }
}

async fn answer(trial: &Trial<'_>, side: &Arc<Side>, given: Given) -> Result<Answer, ServiceError> {
    match (trial.candidate, given) {
        (CandidateRow::Function { arn }, Given::Event { payload, mut guise }) => {
            let (account, region, _) = trial.key;
            let ctx = trial.kernel.service_context("lambda.amazonaws.com", account, region);
            guise.deadline = Some(trial.budget);
            let request = InvokeRequest {
                function: arn.clone(),
                payload,
                kind: InvokeKind::RequestResponse,
                guise: Some(guise),
            };
            let answer = trial.kernel.invoke()?.invoke(ctx.on_side(side), request).await?;
            Ok(of_function(answer.payload, answer.function_error))
        }
        (CandidateRow::Function { arn }, Given::Http(given)) => {
            let TargetRow::Stage { api, stage, .. } = trial.target else {
                return Err(ServiceError::internal("a request without a stage"));
            };
            through_door(trial.kernel, side, *given, api, stage, Some(arn.clone())).await
        }
        (CandidateRow::Api { api, stage }, Given::Http(given)) => {
            through_door(trial.kernel, side, *given, api, stage, None).await
        }
        (CandidateRow::Url { url, .. }, Given::Http(given)) => {
            let query = if given.query.is_empty() { "" } else { "?" };
            let url = format!("{}{}{query}{}", url.trim_end_matches('/'), given.path, given.query);
            let request = request(*given, String::new(), String::new());
            let response = trial.kernel.fetch()?.fetch(url, request).await;
            let response = response.map_err(|why| ServiceError::new("Unreachable", why))?;
            whole(response).await
        }
        (CandidateRow::Api { .. } | CandidateRow::Url { .. }, Given::Event { .. }) => {
            Err(ServiceError::internal("an event for a front door"))
        }
    }
}

fn request(given: HttpGiven, host: String, path: String) -> Request {
    Request {
        method: given.method,
        scheme: "https",
        host,
        path,
        query: given.query,
        protocol: "HTTP/1.1",
        headers: given.headers,
        body: Body::from_bytes(given.body),
        source_ip: given.source_ip,
        side: None,
        stand_in: None,
        caller: undercast_kernel::http::Signed::No,
    }
}

/// Makes the request again at a stage, with a function of the candidate's in place of the route's.
async fn through_door(
    kernel: &Kernel,
    side: &Arc<Side>,
    given: HttpGiven,
    api: &str,
    stage: &str,
    stand_in: Option<String>,
) -> Result<Answer, ServiceError> {
    let stage = if stage == "$default" { String::new() } else { format!("/{stage}") };
    let path = format!("/_aws/execute-api/{api}{stage}{}", given.path);
    let host = given.host.clone();
    let authorized = given.authorized.clone();
    let mut request = request(given, host, path);
    request.side = Some(Arc::clone(side));
    request.stand_in = Some(Box::new(StandIn { function: stand_in, authorized }));
    let door = kernel.endpoints().find(|door| door.has_dark_side() && door.matches(&request));
    let door = door.ok_or_else(|| ServiceError::internal("no front door serves the stage"))?;
    whole(door.serve(kernel.clone(), request).await).await
}

async fn whole(response: undercast_kernel::http::Response) -> Result<Answer, ServiceError> {
    let body = response.body.collect(ANSWER_BYTES_MAX).await;
    let body = body.map_err(|e| ServiceError::new("AnswerTooLarge", e.to_string()))?;
    Ok(Answer::Http { status: response.status, headers: response.headers, body })
}
