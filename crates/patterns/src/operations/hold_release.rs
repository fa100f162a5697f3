//! `HoldRelease`: it stays where it is.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::release_access;
use crate::Release;
use crate::api::release::operations::HoldRelease;
use crate::api::release::shapes::{HoldReleaseInput, HoldReleaseOutput};
use crate::ladder::Command;

impl Handler<HoldRelease> for Release {
    fn authorize(&self, ctx: &Context, input: &HoldReleaseInput) -> Vec<Access> {
        release_access(ctx, "HoldRelease", &input.name)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: HoldReleaseInput,
    ) -> Result<HoldReleaseOutput, ServiceError> {
        let release = self.command(ctx, input.name, Command::Hold, input.reason).await?;
        Ok(HoldReleaseOutput { release: Some(release) })
    }
}
