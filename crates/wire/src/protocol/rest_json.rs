//! restJson1.

use undercast_kernel::{ErasedOutput, ServiceError};
use undercast_smithy::{Binding, Document, Fault, OperationSchema};

use super::{Target, message_member};
use crate::codec::json::JsonWriter;
use crate::error::{Family, envelope};
use crate::http_binding::{BodyWriter, HttpWriter};
use crate::reply::Reply;

const CONTENT_TYPE: &str = "application/json";

pub(super) fn encode(
    operation: &'static OperationSchema,
    output: &dyn ErasedOutput,
    request_id: &str,
) -> Reply {
    let mut writer = HttpWriter::new(operation.status, BodyWriter::Json(JsonWriter::new()));
    output.write(&mut writer);
    let (mut reply, body) = writer.finish();
    reply.header("x-amzn-requestid", request_id);
    match body {
        Some(_) if operation.no_output || matches!(reply.status.as_u16(), 204 | 304) => reply,
        // A payload that is not set leaves the body empty.
        Some(body) if body.is_empty() => reply,
        Some(body) => reply.with_body(CONTENT_TYPE, body),
        None => reply,
    }
}

pub(super) fn encode_error(target: Target, error: &ServiceError, request_id: &str) -> Reply {
    let envelope = envelope(Family::RestJson, target.service, target.operation, error);
    let mut reply = Reply::new(envelope.status);
    let members = envelope.schema.map_or(&[][..], |schema| schema.schema.members());
    let mut body = serde_json::Map::new();
    let find = |name: &str| members.iter().find(|m| m.name == name);
    if find("Type").is_some() && !error.fields().iter().any(|(name, _)| *name == "Type") {
        let kind = match envelope.fault {
            Fault::Sender => "User",
            Fault::Receiver => "Service",
        };
        body.insert("Type".to_owned(), kind.into());
    }
    for (name, value) in error.fields() {
        match find(name) {
            Some(member) if member.binding == Binding::Header => {
                reply.header(member.wire_name(), &plain(value));
            }
            Some(member) => {
                body.insert(member.wire_name().to_owned(), value.clone());
            }
            None => {
                body.insert((*name).to_owned(), value.clone());
            }
        }
    }
    body.insert(message_member(target, error).to_owned(), error.message().into());
    reply.header("x-amzn-errortype", envelope.code);
    reply.header("x-amzn-requestid", request_id);
    reply.with_body(CONTENT_TYPE, Document::Object(body).to_string())
}

fn plain(value: &Document) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
