//! Values of one metric in one interval, in bounded room.

use serde::{Deserialize, Serialize};

/// More distinct values than these are merged with their neighbours.
const DISTINCT_MAX: usize = 150;

/// What became of the values of an interval.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Aggregate {
    #[serde(rename = "n")]
    pub(crate) count: f64,
    #[serde(rename = "s")]
    pub(crate) sum: f64,
    #[serde(rename = "l")]
    pub(crate) low: f64,
    #[serde(rename = "h")]
    pub(crate) high: f64,
    /// Values in rising order, and how often each was there.
    #[serde(rename = "v")]
    values: Vec<(f64, f64)>,
    /// Something came as a set of statistics, so that there are no percentiles.
    #[serde(rename = "x", default)]
    is_opaque: bool,
}

impl Aggregate {
    pub(crate) fn add(&mut self, value: f64, count: f64) {
        self.widen(value, value, count, value * count);
        self.insert(value, count);
        self.compact();
    }

    /// A set of statistics; its values are unknown unless they are all the same.
    pub(crate) fn add_set(&mut self, count: f64, sum: f64, low: f64, high: f64) {
        if count <= 0.0 {
            return;
        }
        self.widen(low, high, count, sum);
        if low == high || count == 1.0 {
            self.insert(if count == 1.0 { sum } else { low }, count);
            self.compact();
        } else {
            self.is_opaque = true;
        }
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        if other.count <= 0.0 {
            return;
        }
        self.widen(other.low, other.high, other.count, other.sum);
        for (value, count) in &other.values {
            self.insert(*value, *count);
        }
        self.is_opaque |= other.is_opaque;
        self.compact();
    }

    fn widen(&mut self, low: f64, high: f64, count: f64, sum: f64) {
        let is_first = self.count <= 0.0;
        self.low = if is_first { low } else { self.low.min(low) };
        self.high = if is_first { high } else { self.high.max(high) };
        self.count += count;
        self.sum += sum;
    }

    fn insert(&mut self, value: f64, count: f64) {
        match self.values.binary_search_by(|(other, _)| other.total_cmp(&value)) {
            Ok(at) => {
                if let Some(found) = self.values.get_mut(at) {
                    found.1 += count;
                }
            }
            Err(at) => self.values.insert(at, (value, count)),
        }
    }

    /// Merges neighbours, the nearest first, until there are few enough.
    fn compact(&mut self) {
        let mut near = 0.005;
        while self.values.len() > DISTINCT_MAX {
            let mut merged: Vec<(f64, f64)> = Vec::with_capacity(self.values.len());
            for (value, count) in self.values.drain(..) {
                match merged.last_mut() {
                    Some(last)
                        if (value - last.0).abs() <= near * value.abs().max(last.0.abs()) =>
                    {
                        let both = last.1 + count;
                        last.0 = (last.0 * last.1 + value * count) / both;
                        last.1 = both;
                    }
                    _ => merged.push((value, count)),
                }
            }
            self.values = merged;
            near *= 2.0;
        }
    }

    pub(crate) fn average(&self) -> f64 {
        self.sum / self.count
    }

    /// `None` where the values themselves are not known.
    pub(crate) fn percentile(&self, percent: f64) -> Option<f64> {
        if self.is_opaque {
            return None;
        }
        let total: f64 = self.values.iter().map(|(_, count)| count).sum();
        // The place among all values, between two of which it may lie.
        let place = (total - 1.0).max(0.0) * percent / 100.0;
        let at = |place: f64| {
            let mut seen = 0.0;
            let found = self.values.iter().find(|(_, count)| {
                seen += count;
                place < seen
            });
            found.or(self.values.last()).map(|(value, _)| *value)
        };
        let (below, above) = (at(place.floor())?, at(place.ceil())?);
        Some(below + (above - below) * place.fract())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: impl IntoIterator<Item = f64>) -> Aggregate {
        let mut all = Aggregate::default();
        values.into_iter().for_each(|value| all.add(value, 1.0));
        all
    }

    #[test]
    fn a_few_values_have_exact_percentiles() {
        let all = of((1..=5).map(f64::from));
        assert_eq!((all.count, all.sum, all.low, all.high), (5.0, 15.0, 1.0, 5.0));
        assert_eq!(all.average(), 3.0);
        assert_eq!(all.percentile(50.0), Some(3.0));
        assert_eq!(all.percentile(100.0), Some(5.0));
        assert_eq!(all.percentile(0.0), Some(1.0));
        assert_eq!(all.percentile(90.0), Some(4.6));
    }

    #[test]
    fn many_values_take_bounded_room_and_stay_near() {
        let all = of((0..20_000).map(|n| f64::from(n % 9_973) - 100.0));
        assert!(all.values.len() <= DISTINCT_MAX);
        assert_eq!(all.count, 20_000.0);
        let median = all.percentile(50.0).unwrap();
        assert!((median - 4_900.0).abs() < 400.0, "{median}");
        assert_eq!((all.low, all.high), (-100.0, 9_872.0));
    }

    #[test]
    fn a_set_of_statistics_hides_percentiles_unless_it_says_them() {
        let mut all = of([1.0]);
        all.add_set(3.0, 6.0, 2.0, 2.0);
        assert_eq!(all.percentile(99.0), Some(2.0));
        all.add_set(4.0, 40.0, 5.0, 20.0);
        assert_eq!(all.percentile(99.0), None);
        assert_eq!((all.count, all.sum, all.low, all.high), (8.0, 47.0, 1.0, 20.0));
    }

    #[test]
    fn merging_is_like_adding_one_after_the_other() {
        let (mut left, right) = (of([3.0, 1.0]), of([2.0, 9.0]));
        left.merge(&right);
        left.merge(&Aggregate::default());
        assert_eq!(left, of([1.0, 2.0, 3.0, 9.0]));
    }
}
