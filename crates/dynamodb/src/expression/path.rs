//! Document paths: `a.b[3].c`.

use std::fmt;

use undercast_kernel::ServiceError;

use super::Kind;
use crate::value::{Item, Value};

/// Names sort before indexes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    Name(String),
    Index(usize),
}

/// A name and what follows it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Path {
    pub name: String,
    pub rest: Vec<Step>,
}

impl Path {
    pub fn get<'a>(&self, item: &'a Item) -> Option<&'a Value> {
        let mut value = item.get(&self.name)?;
        for step in &self.rest {
            value = match (step, value) {
                (Step::Name(name), Value::M(map)) => map.get(name)?,
                (Step::Index(index), Value::L(list)) => list.get(*index)?,
                _ => return None,
            };
        }
        Some(value)
    }

    fn steps(&self) -> impl Iterator<Item = Step> + '_ {
        std::iter::once(Step::Name(self.name.clone())).chain(self.rest.iter().cloned())
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Index(index) => write!(f, "[{index}]"),
        }
    }
}

/// `[a, b, [3], c]`, as errors show it.
impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let steps: Vec<String> = self.steps().map(|step| step.to_string()).collect();
        write!(f, "[{}]", steps.join(", "))
    }
}

/// No path may begin with another one, nor take for a map what another takes for a list.
pub(super) fn check_distinct(kind: Kind, paths: &[Path]) -> Result<(), ServiceError> {
    let mut sorted: Vec<&Path> = paths.iter().collect();
    // Sorted, whatever collides has neighbours that collide.
    sorted.sort();
    for pair in sorted.windows(2) {
        let [first, second] = pair else { continue };
        let steps = || first.steps().zip(second.steps());
        let (one, two) = in_order(paths, first, second);
        if steps().all(|(a, b)| a == b) {
            return Err(kind.error(format!(
                "Two document paths overlap with each other; must remove or rewrite one of these paths; path one: {one}, path two: {two}"
            )));
        }
        let differ = steps().find(|(a, b)| a != b);
        if let Some((Step::Name(_), Step::Index(_)) | (Step::Index(_), Step::Name(_))) = differ {
            return Err(kind.error(format!(
                "Two document paths conflict with each other; must remove or rewrite one of these paths; path one: {one}, path two: {two}"
            )));
        }
    }
    Ok(())
}

/// As they stand in the expression.
fn in_order<'a>(paths: &[Path], first: &'a Path, second: &'a Path) -> (&'a Path, &'a Path) {
    let at = |path: &Path| paths.iter().position(|other| other == path);
    if at(first) <= at(second) { (first, second) } else { (second, first) }
}
