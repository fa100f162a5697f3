//! The protocols: how a call is read and how an answer or an error is written.
//!
//! One module per protocol holds its envelope; the formats are in [`crate::codec`], the placing of
//! members in HTTP is in [`crate::http_binding`].

use std::borrow::Cow;

use bytes::Bytes;
use http::HeaderMap;
use undercast_kernel::{ErasedOutput, ServiceError};
use undercast_smithy::{Body, OperationSchema, Protocol, ServiceSchema, ShapeReader};

use crate::codec::cbor::CborReader;
use crate::codec::json::JsonReader;
use crate::codec::query::{Pairs, QueryReader};
use crate::error::{Family, unreadable};
use crate::http_binding::{BodyFormat, HttpReader};
use crate::reply::Reply;

pub mod aws_json;
pub mod aws_query;
pub mod rest_json;
pub mod rest_xml;
pub mod rpc_v2;

/// What is being called, as far as it is known.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    pub protocol: Protocol,
    pub service: Option<&'static ServiceSchema>,
    pub operation: Option<&'static OperationSchema>,
}

impl Target {
    pub fn family(&self) -> Family {
        Family::from(self.protocol)
    }
}

/// Everything of a request that an input is read from.
pub struct Input<'a> {
    pub headers: &'a HeaderMap,
    pub labels: Vec<(&'static str, Cow<'a, str>)>,
    pub query: &'a Pairs<'a>,
    /// The parameters of a form; for query alone.
    pub form: Pairs<'a>,
    pub bytes: &'a Bytes,
    /// The body where the payload is a stream.
    pub stream: Body,
}

/// Hands the reader of the call's input to `read`.
pub fn read<T>(
    target: Target,
    input: &mut Input<'_>,
    read: impl FnOnce(&mut dyn ShapeReader) -> T,
) -> Result<T, ServiceError> {
    let format = match target.protocol {
        Protocol::AwsJson1_0 | Protocol::AwsJson1_1 => {
            let mut reader = JsonReader::new(input.bytes).map_err(|error| unreadable(&error))?;
            return Ok(read(&mut reader));
        }
        Protocol::AwsQuery => return Ok(read(&mut QueryReader::new(&mut input.form))),
        Protocol::RpcV2Cbor => return Ok(read(&mut CborReader::new(input.bytes))),
        Protocol::RestJson1 => BodyFormat::Json,
        Protocol::RestXml => BodyFormat::Xml,
    };
    Ok(read(&mut HttpReader {
        format,
        labels: &input.labels,
        query: input.query,
        headers: input.headers,
        bytes: input.bytes,
        stream: input.stream.clone(),
    }))
}

/// Writes an output.
pub fn encode(
    protocol: Protocol,
    service: &'static ServiceSchema,
    operation: &'static OperationSchema,
    output: &dyn ErasedOutput,
    request_id: &str,
) -> Reply {
    match protocol {
        Protocol::AwsJson1_0 | Protocol::AwsJson1_1 => {
            aws_json::encode(protocol, service, operation, output, request_id)
        }
        Protocol::AwsQuery => aws_query::encode(service, operation, output, request_id),
        Protocol::RestJson1 => rest_json::encode(operation, output, request_id),
        Protocol::RestXml => rest_xml::encode(service, operation, output, request_id),
        Protocol::RpcV2Cbor => rpc_v2::encode(operation, output, request_id),
    }
}

/// Writes an error.
pub fn encode_error(target: Target, error: &ServiceError, request_id: &str) -> Reply {
    let mut reply = match target.protocol {
        Protocol::AwsJson1_0 | Protocol::AwsJson1_1 => {
            aws_json::encode_error(target, error, request_id)
        }
        Protocol::AwsQuery => aws_query::encode_error(target, error, request_id),
        Protocol::RestJson1 => rest_json::encode_error(target, error, request_id),
        Protocol::RestXml => rest_xml::encode_error(target, error, request_id),
        Protocol::RpcV2Cbor => rpc_v2::encode_error(target, error, request_id),
    };
    for (name, value) in error.headers() {
        reply.header(name, value);
    }
    reply
}

/// The member of an error's shape that holds its message.
fn message_member(target: Target, error: &ServiceError) -> &'static str {
    let schema =
        crate::error::envelope(target.family(), target.service, target.operation, error).schema;
    let members = schema.map_or(&[][..], |schema| schema.schema.members());
    let member = members.iter().find(|m| m.name.eq_ignore_ascii_case("message"));
    member.map_or("message", |m| m.wire_name())
}
