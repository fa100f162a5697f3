//! The differences of one pair, told apart by kind and bounded.

use std::cell::RefCell;
use std::collections::HashMap;

use serde_json::Value;

use super::path::Path;
use super::rules::CompiledRules;
use super::{Class, DIFFERENCES_MAX, Difference, Kind, Part, SAMPLE_BYTES_MAX, Severity};

pub(super) struct Findings<'r> {
    rules: &'r CompiledRules,
    by_kind: HashMap<Kind, usize>,
    list: Vec<Difference>,
    /// How many kinds are kept and were dropped, that count and that inform.
    kept: [usize; 2],
    dropped: [u32; 2],
    /// What stands for keys that were met.
    masked: RefCell<HashMap<String, Option<String>>>,
}

/// Keys that are remembered.
const MASKED_MAX: usize = 256;

impl<'r> Findings<'r> {
    pub(super) fn new(rules: &'r CompiledRules) -> Findings<'r> {
        Findings {
            rules,
            by_kind: HashMap::new(),
            list: Vec::new(),
            kept: [0; 2],
            dropped: [0; 2],
            masked: RefCell::default(),
        }
    }

    pub(super) fn place(&self, path: &Path<'_>) -> String {
        path.place(&|key| {
            if let Some(known) = self.masked.borrow().get(key) {
                return known.clone();
            }
            let is_hidden = self.rules.redactor().touches(key);
            let masked =
                if is_hidden { Some("*".to_owned()) } else { super::generated::masked(key) };
            let mut known = self.masked.borrow_mut();
            if known.len() < MASKED_MAX {
                known.insert(key.to_owned(), masked.clone());
            }
            masked
        })
    }

    /// A difference at a place of a document.
    pub(super) fn add_at(
        &mut self,
        part: Part,
        class: Class,
        path: &Path<'_>,
        primary: Option<&Value>,
        candidate: Option<&Value>,
    ) {
        let kind = Kind { part, class, place: self.place(path) };
        let redactor = self.rules.redactor();
        let sample = |value: &Value| redactor.sample(path, value, SAMPLE_BYTES_MAX);
        self.add(kind, || (primary.map(sample), candidate.map(sample)));
    }

    /// The samples are asked for only if they are kept, and have to be redacted.
    pub(super) fn add(
        &mut self,
        kind: Kind,
        samples: impl FnOnce() -> (Option<Value>, Option<Value>),
    ) {
        let Some(severity) = self.rules.severity(&kind) else { return };
        if let Some(difference) = self.by_kind.get(&kind).and_then(|at| self.list.get_mut(*at)) {
            difference.times = difference.times.saturating_add(1);
            return;
        }
        let of_severity = |counts: [usize; 2]| match (severity, counts) {
            (Severity::Count, [count, _]) | (Severity::Inform, [_, count]) => count,
        };
        if of_severity(self.kept) >= DIFFERENCES_MAX {
            let [counted, informed] = &mut self.dropped;
            let dropped = if severity == Severity::Count { counted } else { informed };
            *dropped = dropped.saturating_add(1);
            return;
        }
        let [counted, informed] = &mut self.kept;
        *(if severity == Severity::Count { counted } else { informed }) += 1;
        let (primary, candidate) = samples();
        self.by_kind.insert(kind.clone(), self.list.len());
        self.list.push(Difference { kind, severity, times: 1, primary, candidate });
    }

    /// What counts first, then by part and place.
    pub(super) fn finish(mut self) -> Vec<Difference> {
        self.list.sort_by(|a, b| {
            let key = |d: &Difference| (d.severity, d.kind.part);
            key(a)
                .cmp(&key(b))
                .then_with(|| (&a.kind.place, a.kind.class).cmp(&(&b.kind.place, b.kind.class)))
        });
        let [counted, informed] = self.dropped;
        let (severity, times) = match (counted, informed) {
            (0, 0) => return self.list,
            (0, informed) => (Severity::Inform, informed),
            (counted, _) => (Severity::Count, counted),
        };
        let kind = Kind { part: Part::List, class: Class::More, place: String::new() };
        let more = Difference { kind, severity, times, primary: None, candidate: None };
        self.list.push(more);
        self.list
    }
}
