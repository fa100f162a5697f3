//! Smithy's RPC v2 with CBOR: service and operation stand in the path, everything else in the body.

use bytes::Bytes;
use undercast_kernel::{ErasedOutput, ServiceError};
use undercast_smithy::{Document, OperationSchema, ShapeWriter as _};

use super::aws_json::{query_error, unmodeled_key};
use super::{Target, message_member};
use crate::codec::cbor::CborWriter;
use crate::error::envelope;
use crate::reply::Reply;

const CONTENT_TYPE: &str = "application/cbor";
/// Clients refuse an answer without it.
const MARK: (&str, &str) = ("smithy-protocol", "rpc-v2-cbor");

/// The header that marks a request.
pub const HEADER: &str = MARK.0;

/// The service's name and the operation in `/service/{name}/operation/{operation}`.
pub(crate) fn target(path: &str) -> Option<(&str, &str)> {
    let (before, operation) = path.rsplit_once("/operation/")?;
    let (_, service) = before.rsplit_once("/service/")?;
    Some((service, operation))
}

pub(super) fn encode(
    operation: &'static OperationSchema,
    output: &dyn ErasedOutput,
    request_id: &str,
) -> Reply {
    let mut reply = Reply::new(200);
    reply.header(MARK.0, MARK.1);
    reply.header("x-amzn-requestid", request_id);
    if operation.no_output {
        return reply;
    }
    let mut writer = CborWriter::new();
    output.write(&mut writer);
    reply.with_body(CONTENT_TYPE, writer.finish())
}

pub(super) fn encode_error(target: Target, error: &ServiceError, request_id: &str) -> Reply {
    let envelope = envelope(target.family(), target.service, target.operation, error);
    let modeled = envelope.schema.is_some();
    let key = if modeled { message_member(target, error) } else { unmodeled_key(envelope.code) };
    let mut body = serde_json::Map::new();
    body.insert("__type".to_owned(), envelope.code.into());
    body.insert(key.to_owned(), error.message().into());
    for (name, value) in error.fields() {
        body.insert((*name).to_owned(), value.clone());
    }
    let mut writer = CborWriter::new();
    writer.document(&Document::Object(body));
    let mut reply = Reply::new(envelope.status);
    reply.header(MARK.0, MARK.1);
    if target.service.is_some_and(|service| service.query_compatible) {
        reply.header("x-amzn-query-error", &query_error(&envelope));
    }
    reply.header("x-amzn-requestid", request_id);
    reply.with_body(CONTENT_TYPE, Bytes::from(writer.finish()))
}
