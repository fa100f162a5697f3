//! `Condition` blocks.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde_json::Value;

use super::pattern;
use super::wildcard;

type Context = BTreeMap<String, Vec<String>>;

/// Whether every operator of the block holds for every one of its keys.
pub(super) fn holds(block: &Value, context: &Context) -> bool {
    let Value::Object(operators) = block else {
        return block.is_null();
    };
    operators.iter().all(|(operator, keys)| {
        let Value::Object(keys) = keys else {
            return false;
        };
        keys.iter().all(|(key, wanted)| one(operator, key, wanted, context))
    })
}

fn one(operator: &str, key: &str, wanted: &Value, context: &Context) -> bool {
    let wanted: Vec<String> = match wanted {
        Value::Array(values) => values.iter().map(text).collect(),
        value => vec![text(value)],
    };
    let values = context.get(&key.to_lowercase()).filter(|v| !v.is_empty());
    if operator == "Null" {
        let absent = values.is_none();
        return wanted.iter().all(|w| (w == "true") == absent);
    }
    let (set, operator) = match operator.split_once(':') {
        Some((set, operator)) => (Some(set), operator),
        None => (None, operator),
    };
    let (operator, if_exists) = match operator.strip_suffix("IfExists") {
        Some(operator) => (operator, true),
        None => (operator, false),
    };
    let negated = operator.contains("Not");
    let Some(values) = values else {
        return if_exists || negated || set == Some("ForAllValues");
    };
    let matches = |value: &String| {
        let any = wanted.iter().any(|w| compare(operator, value, &pattern::variables(w, context)));
        any != negated
    };
    match set {
        Some("ForAllValues") => values.iter().all(matches),
        _ => values.iter().any(matches),
    }
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The operator without its negation; one that does not exist compares to nothing.
fn compare(operator: &str, value: &str, wanted: &str) -> bool {
    let number = |text: &str| text.parse::<f64>().ok();
    let numbers = number(value).zip(number(wanted));
    let dates = date(value).zip(date(wanted));
    match operator {
        "StringEquals" | "StringNotEquals" | "BinaryEquals" => value == wanted,
        "StringEqualsIgnoreCase" | "StringNotEqualsIgnoreCase" => {
            value.eq_ignore_ascii_case(wanted)
        }
        "StringLike" | "StringNotLike" => wildcard(wanted, value),
        "ArnEquals" | "ArnLike" | "ArnNotEquals" | "ArnNotLike" => wildcard(wanted, value),
        "Bool" => value.eq_ignore_ascii_case(wanted),
        "NumericEquals" | "NumericNotEquals" => numbers.is_some_and(|(v, w)| v == w),
        "NumericLessThan" => numbers.is_some_and(|(v, w)| v < w),
        "NumericLessThanEquals" => numbers.is_some_and(|(v, w)| v <= w),
        "NumericGreaterThan" => numbers.is_some_and(|(v, w)| v > w),
        "NumericGreaterThanEquals" => numbers.is_some_and(|(v, w)| v >= w),
        "DateEquals" | "DateNotEquals" => dates.is_some_and(|(v, w)| v == w),
        "DateLessThan" => dates.is_some_and(|(v, w)| v < w),
        "DateLessThanEquals" => dates.is_some_and(|(v, w)| v <= w),
        "DateGreaterThan" => dates.is_some_and(|(v, w)| v > w),
        "DateGreaterThanEquals" => dates.is_some_and(|(v, w)| v >= w),
        "IpAddress" | "NotIpAddress" => in_block(value, wanted),
        _ => false,
    }
}

fn date(text: &str) -> Option<i64> {
    undercast_smithy::Timestamp::parse(text).map(|t| t.millis())
}

fn in_block(ip: &str, block: &str) -> bool {
    let (network, bits) = match block.split_once('/') {
        Some((network, bits)) => (network, bits.parse::<u32>().ok()),
        None => (block, Some(128)),
    };
    let Some(bits) = bits else { return false };
    match (ip.parse(), network.parse()) {
        (Ok(IpAddr::V4(ip)), Ok(IpAddr::V4(network))) => {
            let mask = u32::MAX.checked_shl(32 - bits.min(32)).unwrap_or(0);
            u32::from(ip) & mask == u32::from(network) & mask
        }
        (Ok(IpAddr::V6(ip)), Ok(IpAddr::V6(network))) => {
            let mask = u128::MAX.checked_shl(128 - bits.min(128)).unwrap_or(0);
            u128::from(ip) & mask == u128::from(network) & mask
        }
        _ => false,
    }
}
