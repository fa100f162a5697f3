//! Echo mode: the proof that every operation survives its way over the wire, without any service.
//!
//! Instead of running a handler, the gateway reads the input, remembers it as a document and answers
//! with an output that was given beforehand:
//!
//! * `PUT /_echo/output` with `{"output": …}` or `{"error": {"code", "message", "fields"}}`
//! * `GET /_echo/input`: what was read last, and what it violates
//! * `GET /_echo/operations`: all operations by service

use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use bytes::Bytes;
use futures::future::BoxFuture;
use serde_json::json;
use undercast_kernel::http::{HttpEndpoint, Request, Response};
use undercast_kernel::{ErasedHandler, ErasedOutput, Kernel, ServiceError};
use undercast_smithy::document::{DocumentReader, DocumentWriter};
use undercast_smithy::validate::Violation;
use undercast_smithy::{Body, Document, Member, Schema, ShapeReader, ShapeWriter, Timestamp};

use crate::codec::json::BASE64;
use crate::protocol::Target;

const BODY_BYTES_MAX: u64 = 64 << 20;

/// What was heard and what will be answered. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Echo(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    heard: Document,
    answer: Document,
}

impl Echo {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads an input as its handler would.
    pub(crate) fn hear(
        handler: &dyn ErasedHandler,
        reader: &mut dyn ShapeReader,
    ) -> Result<Heard, ServiceError> {
        let (call, violations) = handler
            .decode(reader)
            .map_err(|error| ServiceError::new("SerializationException", error.to_string()))?;
        let mut writer = HeardWriter::default();
        call.input().write(&mut writer);
        Ok(Heard { input: writer.document.finish(), streams: writer.streams, violations })
    }

    /// Remembers what was read and makes the output that was given.
    pub(crate) async fn answer(
        &self,
        target: Target,
        handler: &dyn ErasedHandler,
        mut heard: Heard,
    ) -> Result<Box<dyn ErasedOutput>, ServiceError> {
        for (name, body) in heard.streams {
            let bytes = body.collect(BODY_BYTES_MAX).await.map_err(|error| match error {
                undercast_smithy::BodyError::Invalid { code, message } => {
                    ServiceError::new(code, message)
                }
                other => ServiceError::new("IncompleteBody", other.to_string()),
            })?;
            if let Some(input) = heard.input.as_object_mut() {
                input.insert(name.to_owned(), BASE64.encode(bytes).into());
            }
        }
        let violations: Vec<_> = heard.violations.iter().map(Violation::sentence).collect();
        let mut state = self.state();
        state.heard = json!({
            "service": target.service.map(|s| s.id),
            "operation": target.operation.map(|o| o.name),
            "protocol": format!("{:?}", target.protocol),
            "input": heard.input,
            "violations": violations,
        });
        if let Some(error) = state.answer.get("error") {
            return Err(error_from(target, error));
        }
        let output = state.answer.get("output").cloned().unwrap_or_else(|| json!({}));
        handler
            .decode_output(&mut DocumentReader::new(&output))
            .map_err(|error| ServiceError::internal(error.to_string()))
    }
}

/// Field names have to be those of the model, where their text lives.
fn error_from(target: Target, error: &Document) -> ServiceError {
    let text = |name: &str| error.get(name).and_then(Document::as_str).unwrap_or_default();
    let mut made = ServiceError::new(text("code"), text("message"));
    let errors = target.operation.map_or(&[][..], |operation| operation.errors);
    let members = errors.iter().filter(|e| e.name == text("code")).flat_map(|e| e.schema.members());
    for member in members {
        if let Some(value) = error.get("fields").and_then(|fields| fields.get(member.name)) {
            made = made.with_field(member.name, value.clone());
        }
    }
    made
}

/// An input that was read.
pub(crate) struct Heard {
    input: Document,
    streams: Vec<(&'static str, Body)>,
    violations: Vec<Violation>,
}

impl HttpEndpoint for Echo {
    fn matches(&self, request: &Request) -> bool {
        request.path.starts_with("/_echo/")
    }

    fn serve(&self, kernel: Kernel, request: Request) -> BoxFuture<'static, Response> {
        let echo = self.clone();
        Box::pin(async move {
            match (request.method.as_str(), request.path.as_str()) {
                ("PUT", "/_echo/output") => {
                    let body = request.body.collect(BODY_BYTES_MAX).await.unwrap_or_default();
                    match serde_json::from_slice(&body) {
                        Ok(answer) => {
                            echo.state().answer = answer;
                            Response::new(204)
                        }
                        Err(error) => Response::new(400).body(error.to_string()),
                    }
                }
                ("GET", "/_echo/input") => Response::json(200, &echo.state().heard),
                ("GET", "/_echo/operations") => Response::json(200, &operations(&kernel)),
                _ => Response::new(404),
            }
        })
    }
}

fn operations(kernel: &Kernel) -> Document {
    let services = kernel.services().iter().map(|service| {
        let names = service.schema.operations.iter().map(|operation| operation.name);
        let names = names.filter(|name| service.handler(name).is_some());
        (service.schema.id.to_owned(), names.collect::<Vec<_>>().into())
    });
    Document::Object(services.collect())
}

/// Writes a document and keeps the streams that cannot be in one.
#[derive(Default)]
struct HeardWriter {
    document: DocumentWriter,
    member: Option<&'static Member>,
    streams: Vec<(&'static str, Body)>,
}

impl ShapeWriter for HeardWriter {
    fn begin_structure(&mut self, schema: &'static Schema) {
        self.document.begin_structure(schema);
    }

    fn member(&mut self, member: &'static Member) {
        self.member = Some(member);
        self.document.member(member);
    }

    fn end_structure(&mut self) {
        self.document.end_structure();
    }

    fn begin_list(&mut self, schema: &'static Schema, len: usize) {
        self.document.begin_list(schema, len);
    }

    fn element(&mut self) {
        self.document.element();
    }

    fn end_list(&mut self) {
        self.document.end_list();
    }

    fn begin_map(&mut self, schema: &'static Schema, len: usize) {
        self.document.begin_map(schema, len);
    }

    fn key(&mut self, key: &str) {
        self.document.key(key);
    }

    fn end_map(&mut self) {
        self.document.end_map();
    }

    fn boolean(&mut self, value: bool) {
        self.document.boolean(value);
    }

    fn integer(&mut self, value: i64) {
        self.document.integer(value);
    }

    fn float(&mut self, value: f64) {
        self.document.float(value);
    }

    fn string(&mut self, value: &str) {
        self.document.string(value);
    }

    fn blob(&mut self, value: &Bytes) {
        self.document.blob(value);
    }

    fn timestamp(&mut self, member: &'static Member, value: Timestamp) {
        self.document.timestamp(member, value);
    }

    fn document(&mut self, value: &Document) {
        self.document.document(value);
    }

    fn stream(&mut self, value: &Body) {
        if let Some(member) = self.member {
            self.streams.push((member.name, value.clone()));
        }
        self.document.stream(value);
    }

    fn null(&mut self) {
        self.document.null();
    }
}
