//! `PutBucketEncryption`, `GetBucketEncryption` and `DeleteBucketEncryption`: what new objects are
//! encrypted with.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::S3;
use crate::api::s3::operations::{
    DeleteBucketEncryption, GetBucketEncryption, PutBucketEncryption,
};
use crate::api::s3::shapes::{
    DeleteBucketEncryptionInput, DeleteBucketEncryptionOutput, GetBucketEncryptionInput,
    GetBucketEncryptionOutput, PutBucketEncryptionInput, PutBucketEncryptionOutput,
    ServerSideEncryptionByDefault, ServerSideEncryptionConfiguration, ServerSideEncryptionRule,
};
use crate::engine::bucket::{ENCRYPTION, access, config, delete_config, own, put_config};
use crate::error::malformed_xml;
use crate::store::{BUCKETS, Encryption};

impl Handler<PutBucketEncryption> for S3 {
    fn authorize(&self, _: &Context, input: &PutBucketEncryptionInput) -> Vec<Access> {
        access("PutEncryptionConfiguration", &input.bucket)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: PutBucketEncryptionInput,
    ) -> Result<PutBucketEncryptionOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let owner = input.expected_bucket_owner.as_ref();
            let mut row = own(&tx, &ctx, &input.bucket, owner).await?;
            let configuration = &input.server_side_encryption_configuration;
            row.encryption = encryption(&ctx, configuration)?;
            put_config(&tx, &row, ENCRYPTION, configuration)?;
            BUCKETS.put(&tx, &(input.bucket.clone(),), &row)?;
            Ok(())
        })
        .await?;
        Ok(PutBucketEncryptionOutput::default())
    }
}

fn encryption(
    ctx: &Context,
    configuration: &ServerSideEncryptionConfiguration,
) -> Result<Option<Encryption>, ServiceError> {
    let [rule] = configuration.rules.as_slice() else {
        return Err(malformed_xml());
    };
    let Some(default) = &rule.apply_server_side_encryption_by_default else {
        return Err(malformed_xml());
    };
    let kms_key = default.kms_master_key_id.clone().filter(|key| !key.is_empty());
    match default.sse_algorithm.as_str() {
        "AES256" if kms_key.is_some() => Err(ServiceError::new(
            "InvalidArgument",
            "a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms or aws:kms:dsse",
        )
        .with_field("ArgumentName", "ApplyServerSideEncryptionByDefault")),
        "AES256" => Ok(None),
        algorithm @ ("aws:kms" | "aws:kms:dsse") => Ok(Some(Encryption {
            algorithm: algorithm.to_owned(),
            kms_key: kms_key.or_else(|| Some(ctx.arn("kms", "alias/aws/s3"))),
            bucket_key: rule.bucket_key_enabled == Some(true),
        })),
        _ => Err(malformed_xml()),
    }
}

impl Handler<GetBucketEncryption> for S3 {
    fn authorize(&self, _: &Context, input: &GetBucketEncryptionInput) -> Vec<Access> {
        access("GetEncryptionConfiguration", &input.bucket)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: GetBucketEncryptionInput,
    ) -> Result<GetBucketEncryptionOutput, ServiceError> {
        let tx = ctx.store().begin().await?;
        let row = own(&tx, &ctx, &input.bucket, input.expected_bucket_owner.as_ref()).await?;
        let mut configuration = config(&tx, &row, ENCRYPTION).await?.unwrap_or_else(standard);
        for rule in &mut configuration.rules {
            rule.bucket_key_enabled.get_or_insert(false);
        }
        Ok(GetBucketEncryptionOutput { server_side_encryption_configuration: Some(configuration) })
    }
}

/// What every bucket has that was not told otherwise.
fn standard() -> ServerSideEncryptionConfiguration {
    ServerSideEncryptionConfiguration {
        rules: vec![ServerSideEncryptionRule {
            apply_server_side_encryption_by_default: Some(ServerSideEncryptionByDefault {
                sse_algorithm: "AES256".to_owned(),
                kms_master_key_id: None,
            }),
            bucket_key_enabled: Some(false),
            blocked_encryption_types: None,
        }],
    }
}

impl Handler<DeleteBucketEncryption> for S3 {
    fn authorize(&self, _: &Context, input: &DeleteBucketEncryptionInput) -> Vec<Access> {
        access("PutEncryptionConfiguration", &input.bucket)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: DeleteBucketEncryptionInput,
    ) -> Result<DeleteBucketEncryptionOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let owner = input.expected_bucket_owner.as_ref();
            let mut row = own(&tx, &ctx, &input.bucket, owner).await?;
            row.encryption = None;
            delete_config(&tx, &row, ENCRYPTION)?;
            BUCKETS.put(&tx, &(input.bucket.clone(),), &row)?;
            Ok(())
        })
        .await?;
        Ok(DeleteBucketEncryptionOutput::default())
    }
}
