//! `PutBucketVersioning` and `GetBucketVersioning`.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::S3;
use crate::api::s3::operations::{GetBucketVersioning, PutBucketVersioning};
use crate::api::s3::shapes::{
    GetBucketVersioningInput, GetBucketVersioningOutput, PutBucketVersioningInput,
    PutBucketVersioningOutput,
};
use crate::engine::bucket::{access, own};
use crate::error::malformed_xml;
use crate::store::{BUCKETS, Versioning};

impl Handler<PutBucketVersioning> for S3 {
    fn authorize(&self, _: &Context, input: &PutBucketVersioningInput) -> Vec<Access> {
        access("PutBucketVersioning", &input.bucket)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: PutBucketVersioningInput,
    ) -> Result<PutBucketVersioningOutput, ServiceError> {
        let configuration = &input.versioning_configuration;
        if configuration.mfa_delete.as_deref() == Some("Enabled") {
            return Err(ServiceError::unsupported("MFA delete"));
        }
        let versioning = match configuration.status.as_deref() {
            Some("Enabled") => Versioning::Enabled,
            Some("Suspended") => Versioning::Suspended,
            Some(_) => return Err(malformed_xml()),
            None => {
                return Err(ServiceError::new(
                    "IllegalVersioningConfigurationException",
                    "The Versioning element must be specified",
                ));
            }
        };
        ctx.transact((input, versioning), |tx, ctx, input| async move {
            let (input, versioning) = &*input;
            let owner = input.expected_bucket_owner.as_ref();
            let mut row = own(&tx, &ctx, &input.bucket, owner).await?;
            if row.has_lock && *versioning != Versioning::Enabled {
                return Err(ServiceError::new(
                    "InvalidBucketState",
                    "An Object Lock configuration is present on this bucket, so the versioning state cannot be changed.",
                )
                .with_status(409));
            }
            row.versioning = *versioning;
            BUCKETS.put(&tx, &(input.bucket.clone(),), &row)?;
            Ok(())
        })
        .await?;
        Ok(PutBucketVersioningOutput::default())
    }
}

impl Handler<GetBucketVersioning> for S3 {
    fn authorize(&self, _: &Context, input: &GetBucketVersioningInput) -> Vec<Access> {
        access("GetBucketVersioning", &input.bucket)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: GetBucketVersioningInput,
    ) -> Result<GetBucketVersioningOutput, ServiceError> {
        let tx = ctx.store().begin().await?;
        let row = own(&tx, &ctx, &input.bucket, input.expected_bucket_owner.as_ref()).await?;
        let status = match row.versioning {
            Versioning::Off => None,
            Versioning::Enabled => Some("Enabled".to_owned()),
            Versioning::Suspended => Some("Suspended".to_owned()),
        };
        Ok(GetBucketVersioningOutput { status, mfa_delete: None })
    }
}
