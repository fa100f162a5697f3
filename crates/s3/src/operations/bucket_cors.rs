//! `PutBucketCors`, `GetBucketCors` and `DeleteBucketCors`.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::S3;
use crate::api::s3::operations::{DeleteBucketCors, GetBucketCors, PutBucketCors};
use crate::api::s3::shapes::CORSConfiguration;
use crate::api::s3::shapes::{
    DeleteBucketCorsInput, DeleteBucketCorsOutput, GetBucketCorsInput, GetBucketCorsOutput,
    PutBucketCorsInput, PutBucketCorsOutput,
};
use crate::engine::bucket::{CORS, access, config, delete_config, own, put_config};
use crate::error::{invalid, malformed_xml, no_config};
use crate::limits::CORS_RULES_MAX;

fn check(configuration: &CORSConfiguration) -> Result<(), ServiceError> {
    let rules = &configuration.cors_rules;
    if rules.is_empty() || rules.len() > CORS_RULES_MAX {
        return Err(malformed_xml());
    }
    for rule in rules {
        if rule.allowed_methods.is_empty() || rule.allowed_origins.is_empty() {
            return Err(malformed_xml());
        }
        let known = ["GET", "PUT", "HEAD", "POST", "DELETE"];
        if let Some(method) = rule.allowed_methods.iter().find(|m| !known.contains(&m.as_str())) {
            return Err(invalid(format!(
                "Found unsupported HTTP method in CORS config. Unsupported method is {method}"
            )));
        }
        if let Some(origin) = rule.allowed_origins.iter().find(|o| o.matches('*').count() > 1) {
            return Err(invalid(format!(
                "AllowedOrigin \"{origin}\" can not have more than one wildcard."
            )));
        }
        let headers = rule.allowed_headers.iter().flatten();
        if let Some(header) = headers.into_iter().find(|h| h.matches('*').count() > 1) {
            return Err(invalid(format!(
                "AllowedHeader \"{header}\" can not have more than one wildcard."
            )));
        }
        if let Some(header) = rule.expose_headers.iter().flatten().find(|h| h.contains('*')) {
            return Err(invalid(format!(
                "ExposeHeader \"{header}\" contains wildcard. We currently do not support wildcard for ExposeHeader."
            )));
        }
    }
    Ok(())
}

impl Handler<PutBucketCors> for S3 {
    fn authorize(&self, _: &Context, input: &PutBucketCorsInput) -> Vec<Access> {
        access("PutBucketCORS", &input.bucket)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: PutBucketCorsInput,
    ) -> Result<PutBucketCorsOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let owner = input.expected_bucket_owner.as_ref();
            let row = own(&tx, &ctx, &input.bucket, owner).await?;
            check(&input.cors_configuration)?;
            put_config(&tx, &row, CORS, &input.cors_configuration)
        })
        .await?;
        Ok(PutBucketCorsOutput::default())
    }
}

impl Handler<GetBucketCors> for S3 {
    fn authorize(&self, _: &Context, input: &GetBucketCorsInput) -> Vec<Access> {
        access("GetBucketCORS", &input.bucket)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: GetBucketCorsInput,
    ) -> Result<GetBucketCorsOutput, ServiceError> {
        let tx = ctx.store().begin().await?;
        let row = own(&tx, &ctx, &input.bucket, input.expected_bucket_owner.as_ref()).await?;
        let missing = || {
            no_config(
                "NoSuchCORSConfiguration",
                "The CORS configuration does not exist",
                &input.bucket,
            )
        };
        let found: CORSConfiguration = config(&tx, &row, CORS).await?.ok_or_else(missing)?;
        Ok(GetBucketCorsOutput { cors_rules: Some(found.cors_rules) })
    }
}

impl Handler<DeleteBucketCors> for S3 {
    fn authorize(&self, _: &Context, input: &DeleteBucketCorsInput) -> Vec<Access> {
        access("PutBucketCORS", &input.bucket)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: DeleteBucketCorsInput,
    ) -> Result<DeleteBucketCorsOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let owner = input.expected_bucket_owner.as_ref();
            let row = own(&tx, &ctx, &input.bucket, owner).await?;
            delete_config(&tx, &row, CORS)
        })
        .await?;
        Ok(DeleteBucketCorsOutput::default())
    }
}
