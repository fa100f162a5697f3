//! `AWS::S3::Bucket` and `AWS::S3::BucketPolicy`, made of S3's own operations.

mod bucket;
mod policy;
mod translate;

use serde_json::Value;
use undercast_kernel::{Context, Kernel, Listed, ServiceError};

use crate::engine::bucket::arn;
use crate::store::BUCKETS;

pub(crate) use bucket::BucketType;
pub(crate) use policy::BucketPolicyType;

async fn call(ctx: &Context, operation: &str, input: Value) -> Result<Value, ServiceError> {
    ctx.kernel().call(ctx, "s3", operation, &input).await
}

/// Buckets, for `undercast ls`.
pub(crate) async fn list(kernel: Kernel) -> Result<Vec<Listed>, ServiceError> {
    let rows = BUCKETS.list(kernel.db(), BUCKETS.all(), 10_000, false).await?;
    let listed = rows.into_iter().map(|((name,), row)| Listed {
        kind: "AWS::S3::Bucket",
        arn: arn(&name),
        account: row.account,
        region: row.region,
        name,
        note: match row.versioning {
            crate::store::Versioning::Enabled => "versioned".to_owned(),
            crate::store::Versioning::Suspended => "versioning suspended".to_owned(),
            crate::store::Versioning::Off => String::new(),
        },
    });
    Ok(listed.collect())
}
