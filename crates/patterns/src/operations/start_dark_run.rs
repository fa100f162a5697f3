//! `StartDarkRun`: from now on a candidate gets what the target gets, in the dark.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{access, candidate, key, limits, outside, recording, rules, shown, target};
use crate::Release;
use crate::api::release::operations::StartDarkRun;
use crate::api::release::shapes::{StartDarkRunInput, StartDarkRunOutput};
use crate::error::conflict;
use crate::store::{RUNS, RunRow, RunState, WATCHED};

impl Handler<StartDarkRun> for Release {
    fn authorize(&self, ctx: &Context, input: &StartDarkRunInput) -> Vec<Access> {
        access(ctx, "StartDarkRun", &input.name)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: StartDarkRunInput,
    ) -> Result<StartDarkRunOutput, ServiceError> {
        let accept_leaks = input.accept_leaks.unwrap_or(false);
        self.check_isolation(&ctx, accept_leaks)?;
        let target = target(&ctx, input.target).await?;
        let candidate = candidate(&ctx, input.candidate, &target).await?;
        let row = RunRow {
            id: String::new(),
            state: RunState::Running,
            reason: String::new(),
            target,
            candidate,
            share: input.sample_share.unwrap_or(1.0),
            rules: rules(input.rules)?,
            limits: limits(input.limits)?,
            outside: outside(input.outside)?,
            recording: recording(input.recording)?,
            accept_leaks,
            client_token: input.client_token,
            created_ms: 0,
            changed_ms: 0,
            revision: 1,
        };
        let name = input.name;
        let row = ctx
            .transact((key(&ctx, &name), row), |tx, _, input| async move {
                let (key, row) = &*input;
                let mut row = row.clone();
                if let Some(old) = RUNS.get(&tx, key).await? {
                    if row.client_token.is_some() && old.client_token == row.client_token {
                        return Ok(old);
                    }
                    let name = &key.2;
                    return Err(conflict(format!("A dark run with the name {name} exists.")));
                }
                let guard = row.target.guard(key);
                if let Some(other) = WATCHED.get(&tx, &guard).await? {
                    return Err(conflict(format!(
                        "The dark run {other} watches this target already."
                    )));
                }
                row.id = tx.ids().hex(16);
                row.created_ms = tx.now_ms();
                row.changed_ms = row.created_ms;
                WATCHED.put(&tx, &guard, &key.2)?;
                RUNS.put(&tx, key, &row)?;
                Ok(row)
            })
            .await?;
        self.watcher.reload().await?;
        Ok(StartDarkRunOutput { dark_run: Some(shown(&ctx, &name, &row)) })
    }
}
