//! query: form-encoded calls, XML answers.

use std::borrow::Cow;

use undercast_kernel::{ErasedOutput, ServiceError};
use undercast_smithy::{Document, Fault, OperationSchema, ServiceSchema};

use super::Target;
use crate::codec::query::Pairs;
use crate::codec::xml::{XmlWriter, escape};
use crate::error::{Family, envelope};
use crate::reply::Reply;

const CONTENT_TYPE: &str = "text/xml";

fn namespace(service: Option<&'static ServiceSchema>) -> &'static str {
    match service {
        // SQS speaks query only to older clients; its model does not name the namespace any more.
        Some(service) if service.id == "sqs" => "http://queue.amazonaws.com/doc/2012-11-05/",
        Some(service) => service.xml_namespace.unwrap_or_default(),
        None => "http://webservices.amazon.com/AWSFault/2005-15-09",
    }
}

pub(super) fn encode(
    service: &'static ServiceSchema,
    operation: &'static OperationSchema,
    output: &dyn ErasedOutput,
    request_id: &str,
) -> Reply {
    let name = operation.name;
    let mut writer = XmlWriter::new();
    writer.raw("<");
    writer.raw(name);
    writer.raw("Response xmlns=\"");
    writer.raw(namespace(Some(service)));
    writer.raw("\">");
    if !operation.no_output {
        let fallback = || Cow::Owned(format!("{name}Result"));
        let wrapper = operation.result_wrapper.map_or_else(fallback, Cow::Borrowed);
        writer.raw("<");
        writer.raw(&wrapper);
        writer.raw(">");
        output.write(&mut writer);
        writer.raw("</");
        writer.raw(&wrapper);
        writer.raw(">");
    }
    writer.raw("<ResponseMetadata><RequestId>");
    writer.raw(request_id);
    writer.raw("</RequestId></ResponseMetadata></");
    writer.raw(name);
    writer.raw("Response>");
    let mut reply = Reply::new(200);
    reply.header("x-amzn-requestid", request_id);
    reply.with_body(CONTENT_TYPE, writer.finish())
}

pub(super) fn encode_error(target: Target, error: &ServiceError, request_id: &str) -> Reply {
    let envelope = envelope(Family::Query, target.service, target.operation, error);
    let fault = match envelope.fault {
        Fault::Sender => "Sender",
        Fault::Receiver => "Receiver",
    };
    let mut body = format!("<ErrorResponse xmlns=\"{}\"><Error>", namespace(target.service));
    element(&mut body, "Type", fault);
    element(&mut body, "Code", envelope.code);
    element(&mut body, "Message", error.message());
    for (name, value) in error.fields() {
        document(&mut body, name, value);
    }
    body.push_str("</Error>");
    element(&mut body, "RequestId", request_id);
    body.push_str("</ErrorResponse>");
    let mut reply = Reply::new(envelope.status);
    reply.header("x-amzn-requestid", request_id);
    reply.with_body(CONTENT_TYPE, body)
}

pub(super) fn element(out: &mut String, name: &str, text: &str) {
    out.push_str(&format!("<{name}>"));
    escape(out, text);
    out.push_str(&format!("</{name}>"));
}

/// An error's field as XML: lists repeat as members, objects nest.
pub(super) fn document(out: &mut String, name: &str, value: &Document) {
    match value {
        Document::Null => {}
        Document::String(text) => element(out, name, text),
        Document::Array(values) => {
            out.push_str(&format!("<{name}>"));
            values.iter().for_each(|value| document(out, "member", value));
            out.push_str(&format!("</{name}>"));
        }
        Document::Object(object) => {
            out.push_str(&format!("<{name}>"));
            object.iter().for_each(|(name, value)| document(out, name, value));
            out.push_str(&format!("</{name}>"));
        }
        other => element(out, name, &other.to_string()),
    }
}

/// A call to a queue's own URL need not repeat it as a parameter.
pub(crate) fn add_queue_url(form: &mut Pairs<'_>, url: &str, path: &str) {
    let parts = path.trim_matches('/').split('/').count();
    if parts == 2 && !form.iter().any(|(key, _)| key == "QueueUrl") {
        form.push((Cow::Borrowed("QueueUrl"), Cow::Owned(format!("{url}{path}"))));
    }
}
