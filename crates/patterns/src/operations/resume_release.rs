//! `ResumeRelease`: it goes on.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::release_access;
use crate::Release;
use crate::api::release::operations::ResumeRelease;
use crate::api::release::shapes::{ResumeReleaseInput, ResumeReleaseOutput};
use crate::ladder::Command;

impl Handler<ResumeRelease> for Release {
    fn authorize(&self, ctx: &Context, input: &ResumeReleaseInput) -> Vec<Access> {
        release_access(ctx, "ResumeRelease", &input.name)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: ResumeReleaseInput,
    ) -> Result<ResumeReleaseOutput, ServiceError> {
        let release = self.command(ctx, input.name, Command::Resume, input.reason).await?;
        Ok(ResumeReleaseOutput { release: Some(release) })
    }
}
