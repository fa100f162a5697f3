//! A kernel with S3 alone, and calls with streamed bodies.

use bytes::Bytes;
use futures::StreamExt;
use serde_json::{Value, json};
use undercast_kernel::{Context, Kernel, Principal, ServiceError, Settings};
use undercast_smithy::document::{DocumentReader, DocumentWriter};
use undercast_smithy::shape::{OnElement, OnEntry, OnMember};
use undercast_smithy::{
    Body, BodyError, Document, Member, ReadError, Schema, ShapeReader, Timestamp,
};
use undercast_store::{Db, Env, Options, TaskRunner};

pub(crate) const ACCOUNT: &str = "123456789012";

pub(crate) struct S3 {
    pub(crate) kernel: Kernel,
    pub(crate) ctx: Context,
    _tasks: TaskRunner,
}

pub(crate) async fn start() -> S3 {
    let db = Db::open(Options::memory(), Env::system()).await.unwrap();
    let kernel = Kernel::new(db.clone(), Settings::default());
    kernel.install(vec![undercast_s3::service(&kernel)]);
    let tasks = TaskRunner::start(db, kernel.task_kinds());
    S3 { ctx: context(&kernel, ACCOUNT, "us-east-1"), kernel, _tasks: tasks }
}

pub(crate) fn context(kernel: &Kernel, account: &str, region: &str) -> Context {
    let principal = Principal::Root { account: account.to_owned() };
    kernel.context(principal, account, region)
}

impl S3 {
    pub(crate) async fn call(&self, operation: &str, input: Value) -> Result<Value, ServiceError> {
        self.kernel.call(&self.ctx, "s3", operation, &input).await
    }

    pub(crate) async fn code(&self, operation: &str, input: Value) -> String {
        self.call(operation, input).await.unwrap_err().code().to_owned()
    }

    pub(crate) async fn bucket(&self, name: &str) {
        self.call("CreateBucket", json!({"Bucket": name})).await.unwrap();
    }

    pub(crate) async fn version(&self, name: &str, status: &str) {
        let input = json!({"Bucket": name, "VersioningConfiguration": {"Status": status}});
        self.call("PutBucketVersioning", input).await.unwrap();
    }

    /// A call whose body is a stream.
    pub(crate) async fn send(
        &self,
        operation: &str,
        input: Value,
        body: Body,
    ) -> Result<Value, ServiceError> {
        let mut reader = WithBody { document: DocumentReader::new(&input), body };
        let output = self.kernel.dispatch(&self.ctx, "s3", operation, &mut reader).await?;
        let mut writer = DocumentWriter::default();
        output.write(&mut writer);
        Ok(writer.finish())
    }

    pub(crate) async fn put(&self, bucket: &str, key: &str, content: &[u8]) -> Value {
        let input = json!({"Bucket": bucket, "Key": key});
        self.send("PutObject", input, stream(content)).await.unwrap()
    }

    pub(crate) async fn get(&self, input: Value) -> Result<Vec<u8>, ServiceError> {
        let call = self.kernel.call_for_body(&self.ctx, "s3", "GetObject", &input);
        let (_, body) = call.await?;
        Ok(body.collect(1 << 30).await.unwrap().to_vec())
    }

    pub(crate) async fn keys(&self, bucket: &str) -> Vec<String> {
        let page = self.call("ListObjectsV2", json!({"Bucket": bucket})).await.unwrap();
        names(&page, "Contents", "Key")
    }
}

pub(crate) fn names(page: &Value, list: &str, name: &str) -> Vec<String> {
    let entries = page[list].as_array().into_iter().flatten();
    entries.map(|entry| entry[name].as_str().unwrap().to_owned()).collect()
}

/// Content in pieces, as a network delivers it.
pub(crate) fn stream(content: &[u8]) -> Body {
    let pieces: Vec<_> = content.chunks(10_000).map(Bytes::copy_from_slice).map(Ok).collect();
    Body::from_stream(futures::stream::iter(pieces).boxed(), None)
}

/// Content that turns out to be wrong when it ends.
pub(crate) fn broken_stream(content: &[u8]) -> Body {
    let mut pieces: Vec<Result<Bytes, BodyError>> =
        content.chunks(10_000).map(Bytes::copy_from_slice).map(Ok).collect();
    pieces.push(Err(BodyError::Invalid {
        code: "BadDigest",
        message: "The CRC32 you specified did not match the calculated checksum.".to_owned(),
    }));
    Body::from_stream(futures::stream::iter(pieces).boxed(), None)
}

/// Content of a length, different for each seed.
pub(crate) fn content(len: usize, seed: u64) -> Vec<u8> {
    let mut x = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        x as u8
    };
    (0..len).map(|_| next()).collect()
}

struct WithBody<'a> {
    document: DocumentReader<'a>,
    body: Body,
}

impl ShapeReader for WithBody<'_> {
    fn structure(&mut self, schema: &'static Schema, on: OnMember<'_>) -> Result<(), ReadError> {
        self.document.structure(schema, on)?;
        let index = schema.member_by_name("Body").unwrap();
        on(index, &mut OnlyBody(self.body.clone()))
    }

    fn list(&mut self, _: &'static Schema, _: OnElement<'_>) -> Result<(), ReadError> {
        unreachable!()
    }
    fn map(&mut self, _: &'static Schema, _: OnEntry<'_>) -> Result<(), ReadError> {
        unreachable!()
    }
    fn boolean(&mut self) -> Result<bool, ReadError> {
        unreachable!()
    }
    fn integer(&mut self) -> Result<i64, ReadError> {
        unreachable!()
    }
    fn float(&mut self) -> Result<f64, ReadError> {
        unreachable!()
    }
    fn string(&mut self) -> Result<String, ReadError> {
        unreachable!()
    }
    fn blob(&mut self) -> Result<Bytes, ReadError> {
        unreachable!()
    }
    fn timestamp(&mut self, _: &'static Member) -> Result<Timestamp, ReadError> {
        unreachable!()
    }
    fn document(&mut self) -> Result<Document, ReadError> {
        unreachable!()
    }
    fn stream(&mut self) -> Result<Body, ReadError> {
        unreachable!()
    }
    fn is_null(&mut self) -> bool {
        false
    }
}

struct OnlyBody(Body);

impl ShapeReader for OnlyBody {
    fn structure(&mut self, _: &'static Schema, _: OnMember<'_>) -> Result<(), ReadError> {
        unreachable!()
    }
    fn list(&mut self, _: &'static Schema, _: OnElement<'_>) -> Result<(), ReadError> {
        unreachable!()
    }
    fn map(&mut self, _: &'static Schema, _: OnEntry<'_>) -> Result<(), ReadError> {
        unreachable!()
    }
    fn boolean(&mut self) -> Result<bool, ReadError> {
        unreachable!()
    }
    fn integer(&mut self) -> Result<i64, ReadError> {
        unreachable!()
    }
    fn float(&mut self) -> Result<f64, ReadError> {
        unreachable!()
    }
    fn string(&mut self) -> Result<String, ReadError> {
        unreachable!()
    }
    fn blob(&mut self) -> Result<Bytes, ReadError> {
        unreachable!()
    }
    fn timestamp(&mut self, _: &'static Member) -> Result<Timestamp, ReadError> {
        unreachable!()
    }
    fn document(&mut self) -> Result<Document, ReadError> {
        unreachable!()
    }
    fn stream(&mut self) -> Result<Body, ReadError> {
        Ok(self.0.clone())
    }
    fn is_null(&mut self) -> bool {
        false
    }
}
