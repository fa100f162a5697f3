//! Whether a step of a release may pass: pure functions over what was counted.

use serde::{Deserialize, Serialize};

use crate::histogram::{Histogram, float};

/// What a step has to show. A criterion that is absent asks for nothing.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default, deny_unknown_fields)]
pub struct Gate {
    /// Before that many are seen nothing passes; it fails earlier only if it is lost already. In a dark step
    /// compared pairs count, in a canary step requests to the candidate.
    pub sample_min: u64,
    /// Matching among compared pairs, from 0 to 1. Dark steps only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub match_rate_min: Option<f64>,
    /// Failures of the candidate among its requests, from 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_rate_max: Option<f64>,
    /// By how much the candidate's error rate may exceed the primary's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_rate_over_primary_max: Option<f64>,
    /// Of the requests that were sampled, those that the candidate was really given. Below that nothing can be
    /// said, so it waits. Dark steps only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub executed_share_min: Option<f64>,
    /// Canary steps only: a candidate in the dark runs at low priority.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency: Option<LatencyGate>,
}

/// Fails if the candidate is slower, beyond what chance explains and beyond what one would mind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default, deny_unknown_fields)]
pub struct LatencyGate {
    /// How sure it has to be that the candidate is slower: 0.99.
    pub confidence: f64,
    /// The chance that a request to the candidate takes longer than one to the primary; 0.5 is no difference.
    pub effect_max: f64,
    /// The medians may be this far apart whatever the ranks say.
    pub median_shift_ms: f64,
    /// Requests of each side before anything is said.
    pub sample_min: u64,
}

impl Default for LatencyGate {
    fn default() -> Self {
        LatencyGate { confidence: 0.99, effect_max: 0.6, median_shift_ms: 1.0, sample_min: 50 }
    }
}

/// What was counted since the step began.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Stats {
    /// Requests chosen to be run in the dark as well, and those that were.
    pub sampled: u64,
    pub executed: u64,
    /// Pairs that were compared, and those without a difference that counts.
    pub compared: u64,
    pub matched: u64,
    pub primary_requests: u64,
    pub primary_failed: u64,
    pub candidate_requests: u64,
    pub candidate_failed: u64,
    pub primary_latency: Histogram,
    pub candidate_latency: Histogram,
}

impl Stats {
    fn merge_counts(&mut self, other: &Stats) {
        for (sum, count) in [
            (&mut self.sampled, other.sampled),
            (&mut self.executed, other.executed),
            (&mut self.compared, other.compared),
            (&mut self.matched, other.matched),
            (&mut self.primary_requests, other.primary_requests),
            (&mut self.primary_failed, other.primary_failed),
            (&mut self.candidate_requests, other.candidate_requests),
            (&mut self.candidate_failed, other.candidate_failed),
        ] {
            *sum = sum.saturating_add(count);
        }
    }

    pub fn merge(&mut self, other: &Stats) {
        self.merge_counts(other);
        self.primary_latency.merge(&other.primary_latency);
        self.candidate_latency.merge(&other.candidate_latency);
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verdict {
    /// Not yet, and why.
    Wait(Vec<String>),
    Pass,
    Fail(String),
}

/// Whether a step is in the dark or under traffic: what is counted differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Light {
    Dark,
    Canary,
}

fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { float(part) / float(whole) }
}

impl Gate {
    /// What is wrong with the gate itself, for a step of this kind.
    pub fn check(&self, light: Light) -> Result<(), String> {
        let shares = [
            ("MatchRateMin", self.match_rate_min),
            ("ErrorRateMax", self.error_rate_max),
            ("ErrorRateOverPrimaryMax", self.error_rate_over_primary_max),
            ("ExecutedShareMin", self.executed_share_min),
            ("Latency.Confidence", self.latency.as_ref().map(|latency| latency.confidence)),
            ("Latency.EffectMax", self.latency.as_ref().map(|latency| latency.effect_max)),
        ];
        for (name, share) in shares {
            if share.is_some_and(|share| !(0.0..=1.0).contains(&share)) {
                return Err(format!("{name} is a share from 0 to 1"));
            }
        }
        if light == Light::Dark && self.latency.is_some() {
            return Err(
                "Latency says nothing in a dark step: the candidate runs at low priority".into()
            );
        }
        let only_dark = self.match_rate_min.is_some() || self.executed_share_min.is_some();
        if light == Light::Canary && only_dark {
            return Err(
                "MatchRateMin and ExecutedShareMin need a dark step: nothing is compared here"
                    .into(),
            );
        }
        Ok(())
    }

    /// Deterministic: the same numbers give the same verdict.
    pub fn judge(&self, light: Light, stats: &Stats) -> Verdict {
        let mut waits = Vec::new();
        let sample = match light {
            Light::Dark => stats.compared,
            Light::Canary => stats.candidate_requests,
        };
        if sample < self.sample_min {
            waits.push(format!("{sample} of {} samples", self.sample_min));
        }
        if let Some(fault) = self.fault(light, sample, stats) {
            return Verdict::Fail(fault);
        }
        if light == Light::Dark
            && let Some(least) = self.executed_share_min
        {
            let executed = share(stats.executed, stats.sampled);
            if executed < least {
                waits.push(format!(
                    "{:.1} % of what was sampled was executed, {:.1} % are needed",
                    executed * 100.0,
                    least * 100.0
                ));
            }
        }
        if light == Light::Canary
            && let Some(latency) = &self.latency
        {
            match latency.judge(stats) {
                Verdict::Wait(reasons) => waits.extend(reasons),
                Verdict::Fail(reason) => return Verdict::Fail(reason),
                Verdict::Pass => {}
            }
        }
        if waits.is_empty() { Verdict::Pass } else { Verdict::Wait(waits) }
    }

    /// A rate that is beyond its bound: with enough samples, or so far that the missing ones cannot mend it.
    fn fault(&self, light: Light, sample: u64, stats: &Stats) -> Option<String> {
        let is_beyond = |bad: u64, seen: u64, rate_max: f64| {
            let whole = if sample >= self.sample_min { seen } else { seen.max(self.sample_min) };
            whole > 0 && float(bad) > float(whole) * rate_max + 1e-9
        };
        if let (Light::Dark, Some(least)) = (light, self.match_rate_min) {
            let differed = stats.compared.saturating_sub(stats.matched);
            if is_beyond(differed, stats.compared, 1.0 - least) {
                return Some(format!(
                    "{differed} of {} pairs differ: {:.3} % match, {:.3} % are needed",
                    stats.compared,
                    share(stats.matched, stats.compared) * 100.0,
                    least * 100.0
                ));
            }
        }
        let (failed, seen) = (stats.candidate_failed, stats.candidate_requests);
        if let Some(most) = self.error_rate_max
            && is_beyond(failed, seen, most)
        {
            return Some(format!(
                "{failed} of {seen} requests to the candidate failed, at most {:.3} % may",
                most * 100.0
            ));
        }
        if let Some(over) = self.error_rate_over_primary_max {
            let primary = share(stats.primary_failed, stats.primary_requests);
            if is_beyond(failed, seen, (primary + over).min(1.0)) {
                return Some(format!(
                    "{failed} of {seen} requests to the candidate failed, of those to the primary {:.3} %",
                    primary * 100.0
                ));
            }
        }
        None
    }
}

impl LatencyGate {
    fn judge(&self, stats: &Stats) -> Verdict {
        let (primary, candidate) = (&stats.primary_latency, &stats.candidate_latency);
        let fewest = primary.count().min(candidate.count());
        if fewest < self.sample_min.max(2) {
            let reason = format!("{fewest} of {} latencies of each side", self.sample_min.max(2));
            return Verdict::Wait(vec![reason]);
        }
        let Some(test) = rank_test(primary, candidate) else { return Verdict::Pass };
        let is_slower = test.confidence >= self.confidence
            && test.effect > self.effect_max
            && test.median_shift_ms > self.median_shift_ms;
        if !is_slower {
            return Verdict::Pass;
        }
        Verdict::Fail(format!(
            "the candidate is slower: by {:.1} ms in the median, and in {:.0} % of all pairings (confidence {:.4})",
            test.median_shift_ms,
            test.effect * 100.0,
            test.confidence
        ))
    }
}

/// What the ranks of two sets of latencies say.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RankTest {
    /// The chance that one of the candidate takes longer than one of the primary, ties split; 0.5 is no difference.
    pub effect: f64,
    /// How sure it is that the candidate is slower, one-sided.
    pub confidence: f64,
    pub z: f64,
    pub median_shift_ms: f64,
}

/// The Mann–Whitney test: normal approximation, corrected for ties (a bucket is a tie) and continuity. Nothing if
/// a side is empty or all values are tied.
pub fn rank_test(primary: &Histogram, candidate: &Histogram) -> Option<RankTest> {
    let (n, m) = (float(primary.count()), float(candidate.count()));
    let all = n + m;
    if n < 1.0 || m < 1.0 || all < 3.0 {
        return None;
    }
    let mut below = 0.0;
    let mut wins = 0.0;
    let mut ties = 0.0;
    let mut buckets: Vec<u32> =
        primary.counts().keys().chain(candidate.counts().keys()).copied().collect();
    buckets.sort_unstable();
    buckets.dedup();
    for bucket in buckets {
        let of = |side: &Histogram| side.counts().get(&bucket).map_or(0.0, |count| float(*count));
        let (here, there) = (of(primary), of(candidate));
        wins += there * (below + here / 2.0);
        below += here;
        let tied = here + there;
        ties += tied * tied * tied - tied;
    }
    let variance = n * m / 12.0 * (all + 1.0 - ties / (all * (all - 1.0)));
    if variance <= 0.0 {
        return None;
    }
    let away = wins - n * m / 2.0;
    let z = (away - 0.5_f64.copysign(away).clamp(-away.abs(), away.abs())) / variance.sqrt();
    let median = |side: &Histogram| side.quantile_ms(0.5).unwrap_or(0.0);
    Some(RankTest {
        effect: wins / (n * m),
        confidence: normal(z),
        z,
        median_shift_ms: median(candidate) - median(primary),
    })
}

/// The distribution function of the standard normal distribution, to within 1e-7.
fn normal(z: f64) -> f64 {
    let x = z.abs() / std::f64::consts::SQRT_2;
    let t = 1.0 / (1.0 + 0.327_591_1 * x);
    let series = t
        * (0.254_829_592
            + t * (-0.284_496_736
                + t * (1.421_413_741 + t * (-1.453_152_027 + t * 1.061_405_429))));
    let tail = series * (-x * x).exp() / 2.0;
    if z >= 0.0 { 1.0 - tail } else { tail }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn histogram(values: &[f64]) -> Histogram {
        let mut histogram = Histogram::default();
        values.iter().for_each(|value| histogram.record_ms(*value));
        histogram
    }

    fn dark(compared: u64, matched: u64) -> Stats {
        Stats {
            sampled: compared,
            executed: compared,
            compared,
            matched,
            primary_requests: compared,
            candidate_requests: compared,
            ..Stats::default()
        }
    }

    #[test]
    fn a_match_rate_waits_passes_and_fails() {
        let gate = Gate { sample_min: 100, match_rate_min: Some(0.99), ..Gate::default() };
        let judge = |compared, matched| gate.judge(Light::Dark, &dark(compared, matched));
        assert_eq!(judge(0, 0), Verdict::Wait(vec!["0 of 100 samples".into()]));
        assert!(matches!(judge(50, 49), Verdict::Wait(_)));
        assert!(matches!(judge(50, 48), Verdict::Fail(_)), "98 more cannot mend two of 100");
        assert_eq!(judge(100, 99), Verdict::Pass);
        assert!(matches!(judge(100, 98), Verdict::Fail(_)));
        assert_eq!(judge(1000, 990), Verdict::Pass);
    }

    #[test]
    fn errors_are_bounded_alone_and_beside_the_primary() {
        let stats = Stats {
            primary_requests: 1000,
            primary_failed: 50,
            candidate_requests: 1000,
            candidate_failed: 60,
            ..Stats::default()
        };
        let judge = |gate: Gate| gate.judge(Light::Canary, &stats);
        assert!(matches!(
            judge(Gate { error_rate_max: Some(0.05), ..Gate::default() }),
            Verdict::Fail(_)
        ));
        assert_eq!(judge(Gate { error_rate_max: Some(0.06), ..Gate::default() }), Verdict::Pass);
        let over = |over| Gate { error_rate_over_primary_max: Some(over), ..Gate::default() };
        assert_eq!(judge(over(0.02)), Verdict::Pass);
        assert!(matches!(judge(over(0.005)), Verdict::Fail(_)));
    }

    #[test]
    fn too_few_executed_is_no_verdict() {
        let gate = Gate { executed_share_min: Some(0.9), ..Gate::default() };
        let stats = Stats { sampled: 200, ..dark(100, 100) };
        assert!(matches!(gate.judge(Light::Dark, &stats), Verdict::Wait(_)));
        assert_eq!(gate.judge(Light::Dark, &dark(100, 100)), Verdict::Pass);
    }

    #[test]
    fn slower_candidates_are_found_and_like_ones_are_not() {
        let primary: Vec<f64> = (0..500).map(|n| 10.0 + f64::from(n % 50)).collect();
        let slower: Vec<f64> = primary.iter().map(|value| value * 1.5).collect();
        let gate = Gate { latency: Some(LatencyGate::default()), ..Gate::default() };
        let judge = |candidate: &[f64]| {
            let stats = Stats {
                primary_latency: histogram(&primary),
                candidate_latency: histogram(candidate),
                ..Stats::default()
            };
            gate.judge(Light::Canary, &stats)
        };
        assert!(matches!(judge(&slower), Verdict::Fail(_)));
        assert_eq!(judge(&primary), Verdict::Pass);
        assert!(matches!(judge(&slower[..10]), Verdict::Wait(_)));
        let faster: Vec<f64> = primary.iter().map(|value| value / 2.0).collect();
        assert_eq!(judge(&faster), Verdict::Pass);
    }

    #[test]
    fn the_rank_test_agrees_with_a_known_case() {
        // Ten against ten, no ties: U = 80, mean 50, sd 13.2288, z = 29.5 / 13.2288.
        let primary: Vec<f64> = vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 30.0, 32.0];
        let candidate: Vec<f64> = vec![0.5, 2.5, 10.0, 11.0, 12.0, 13.0, 14.0, 16.0, 18.0, 20.0];
        let wins: f64 = candidate
            .iter()
            .flat_map(|c| primary.iter().map(move |p| f64::from(u8::from(c > p))))
            .sum();
        let test = rank_test(&histogram(&primary), &histogram(&candidate)).unwrap();
        assert!((test.effect - wins / 100.0).abs() < 1e-9);
        let z = (wins - 50.5) / (100.0 * 21.0 / 12.0_f64).sqrt();
        assert!((test.z - z).abs() < 1e-9, "{} {z}", test.z);
        assert!((normal(1.959_964) - 0.975).abs() < 1e-6);
        assert!((normal(-1.644_854) - 0.05).abs() < 1e-6);
    }

    #[test]
    fn gates_belong_to_kinds_of_steps() {
        let latency = Gate { latency: Some(LatencyGate::default()), ..Gate::default() };
        assert!(latency.check(Light::Dark).is_err() && latency.check(Light::Canary).is_ok());
        let rate = Gate { match_rate_min: Some(0.9), ..Gate::default() };
        assert!(rate.check(Light::Canary).is_err() && rate.check(Light::Dark).is_ok());
        let share = Gate { error_rate_max: Some(1.5), ..Gate::default() };
        assert!(share.check(Light::Dark).is_err());
    }

    proptest! {
        #[test]
        fn the_rank_test_is_sound(a: Vec<u16>, b: Vec<u16>) {
            let of = |values: &[u16]| histogram(&values.iter().map(|v| f64::from(*v)).collect::<Vec<_>>());
            if let Some(test) = rank_test(&of(&a), &of(&b)) {
                prop_assert!((0.0..=1.0).contains(&test.effect) && (0.0..=1.0).contains(&test.confidence));
                let back = rank_test(&of(&b), &of(&a)).unwrap();
                prop_assert!((test.effect + back.effect - 1.0).abs() < 1e-9);
                prop_assert!((test.z + back.z).abs() < 1e-9);
            }
        }

        /// Two samples of the same distribution are called different about as seldom as promised.
        #[test]
        fn chance_seldom_fails_a_gate(seed in 0_u64..1000) {
            let mut state = seed.wrapping_mul(2).wrapping_add(1);
            let mut next = || {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                f64::from(u32::try_from(state >> 40).unwrap()) / 1e5
            };
            let a: Vec<f64> = (0..300).map(|_| next()).collect();
            let b: Vec<f64> = (0..300).map(|_| next()).collect();
            let test = rank_test(&histogram(&a), &histogram(&b)).unwrap();
            prop_assert!(test.effect < 0.6);
        }
    }
}
