//! What passed: what a primary was given and what it did, complete enough to run it again.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use undercast_kernel::{Answered, Given, Guise, HttpGiven, Side};

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
}

#[derive(Debug, Clone, Serialize, Deserialize)]
enum GivenRow {
    Event {
        payload: String,
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
        body: String,
        source_ip: String,
    },
}

#[derive(Debug, Clone, Serialize, Deserialize)]
enum AnswerRow {
    Function { payload: String, error: Option<String> },
    Http { status: u16, headers: Vec<(String, String)>, body: String },
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct EffectRow {
    service: String,
    operation: String,
    input: Value,
    error: Option<String>,
}

fn text(bytes: &Bytes) -> String {
    BASE64.encode(bytes)
}

fn bytes(text: &str) -> Bytes {
    BASE64.decode(text).unwrap_or_default().into()
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
        Answered::Function { payload, error } => Answer::Invoke { payload, error },
        Answered::Http { status, headers, body } => Answer::Http { status, headers, body },
    }
}

impl Passage {
    /// `None` for an answer that is none.
    pub(crate) fn new(given: &Given, observed: &Observed) -> Option<Self> {
        let answer = match &observed.answer {
            Answer::Invoke { payload, error } => {
                AnswerRow::Function { payload: text(payload), error: error.clone() }
            }
            Answer::Http { status, headers, body } => {
                AnswerRow::Http { status: *status, headers: headers.clone(), body: text(body) }
            }
            Answer::Failed { .. } => return None,
        };
        let given = match given {
            Given::Event { payload, guise } => GivenRow::Event {
                payload: text(payload),
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
                body: text(&http.body),
                source_ip: http.source_ip.clone(),
            },
        };
        let effects = observed.effects.iter().map(|effect| EffectRow {
            service: effect.service.clone(),
            operation: effect.operation.clone(),
            input: effect.input.clone(),
            error: effect.outcome.clone().err(),
        });
        Some(Self {
            given,
            answer,
            effects: effects.collect(),
            duration_ms: observed.duration_ms,
            started_ms: observed.started_ms,
        })
    }

    pub(crate) fn encode(&self) -> Option<Vec<u8>> {
        let encoded = serde_json::to_vec(self).ok()?;
        (encoded.len() <= PASSAGE_BYTES_MAX).then_some(encoded)
    }

    pub(crate) fn decode(encoded: &[u8]) -> Option<Self> {
        serde_json::from_slice(encoded).ok()
    }

    pub(crate) fn given(&self) -> Given {
        match &self.given {
            GivenRow::Event { payload, request_id, invoked_arn, client_context, trace_id } => {
                Given::Event {
                    payload: bytes(payload),
                    guise: Guise {
                        request_id: request_id.clone(),
                        invoked_arn: invoked_arn.clone(),
                        client_context: client_context.clone(),
                        trace_id: trace_id.clone(),
                        deadline: None,
                    },
                }
            }
            GivenRow::Http { method, host, path, query, headers, body, source_ip } => {
                Given::Http(Box::new(HttpGiven {
                    method: method.clone(),
                    host: host.clone(),
                    path: path.clone(),
                    query: query.clone(),
                    headers: headers.clone(),
                    body: bytes(body),
                    source_ip: source_ip.clone(),
                }))
            }
        }
    }

    pub(crate) fn observed(&self) -> Observed {
        let answer = match &self.answer {
            AnswerRow::Function { payload, error } => {
                Answer::Invoke { payload: bytes(payload), error: error.clone() }
            }
            AnswerRow::Http { status, headers, body } => {
                Answer::Http { status: *status, headers: headers.clone(), body: bytes(body) }
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
