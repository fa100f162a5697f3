//! restXml, which is S3's.

use base64::Engine as _;
use undercast_kernel::{ErasedOutput, ServiceError};
use undercast_smithy::document::DocumentWriter;
use undercast_smithy::{Binding, OperationSchema, Schema, ServiceSchema};

use super::Target;
use super::aws_query::{document, element};
use crate::codec::json::BASE64;
use crate::codec::xml::{XmlWriter, escape};
use crate::error::{Family, envelope};
use crate::http_binding::{BodyWriter, HttpWriter};
use crate::reply::Reply;

const CONTENT_TYPE: &str = "application/xml";
const PROLOGUE: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";

pub(super) fn encode(
    service: &'static ServiceSchema,
    operation: &'static OperationSchema,
    output: &dyn ErasedOutput,
    request_id: &str,
) -> Reply {
    if operation.name == "GetBucketLocation" {
        return bucket_location(service, output, request_id);
    }
    let schema = operation.output;
    let mut xml = XmlWriter::new().with_millis();
    let in_body = schema.members().iter().any(|m| m.binding == Binding::Body);
    let root = (schema.payload().is_none() && in_body).then(|| root_name(schema));
    xml.root(root, namespace(service));
    let mut writer = HttpWriter::new(operation.status, BodyWriter::Xml(xml));
    output.write(&mut writer);
    let (mut reply, body) = writer.finish();
    // A part of an object has a status of its own, which the model does not say.
    if reply.headers.contains_key(http::header::CONTENT_RANGE) {
        reply.status = http::StatusCode::PARTIAL_CONTENT;
    }
    request_ids(service, &mut reply, request_id);
    match body {
        Some(body) if !body.is_empty() => {
            let mut text = PROLOGUE.as_bytes().to_vec();
            text.extend_from_slice(&body);
            reply.with_body(CONTENT_TYPE, text)
        }
        _ => reply,
    }
}

fn namespace(service: &'static ServiceSchema) -> Option<&'static str> {
    match service.id {
        "s3" => Some("http://s3.amazonaws.com/doc/2006-03-01/"),
        _ => service.xml_namespace,
    }
}

/// The names of S3's root elements, which the models do not hold.
fn root_name(schema: &'static Schema) -> &'static str {
    match (schema.xml_name, schema.name) {
        (Some(name), _) => name,
        (_, "ListBucketsOutput") => "ListAllMyBucketsResult",
        (_, "ListObjectsOutput" | "ListObjectsV2Output") => "ListBucketResult",
        (_, "ListObjectVersionsOutput") => "ListVersionsResult",
        (_, "CreateMultipartUploadOutput") => "InitiateMultipartUploadResult",
        (_, "CompleteMultipartUploadOutput") => "CompleteMultipartUploadResult",
        (_, "ListPartsOutput") => "ListPartsResult",
        (_, "ListMultipartUploadsOutput") => "ListMultipartUploadsResult",
        (_, "DeleteObjectsOutput") => "DeleteResult",
        (_, "GetBucketAclOutput" | "GetObjectAclOutput") => "AccessControlPolicy",
        (_, "GetBucketCorsOutput") => "CORSConfiguration",
        (_, "GetBucketLifecycleConfigurationOutput") => "LifecycleConfiguration",
        (_, "GetBucketVersioningOutput") => "VersioningConfiguration",
        (_, "GetBucketTaggingOutput" | "GetObjectTaggingOutput") => "Tagging",
        (_, "GetBucketWebsiteOutput") => "WebsiteConfiguration",
        (_, "GetBucketLoggingOutput") => "BucketLoggingStatus",
        (_, "GetBucketRequestPaymentOutput") => "RequestPaymentConfiguration",
        (_, "GetObjectAttributesOutput") => "GetObjectAttributesResponse",
        (_, name) => name,
    }
}

/// `GetBucketLocation` answers its one member as the root itself.
fn bucket_location(
    service: &'static ServiceSchema,
    output: &dyn ErasedOutput,
    request_id: &str,
) -> Reply {
    let mut writer = DocumentWriter::default();
    output.write(&mut writer);
    let document = writer.finish();
    let location = document.get("LocationConstraint").and_then(|l| l.as_str()).unwrap_or_default();
    let mut body = PROLOGUE.to_owned();
    body.push_str("<LocationConstraint xmlns=\"");
    body.push_str(namespace(service).unwrap_or_default());
    body.push_str("\">");
    escape(&mut body, location);
    body.push_str("</LocationConstraint>");
    let mut reply = Reply::new(200);
    request_ids(service, &mut reply, request_id);
    reply.with_body(CONTENT_TYPE, body)
}

/// S3's request id: sixteen digits in upper case, made from the call's own.
pub(crate) fn short_id(request_id: &str) -> String {
    let digits = request_id.chars().filter(char::is_ascii_hexdigit).take(16);
    digits.map(|c| c.to_ascii_uppercase()).collect()
}

fn host_id(request_id: &str) -> String {
    BASE64.encode(request_id.as_bytes())
}

fn request_ids(service: &ServiceSchema, reply: &mut Reply, request_id: &str) {
    if service.id == "s3" {
        reply.header("x-amz-request-id", &short_id(request_id));
        reply.header("x-amz-id-2", &host_id(request_id));
    } else {
        reply.header("x-amzn-requestid", request_id);
    }
}

pub(super) fn encode_error(target: Target, error: &ServiceError, request_id: &str) -> Reply {
    let envelope = envelope(Family::RestXml, target.service, target.operation, error);
    let mut reply = Reply::new(envelope.status);
    if let Some(service) = target.service {
        request_ids(service, &mut reply, request_id);
    }
    if matches!(envelope.status, 204 | 304) {
        return reply;
    }
    let mut body = PROLOGUE.to_owned();
    body.push_str("<Error>");
    element(&mut body, "Code", envelope.code);
    element(&mut body, "Message", error.message());
    for (name, value) in error.fields() {
        document(&mut body, name, value);
    }
    element(&mut body, "RequestId", &short_id(request_id));
    element(&mut body, "HostId", &host_id(request_id));
    body.push_str("</Error>");
    reply.with_body(CONTENT_TYPE, body)
}
