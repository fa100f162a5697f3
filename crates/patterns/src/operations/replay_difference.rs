//! `ReplayDifference`: gives a candidate once more what made it differ, alone.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use undercast_kernel::{Access, Context, Handler, OutsideRule, ServiceError, Side};

use super::{access, candidate, passage, shown_difference};
use crate::Release;
use crate::api::release::operations::ReplayDifference;
use crate::api::release::shapes::{ReplayDifferenceInput, ReplayDifferenceOutput, ReplayVerdict};
use crate::compare::{Answer, CompiledRules, Observed, Path, Verdict, compare};
use crate::error::{invalid, no_difference};
use crate::ledger::Ledger;
use crate::runs::{Passage, Trial, run_candidate};
use crate::store::{RunKey, RunRow};

const ANSWER_BYTES_MAX: usize = 4_096;

impl Handler<ReplayDifference> for Release {
    fn authorize(&self, ctx: &Context, input: &ReplayDifferenceInput) -> Vec<Access> {
        access(ctx, "ReplayDifference", &input.name)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: ReplayDifferenceInput,
    ) -> Result<ReplayDifferenceOutput, ServiceError> {
        let (key, mut row) = self.current(&ctx, &input.name).await?;
        let tx = ctx.store().begin().await?;
        let id = &input.difference_id;
        let found = Ledger::default().kind(ctx.store(), &row.id, id).await?;
        let (_, samples) = found.ok_or_else(|| no_difference(id))?;
        let is_wanted = |pair: &str| input.sample_id.as_ref().is_none_or(|wanted| wanted == pair);
        let sample = samples.into_iter().find(|sample| is_wanted(&sample.pair));
        let sample =
            sample.ok_or_else(|| invalid("SampleId: the difference has no such sample"))?;
        let passage = passage(&tx, &row.id, &sample.pair).await?.ok_or_else(|| {
            invalid("The request of this sample was too large to be kept: it cannot be replayed.")
        })?;
        drop(tx);
        if let Some(new) = input.candidate {
            row.candidate = candidate(&ctx, new, &row.target).await?;
        }
        let rules = row.rules.compile().map_err(|e| ServiceError::internal(e.to_string()))?;
        let outside = row.outside.clone().into();
        let (observed, verdict) = replay(&ctx, &key, &row, &rules, &outside, &passage).await;
        let verdict = ReplayVerdict {
            matches: Some(verdict.is_match()),
            differences: Some(verdict.differences.iter().map(shown_difference).collect()),
            candidate_answer: Some(answer_text(&observed.answer, &rules)),
        };
        Ok(ReplayDifferenceOutput { verdict: Some(verdict) })
    }
}

/// Gives the candidate what passed, on live data as the primary had met them.
pub(super) async fn replay(
    ctx: &Context,
    key: &RunKey,
    row: &RunRow,
    rules: &CompiledRules,
    outside: &Arc<[OutsideRule]>,
    passage: &Passage,
) -> (Observed, Verdict) {
    let past = Side::past(ctx.kernel().db(), passage.images());
    let trial = Trial {
        kernel: ctx.kernel(),
        key,
        target: &row.target,
        candidate: &row.candidate,
        outside,
        budget: Duration::from_millis(row.limits.budget_ms),
        primary: Some(&past),
    };
    let observed = run_candidate(&trial, passage.given()).await.observed;
    let verdict = compare(&passage.observed(), &observed, rules);
    (observed, verdict)
}

/// As JSON, redacted and cut like every sample.
fn answer_text(answer: &Answer, rules: &CompiledRules) -> String {
    let json = |bytes: &[u8]| {
        serde_json::from_slice(bytes)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(bytes).into_owned()))
    };
    let value = match answer {
        Answer::Http { status, body, .. } => json!({"status": status, "body": json(body)}),
        Answer::Invoke { payload, .. } => json(payload),
        Answer::Failed { kind, message } => json!({"failed": kind, "message": message}),
    };
    rules.redactor().sample(&Path::root(), &value, ANSWER_BYTES_MAX).to_string()
}
