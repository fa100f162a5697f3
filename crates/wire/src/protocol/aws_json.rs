//! awsJson 1.0 and 1.1; content type and `__type` are the only differences.

use undercast_kernel::{ErasedOutput, ServiceError};
use undercast_smithy::{Document, Fault, OperationSchema, Protocol, ServiceSchema};

use super::{Target, message_member};
use crate::codec::json::{JsonWriter, write_text};
use crate::error::{Envelope, Family, envelope};
use crate::reply::Reply;

const fn content_type(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::AwsJson1_0 => "application/x-amz-json-1.0",
        _ => "application/x-amz-json-1.1",
    }
}

pub(super) fn encode(
    protocol: Protocol,
    service: &'static ServiceSchema,
    operation: &'static OperationSchema,
    output: &dyn ErasedOutput,
    request_id: &str,
) -> Reply {
    let mut body = Vec::new();
    if !operation.no_output {
        let mut writer = JsonWriter::new();
        output.write(&mut writer);
        body = writer.finish();
    }
    let mut reply = Reply::new(200);
    checksum(service, &mut reply, &body);
    reply.header("x-amzn-requestid", request_id);
    reply.with_body(content_type(protocol), body)
}

/// DynamoDB's answers carry a checksum, and some of its clients insist on it.
fn checksum(service: &ServiceSchema, reply: &mut Reply, body: &[u8]) {
    if service.id == "dynamodb" || service.id == "dynamodbstreams" {
        reply.header("x-amz-crc32", itoa::Buffer::new().format(crc32fast::hash(body)));
    }
}

/// What stands before the `#` of an error's type; most services leave it out.
fn namespace(service: Option<&'static ServiceSchema>, code: &str, modeled: bool) -> &'static str {
    let common = match code {
        "ValidationException" => "com.amazon.coral.validate#",
        _ => "com.amazon.coral.service#",
    };
    match service.map_or("", |s| s.id) {
        "sqs" if modeled => "com.amazonaws.sqs#",
        "dynamodb" | "dynamodbstreams" if modeled => "com.amazonaws.dynamodb.v20120810#",
        "sqs" | "dynamodb" | "dynamodbstreams" => common,
        _ => "",
    }
}

pub(super) fn encode_error(target: Target, error: &ServiceError, request_id: &str) -> Reply {
    let envelope = envelope(Family::Json, target.service, target.operation, error);
    let modeled = envelope.schema.is_some();
    let mut body = b"{\"__type\":".to_vec();
    let kind = format!("{}{}", namespace(target.service, envelope.code, modeled), envelope.code);
    write_text(&mut body, &kind);
    let key = if modeled { message_member(target, error) } else { unmodeled_key(envelope.code) };
    write_entry(&mut body, key, &Document::from(error.message()));
    for (name, value) in error.fields() {
        write_entry(&mut body, name, value);
    }
    body.push(b'}');
    let mut reply = Reply::new(envelope.status);
    if let Some(service) = target.service {
        checksum(service, &mut reply, &body);
        if service.query_compatible {
            reply.header("x-amzn-query-error", &query_error(&envelope));
        }
    }
    reply.header("x-amzn-requestid", request_id);
    reply.with_body(content_type(target.protocol), body)
}

/// What clients that once spoke query are told beside the code.
pub(super) fn query_error(envelope: &Envelope<'_>) -> String {
    let code = envelope.schema.and_then(|s| s.query_code).unwrap_or(envelope.code);
    let fault = match envelope.fault {
        Fault::Sender => "Sender",
        Fault::Receiver => "Receiver",
    };
    format!("{code};{fault}")
}

/// The framework itself spells the message with a capital, services do not.
pub(super) fn unmodeled_key(code: &str) -> &'static str {
    match code {
        "AccessDeniedException" | "SerializationException" => "Message",
        _ => "message",
    }
}

fn write_entry(body: &mut Vec<u8>, key: &str, value: &Document) {
    body.push(b',');
    write_text(body, key);
    body.push(b':');
    // A document always has a JSON form.
    let _ = serde_json::to_writer(body, value);
}
