//! Durations in logarithmic buckets: small, mergeable, the same everywhere.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Buckets for each doubling: values are kept to within 3 %.
const STEPS: u32 = 16;
const STEP_BITS: u32 = STEPS.trailing_zeros();
/// About 13 days in microseconds.
const BUCKETS: u32 = 40 * STEPS;

/// How often durations fell into each bucket. Buckets never change, so histograms of any time and node can be merged.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Histogram {
    /// Number of the bucket, how many.
    counts: BTreeMap<u32, u64>,
}

/// Below `STEPS` microseconds each has a bucket of its own.
fn bucket(micros: u64) -> u32 {
    if micros < u64::from(STEPS) {
        return u32::try_from(micros).unwrap_or(0);
    }
    let power = micros.ilog2() - STEP_BITS;
    let step = u32::try_from(micros >> power).unwrap_or(0) - STEPS;
    ((power + 1) * STEPS + step).min(BUCKETS - 1)
}

/// The lowest value of a bucket.
fn floor(bucket: u32) -> u64 {
    if bucket < STEPS {
        return u64::from(bucket);
    }
    let (power, step) = (bucket / STEPS - 1, bucket % STEPS);
    u64::from(STEPS + step) << power.min(58)
}

#[expect(clippy::cast_precision_loss, reason = "counts and microseconds are far below 2^53")]
pub(crate) fn float(number: u64) -> f64 {
    number as f64
}

impl Histogram {
    pub fn record_ms(&mut self, duration_ms: f64) {
        #[expect(clippy::cast_possible_truncation, reason = "a cast of floats saturates")]
        #[expect(clippy::cast_sign_loss, reason = "below 0 is 0")]
        let micros = (duration_ms.max(0.0) * 1000.0) as u64;
        *self.counts.entry(bucket(micros)).or_default() += 1;
    }

    pub fn merge(&mut self, other: &Histogram) {
        for (bucket, count) in &other.counts {
            let sum = self.counts.entry(*bucket).or_default();
            *sum = sum.saturating_add(*count);
        }
    }

    /// What came since `earlier`, which is an older copy of this histogram.
    #[must_use]
    pub fn since(&self, earlier: &Histogram) -> Histogram {
        let counts = self.counts.iter().filter_map(|(bucket, count)| {
            let before = earlier.counts.get(bucket).copied().unwrap_or(0);
            Some((*bucket, count.saturating_sub(before))).filter(|(_, count)| *count > 0)
        });
        Histogram { counts: counts.collect() }
    }

    pub fn count(&self) -> u64 {
        self.counts.values().fold(0, |sum, count| sum.saturating_add(*count))
    }

    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    /// The duration that this share of all, from 0 to 1, does not exceed: the middle of its bucket.
    pub fn quantile_ms(&self, share: f64) -> Option<f64> {
        let wanted = (float(self.count()) * share.clamp(0.0, 1.0)).max(1.0);
        let mut seen = 0;
        for (bucket, count) in &self.counts {
            seen += count;
            if float(seen) >= wanted {
                let (from, to) = (floor(*bucket), floor(bucket + 1));
                return Some((float(from) + float(to)) / 2000.0);
            }
        }
        None
    }

    /// Buckets that hold something, by rising duration: the lowest value in milliseconds, how many.
    pub fn buckets(&self) -> impl Iterator<Item = (f64, u64)> {
        self.counts.iter().map(|(bucket, count)| (float(floor(*bucket)) / 1000.0, *count))
    }

    pub(crate) fn counts(&self) -> &BTreeMap<u32, u64> {
        &self.counts
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn buckets_are_without_gaps() {
        for bucket_number in 0..BUCKETS - 1 {
            let (from, to) = (floor(bucket_number), floor(bucket_number + 1));
            assert!(from < to, "{bucket_number}");
            assert_eq!(bucket(from), bucket_number);
            assert_eq!(bucket(to - 1), bucket_number);
        }
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    }

    proptest! {
        #[test]
        fn quantiles_are_near(values in prop::collection::vec(0.001_f64..100_000.0, 1..200)) {
            let mut histogram = Histogram::default();
            values.iter().for_each(|value| histogram.record_ms(*value));
            let mut sorted = values.clone();
            sorted.sort_by(f64::total_cmp);
            let median = sorted[(sorted.len() - 1) / 2];
            let found = histogram.quantile_ms(0.5).unwrap();
            prop_assert!((found - median).abs() <= median * 0.07 + 0.001, "{found} {median}");
            let text = serde_json::to_string(&histogram).unwrap();
            prop_assert_eq!(serde_json::from_str::<Histogram>(&text).unwrap(), histogram);
        }

        #[test]
        fn merging_is_recording_together(a: Vec<u16>, b: Vec<u16>) {
            let of = |values: &[u16]| {
                let mut histogram = Histogram::default();
                values.iter().for_each(|value| histogram.record_ms(f64::from(*value)));
                histogram
            };
            let mut merged = of(&a);
            merged.merge(&of(&b));
            prop_assert_eq!(merged, of(&[a, b].concat()));
        }
    }

    #[test]
    fn odd_durations_are_survived() {
        let mut histogram = Histogram::default();
        for duration in [f64::NAN, -1.0, f64::INFINITY, 0.0, 1e300] {
            histogram.record_ms(duration);
        }
        assert_eq!(histogram.count(), 5);
        assert_eq!(Histogram::default().quantile_ms(0.5), None);
    }
}
