//! `StartRelease`: moves an alias to another version by a ladder: dark, canary, everybody.

use serde_json::{Value, json};
use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{call, key, limits, missing, outside, plan, release_access, rules, shown_release};
use crate::Release;
use crate::api::release::operations::StartRelease;
use crate::api::release::shapes::{StartReleaseInput, StartReleaseOutput};
use crate::error::{conflict, invalid};
use crate::ladder::{State, StepKind};
use crate::ledger::Summary;
use crate::releases::{alarms, drive, guard};
use crate::store::{MOVING, RELEASES, RUNS, ReleaseRow};

impl Handler<StartRelease> for Release {
    fn authorize(&self, ctx: &Context, input: &StartReleaseInput) -> Vec<Access> {
        let mut accesses = release_access(ctx, "StartRelease", &input.name);
        // The service moves the alias: who starts it has to be allowed to.
        let function = ctx.arn("lambda", format!("function:{}", input.function_name));
        accesses.push(Access::new("lambda:UpdateAlias", function));
        accesses
    }

    async fn handle(
        &self,
        ctx: Context,
        input: StartReleaseInput,
    ) -> Result<StartReleaseOutput, ServiceError> {
        let accept_leaks = input.accept_leaks.unwrap_or(false);
        let plan = plan(input.steps, input.preset, input.on_failure.as_deref())?;
        alarms::check(&ctx, &plan).await?;
        let is_dark = plan.steps.iter().any(|step| matches!(step.kind, StepKind::Dark { .. }));
        if is_dark {
            self.check_isolation(&ctx, accept_leaks)?;
        }
        let from = self.check_versions(&ctx, &input.function_name, &input.alias, &input.to_version);
        let row = ReleaseRow {
            id: String::new(),
            from: from.await?,
            function: input.function_name,
            alias: input.alias,
            to: input.to_version,
            plan,
            state: State::new(),
            pending: Vec::new(),
            base: Summary::default(),
            reports: Vec::new(),
            rules: rules(input.rules)?,
            limits: limits(input.limits)?,
            outside: outside(input.outside)?,
            accept_leaks,
            client_token: input.client_token,
            created_ms: 0,
            changed_ms: 0,
        };
        let (name, key) = (input.name.clone(), key(&ctx, &input.name));
        ctx.transact((key.clone(), row, is_dark), |tx, _, input| async move {
            let (key, row, is_dark) = &*input;
            let mut row = row.clone();
            let name = &key.2;
            if let Some(old) = RELEASES.get(&tx, key).await? {
                if row.client_token.is_some() && old.client_token == row.client_token {
                    return Ok(());
                }
                return Err(conflict(format!("A release with the name {name} exists.")));
            }
            if *is_dark && RUNS.get(&tx, key).await?.is_some() {
                return Err(conflict(format!("A dark run with the name {name} exists.")));
            }
            if let Some(other) = MOVING.get(&tx, &guard(key, &row)).await? {
                return Err(conflict(format!("The release {other} moves this alias already.")));
            }
            row.id = tx.ids().hex(16);
            row.created_ms = tx.now_ms();
            row.changed_ms = row.created_ms;
            MOVING.put(&tx, &guard(key, &row), name)?;
            RELEASES.put(&tx, key, &row)?;
            let now_ms = tx.now_ms();
            crate::releases::spawn_step(&tx, key, now_ms)
        })
        .await?;
        let row = drive(ctx.kernel(), &self.moves, &key, None, "").await?;
        self.watcher.reload().await?;
        Ok(StartReleaseOutput { release: Some(shown_release(&ctx, &name, &row)) })
    }
}

impl Release {
    /// The version that the alias leads to, if alias and new version are fit for a release.
    async fn check_versions(
        &self,
        ctx: &Context,
        function: &str,
        alias: &str,
        to: &str,
    ) -> Result<String, ServiceError> {
        if function.contains(':') {
            return Err(invalid("FunctionName: the name of the function alone"));
        }
        let is_number = |version: &str| version.bytes().all(|b| b.is_ascii_digit());
        if !is_number(to) || to.is_empty() {
            return Err(invalid("ToVersion: the number of a published version"));
        }
        let found =
            call(ctx, "lambda", "GetAlias", json!({"FunctionName": function, "Name": alias}));
        let found = found.await.map_err(|error| missing("Alias", &error))?;
        let input = json!({"FunctionName": function, "Qualifier": to});
        call(ctx, "lambda", "GetFunctionConfiguration", input)
            .await
            .map_err(|error| missing("ToVersion", &error))?;
        let from = found.get("FunctionVersion").and_then(Value::as_str).unwrap_or_default();
        if !is_number(from) {
            return Err(invalid(
                "Alias: it leads to $LATEST; a release moves between published versions",
            ));
        }
        if from == to {
            return Err(invalid(format!("ToVersion: the alias leads to version {to} already")));
        }
        Ok(from.to_owned())
    }
}
