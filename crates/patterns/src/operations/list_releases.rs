//! `ListReleases`: the releases of an account and region, by name.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{key, release_access, shown_release};
use crate::Release;
use crate::api::release::operations::ListReleases;
use crate::api::release::shapes::{ListReleasesInput, ListReleasesOutput};
use crate::store::RELEASES;

impl Handler<ListReleases> for Release {
    fn authorize(&self, ctx: &Context, _: &ListReleasesInput) -> Vec<Access> {
        release_access(ctx, "ListReleases", "*")
    }

    async fn handle(
        &self,
        ctx: Context,
        input: ListReleasesInput,
    ) -> Result<ListReleasesOutput, ServiceError> {
        let size = usize::try_from(input.max_results.unwrap_or(50)).unwrap_or(50);
        let scope = (ctx.account().to_owned(), ctx.region().to_owned());
        let range = match &input.next_token {
            Some(last) => RELEASES.after(&scope, &key(&ctx, last)),
            None => RELEASES.prefix(&scope),
        };
        let mut rows = RELEASES.list(ctx.store(), range, size + 1, false).await?;
        let more = rows.len() > size;
        rows.truncate(size);
        let next_token = rows.last().filter(|_| more).map(|(key, _)| key.2.clone());
        let releases = rows.iter().map(|(key, row)| shown_release(&ctx, &key.2, row)).collect();
        Ok(ListReleasesOutput { releases: Some(releases), next_token })
    }
}
