//! `PauseDarkRun`: no passage is taken until it is resumed.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::access;
use crate::Release;
use crate::api::release::operations::PauseDarkRun;
use crate::api::release::shapes::{PauseDarkRunInput, PauseDarkRunOutput};
use crate::store::RunState;

impl Handler<PauseDarkRun> for Release {
    fn authorize(&self, ctx: &Context, input: &PauseDarkRunInput) -> Vec<Access> {
        access(ctx, "PauseDarkRun", &input.name)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: PauseDarkRunInput,
    ) -> Result<PauseDarkRunOutput, ServiceError> {
        let run = self.set_state(ctx, input.name, RunState::Paused, "by hand").await?;
        Ok(PauseDarkRunOutput { dark_run: Some(run) })
    }
}
