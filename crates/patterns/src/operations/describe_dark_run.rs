//! `DescribeDarkRun`: a run and what it has found up to now.

use undercast_kernel::{Access, Context, Handler, ServiceError};
use undercast_smithy::Timestamp;

use super::{access, long, shown};
use crate::Release;
use crate::api::release::operations::DescribeDarkRun;
use crate::api::release::shapes::{DescribeDarkRunInput, DescribeDarkRunOutput, Latency, Summary};
use crate::histogram::Histogram;
use crate::ledger::{self, Ledger};
use crate::store::REFUSED;

impl Handler<DescribeDarkRun> for Release {
    fn authorize(&self, ctx: &Context, input: &DescribeDarkRunInput) -> Vec<Access> {
        access(ctx, "DescribeDarkRun", &input.name)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: DescribeDarkRunInput,
    ) -> Result<DescribeDarkRunOutput, ServiceError> {
        let (key, row) = self.current(&ctx, &input.name).await?;
        let tx = ctx.store().begin().await?;
        let refused = REFUSED.get(&tx, &(row.id.clone(),)).await?.unwrap_or_default();
        drop(tx);
        let summary = Ledger::default().summary(ctx.store(), &row.id).await?;
        let mut run = shown(&ctx, &input.name, &row);
        let mut summary = summarized(summary.unwrap_or_default());
        summary.refused_hosts = Some(refused.hosts.into_iter().collect());
        run.summary = Some(summary);
        if let Some(failures) = self.watcher.active(&key).and_then(|active| active.resting()) {
            let failed = format!("the candidate rests: it failed {failures} times in a row");
            run.state_reason = Some(failed);
        }
        Ok(DescribeDarkRunOutput { dark_run: Some(run) })
    }
}

fn summarized(summary: ledger::Summary) -> Summary {
    let counters = &summary.counters;
    let compared = counters.matched + counters.differed;
    #[expect(clippy::cast_precision_loss, reason = "a share for the eye")]
    let share = |part: u64, whole: u64| (whole > 0).then(|| part as f64 / whole as f64);
    let seen = (summary.last_ms > 0).then_some(&summary);
    Summary {
        seen: long(counters.seen),
        sampled: long(counters.sampled),
        executed: long(counters.executed),
        shed: Some(
            counters
                .shed
                .iter()
                .map(|(reason, count)| (reason.clone(), i64::try_from(*count).unwrap_or(i64::MAX)))
                .collect(),
        ),
        matched: long(counters.matched),
        differed: long(counters.differed),
        primary_failed: long(counters.primary_failed),
        candidate_failed: long(counters.candidate_failed),
        match_rate: share(counters.matched, compared),
        executed_share: share(counters.executed, counters.sampled),
        kinds: long(summary.kinds),
        primary_latency: Some(latency(&summary.primary_latency)),
        candidate_latency: Some(latency(&summary.candidate_latency)),
        first_seen: seen.map(|summary| Timestamp::from_millis(summary.first_ms)),
        last_seen: seen.map(|summary| Timestamp::from_millis(summary.last_ms)),
        refused_hosts: None,
    }
}

fn latency(histogram: &Histogram) -> Latency {
    Latency {
        p50_ms: histogram.quantile_ms(0.5),
        p90_ms: histogram.quantile_ms(0.9),
        p99_ms: histogram.quantile_ms(0.99),
        max_ms: histogram.quantile_ms(1.0),
    }
}
