//! `CreateBucket`: makes a bucket, whose name nobody else has.

use undercast_kernel::{Access, Context, Handler, ServiceError};
use undercast_smithy::Document;
use undercast_store::Tx;

use crate::S3;
use crate::api::s3::operations::CreateBucket;
use crate::api::s3::shapes::{CreateBucketInput, CreateBucketOutput, Tagging};
use crate::engine::bucket::{
    ACL, OWNERSHIP, PUBLIC_ACCESS, TAGS, access, arn, check_name, put_config, put_document,
};
use crate::engine::tags;
use crate::limits::BUCKET_TAGS_MAX;
use crate::store::{BUCKETS, BucketRow, OWNED, Versioning};

impl Handler<CreateBucket> for S3 {
    fn authorize(&self, _: &Context, input: &CreateBucketInput) -> Vec<Access> {
        access("CreateBucket", &input.bucket)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: CreateBucketInput,
    ) -> Result<CreateBucketOutput, ServiceError> {
        check_name(&input.bucket)?;
        let region = region(&ctx, &input)?;
        let bucket_arn = Some(arn(&input.bucket));
        let location = if region == "us-east-1" {
            format!("/{}", input.bucket)
        } else {
            format!("http://{}.s3.amazonaws.com/", input.bucket)
        };
        ctx.transact((input, region), |tx, ctx, input| async move {
            create(&tx, &ctx, &input.0, &input.1).await
        })
        .await?;
        Ok(CreateBucketOutput { location: Some(location), bucket_arn })
    }
}

/// The region that the bucket will be in: only the endpoint of us-east-1 makes buckets elsewhere.
fn region(ctx: &Context, input: &CreateBucketInput) -> Result<String, ServiceError> {
    let configuration = input.create_bucket_configuration.as_ref();
    let constraint = configuration.and_then(|c| c.location_constraint.as_deref());
    let here = ctx.region();
    let incompatible = |constraint: &str| {
        ServiceError::new(
            "IllegalLocationConstraintException",
            format!(
                "The {constraint} location constraint is incompatible for the region specific endpoint this request was sent to."
            ),
        )
    };
    match (constraint.filter(|c| !c.is_empty()), here) {
        (None, "us-east-1") => Ok(here.to_owned()),
        (None, _) => Err(incompatible("unspecified")),
        (Some("us-east-1"), "us-east-1") => Err(ServiceError::new(
            "InvalidLocationConstraint",
            "The specified location-constraint is not valid",
        )
        .with_field("LocationConstraint", "us-east-1")),
        (Some("EU"), "us-east-1" | "eu-west-1") => Ok("eu-west-1".to_owned()),
        (Some(constraint), "us-east-1") => Ok(constraint.to_owned()),
        (Some(constraint), _) if constraint == here => Ok(here.to_owned()),
        (Some(constraint), _) => Err(incompatible(constraint)),
    }
}

/// In a transaction of the caller.
pub(crate) async fn create(
    tx: &Tx,
    ctx: &Context,
    input: &CreateBucketInput,
    region: &str,
) -> Result<(), ServiceError> {
    let key = (input.bucket.clone(),);
    if let Some(row) = BUCKETS.get(tx, &key).await? {
        if row.account != ctx.account() {
            return Err(ServiceError::new(
                "BucketAlreadyExists",
                "The requested bucket name is not available. The bucket namespace is shared by all users of the system. Please select a different name and try again.",
            )
            .with_status(409)
            .with_field("BucketName", input.bucket.as_str()));
        }
        if ctx.region() == "us-east-1" && row.region == "us-east-1" && region == "us-east-1" {
            return Ok(());
        }
        return Err(ServiceError::new(
            "BucketAlreadyOwnedByYou",
            "Your previous request to create the named bucket succeeded and you already own it.",
        )
        .with_status(409)
        .with_field("BucketName", input.bucket.as_str()));
    }
    // Locked versions have to be versions.
    let locks = input.object_lock_enabled_for_bucket == Some(true);
    let row = BucketRow {
        number: tx.ids().u64(),
        account: ctx.account().to_owned(),
        region: region.to_owned(),
        created_ms: tx.now_ms(),
        versioning: if locks { Versioning::Enabled } else { Versioning::Off },
        encryption: None,
        has_policy: false,
        has_lifecycle: false,
        has_notification: false,
        has_lock: locks,
        deleting_ms: None,
    };
    configure(tx, &row, input)?;
    BUCKETS.put(tx, &key, &row)?;
    OWNED.put(tx, &(row.account, input.bucket.clone()), &())?;
    Ok(())
}

/// What a new bucket has without being asked.
fn configure(tx: &Tx, row: &BucketRow, input: &CreateBucketInput) -> Result<(), ServiceError> {
    let ownership = input.object_ownership.as_deref().unwrap_or("BucketOwnerEnforced");
    let grants = [
        &input.grant_full_control,
        &input.grant_read,
        &input.grant_read_acp,
        &input.grant_write,
        &input.grant_write_acp,
    ];
    let acl = input.acl.as_deref().unwrap_or("private");
    if grants.iter().any(|grant| grant.is_some()) {
        return Err(ServiceError::unsupported("granting access by headers"));
    }
    if acl != "private" {
        if ownership == "BucketOwnerEnforced" {
            return Err(ServiceError::new(
                "InvalidBucketAclWithObjectOwnership",
                "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting",
            ));
        }
        put_document(tx, row, ACL, &Document::from(acl))?;
    }
    put_document(
        tx,
        row,
        OWNERSHIP,
        &serde_json::json!({"Rules": [{"ObjectOwnership": ownership}]}),
    )?;
    put_document(
        tx,
        row,
        PUBLIC_ACCESS,
        &serde_json::json!({
            "BlockPublicAcls": true,
            "IgnorePublicAcls": true,
            "BlockPublicPolicy": true,
            "RestrictPublicBuckets": true,
        }),
    )?;
    let configuration = input.create_bucket_configuration.as_ref();
    if let Some(set) = configuration.and_then(|c| c.tags.clone()).filter(|t| !t.is_empty()) {
        let tags = tags::from_set(set, BUCKET_TAGS_MAX)?;
        let tag_set = tags::to_set(&tags);
        put_config(tx, row, TAGS, &Tagging { tag_set })?;
    }
    Ok(())
}
