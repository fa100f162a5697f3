//! `*`, `?` and `${variables}` in policies.

use std::collections::BTreeMap;

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
