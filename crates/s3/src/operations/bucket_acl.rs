//! `PutBucketAcl` and `GetBucketAcl`: the canned lists of buckets that allow lists at all.

use undercast_kernel::{Access, Context, Handler, ServiceError};
use undercast_smithy::Document;
use undercast_store::Tx;

use super::owner;
use crate::S3;
use crate::api::s3::operations::{GetBucketAcl, PutBucketAcl};
use crate::api::s3::shapes::{
    GetBucketAclInput, GetBucketAclOutput, Grant, Grantee, OwnershipControls, PutBucketAclInput,
    PutBucketAclOutput,
};
use crate::engine::bucket::{
    ACL, OWNERSHIP, access, config, delete_config, document, own, owner_id, put_document,
};
use crate::error::argument;
use crate::store::BucketRow;

const EVERYBODY: &str = "http://acs.amazonaws.com/groups/global/AllUsers";
const AUTHENTICATED: &str = "http://acs.amazonaws.com/groups/global/AuthenticatedUsers";
const LOGS: &str = "http://acs.amazonaws.com/groups/s3/LogDelivery";

impl Handler<PutBucketAcl> for S3 {
    fn authorize(&self, _: &Context, input: &PutBucketAclInput) -> Vec<Access> {
        access("PutBucketAcl", &input.bucket)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: PutBucketAclInput,
    ) -> Result<PutBucketAclOutput, ServiceError> {
        let grants = [
            &input.grant_full_control,
            &input.grant_read,
            &input.grant_read_acp,
            &input.grant_write,
            &input.grant_write_acp,
        ];
        if grants.iter().any(|grant| grant.is_some()) || input.access_control_policy.is_some() {
            return Err(ServiceError::unsupported("an access control list that is not canned"));
        }
        if input.acl.is_none() {
            return Err(ServiceError::new(
                "MissingSecurityHeader",
                "Your request was missing a required header",
            )
            .with_field("MissingHeaderName", "x-amz-acl"));
        }
        ctx.transact(input, |tx, ctx, input| async move {
            let row = own(&tx, &ctx, &input.bucket, input.expected_bucket_owner.as_ref()).await?;
            put(&tx, &row, input.acl.as_deref().unwrap_or("private")).await
        })
        .await?;
        Ok(PutBucketAclOutput::default())
    }
}

async fn put(tx: &Tx, row: &BucketRow, acl: &str) -> Result<(), ServiceError> {
    match acl {
        "private" => delete_config(tx, row, ACL),
        "public-read" | "public-read-write" | "authenticated-read" | "log-delivery-write" => {
            let controls: Option<OwnershipControls> = config(tx, row, OWNERSHIP).await?;
            let rules = controls.map(|c| c.rules).unwrap_or_default();
            if rules.iter().any(|r| r.object_ownership == "BucketOwnerEnforced") {
                return Err(ServiceError::new(
                    "AccessControlListNotSupported",
                    "The bucket does not allow ACLs",
                ));
            }
            put_document(tx, row, ACL, &Document::from(acl))
        }
        other => Err(argument("x-amz-acl", other, "")),
    }
}

/// What the owner of a bucket may: everything.
pub(super) fn owners(row: &BucketRow) -> Grant {
    Grant {
        grantee: Some(Grantee {
            id: Some(owner_id(&row.account)),
            r#type: "CanonicalUser".to_owned(),
            ..Grantee::default()
        }),
        permission: Some("FULL_CONTROL".to_owned()),
    }
}

impl Handler<GetBucketAcl> for S3 {
    fn authorize(&self, _: &Context, input: &GetBucketAclInput) -> Vec<Access> {
        access("GetBucketAcl", &input.bucket)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: GetBucketAclInput,
    ) -> Result<GetBucketAclOutput, ServiceError> {
        let tx = ctx.store().begin().await?;
        let row = own(&tx, &ctx, &input.bucket, input.expected_bucket_owner.as_ref()).await?;
        let acl = document(&tx, &row, ACL).await?;
        let mut grants = vec![owners(&row)];
        let further: &[(&str, &str)] = match acl.as_ref().and_then(Document::as_str) {
            Some("public-read") => &[(EVERYBODY, "READ")],
            Some("public-read-write") => &[(EVERYBODY, "READ"), (EVERYBODY, "WRITE")],
            Some("authenticated-read") => &[(AUTHENTICATED, "READ")],
            Some("log-delivery-write") => &[(LOGS, "WRITE"), (LOGS, "READ_ACP")],
            _ => &[],
        };
        grants.extend(further.iter().map(|(group, permission)| Grant {
            grantee: Some(Grantee {
                uri: Some((*group).to_owned()),
                r#type: "Group".to_owned(),
                ..Grantee::default()
            }),
            permission: Some((*permission).to_owned()),
        }));
        Ok(GetBucketAclOutput { owner: Some(owner(&row.account)), grants: Some(grants) })
    }
}
