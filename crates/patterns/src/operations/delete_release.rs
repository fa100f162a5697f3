//! `DeleteRelease`: forgets a release that is over, and its dark run.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{key, release_access};
use crate::Release;
use crate::api::release::operations::DeleteRelease;
use crate::api::release::shapes::{DeleteReleaseInput, DeleteReleaseOutput};
use crate::error::{conflict, no_release};
use crate::releases::{drive, run_name};
use crate::store::{RELEASES, RUNS, RunState, WATCHED};
use crate::tasks;

impl Handler<DeleteRelease> for Release {
    fn authorize(&self, ctx: &Context, input: &DeleteReleaseInput) -> Vec<Access> {
        release_access(ctx, "DeleteRelease", &input.name)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: DeleteReleaseInput,
    ) -> Result<DeleteReleaseOutput, ServiceError> {
        let key = key(&ctx, &input.name);
        let row = RELEASES.read(ctx.store(), &key).await?;
        if row.is_some_and(|row| row.state.is_final()) {
            // What was decided is done first, by us or by who decided it.
            drive(ctx.kernel(), &self.moves, &key, None, "").await?;
        }
        ctx.transact(key, |tx, _, key| async move {
            let name = &key.2;
            let row = RELEASES.get(&tx, &key).await?.ok_or_else(|| no_release(name))?;
            if !row.state.is_final() {
                return Err(conflict(format!(
                    "The release {name} is under way: roll it back first."
                )));
            }
            RELEASES.delete(&tx, &key)?;
            let run_key = (key.0.clone(), key.1.clone(), run_name(name));
            let run = RUNS.get(&tx, &run_key).await?;
            if let Some(run) = run.filter(|run| run.client_token.as_ref() == Some(&row.id)) {
                if run.state != RunState::Stopped {
                    WATCHED.delete(&tx, &run.target.guard(&run_key))?;
                }
                RUNS.delete(&tx, &run_key)?;
                tasks::spawn_forget(&tx, &run.id)?;
            }
            Ok(())
        })
        .await?;
        self.watcher.reload().await?;
        Ok(DeleteReleaseOutput {})
    }
}
