//! `ReplayRecording`: gives a candidate the recorded traffic of a run, one passage after the other.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::replay_difference::replay;
use super::{access, candidate, long, shown_kind_of};
use crate::Release;
use crate::api::release::operations::ReplayRecording;
use crate::api::release::shapes::{ReplayRecordingInput, ReplayRecordingOutput};
use crate::error::invalid;
use crate::runs::Passage;
use crate::store::RECORDED;

/// How many passages one call runs at most, unless told otherwise.
const PAIRS: i32 = 100;
const PAIRS_MAX: i32 = 1_000;
const KINDS_MAX: usize = 100;
const PAGE: usize = 20;

impl Handler<ReplayRecording> for Release {
    fn authorize(&self, ctx: &Context, input: &ReplayRecordingInput) -> Vec<Access> {
        access(ctx, "ReplayRecording", &input.name)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: ReplayRecordingInput,
    ) -> Result<ReplayRecordingOutput, ServiceError> {
        let pairs_max = input.pairs_max.unwrap_or(PAIRS);
        if !(1..=PAIRS_MAX).contains(&pairs_max) {
            return Err(invalid(format!("PairsMax: from 1 to {PAIRS_MAX}")));
        }
        let (key, mut row) = self.current(&ctx, &input.name).await?;
        if let Some(new) = input.candidate {
            row.candidate = candidate(&ctx, new, &row.target).await?;
        }
        let rules = row.rules.compile().map_err(|e| ServiceError::internal(e.to_string()))?;
        let outside = row.outside.clone().into();
        let ms = |time: undercast_smithy::Timestamp| u64::try_from(time.millis()).unwrap_or(0);
        let (from, to) = (input.from.map_or(0, ms), input.to.map_or(u64::MAX, ms));
        let id = row.id.as_str();
        let mut range = RECORDED.from(&(id,), &(id, from));
        let mut output = ReplayRecordingOutput::default();
        let (mut replayed, mut matched, mut differed, mut failed) = (0_u64, 0_u64, 0_u64, 0_u64);
        let mut kinds = std::collections::BTreeMap::new();
        'pages: loop {
            let page = RECORDED.list(ctx.store(), range, PAGE, false).await?;
            let Some((last, _)) = page.last() else { break };
            range = RECORDED.after(&(id,), last);
            for (at, recorded) in page {
                if at.1 > to || replayed >= u64::from(pairs_max.unsigned_abs()) {
                    break 'pages;
                }
                let Some(passage) = Passage::decode(&recorded.passage) else { continue };
                let (_, verdict) = replay(&ctx, &key, &row, &rules, &outside, &passage).await;
                replayed += 1;
                matched += u64::from(verdict.is_match());
                differed += u64::from(!verdict.is_match());
                failed += u64::from(verdict.candidate_failed);
                for difference in verdict.differences {
                    let known = kinds.contains_key(&difference.kind);
                    if known || kinds.len() < KINDS_MAX {
                        kinds.entry(difference.kind).or_insert((difference.severity, 0_u64)).1 += 1;
                    }
                }
            }
        }
        output.replayed = long(replayed);
        output.matched = long(matched);
        output.differed = long(differed);
        output.candidate_failed = long(failed);
        let kinds =
            kinds.iter().map(|(kind, (severity, count))| shown_kind_of(kind, *severity, *count));
        output.differences = Some(kinds.collect());
        Ok(output)
    }
}
