//! `AdvanceRelease`: ends the waiting of its step; a gate that fails is not overruled.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::release_access;
use crate::Release;
use crate::api::release::operations::AdvanceRelease;
use crate::api::release::shapes::{AdvanceReleaseInput, AdvanceReleaseOutput};
use crate::ladder::Command;

impl Handler<AdvanceRelease> for Release {
    fn authorize(&self, ctx: &Context, input: &AdvanceReleaseInput) -> Vec<Access> {
        release_access(ctx, "AdvanceRelease", &input.name)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: AdvanceReleaseInput,
    ) -> Result<AdvanceReleaseOutput, ServiceError> {
        let release = self.command(ctx, input.name, Command::Advance, input.reason).await?;
        Ok(AdvanceReleaseOutput { release: Some(release) })
    }
}
