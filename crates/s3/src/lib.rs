//! S3: buckets and objects, with versions, parts and conditions.
//!
//! An object is one row with all that is known of it; small content stands in it or in a row beside
//! it, larger content in a blob that is streamed to disk before the row that links it is committed.
//! An object that was uploaded in parts is the list of its parts, which are never put together.
//!
//! Read first: `store.rs` (what is kept), `engine/object.rs` (how a key changes), `engine/ingest.rs`
//! (how content comes in), `engine/list.rs`.
//!
//! Not here: replication, access points, keys of customers
//! (SSE-C), access control lists that are not canned. `docs/services/s3.md` lists what differs.

pub mod api;
mod engine;
mod error;
mod limits;
mod operations;
mod post;
mod preflight;
mod resources;
mod store;
mod tasks;
mod website;

use std::sync::Arc;

use undercast_kernel::{Kernel, Service};

use api::s3::operations as op;

/// The service. All its state is in the store.
#[derive(Debug)]
pub struct S3;

/// The routing table.
pub fn service(_: &Kernel) -> Service {
    let s3 = Arc::new(S3);
    Service::new(&api::s3::SERVICE)
        .route::<op::AbortMultipartUpload>(&s3)
        .route::<op::CompleteMultipartUpload>(&s3)
        .route::<op::CopyObject>(&s3)
        .route::<op::CreateBucket>(&s3)
        .route::<op::CreateMultipartUpload>(&s3)
        .route::<op::DeleteBucket>(&s3)
        .route::<op::DeleteBucketCors>(&s3)
        .route::<op::DeleteBucketEncryption>(&s3)
        .route::<op::DeleteBucketLifecycle>(&s3)
        .route::<op::DeleteBucketOwnershipControls>(&s3)
        .route::<op::DeleteBucketPolicy>(&s3)
        .route::<op::DeleteBucketTagging>(&s3)
        .route::<op::DeleteBucketWebsite>(&s3)
        .route::<op::DeleteObject>(&s3)
        .route::<op::DeleteObjectTagging>(&s3)
        .route::<op::DeleteObjects>(&s3)
        .route::<op::DeletePublicAccessBlock>(&s3)
        .route::<op::GetBucketAccelerateConfiguration>(&s3)
        .route::<op::GetBucketAcl>(&s3)
        .route::<op::GetBucketCors>(&s3)
        .route::<op::GetBucketEncryption>(&s3)
        .route::<op::GetBucketLifecycleConfiguration>(&s3)
        .route::<op::GetBucketLocation>(&s3)
        .route::<op::GetBucketLogging>(&s3)
        .route::<op::GetBucketNotificationConfiguration>(&s3)
        .route::<op::GetBucketOwnershipControls>(&s3)
        .route::<op::GetBucketPolicy>(&s3)
        .route::<op::GetBucketPolicyStatus>(&s3)
        .route::<op::GetBucketReplication>(&s3)
        .route::<op::GetBucketRequestPayment>(&s3)
        .route::<op::GetBucketTagging>(&s3)
        .route::<op::GetBucketVersioning>(&s3)
        .route::<op::GetBucketWebsite>(&s3)
        .route::<op::GetObject>(&s3)
        .route::<op::GetObjectAcl>(&s3)
        .route::<op::GetObjectAttributes>(&s3)
        .route::<op::GetObjectLegalHold>(&s3)
        .route::<op::GetObjectLockConfiguration>(&s3)
        .route::<op::GetObjectRetention>(&s3)
        .route::<op::GetObjectTagging>(&s3)
        .route::<op::GetPublicAccessBlock>(&s3)
        .route::<op::HeadBucket>(&s3)
        .route::<op::HeadObject>(&s3)
        .route::<op::ListBuckets>(&s3)
        .route::<op::ListMultipartUploads>(&s3)
        .route::<op::ListObjectVersions>(&s3)
        .route::<op::ListObjects>(&s3)
        .route::<op::ListObjectsV2>(&s3)
        .route::<op::ListParts>(&s3)
        .route::<op::PutBucketAcl>(&s3)
        .route::<op::PutBucketCors>(&s3)
        .route::<op::PutBucketEncryption>(&s3)
        .route::<op::PutBucketLifecycleConfiguration>(&s3)
        .route::<op::PutBucketLogging>(&s3)
        .route::<op::PutBucketNotificationConfiguration>(&s3)
        .route::<op::PutBucketOwnershipControls>(&s3)
        .route::<op::PutBucketPolicy>(&s3)
        .route::<op::PutBucketTagging>(&s3)
        .route::<op::PutBucketVersioning>(&s3)
        .route::<op::PutBucketWebsite>(&s3)
        .route::<op::PutObject>(&s3)
        .route::<op::PutObjectAcl>(&s3)
        .route::<op::PutObjectLegalHold>(&s3)
        .route::<op::PutObjectLockConfiguration>(&s3)
        .route::<op::PutObjectRetention>(&s3)
        .route::<op::PutObjectTagging>(&s3)
        .route::<op::PutPublicAccessBlock>(&s3)
        .route::<op::UploadPart>(&s3)
        .route::<op::UploadPartCopy>(&s3)
        .endpoint(Arc::new(preflight::Preflight))
        .endpoint(Arc::new(website::Website))
        .endpoint(Arc::new(post::PostObject))
        .resource(resources::BucketType)
        .resource(resources::BucketPolicyType)
        .task(tasks::drop_parts())
        .task(tasks::drop_bucket())
        .task(tasks::collect())
        .task(tasks::lifecycle())
        .task(tasks::notify())
        .start(tasks::start)
        .list(resources::list)
        .refuse(error::refuse)
        .unreadable(error::unreadable)
}
