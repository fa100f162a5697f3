//! Which effects of both sides belong together, and how they differ.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::array::{Match, similarity};
use super::effects::{Single, normalize};
use super::path::Path;
use super::walk::Walk;
use super::{Class, Effect, Kind, Part};

/// Effects on different resources that are less similar than this are not the same.
const SIMILARITY_MIN: f64 = 0.5;

pub(super) fn compare(walk: &mut Walk<'_>, primary: &[Effect], candidate: &[Effect]) {
    walk.part = Part::Effect;
    let (left, left_cut) = normalize(primary);
    let (right, right_cut) = normalize(candidate);
    if left_cut || right_cut {
        let kind = Kind { part: Part::Effect, class: Class::More, place: String::new() };
        walk.findings.add(kind, || (Some(primary.len().into()), Some(candidate.len().into())));
    }
    let root = Path::root();
    let marks = |walk: &Walk<'_>, all: &[Single], is_coarse: bool| -> Vec<u64> {
        let each = all.iter();
        each.map(|s| walk.mark(&root.key(&s.label()), &s.input, is_coarse)).collect()
    };
    let exact = (marks(walk, &left, false), marks(walk, &right, false));
    let coarse = (marks(walk, &left, true), marks(walk, &right, true));
    let mut pairs = Vec::new();
    for (_, mut group) in groups(&left, &right) {
        let mut paired = Vec::new();
        for is_strict in [true, false] {
            // First on the same target, then on another one.
            let targets = |at: usize, all: &[Single]| {
                all.get(at).map(|s| if is_strict { s.target.clone() } else { String::new() })
            };
            let mut by_target: BTreeMap<Option<String>, Match> = BTreeMap::new();
            for at in group.left.drain(..) {
                by_target.entry(targets(at, &left)).or_default().left.push(at);
            }
            for at in group.right.drain(..) {
                by_target.entry(targets(at, &right)).or_default().right.push(at);
            }
            for (_, mut one) in by_target {
                one.take_equal(&exact.0, &exact.1);
                one.take_equal(&coarse.0, &coarse.1);
                let least = if is_strict && one.left.len() == one.right.len() {
                    0.0
                } else {
                    SIMILARITY_MIN
                };
                one.take_similar(least, |x, y| match (left.get(x), right.get(y)) {
                    (Some(x), Some(y)) => {
                        let same_key = f64::from(u8::from(x.key.is_some() && x.key == y.key));
                        similarity(&x.input, &y.input, 0) + same_key
                    }
                    _ => 0.0,
                });
                paired.append(&mut one.pairs);
                group.left.append(&mut one.left);
                group.right.append(&mut one.right);
            }
        }
        paired.sort_unstable();
        for (x, y) in &paired {
            if let (Some(x), Some(y)) = (left.get(*x), right.get(*y)) {
                compare_pair(walk, x, y);
            }
        }
        unpaired(walk, &left, &coarse.0, &group.left, &paired, true);
        unpaired(walk, &right, &coarse.1, &group.right, &paired, false);
        pairs.append(&mut paired);
    }
    compare_order(walk, &left, &right, &mut pairs);
}

/// Effects of the same service and operation.
fn groups(left: &[Single], right: &[Single]) -> BTreeMap<(String, String), Match> {
    let mut groups: BTreeMap<(String, String), Match> = BTreeMap::new();
    for (at, single) in left.iter().enumerate() {
        let key = (single.service.clone(), single.operation.clone());
        groups.entry(key).or_default().left.push(at);
    }
    for (at, single) in right.iter().enumerate() {
        let key = (single.service.clone(), single.operation.clone());
        groups.entry(key).or_default().right.push(at);
    }
    groups
}

fn compare_pair(walk: &mut Walk<'_>, primary: &Single, candidate: &Single) {
    let root = Path::root();
    let label = primary.label();
    let path = root.key(&label);
    if primary.target != candidate.target {
        let (a, b) = (json!(primary.target), json!(candidate.target));
        // The same kind from both sides.
        let (first, second) = (&primary.target, &candidate.target);
        let both = format!("{first}, {second}");
        let label = Single { target: both, ..primary.clone() }.label();
        let path = root.key(&label);
        // Generated names are mapped as everything else is.
        if super::generated::parts(first, second).is_some() {
            walk.text(&path, first, second);
        } else {
            walk.report(Class::Target, &path, Some(&a), Some(&b));
        }
    }
    if primary.outcome != candidate.outcome {
        let code = |single: &Single| match &single.outcome {
            Ok(()) => json!("Ok"),
            Err(code) => json!(code),
        };
        walk.report(Class::Outcome, &path, Some(&code(primary)), Some(&code(candidate)));
    }
    walk.value(&path, &primary.input, &candidate.input);
}

/// Effects that the other side did not make, or did not make as often.
fn unpaired(
    walk: &mut Walk<'_>,
    all: &[Single],
    marks: &[u64],
    alone: &[usize],
    paired: &[(usize, usize)],
    is_of_primary: bool,
) {
    for at in alone {
        let Some(single) = all.get(*at) else { continue };
        let is_again = paired
            .iter()
            .map(|(left, right)| if is_of_primary { *left } else { *right })
            .any(|other| {
                marks.get(other) == marks.get(*at)
                    && all.get(other).is_some_and(|other| other.target == single.target)
            });
        let class = match (is_again, is_of_primary) {
            (true, true) => Class::DoneOnce,
            (true, false) => Class::DoneTwice,
            (false, true) => Class::Missing,
            (false, false) => Class::Extra,
        };
        let (root, label) = (Path::root(), single.label());
        let path = root.key(&label);
        if !walk.rules.is_ignored(&path) {
            let input = Some(&single.input);
            let (a, b) = if is_of_primary { (input, None) } else { (None, input) };
            walk.report(class, &path, a, b);
        }
    }
}

/// Effects on the same key have to come in the same order, whatever operations they are.
fn compare_order(
    walk: &mut Walk<'_>,
    left: &[Single],
    right: &[Single],
    pairs: &mut [(usize, usize)],
) {
    pairs.sort_unstable();
    let mut last: BTreeMap<(&str, &str, &str), (usize, usize)> = BTreeMap::new();
    for (x, y) in pairs.iter() {
        let (Some(single), Some(other)) = (left.get(*x), right.get(*y)) else { continue };
        let Some(key) = &single.key else { continue };
        let place = (single.service.as_str(), single.target.as_str(), key.as_str());
        if let Some((before_x, before_y)) = last.insert(place, (*x, *y))
            && before_y > *y
        {
            let names = |all: &[Single], at: &[usize]| -> Value {
                at.iter().filter_map(|at| all.get(*at)).map(|s| s.operation.clone()).collect()
            };
            // Named by the target alone: the operations may be different ones.
            let label = format!("{}:({})", other.service, single.target);
            let root = Path::root();
            let path = root.key(&label);
            let (a, b) = (names(left, &[before_x, *x]), names(right, &[*y, before_y]));
            walk.report(Class::Order, &path, Some(&a), Some(&b));
        }
    }
}
