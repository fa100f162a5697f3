//! `StopDarkRun`: it takes nothing any more; what it found stays to be read.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::access;
use crate::Release;
use crate::api::release::operations::StopDarkRun;
use crate::api::release::shapes::{StopDarkRunInput, StopDarkRunOutput};
use crate::store::RunState;

impl Handler<StopDarkRun> for Release {
    fn authorize(&self, ctx: &Context, input: &StopDarkRunInput) -> Vec<Access> {
        access(ctx, "StopDarkRun", &input.name)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: StopDarkRunInput,
    ) -> Result<StopDarkRunOutput, ServiceError> {
        let run = self.set_state(ctx, input.name, RunState::Stopped, "by hand").await?;
        Ok(StopDarkRunOutput { dark_run: Some(run) })
    }
}
