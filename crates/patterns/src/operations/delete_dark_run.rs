//! `DeleteDarkRun`: stops the run and forgets what it found.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{access, existing, key};
use crate::Release;
use crate::api::release::operations::DeleteDarkRun;
use crate::api::release::shapes::{DeleteDarkRunInput, DeleteDarkRunOutput};
use crate::store::{RUNS, RunState, WATCHED};
use crate::tasks;

impl Handler<DeleteDarkRun> for Release {
    fn authorize(&self, ctx: &Context, input: &DeleteDarkRunInput) -> Vec<Access> {
        access(ctx, "DeleteDarkRun", &input.name)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: DeleteDarkRunInput,
    ) -> Result<DeleteDarkRunOutput, ServiceError> {
        ctx.transact(key(&ctx, &input.name), |tx, _, key| async move {
            let row = existing(&tx, &key).await?;
            if row.state != RunState::Stopped {
                WATCHED.delete(&tx, &row.target.guard(&key))?;
            }
            RUNS.delete(&tx, &key)?;
            tasks::spawn_forget(&tx, &row.id)
        })
        .await?;
        self.watcher.reload().await?;
        Ok(DeleteDarkRunOutput {})
    }
}
