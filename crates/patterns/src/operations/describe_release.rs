//! `DescribeRelease`: where a release stands, and what it waits for.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{key, release_access, shown_release};
use crate::Release;
use crate::api::release::operations::DescribeRelease;
use crate::api::release::shapes::{DescribeReleaseInput, DescribeReleaseOutput};
use crate::error::no_release;
use crate::store::RELEASES;

impl Handler<DescribeRelease> for Release {
    fn authorize(&self, ctx: &Context, input: &DescribeReleaseInput) -> Vec<Access> {
        release_access(ctx, "DescribeRelease", &input.name)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: DescribeReleaseInput,
    ) -> Result<DescribeReleaseOutput, ServiceError> {
        let row = RELEASES.read(ctx.store(), &key(&ctx, &input.name)).await?;
        let row = row.ok_or_else(|| no_release(&input.name))?;
        Ok(DescribeReleaseOutput { release: Some(shown_release(&ctx, &input.name, &row)) })
    }
}
