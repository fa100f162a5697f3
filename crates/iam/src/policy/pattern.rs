//! `*`, `?` and `${variables}` in policies.

use std::collections::BTreeMap;

/// Whether `text` matches `pattern`, in which `*` stands for any characters and `?` for one. Linear in
/// both but for the last `*`, to which it may come back.
pub fn wildcard(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t) = (0, 0);
    let mut back: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                back = Some((p, t));
                p += 1;
            }
            Some(b'?') => {
                p += 1;
                t += 1;
            }
            Some(byte) if Some(byte) == text.get(t) => {
                p += 1;
                t += 1;
            }
            _ => match back {
                Some((star, from)) => {
                    back = Some((star, from + 1));
                    p = star + 1;
                    t = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern.get(p..).is_some_and(|rest| rest.iter().all(|b| *b == b'*'))
}

/// Puts the values of policy variables in. One without a value stays, and so matches nothing.
pub(super) fn variables(pattern: &str, context: &BTreeMap<String, Vec<String>>) -> String {
    let mut out = String::with_capacity(pattern.len());
    let mut rest = pattern;
    while let Some((before, after)) = rest.split_once("${") {
        out.push_str(before);
        let Some((name, tail)) = after.split_once('}') else {
            out.push_str("${");
            rest = after;
            continue;
        };
        let value = context.get(&name.to_lowercase()).and_then(|v| v.first());
        match (name, value) {
            ("*" | "?" | "$", _) => out.push_str(name),
            (_, Some(value)) => out.push_str(value),
            (_, None) => out.push_str(&format!("${{{name}}}")),
        }
        rest = tail;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::wildcard;

    #[test]
    fn stars_and_question_marks() {
        assert!(wildcard("*", ""));
        assert!(wildcard("a*c", "abbbc"));
        assert!(wildcard("a*b*c", "axxbyyc"));
        assert!(!wildcard("a*c", "abd"));
        assert!(wildcard("a?c", "abc"));
        assert!(!wildcard("a?c", "ac"));
        assert!(wildcard("arn:*:x/*", "arn:aws:sqs:x/y/z"));
        assert!(!wildcard(&"a*".repeat(50), &"a".repeat(30).replace('a', "b")));
    }
}
