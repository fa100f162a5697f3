//! `ResumeDarkRun`: passages are taken again.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::access;
use crate::Release;
use crate::api::release::operations::ResumeDarkRun;
use crate::api::release::shapes::{ResumeDarkRunInput, ResumeDarkRunOutput};
use crate::store::RunState;

impl Handler<ResumeDarkRun> for Release {
    fn authorize(&self, ctx: &Context, input: &ResumeDarkRunInput) -> Vec<Access> {
        access(ctx, "ResumeDarkRun", &input.name)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: ResumeDarkRunInput,
    ) -> Result<ResumeDarkRunOutput, ServiceError> {
        let run = self.set_state(ctx, input.name, RunState::Running, "by hand").await?;
        Ok(ResumeDarkRunOutput { dark_run: Some(run) })
    }
}
