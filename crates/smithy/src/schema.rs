//! The vocabulary of a schema. All of it is `const`-constructible, so that generated schemas are
//! `static` data without any start-up work; statics may refer to each other in circles.

use crate::TimestampFormat;

/// A named shape: its kind and the traits that hold wherever it is used.
#[derive(Debug)]
pub struct Schema {
    /// The shape's name in the model.
    pub name: &'static str,
    pub kind: Kind,
    /// Smallest and largest length (of strings in characters, blobs in bytes, lists and maps in
    /// entries) or value (of numbers).
    pub min: Option<i64>,
    pub max: Option<i64>,
    /// A regular expression that the whole string has to match.
    pub pattern: Option<&'static str>,
    /// The allowed values of a string; empty when any is allowed.
    pub values: &'static [&'static str],
    pub sensitive: bool,
    pub timestamp_format: Option<TimestampFormat>,
    /// XML and query: list and map members stand without a wrapper.
    pub flattened: bool,
    /// XML: the element name and namespace that a payload structure of this shape gets.
    pub xml_name: Option<&'static str>,
    pub xml_namespace: Option<&'static str>,
}

#[derive(Debug, Clone, Copy)]
pub enum Kind {
    Boolean,
    Integer,
    Long,
    Float,
    Double,
    String,
    Blob,
    Timestamp,
    Document,
    /// A body that is never held in a document.
    Stream,
    List(&'static Member),
    Map(&'static Member, &'static Member),
    Structure(&'static [Member]),
    Union(&'static [Member]),
}

/// A member of a structure or union, the element of a list, the key or value of a map.
#[derive(Debug)]
pub struct Member {
    /// The member's name in the model.
    pub name: &'static str,
    /// The name that it has on the wire, where that differs.
    pub wire_name: Option<&'static str>,
    /// The name in the query protocol, where that differs once more (SQS, whose model is JSON).
    pub query_name: Option<&'static str>,
    pub schema: &'static Schema,
    pub required: bool,
    pub binding: Binding,
    pub flattened: bool,
    pub xml_attribute: bool,
    pub idempotency_token: bool,
    pub timestamp_format: Option<TimestampFormat>,
    pub xml_namespace: Option<&'static str>,
    pub xml_prefix: Option<&'static str>,
}

/// Where a member of an operation's input or output travels in HTTP (REST protocols only).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Binding {
    Body,
    Label,
    Query,
    QueryMap,
    Header,
    PrefixHeaders,
    Status,
    Payload,
}

impl Schema {
    pub const fn new(name: &'static str, kind: Kind) -> Self {
        Self {
            name,
            kind,
            min: None,
            max: None,
            pattern: None,
            values: &[],
            sensitive: false,
            timestamp_format: None,
            flattened: false,
            xml_name: None,
            xml_namespace: None,
        }
    }

    pub const fn min(mut self, min: i64) -> Self {
        self.min = Some(min);
        self
    }

    pub const fn max(mut self, max: i64) -> Self {
        self.max = Some(max);
        self
    }

    pub const fn pattern(mut self, pattern: &'static str) -> Self {
        self.pattern = Some(pattern);
        self
    }

    pub const fn values(mut self, values: &'static [&'static str]) -> Self {
        self.values = values;
        self
    }

    pub const fn sensitive(mut self) -> Self {
        self.sensitive = true;
        self
    }

    pub const fn timestamp_format(mut self, format: TimestampFormat) -> Self {
        self.timestamp_format = Some(format);
        self
    }

    pub const fn flattened(mut self) -> Self {
        self.flattened = true;
        self
    }

    pub const fn xml_name(mut self, name: &'static str) -> Self {
        self.xml_name = Some(name);
        self
    }

    pub const fn xml_namespace(mut self, namespace: &'static str) -> Self {
        self.xml_namespace = Some(namespace);
        self
    }

    /// The members of a structure or union; empty for every other kind.
    pub const fn members(&self) -> &'static [Member] {
        match self.kind {
            Kind::Structure(members) | Kind::Union(members) => members,
            _ => &[],
        }
    }

    /// The index of the member that is called `name` on the wire.
    pub fn member_by_wire_name(&self, name: &str) -> Option<usize> {
        self.members().iter().position(|m| m.wire_name() == name)
    }

    /// The index of the member that is called `name` in the model.
    pub fn member_by_name(&self, name: &str) -> Option<usize> {
        self.members().iter().position(|m| m.name == name)
    }

    /// The member that carries the whole payload, if one does.
    pub fn payload(&self) -> Option<(usize, &'static Member)> {
        self.members().iter().enumerate().find(|(_, m)| m.binding == Binding::Payload)
    }
}

impl Member {
    pub const fn new(name: &'static str, schema: &'static Schema) -> Self {
        Self {
            name,
            wire_name: None,
            query_name: None,
            schema,
            required: false,
            binding: Binding::Body,
            flattened: false,
            xml_attribute: false,
            idempotency_token: false,
            timestamp_format: None,
            xml_namespace: None,
            xml_prefix: None,
        }
    }

    pub const fn wire(mut self, name: &'static str) -> Self {
        self.wire_name = Some(name);
        self
    }

    pub const fn query(mut self, name: &'static str) -> Self {
        self.query_name = Some(name);
        self
    }

    pub const fn required(mut self) -> Self {
        self.required = true;
        self
    }

    pub const fn bound(mut self, binding: Binding) -> Self {
        self.binding = binding;
        self
    }

    pub const fn flattened(mut self) -> Self {
        self.flattened = true;
        self
    }

    pub const fn xml_attribute(mut self) -> Self {
        self.xml_attribute = true;
        self
    }

    pub const fn idempotency_token(mut self) -> Self {
        self.idempotency_token = true;
        self
    }

    pub const fn timestamp_format(mut self, format: TimestampFormat) -> Self {
        self.timestamp_format = Some(format);
        self
    }

    pub const fn xml_namespace(mut self, prefix: &'static str, namespace: &'static str) -> Self {
        self.xml_prefix = Some(prefix);
        self.xml_namespace = Some(namespace);
        self
    }

    /// The name on the wire.
    pub const fn wire_name(&self) -> &'static str {
        match self.wire_name {
            Some(name) => name,
            None => self.name,
        }
    }

    /// The name in the query protocol.
    pub const fn query_name(&self) -> &'static str {
        match self.query_name {
            Some(name) => name,
            None => self.wire_name(),
        }
    }

    pub const fn is_flattened(&self) -> bool {
        self.flattened || self.schema.flattened
    }

    /// The timestamp format of this member, or `default` where the model says nothing.
    pub fn timestamp_format_or(&self, default: TimestampFormat) -> TimestampFormat {
        self.timestamp_format.or(self.schema.timestamp_format).unwrap_or(default)
    }
}

/// One operation of a service.
#[derive(Debug)]
pub struct OperationSchema {
    pub name: &'static str,
    pub method: &'static str,
    /// The URI pattern of the REST protocols, such as `/2015-03-31/functions/{FunctionName}`.
    pub uri: &'static str,
    pub status: u16,
    pub input: &'static Schema,
    pub output: &'static Schema,
    pub errors: &'static [&'static ErrorSchema],
    /// Query: the element around the members of the output.
    pub result_wrapper: Option<&'static str>,
    /// What the endpoint's host begins with, such as `sync-`.
    pub host_prefix: Option<&'static str>,
    /// The operation is called without a signature (`AssumeRoleWithWebIdentity` and its kin).
    pub unsigned: bool,
    /// The output has no modeled members.
    pub no_output: bool,
}

impl OperationSchema {
    /// Whether the body of a request is a stream beside the input.
    pub fn takes_stream(&self) -> bool {
        self.input.payload().is_some_and(|(_, member)| matches!(member.schema.kind, Kind::Stream))
    }
}

/// An operation that the model knows and nobody has implemented: enough to route and to name it.
#[derive(Debug)]
pub struct Route {
    pub name: &'static str,
    pub method: &'static str,
    pub uri: &'static str,
}

/// A modeled error.
#[derive(Debug)]
pub struct ErrorSchema {
    /// The shape's name, which is the code in the JSON protocols.
    pub name: &'static str,
    /// The code in query, XML and query-compatible JSON.
    pub query_code: Option<&'static str>,
    pub status: u16,
    pub fault: Fault,
    pub schema: &'static Schema,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The caller has to change something.
    Sender,
    /// We have to.
    Receiver,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    AwsJson1_0,
    AwsJson1_1,
    AwsQuery,
    RpcV2Cbor,
    RestJson1,
    RestXml,
}

/// A service as its model describes it.
#[derive(Debug)]
pub struct ServiceSchema {
    /// Our short name, which is also the IAM prefix of most services: `sqs`, `dynamodb`.
    pub id: &'static str,
    /// The name in a signature's credential scope.
    pub signing_name: &'static str,
    pub endpoint_prefix: &'static str,
    /// The prefix of `X-Amz-Target`.
    pub target_prefix: Option<&'static str>,
    pub api_version: &'static str,
    /// The first is the protocol of current clients, others are spoken, too.
    pub protocols: &'static [Protocol],
    /// JSON errors also carry the query code in a header.
    pub query_compatible: bool,
    pub xml_namespace: Option<&'static str>,
    pub operations: &'static [&'static OperationSchema],
    pub unimplemented: &'static [Route],
}

/// Shapes without traits, shared by all models.
pub mod prelude {
    use super::{Kind, Schema};

    pub static BOOLEAN: Schema = Schema::new("Boolean", Kind::Boolean);
    pub static INTEGER: Schema = Schema::new("Integer", Kind::Integer);
    pub static LONG: Schema = Schema::new("Long", Kind::Long);
    pub static FLOAT: Schema = Schema::new("Float", Kind::Float);
    pub static DOUBLE: Schema = Schema::new("Double", Kind::Double);
    pub static STRING: Schema = Schema::new("String", Kind::String);
    pub static BLOB: Schema = Schema::new("Blob", Kind::Blob);
    pub static TIMESTAMP: Schema = Schema::new("Timestamp", Kind::Timestamp);
    pub static DOCUMENT: Schema = Schema::new("Document", Kind::Document);
    pub static STREAM: Schema = Schema::new("Stream", Kind::Stream);
}
