//! Places in a document, and the patterns that rules name them by.

use super::rules::RulesError;

/// A pattern with more than this many `**` would be slow to match.
const DEEP_MAX: usize = 2;

#[derive(Debug, Clone, Copy)]
pub(crate) enum Step<'a> {
    Root,
    Key(&'a str),
    Index(usize),
}

/// Where a walk is: a list on its stack, the innermost step first.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Path<'a> {
    parent: Option<&'a Path<'a>>,
    step: Step<'a>,
    depth: usize,
}

impl<'a> Path<'a> {
    pub(crate) fn root() -> Path<'static> {
        Path { parent: None, step: Step::Root, depth: 0 }
    }

    pub(crate) fn key(&'a self, key: &'a str) -> Path<'a> {
        Path { parent: Some(self), step: Step::Key(key), depth: self.depth + 1 }
    }

    pub(crate) fn index(&'a self, index: usize) -> Path<'a> {
        Path { parent: Some(self), step: Step::Index(index), depth: self.depth + 1 }
    }

    pub(crate) fn depth(&self) -> usize {
        self.depth
    }

    /// The key of this very step.
    pub(crate) fn key_here(&self) -> Option<&str> {
        match self.step {
            Step::Key(key) => Some(key),
            Step::Root | Step::Index(_) => None,
        }
    }

    /// Whether something holds for this place or one above it.
    pub(crate) fn any(&self, holds: &dyn Fn(&Path<'_>) -> bool) -> bool {
        holds(self) || self.parent.is_some_and(|parent| parent.any(holds))
    }

    /// The place as a JSON pointer in which array indices are `*`. `masked` gives what stands for a key that must
    /// not be shown as it is.
    pub(crate) fn place(&self, masked: &dyn Fn(&str) -> Option<String>) -> String {
        let mut steps = Vec::with_capacity(self.depth);
        let mut at = Some(self);
        while let Some(path) = at {
            steps.push(path.step);
            at = path.parent;
        }
        let mut out = String::with_capacity(48);
        for step in steps.into_iter().rev() {
            match step {
                Step::Root => {}
                Step::Index(_) => out.push_str("/*"),
                Step::Key(key) => {
                    out.push('/');
                    match masked(key) {
                        Some(masked) => out.push_str(&masked),
                        None => push_key(&mut out, key),
                    }
                }
            }
            if out.len() > PLACE_BYTES_MAX {
                let cut = (0..=PLACE_BYTES_MAX).rev().find(|at| out.is_char_boundary(*at));
                out.truncate(cut.unwrap_or(0));
                out.push('…');
                break;
            }
        }
        out
    }
}

const PLACE_BYTES_MAX: usize = 256;

/// A key as a step of a pointer.
pub(super) fn push_key(out: &mut String, key: &str) {
    for letter in key.chars().take(PLACE_BYTES_MAX) {
        match letter {
            '~' => out.push_str("~0"),
            '/' => out.push_str("~1"),
            '*' => out.push_str("~2"),
            letter if letter.is_control() => out.push('\u{fffd}'),
            letter => out.push(letter),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    /// `**`: any number of steps, also none.
    Deep,
    /// `*`: one step.
    Any,
    Exact(String),
    /// A `*` within a step: the parts between.
    Glob(Vec<String>),
}

impl Segment {
    fn parse(text: &str) -> Segment {
        match text {
            "**" => Segment::Deep,
            "*" => Segment::Any,
            _ if text.contains('*') => Segment::Glob(text.split('*').map(unescape).collect()),
            _ => Segment::Exact(unescape(text)),
        }
    }

    fn is(&self, step: Step<'_>) -> bool {
        match (self, step) {
            (_, Step::Root) => false,
            (Segment::Any | Segment::Deep, _) => true,
            (Segment::Exact(name), Step::Key(key)) => name == key,
            (Segment::Exact(name), Step::Index(index)) => name.parse() == Ok(index),
            (Segment::Glob(parts), Step::Key(key)) => is_glob(parts, key),
            (Segment::Glob(_), Step::Index(_)) => false,
        }
    }
}

fn unescape(text: &str) -> String {
    text.replace("~2", "*").replace("~1", "/").replace("~0", "~")
}

fn is_glob(parts: &[String], text: &str) -> bool {
    let (Some((first, rest)), Some(last)) = (parts.split_first(), parts.last()) else {
        return false;
    };
    let Some(mut text) = text.strip_prefix(first.as_str()) else { return false };
    for part in rest.iter().take(rest.len().saturating_sub(1)) {
        match text.find(part.as_str()) {
            Some(at) => text = text.get(at + part.len()..).unwrap_or_default(),
            None => return false,
        }
    }
    text.ends_with(last.as_str())
}

/// A pattern of a place: `/items/*/price`, `/**/updatedAt`, `/dynamodb:PutItem(orders)/ttl`.
#[derive(Debug, Clone)]
pub(crate) struct Pattern {
    segments: Vec<Segment>,
}

impl Pattern {
    pub(crate) fn parse(field: &str, text: &str) -> Result<Pattern, RulesError> {
        let bad = |reason: &str| {
            Err(RulesError { field: field.to_owned(), reason: format!("{reason}: {text:?}") })
        };
        if text.len() > 1024 {
            return bad("a path has up to 1,024 bytes");
        }
        let body = text.strip_prefix('/').unwrap_or(text);
        if body.is_empty() {
            // The whole document.
            return Ok(Pattern { segments: Vec::new() });
        }
        if body.starts_with('$') || body.contains('[') && body.ends_with(']') {
            return bad("a path is a JSON pointer such as /items/*/price, not a JSONPath");
        }
        let segments: Vec<Segment> = body.split('/').map(Segment::parse).collect();
        if segments.iter().any(|s| *s == Segment::Exact(String::new())) {
            return bad("a path has an empty step");
        }
        if segments.iter().filter(|s| **s == Segment::Deep).count() > DEEP_MAX {
            return bad("a path has at most two **");
        }
        Ok(Pattern { segments })
    }

    pub(crate) fn matches(&self, path: &Path<'_>) -> bool {
        matches(&self.segments, path)
    }
}

fn matches(segments: &[Segment], path: &Path<'_>) -> bool {
    let Some((last, rest)) = segments.split_last() else {
        return matches!(path.step, Step::Root);
    };
    match last {
        Segment::Deep => {
            matches(rest, path) || path.parent.is_some_and(|parent| matches(segments, parent))
        }
        segment => segment.is(path.step) && path.parent.is_some_and(|p| matches(rest, p)),
    }
}

/// Patterns with what each stands for; the first match counts.
#[derive(Debug, Clone)]
pub(crate) struct Paths<T> {
    patterns: Vec<(Pattern, T)>,
}

impl<T> Default for Paths<T> {
    fn default() -> Self {
        Paths { patterns: Vec::new() }
    }
}

impl<T> Paths<T> {
    pub(crate) fn push(&mut self, pattern: Pattern, value: T) {
        self.patterns.push((pattern, value));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }

    pub(crate) fn find(&self, path: &Path<'_>) -> Option<&T> {
        self.patterns.iter().find(|(pattern, _)| pattern.matches(path)).map(|(_, value)| value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, keys: &[&str]) -> bool {
        fn go(pattern: &Pattern, path: &Path<'_>, keys: &[&str]) -> bool {
            match keys.split_first() {
                None => pattern.matches(path),
                Some((key, rest)) => match key.parse() {
                    Ok(index) => go(pattern, &path.index(index), rest),
                    Err(_) => go(pattern, &path.key(key), rest),
                },
            }
        }
        go(&Pattern::parse("IgnoredPaths", pattern).unwrap(), &Path::root(), keys)
    }

    #[test]
    fn patterns_match_places() {
        assert!(check("/items/*/price", &["items", "3", "price"]));
        assert!(check("items/3/price", &["items", "3", "price"]));
        assert!(!check("/items/*/price", &["items", "price"]));
        assert!(!check("/items", &["items", "3"]));
        assert!(check("/**/at", &["at"]));
        assert!(check("/**/at", &["a", "b", "at"]));
        assert!(check("/a/**", &["a"]));
        assert!(check("/a/**", &["a", "b", "c"]));
        assert!(check("/a/**/c/**/e", &["a", "x", "c", "c", "y", "e"]));
        assert!(check("/dynamodb:*(orders)/ttl", &["dynamodb:PutItem(orders)", "ttl"]));
        assert!(!check("/dynamodb:*(orders)/ttl", &["dynamodb:PutItem(carts)", "ttl"]));
        assert!(check("/a~1b", &["a/b"]));
        assert!(check("", &[]));
        assert!(check("/**", &[]));
    }

    #[test]
    fn bad_patterns_are_named() {
        for bad in ["$.a", "/a//b", "/**/a/**/b/**", "items[0]"] {
            assert_eq!(Pattern::parse("IgnoredPaths", bad).unwrap_err().field, "IgnoredPaths");
        }
    }

    #[test]
    fn places_hide_indices_and_volatile_keys() {
        let root = Path::root();
        let items = root.key("items");
        let item = items.index(7);
        let id = item.key("550e");
        let price = id.key("a/b");
        assert_eq!(price.place(&|key| (key == "550e").then(|| "*".to_owned())), "/items/*/*/a~1b");
        assert_eq!(root.place(&|_| None), "");
    }
}
