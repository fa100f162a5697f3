//! `PutBucketPolicy`, `GetBucketPolicy` and `DeleteBucketPolicy`.

use serde_json::Value;
use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::S3;
use crate::api::s3::operations::{DeleteBucketPolicy, GetBucketPolicy, PutBucketPolicy};
use crate::api::s3::shapes::{
    DeleteBucketPolicyInput, DeleteBucketPolicyOutput, GetBucketPolicyInput, GetBucketPolicyOutput,
    PutBucketPolicyInput, PutBucketPolicyOutput,
};
use crate::engine::bucket::{POLICY, access, delete_config, own};
use crate::error::no_config;
use crate::limits::POLICY_BYTES_MAX;
use crate::store::{BUCKETS, CONFIGS};

fn malformed(message: &str) -> ServiceError {
    ServiceError::new("MalformedPolicy", message)
}

fn check(policy: &str) -> Result<(), ServiceError> {
    if policy.len() > POLICY_BYTES_MAX {
        return Err(malformed("Policy exceeds the maximum allowed document size"));
    }
    let not_json = || malformed("Policies must be valid JSON and the first byte must be '{'");
    if !policy.starts_with('{') {
        return Err(not_json());
    }
    let policy: Value = serde_json::from_str(policy).map_err(|_| not_json())?;
    let statements = match policy.get("Statement") {
        None => return Err(malformed("Missing required field Statement")),
        Some(Value::Array(statements)) => statements.as_slice(),
        Some(statement) => std::slice::from_ref(statement),
    };
    for statement in statements {
        for (one, other) in [
            ("Effect", "Effect"),
            ("Principal", "NotPrincipal"),
            ("Action", "NotAction"),
            ("Resource", "NotResource"),
        ] {
            if statement.get(one).is_none() && statement.get(other).is_none() {
                return Err(malformed(&format!("Missing required field {one}")));
            }
        }
    }
    Ok(())
}

impl Handler<PutBucketPolicy> for S3 {
    fn authorize(&self, _: &Context, input: &PutBucketPolicyInput) -> Vec<Access> {
        access("PutBucketPolicy", &input.bucket)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: PutBucketPolicyInput,
    ) -> Result<PutBucketPolicyOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let owner = input.expected_bucket_owner.as_ref();
            let mut row = own(&tx, &ctx, &input.bucket, owner).await?;
            check(&input.policy)?;
            // Kept as it came: the policy is answered byte for byte.
            CONFIGS.put(&tx, &(row.number, POLICY.to_owned()), &input.policy)?;
            if !row.has_policy {
                row.has_policy = true;
                BUCKETS.put(&tx, &(input.bucket.clone(),), &row)?;
            }
            Ok(())
        })
        .await?;
        Ok(PutBucketPolicyOutput::default())
    }
}

impl Handler<GetBucketPolicy> for S3 {
    fn authorize(&self, _: &Context, input: &GetBucketPolicyInput) -> Vec<Access> {
        access("GetBucketPolicy", &input.bucket)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: GetBucketPolicyInput,
    ) -> Result<GetBucketPolicyOutput, ServiceError> {
        let tx = ctx.store().begin().await?;
        let row = own(&tx, &ctx, &input.bucket, input.expected_bucket_owner.as_ref()).await?;
        let policy = CONFIGS.get(&tx, &(row.number, POLICY.to_owned())).await?;
        let missing =
            || no_config("NoSuchBucketPolicy", "The bucket policy does not exist", &input.bucket);
        Ok(GetBucketPolicyOutput { policy: Some(policy.ok_or_else(missing)?) })
    }
}

impl Handler<DeleteBucketPolicy> for S3 {
    fn authorize(&self, _: &Context, input: &DeleteBucketPolicyInput) -> Vec<Access> {
        access("DeleteBucketPolicy", &input.bucket)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: DeleteBucketPolicyInput,
    ) -> Result<DeleteBucketPolicyOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let owner = input.expected_bucket_owner.as_ref();
            let mut row = own(&tx, &ctx, &input.bucket, owner).await?;
            delete_config(&tx, &row, POLICY)?;
            row.has_policy = false;
            BUCKETS.put(&tx, &(input.bucket.clone(),), &row)?;
            Ok(())
        })
        .await?;
        Ok(DeleteBucketPolicyOutput::default())
    }
}
