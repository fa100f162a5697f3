//! What passed: what a primary was given and what it did, complete enough to run it again.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use undercast_kernel::{Answered, Given, Guise, HttpGiven, Side};
use undercast_store::Images;

use crate::compare::{Answer, Effect, Observed};

/// A passage larger than this is compared, but not kept.
pub(crate) const PASSAGE_BYTES_MAX: usize = 256 << 10;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Passage {
    given: GivenRow,
    answer: AnswerRow,
    effects: Vec<EffectRow>,
    duration_ms: f64,
    started_ms: i64,
    /// What the primary replaced: a candidate that runs later does not see what it wrote.
    images: Images,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
enum GivenRow {
    Event {
        payload: Bytes,
        request_id: String,
        invoked_arn: String,
        client_context: Option<String>,
        trace_id: Option<String>,
    },
    Http {
        method: String,
        host: String,
        path: String,
        query: String,
        headers: Vec<(String, String)>,
        body: Bytes,
        source_ip: String,
        #[serde(default)]
        authorized: Option<Value>,
    },
}

#[derive(Debug, Clone, Serialize, Deserialize)]
enum AnswerRow {
    Function { payload: Bytes, error: Option<String> },
    Http { status: u16, headers: Vec<(String, String)>, body: Bytes },
    Failed { kind: String, message: String },
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct EffectRow {
    service: String,
    operation: String,
    input: Value,
    error: Option<String>,
}

/// What a side did beside its answer.
pub(crate) fn effects(side: &Side) -> Vec<Effect> {
    let effect = |call: undercast_kernel::SideCall| Effect {
        service: call.service.to_owned(),
        operation: call.operation.to_owned(),
        input: call.input,
        outcome: call.error.map_or(Ok(()), Err),
    };
    side.calls().0.into_iter().map(effect).collect()
}

pub(crate) fn answer(answered: Answered) -> Answer {
    match answered {
        Answered::Function { payload, error } => of_function(payload, error),
        Answered::Http { status, headers, body } => Answer::Http { status, headers, body },
    }
}

/// A function that was ended gave no answer: the platform speaks for it.
pub(crate) fn of_function(payload: Bytes, error: Option<String>) -> Answer {
    if error.is_some()
        && let Ok(Value::Object(fields)) = serde_json::from_slice(&payload)
    {
        let field = |name: &str| fields.get(name).and_then(Value::as_str).unwrap_or_default();
        let kind = match field("errorType") {
            "Sandbox.Timedout" => "Timeout",
            "Runtime.ExitError" => "Crash",
            "Runtime.OutOfMemory" => "OutOfMemory",
            _ => return Answer::Invoke { payload, error },
        };
        return Answer::Failed { kind: kind.to_owned(), message: field("errorMessage").to_owned() };
    }
    Answer::Invoke { payload, error }
}

impl Passage {
    pub(crate) fn new(given: &Given, observed: &Observed, side: &Side) -> Self {
        let answer = match &observed.answer {
            Answer::Invoke { payload, error } => {
                AnswerRow::Function { payload: payload.clone(), error: error.clone() }
            }
            Answer::Http { status, headers, body } => {
                AnswerRow::Http { status: *status, headers: headers.clone(), body: body.clone() }
            }
            Answer::Failed { kind, message } => {
                AnswerRow::Failed { kind: kind.clone(), message: message.clone() }
            }
        };
        let given = match given {
            Given::Event { payload, guise } => GivenRow::Event {
                payload: payload.clone(),
                request_id: guise.request_id.clone(),
                invoked_arn: guise.invoked_arn.clone(),
                client_context: guise.client_context.clone(),
                trace_id: guise.trace_id.clone(),
            },
            Given::Http(http) => GivenRow::Http {
                method: http.method.clone(),
                host: http.host.clone(),
                path: http.path.clone(),
                query: http.query.clone(),
                headers: http.headers.clone(),
                body: http.body.clone(),
                source_ip: http.source_ip.clone(),
                authorized: http.authorized.clone(),
            },
        };
        let effects = observed.effects.iter().map(|effect| EffectRow {
            service: effect.service.clone(),
            operation: effect.operation.clone(),
            input: effect.input.clone(),
            error: effect.outcome.clone().err(),
        });
        Self {
            given,
            answer,
            effects: effects.collect(),
            duration_ms: observed.duration_ms,
            started_ms: observed.started_ms,
            images: side.images(),
        }
    }

    pub(crate) fn images(&self) -> Images {
        self.images.clone()
    }

    pub(crate) fn encode(&self) -> Option<Vec<u8>> {
        let encoded = rmp_serde::to_vec_named(self).ok()?;
        (encoded.len() <= PASSAGE_BYTES_MAX).then_some(encoded)
    }

    pub(crate) fn decode(encoded: &[u8]) -> Option<Self> {
        rmp_serde::from_slice(encoded).ok()
    }

    pub(crate) fn given(&self) -> Given {
        match &self.given {
            GivenRow::Event { payload, request_id, invoked_arn, client_context, trace_id } => {
                Given::Event {
                    payload: payload.clone(),
                    guise: Guise {
                        request_id: request_id.clone(),
                        invoked_arn: invoked_arn.clone(),
                        client_context: client_context.clone(),
                        trace_id: trace_id.clone(),
                        deadline: None,
                    },
                }
            }
            GivenRow::Http { method, host, path, query, headers, body, source_ip, authorized } => {
                Given::Http(Box::new(HttpGiven {
                    method: method.clone(),
                    host: host.clone(),
                    path: path.clone(),
                    query: query.clone(),
                    headers: headers.clone(),
                    body: body.clone(),
                    source_ip: source_ip.clone(),
                    authorized: authorized.clone(),
                }))
            }
        }
    }

    pub(crate) fn observed(&self) -> Observed {
        let answer = match &self.answer {
            AnswerRow::Function { payload, error } => {
                Answer::Invoke { payload: payload.clone(), error: error.clone() }
            }
            AnswerRow::Http { status, headers, body } => {
                Answer::Http { status: *status, headers: headers.clone(), body: body.clone() }
            }
            AnswerRow::Failed { kind, message } => {
                Answer::Failed { kind: kind.clone(), message: message.clone() }
            }
        };
        let effects = self.effects.iter().map(|row| Effect {
            service: row.service.clone(),
            operation: row.operation.clone(),
            input: row.input.clone(),
            outcome: row.error.clone().map_or(Ok(()), Err),
        });
        Observed {
            answer,
            effects: effects.collect(),
            duration_ms: self.duration_ms,
            started_ms: self.started_ms,
        }
    }
}

/// What was given, as a document that a human reads.
pub(crate) fn shown(given: &Given) -> Value {
    let json = |bytes: &Bytes| {
        serde_json::from_slice(bytes)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(bytes).into_owned()))
    };
    match given {
        Given::Event { payload, .. } => json(payload),
        Given::Http(http) => serde_json::json!({
            "method": http.method,
            "path": http.path,
            "query": http.query,
            "headers": http.headers.iter().cloned().collect::<std::collections::BTreeMap<_, _>>(),
            "body": json(&http.body),
        }),
    }
}
