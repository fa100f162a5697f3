//! What AWS clients speak, once.
//!
//! A request meets, in this order ([`gateway`]):
//!
//! 1. the server's own routes and the services' front doors, where host or path say so
//!    ([`front_door`]);
//! 2. [`service_router`] and [`uri_router`]: which service and which operation;
//! 3. [`auth`], [`sigv4`], [`sigv2`], [`presign`]: who calls, and whether the signature is right;
//! 4. [`chunked`] and [`checksum`]: S3's streamed bodies, decoded and checked while they flow;
//! 5. [`protocol`]: the input is read by one of the formats in [`codec`], for REST through
//!    [`http_binding`];
//! 6. the kernel's call path, which this crate does not look into;
//! 7. [`protocol`] again: the output or the error in its envelope, and a [`reply::Reply`] on its way.
//!
//! [`serve`](mod@serve) is the accept loop (`leftover` keeps its connections clean), [`echo`] the mode in which the round trip of every
//! operation is proven. Read first: [`gateway`], [`protocol`], [`codec`].
//!
//! This crate knows no service, with these exceptions, each in one place:
//!
//! | what | where |
//! | --- | --- |
//! | SQS: names of map entries, XML namespace and queue URLs in query | [`codec::query`], [`protocol::aws_query`] |
//! | SQS, DynamoDB: what stands before the `#` of an error's type; DynamoDB's `x-amz-crc32` | [`protocol::aws_json`] |
//! | S3: root elements, `GetBucketLocation`, request ids, error bodies | [`protocol::rest_xml`] |
//! | S3: buckets in hosts, everything that nobody else claims | [`service_router`] |
//! | S3: streamed bodies, checksums (`CompleteMultipartUpload` declares those of the object) | [`intake`], [`checksum`] |
//! | S3: paths signed once encoded, version 2 signatures | [`sigv4`], [`sigv2`] |
//! | Lambda: larger bodies | [`gateway`] |

pub mod auth;
pub mod checksum;
pub mod chunked;
pub mod codec;
pub mod echo;
pub mod error;
mod event_stream;
pub mod front_door;
pub mod gateway;
pub mod http_binding;
pub mod intake;
mod leftover;
pub mod presign;
pub mod protocol;
pub mod reply;
pub mod serve;
pub mod service_router;
pub mod sigv2;
pub mod sigv4;
pub mod uri_router;

pub use gateway::{Gateway, Options};
pub use serve::serve;
