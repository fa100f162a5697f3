//! `GetObjectAcl` and `PutObjectAcl`: objects belong to the bucket's owner, who grants nothing by lists.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::bucket_acl::owners;
use super::{check_acl, owner};
use crate::S3;
use crate::api::s3::operations::{GetObjectAcl, PutObjectAcl};
use crate::api::s3::shapes::{
    GetObjectAclInput, GetObjectAclOutput, PutObjectAclInput, PutObjectAclOutput,
};
use crate::engine::bucket::{load, on, version_access};
use crate::engine::read;

impl Handler<GetObjectAcl> for S3 {
    fn authorize(&self, _: &Context, input: &GetObjectAclInput) -> Vec<Access> {
        version_access("GetObjectAcl", &input.bucket, &input.key, input.version_id.as_ref())
    }

    async fn handle(
        &self,
        ctx: Context,
        input: GetObjectAclInput,
    ) -> Result<GetObjectAclOutput, ServiceError> {
        let tx = ctx.store().begin().await?;
        let wanted = on("GetObjectAcl", &input.key);
        let owner_id = input.expected_bucket_owner.as_ref();
        let bucket = load(&tx, &ctx, &input.bucket, owner_id, wanted).await?;
        read::find(&tx, &bucket, &input.key, input.version_id.as_deref(), "GET").await?;
        Ok(GetObjectAclOutput {
            owner: Some(owner(&bucket.account)),
            grants: Some(vec![owners(&bucket)]),
            request_charged: None,
        })
    }
}

impl Handler<PutObjectAcl> for S3 {
    fn authorize(&self, _: &Context, input: &PutObjectAclInput) -> Vec<Access> {
        version_access("PutObjectAcl", &input.bucket, &input.key, input.version_id.as_ref())
    }

    async fn handle(
        &self,
        ctx: Context,
        input: PutObjectAclInput,
    ) -> Result<PutObjectAclOutput, ServiceError> {
        let tx = ctx.store().begin().await?;
        let wanted = on("PutObjectAcl", &input.key);
        let owner_id = input.expected_bucket_owner.as_ref();
        let bucket = load(&tx, &ctx, &input.bucket, owner_id, wanted).await?;
        read::find(&tx, &bucket, &input.key, input.version_id.as_deref(), "PUT").await?;
        let grants = [
            &input.grant_full_control,
            &input.grant_read,
            &input.grant_read_acp,
            &input.grant_write,
            &input.grant_write_acp,
        ];
        let grants = grants.iter().any(|g| g.is_some()) || input.access_control_policy.is_some();
        check_acl(input.acl.as_ref(), grants)?;
        Ok(PutObjectAclOutput::default())
    }
}
