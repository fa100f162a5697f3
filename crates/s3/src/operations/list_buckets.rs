//! `ListBuckets`: the buckets of an account, of all regions.

use undercast_kernel::{Access, Context, Handler, ServiceError};
use undercast_smithy::Timestamp;

use crate::S3;
use crate::api::s3::operations::ListBuckets;
use crate::api::s3::shapes::{Bucket, ListBucketsInput, ListBucketsOutput};
use crate::engine::bucket::arn;
use crate::error::argument;
use crate::limits::LIST_BUCKETS_MAX;
use crate::store::{BUCKETS, OWNED};

impl Handler<ListBuckets> for S3 {
    fn authorize(&self, _: &Context, _: &ListBucketsInput) -> Vec<Access> {
        vec![Access::new("s3:ListAllMyBuckets", "*")]
    }

    async fn handle(
        &self,
        ctx: Context,
        input: ListBucketsInput,
    ) -> Result<ListBucketsOutput, ServiceError> {
        let asked = input.max_buckets.unwrap_or(LIST_BUCKETS_MAX);
        let max = usize::try_from(asked)
            .ok()
            .filter(|_| (1..=LIST_BUCKETS_MAX).contains(&asked))
            .ok_or_else(|| {
            argument(
                "max-buckets",
                &asked.to_string(),
                "Argument max-buckets must be an integer between 1 and 10000",
            )
        })?;
        let account = ctx.account().to_owned();
        let prefix = input.prefix.clone().unwrap_or_default();
        let mut range = OWNED.starting_with(&(account.as_str(),), &prefix);
        if let Some(token) = &input.continuation_token {
            range = range.after_key(&OWNED.key(&(account.as_str(), token.as_str())));
        }
        let tx = ctx.store().begin().await?;
        let mut buckets = Vec::new();
        let mut token = None;
        for ((_, name), ()) in OWNED.scan(&tx, range, usize::MAX, false).await? {
            let Some(row) = BUCKETS.get(&tx, &(name.clone(),)).await? else {
                continue;
            };
            if input.bucket_region.as_ref().is_some_and(|region| *region != row.region) {
                continue;
            }
            if buckets.len() == max {
                token = buckets.last().and_then(|bucket: &Bucket| bucket.name.clone());
                break;
            }
            buckets.push(Bucket {
                bucket_arn: Some(arn(&name)),
                name: Some(name),
                creation_date: Some(Timestamp::from_millis(row.created_ms)),
                bucket_region: Some(row.region),
            });
        }
        Ok(ListBucketsOutput {
            buckets: Some(buckets),
            owner: Some(super::owner(&account)),
            continuation_token: token,
            prefix: input.prefix,
        })
    }
}
