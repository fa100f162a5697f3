//! Four small services, one for each way of speaking, defined by hand.

use std::collections::BTreeMap;
use std::sync::Arc;

use undercast_kernel::{
    Access, Context, Credentials, Handler, Kernel, Mode, Operation, Principal, Secret, Service,
    ServiceError, Settings, ports::Issued,
};
use undercast_smithy::schema::prelude::{BLOB, LONG, STREAM, STRING, TIMESTAMP};
use undercast_smithy::shape::write_option;
use undercast_smithy::{
    Binding, Blob, Body, ErrorSchema, Fault, Kind, Member, OperationSchema, Protocol, ReadError,
    Route, Schema, ServiceSchema, Shape, ShapeReader, ShapeWriter, Timestamp, Value,
};

macro_rules! shape {
    ($name:ident { $($field:ident: $type:ty = $member:expr),* $(,)? }) => {
        #[derive(Debug, Clone, Default, PartialEq)]
        pub struct $name { $(pub $field: Option<$type>,)* }

        impl $name {
            const MEMBERS: &'static [Member] = {
                static MEMBERS: &[Member] = &[$($member),*];
                MEMBERS
            };
        }

        impl Shape for $name {
            const SCHEMA: &'static Schema = {
                static SCHEMA: Schema = Schema::new(stringify!($name), Kind::Structure($name::MEMBERS));
                &SCHEMA
            };

            #[allow(unused_mut, unused_variables, unused_assignments, reason = "some are empty")]
            fn write_members(&self, writer: &mut dyn ShapeWriter) {
                let mut members = Self::MEMBERS.iter();
                $(if let Some(member) = members.next() { write_option(&self.$field, member, writer); })*
            }

            #[allow(unused_mut, unused_variables, unused_assignments, reason = "some are empty")]
            fn read_member(&mut self, index: usize, reader: &mut dyn ShapeReader) -> Result<(), ReadError> {
                let mut at = 0;
                $(
                    if at == index {
                        self.$field = Some(Value::read(&Self::MEMBERS[index], reader)?);
                    }
                    at += 1;
                )*
                Ok(())
            }
        }
    };
}

macro_rules! operation {
    ($name:ident($input:ty) -> $output:ty = $method:literal $uri:literal $(, $key:ident: $value:expr)*) => {
        pub struct $name;

        impl Operation for $name {
            const SCHEMA: &'static OperationSchema = {
                static SCHEMA: OperationSchema = OperationSchema {
                    $($key: $value,)*
                    ..OperationSchema {
                        name: stringify!($name),
                        method: $method,
                        uri: $uri,
                        status: 200,
                        input: <$input as Shape>::SCHEMA,
                        output: <$output as Shape>::SCHEMA,
                        errors: &[],
                        result_wrapper: None,
                        host_prefix: None,
                        unsigned: false,
                        no_output: false,
                    }
                };
                &SCHEMA
            };
            type Input = $input;
            type Output = $output;
        }
    };
}

static ELEMENT: Member = Member::new("member", &STRING);
static KEY: Member = Member::new("key", &STRING);
static VALUE: Member = Member::new("value", &STRING);
static LIST: Schema = Schema::new("List", Kind::List(&ELEMENT)).flattened();
static MAP: Schema = Schema::new("Map", Kind::Map(&KEY, &VALUE)).flattened();

shape!(Empty {});
shape!(Identity {
    account: String = Member::new("Account", &STRING),
    arn: String = Member::new("Arn", &STRING),
    region: String = Member::new("Region", &STRING),
});
operation!(GetCallerIdentity(Empty) -> Identity = "POST" "/", result_wrapper: Some("GetCallerIdentityResult"));
operation!(AssumeRoleWithWebIdentity(Empty) -> Identity = "POST" "/", unsigned: true);

pub static WHO: ServiceSchema = ServiceSchema {
    id: "sts",
    signing_name: "sts",
    endpoint_prefix: "sts",
    target_prefix: None,
    api_version: "2011-06-15",
    protocols: &[Protocol::AwsQuery],
    query_compatible: false,
    xml_namespace: Some("https://sts.amazonaws.com/doc/2011-06-15/"),
    operations: &[GetCallerIdentity::SCHEMA, AssumeRoleWithWebIdentity::SCHEMA],
    unimplemented: &[Route { name: "GetFederationToken", method: "POST", uri: "/" }],
};

shape!(Message {
    queue_url: String = Member::new("QueueUrl", &STRING).required(),
    body: String = Member::new("MessageBody", &STRING),
    attributes: BTreeMap<String, String> = Member::new("Attributes", &MAP).query("Attribute"),
    names: Vec<String> = Member::new("Names", &LIST).query("Name"),
    blob: Blob = Member::new("Blob", &BLOB),
    at: Timestamp = Member::new("At", &TIMESTAMP),
    number: i64 = Member::new("Number", &LONG),
});
shape!(Missing { message: String = Member::new("message", &STRING) });
static MISSING: ErrorSchema = ErrorSchema {
    name: "QueueDoesNotExist",
    query_code: Some("AWS.SimpleQueueService.NonExistentQueue"),
    status: 400,
    fault: Fault::Sender,
    schema: Missing::SCHEMA,
};
operation!(SendMessage(Message) -> Message = "POST" "/", errors: &[&MISSING]);
operation!(DeleteMessage(Message) -> Empty = "POST" "/", no_output: true);

pub static QUEUE: ServiceSchema = ServiceSchema {
    id: "sqs",
    signing_name: "sqs",
    endpoint_prefix: "sqs",
    target_prefix: Some("AmazonSQS"),
    api_version: "2012-11-05",
    protocols: &[Protocol::AwsJson1_0, Protocol::AwsQuery],
    query_compatible: true,
    xml_namespace: None,
    operations: &[SendMessage::SCHEMA, DeleteMessage::SCHEMA],
    unimplemented: &[Route { name: "PurgeQueue", method: "POST", uri: "/" }],
};

shape!(Invocation {
    name: String = Member::new("FunctionName", &STRING).required().bound(Binding::Label),
    qualifier: String = Member::new("Qualifier", &STRING).bound(Binding::Query),
    kind: String =
        Member::new("InvocationType", &STRING).wire("X-Amz-Invocation-Type").bound(Binding::Header),
    payload: Blob = Member::new("Payload", &BLOB).bound(Binding::Payload),
});
static INTEGER_STATUS: Schema = Schema::new("Status", Kind::Integer);
shape!(Invoked {
    status: i32 = Member::new("StatusCode", &INTEGER_STATUS).bound(Binding::Status),
    version: String = Member::new("ExecutedVersion", &STRING)
        .wire("X-Amz-Executed-Version")
        .bound(Binding::Header),
    payload: Blob = Member::new("Payload", &BLOB).bound(Binding::Payload),
});
shape!(NotFound {
    kind: String = Member::new("Type", &STRING),
    message: String = Member::new("Message", &STRING),
});
static NOT_FOUND: ErrorSchema = ErrorSchema {
    name: "ResourceNotFoundException",
    query_code: None,
    status: 404,
    fault: Fault::Sender,
    schema: NotFound::SCHEMA,
};
operation!(Invoke(Invocation) -> Invoked = "POST" "/2015-03-31/functions/{FunctionName}/invocations", errors: &[&NOT_FOUND]);
operation!(DeleteFunction(Invocation) -> Empty = "DELETE" "/2015-03-31/functions/{FunctionName}", status: 204, no_output: true);

pub static FUNCTION: ServiceSchema = ServiceSchema {
    id: "lambda",
    signing_name: "lambda",
    endpoint_prefix: "lambda",
    target_prefix: None,
    api_version: "2015-03-31",
    protocols: &[Protocol::RestJson1],
    query_compatible: false,
    xml_namespace: None,
    operations: &[Invoke::SCHEMA, DeleteFunction::SCHEMA],
    unimplemented: &[],
};

static HEADER_MAP: Schema = Schema::new("Metadata", Kind::Map(&KEY, &VALUE));
shape!(Object {
    bucket: String = Member::new("Bucket", &STRING).required().bound(Binding::Label),
    key: String = Member::new("Key", &STRING).bound(Binding::Label),
    encoding: String = Member::new("ContentEncoding", &STRING).wire("Content-Encoding").bound(Binding::Header),
    metadata: BTreeMap<String, String> = Member::new("Metadata", &HEADER_MAP).wire("x-amz-meta-").bound(Binding::PrefixHeaders),
    body: Body = Member::new("Body", &STREAM).bound(Binding::Payload),
});
shape!(Stored {
    etag: String = Member::new("ETag", &STRING).wire("ETag").bound(Binding::Header),
    modified: Timestamp = Member::new("LastModified", &TIMESTAMP).wire("Last-Modified").bound(Binding::Header),
    metadata: BTreeMap<String, String> = Member::new("Metadata", &HEADER_MAP).wire("x-amz-meta-").bound(Binding::PrefixHeaders),
    body: Body = Member::new("Body", &STREAM).bound(Binding::Payload),
});
shape!(ListObjectsOutput {
    name: String = Member::new("Name", &STRING),
    keys: Vec<String> = Member::new("Keys", &LIST).wire("Key"),
});
operation!(PutObject(Object) -> Stored = "PUT" "/{Bucket}/{Key+}");
operation!(GetObject(Object) -> Stored = "GET" "/{Bucket}/{Key+}");
operation!(HeadObject(Object) -> Stored = "HEAD" "/{Bucket}/{Key+}");
operation!(ListObjects(Object) -> ListObjectsOutput = "GET" "/{Bucket}");

pub static STORE: ServiceSchema = ServiceSchema {
    id: "s3",
    signing_name: "s3",
    endpoint_prefix: "s3",
    target_prefix: None,
    api_version: "2006-03-01",
    protocols: &[Protocol::RestXml],
    query_compatible: false,
    xml_namespace: None,
    operations: &[PutObject::SCHEMA, GetObject::SCHEMA, HeadObject::SCHEMA, ListObjects::SCHEMA],
    unimplemented: &[Route { name: "GetObjectAcl", method: "GET", uri: "/{Bucket}/{Key+}?acl" }],
};

/// Handles everything.
pub struct Everything;

impl Handler<GetCallerIdentity> for Everything {
    fn authorize(&self, _: &Context, _: &Empty) -> Vec<Access> {
        Vec::new()
    }

    async fn handle(&self, ctx: Context, _: Empty) -> Result<Identity, ServiceError> {
        Ok(Identity {
            account: Some(ctx.account().to_owned()),
            arn: Some(ctx.principal().arn()),
            region: Some(ctx.region().to_owned()),
        })
    }
}

impl Handler<AssumeRoleWithWebIdentity> for Everything {
    fn authorize(&self, _: &Context, _: &Empty) -> Vec<Access> {
        Vec::new()
    }

    async fn handle(&self, ctx: Context, _: Empty) -> Result<Identity, ServiceError> {
        Ok(Identity { arn: Some(ctx.principal().arn()), ..Identity::default() })
    }
}

impl Handler<SendMessage> for Everything {
    fn authorize(&self, _: &Context, _: &Message) -> Vec<Access> {
        Vec::new()
    }

    async fn handle(&self, _: Context, input: Message) -> Result<Message, ServiceError> {
        match input.body.as_deref() {
            Some("missing") => Err(ServiceError::new("QueueDoesNotExist", "no <queue>")),
            Some("panic") => panic!("on purpose"),
            Some("broken") => Err(ServiceError::internal("a secret detail")),
            _ => Ok(input),
        }
    }
}

impl Handler<DeleteMessage> for Everything {
    fn authorize(&self, _: &Context, _: &Message) -> Vec<Access> {
        Vec::new()
    }

    async fn handle(&self, _: Context, _: Message) -> Result<Empty, ServiceError> {
        Ok(Empty {})
    }
}

impl Handler<Invoke> for Everything {
    fn authorize(&self, _: &Context, _: &Invocation) -> Vec<Access> {
        Vec::new()
    }

    async fn handle(&self, _: Context, input: Invocation) -> Result<Invoked, ServiceError> {
        if input.name.as_deref() == Some("none") {
            return Err(ServiceError::new("ResourceNotFoundException", "Function not found"));
        }
        let version = format!("{:?}/{:?}/{:?}", input.name, input.qualifier, input.kind);
        Ok(Invoked { status: Some(202), version: Some(version), payload: input.payload })
    }
}

impl Handler<DeleteFunction> for Everything {
    fn authorize(&self, _: &Context, _: &Invocation) -> Vec<Access> {
        Vec::new()
    }

    async fn handle(&self, _: Context, _: Invocation) -> Result<Empty, ServiceError> {
        Ok(Empty {})
    }
}

fn body_error(error: undercast_smithy::BodyError) -> ServiceError {
    match error {
        undercast_smithy::BodyError::Invalid { code, message } => ServiceError::new(code, message),
        other => ServiceError::new("IncompleteBody", other.to_string()),
    }
}

impl Handler<PutObject> for Everything {
    fn authorize(&self, _: &Context, _: &Object) -> Vec<Access> {
        Vec::new()
    }

    async fn handle(&self, _: Context, input: Object) -> Result<Stored, ServiceError> {
        use futures::StreamExt as _;
        let mut stream = input.body.unwrap_or_default().into_stream();
        let mut length = 0;
        while let Some(chunk) = stream.next().await {
            length += chunk.map_err(body_error)?.len();
        }
        let etag = format!("{:?} {length} {:?}", input.key.unwrap_or_default(), input.encoding);
        Ok(Stored { etag: Some(etag), metadata: input.metadata, ..Stored::default() })
    }
}

impl Handler<GetObject> for Everything {
    fn authorize(&self, _: &Context, _: &Object) -> Vec<Access> {
        Vec::new()
    }

    async fn handle(&self, _: Context, input: Object) -> Result<Stored, ServiceError> {
        use futures::StreamExt as _;
        let key = input.key.unwrap_or_default();
        if key == "none" {
            let error = ServiceError::new("NoSuchKey", "The specified key does not exist.");
            return Err(error.with_status(404).with_field("Key", key));
        }
        if key == "same" {
            return Err(ServiceError::new("NotModified", "Not Modified").with_status(304));
        }
        let chunk = bytes::Bytes::from(vec![b'x'; 64 << 10]);
        let stream = futures::stream::iter((0..16).map(move |_| Ok(chunk.clone())));
        Ok(Stored {
            etag: Some(key),
            modified: Some(Timestamp::from_seconds(1_795_507_200)),
            body: Some(Body::from_stream(stream.boxed(), Some(1 << 20))),
            ..Stored::default()
        })
    }
}

impl Handler<HeadObject> for Everything {
    fn authorize(&self, _: &Context, _: &Object) -> Vec<Access> {
        Vec::new()
    }

    async fn handle(&self, ctx: Context, input: Object) -> Result<Stored, ServiceError> {
        let found = Handler::<GetObject>::handle(self, ctx, input).await?;
        Ok(Stored { body: None, ..found })
    }
}

impl Handler<ListObjects> for Everything {
    fn authorize(&self, _: &Context, _: &Object) -> Vec<Access> {
        Vec::new()
    }

    async fn handle(&self, _: Context, input: Object) -> Result<ListObjectsOutput, ServiceError> {
        Ok(ListObjectsOutput { name: input.bucket, keys: Some(vec!["a&b".into(), "c".into()]) })
    }
}

pub const KEY_ID: &str = "AKIAIOSFODNN7EXAMPLE";
pub const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

/// Knows the one key of AWS's examples.
struct Known;

impl Credentials for Known {
    fn lookup(
        &self,
        _: Kernel,
        access_key: String,
    ) -> futures::future::BoxFuture<'static, Result<Option<Secret>, ServiceError>> {
        let principal = Principal::User {
            account: "111122223333".into(),
            name: "alice".into(),
            id: "AIDA".into(),
        };
        let secret =
            Secret { secret_key: SECRET.into(), session_token: None, expires_ms: None, principal };
        Box::pin(async move { Ok((access_key == KEY_ID).then_some(secret)) })
    }

    fn assume(
        &self,
        _: Kernel,
        _: String,
        _: String,
    ) -> futures::future::BoxFuture<'static, Result<Issued, ServiceError>> {
        Box::pin(async { Err(ServiceError::unsupported("assume")) })
    }
}

/// A kernel with all four services.
pub fn kernel(db: undercast_kernel::Db, mode: Mode) -> Kernel {
    let kernel = Kernel::new(db, Settings { mode, ..Settings::default() });
    kernel.provide_credentials(Arc::new(Known));
    let all = Arc::new(Everything);
    kernel.install(vec![
        Service::new(&WHO)
            .route::<GetCallerIdentity>(&all)
            .route::<AssumeRoleWithWebIdentity>(&all),
        Service::new(&QUEUE).route::<SendMessage>(&all).route::<DeleteMessage>(&all),
        Service::new(&FUNCTION).route::<Invoke>(&all).route::<DeleteFunction>(&all),
        Service::new(&STORE)
            .route::<PutObject>(&all)
            .route::<GetObject>(&all)
            .route::<HeadObject>(&all)
            .route::<ListObjects>(&all),
    ]);
    kernel
}
