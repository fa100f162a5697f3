//! `UpdateDarkRun`: other rules, another candidate, another share; the book goes on.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{access, candidate, existing, key, limits, outside, recording, rules, shown};
use crate::Release;
use crate::api::release::operations::UpdateDarkRun;
use crate::api::release::shapes::{UpdateDarkRunInput, UpdateDarkRunOutput};
use crate::error::conflict;
use crate::store::{RUNS, RunState};

impl Handler<UpdateDarkRun> for Release {
    fn authorize(&self, ctx: &Context, input: &UpdateDarkRunInput) -> Vec<Access> {
        access(ctx, "UpdateDarkRun", &input.name)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: UpdateDarkRunInput,
    ) -> Result<UpdateDarkRunOutput, ServiceError> {
        let key = key(&ctx, &input.name);
        let tx = ctx.store().begin().await?;
        let mut row = existing(&tx, &key).await?;
        drop(tx);
        if let Some(new) = input.candidate {
            row.candidate = candidate(&ctx, new, &row.target).await?;
        }
        if let Some(share) = input.sample_share {
            row.share = share;
        }
        if input.rules.is_some() {
            row.rules = rules(input.rules)?;
        }
        if input.limits.is_some() {
            row.limits = limits(input.limits)?;
        }
        if input.outside.is_some() {
            row.outside = outside(input.outside)?;
        }
        if input.recording.is_some() {
            row.recording = recording(input.recording)?;
        }
        let row = ctx
            .transact((key, row), |tx, _, input| async move {
                let (key, row) = &*input;
                let now = existing(&tx, key).await?;
                if now.state == RunState::Stopped {
                    let name = &key.2;
                    return Err(conflict(format!("The dark run {name} has been stopped.")));
                }
                if now.revision != row.revision {
                    return Err(conflict("The dark run was changed by somebody else meanwhile."));
                }
                let mut row = row.clone();
                row.revision += 1;
                row.changed_ms = tx.now_ms();
                RUNS.put(&tx, key, &row)?;
                Ok(row)
            })
            .await?;
        self.watcher.reload().await?;
        Ok(UpdateDarkRunOutput { dark_run: Some(shown(&ctx, &input.name, &row)) })
    }
}
