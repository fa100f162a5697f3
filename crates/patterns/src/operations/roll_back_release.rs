//! `RollBackRelease`: the old version serves everybody again.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::release_access;
use crate::Release;
use crate::api::release::operations::RollBackRelease;
use crate::api::release::shapes::{RollBackReleaseInput, RollBackReleaseOutput};
use crate::ladder::Command;

impl Handler<RollBackRelease> for Release {
    fn authorize(&self, ctx: &Context, input: &RollBackReleaseInput) -> Vec<Access> {
        release_access(ctx, "RollBackRelease", &input.name)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: RollBackReleaseInput,
    ) -> Result<RollBackReleaseOutput, ServiceError> {
        let release = self.command(ctx, input.name, Command::RollBack, input.reason).await?;
        Ok(RollBackReleaseOutput { release: Some(release) })
    }
}
