//! Tumbling windows: stretches of time over which a function adds up what it gets, handing its state on from one
//! invocation to the next.

use serde_json::{Value, json};
use undercast_smithy::Timestamp;

use crate::store::WindowRow;

pub(super) const NO_STATE: &str = "{}";
/// A window with more state than that ends early.
const STATE_BYTES_MAX: usize = 1 << 20;

/// A window as the function is told of it.
pub(super) struct Window<'a> {
    pub(super) row: &'a WindowRow,
    pub(super) length_ms: i64,
    pub(super) shard: &'a str,
    pub(super) source: &'a str,
    pub(super) is_final: bool,
}

/// When the window of a moment began.
pub(super) fn start(at_ms: i64, length_ms: i64) -> i64 {
    at_ms - at_ms.rem_euclid(length_ms)
}

pub(super) fn is_too_large(window: &WindowRow) -> bool {
    window.state.len() > STATE_BYTES_MAX
}

/// What an event has beside its records.
pub(super) fn fields(window: &Window<'_>) -> String {
    let time = |ms| Timestamp::from_millis(ms).iso8601();
    let (start, end) = (window.row.start_ms, window.row.start_ms + window.length_ms);
    let shown = json!({"start": time(start), "end": time(end)});
    let early = window.is_final && is_too_large(window.row);
    format!(
        ",\"window\":{shown},\"state\":{},\"shardId\":{},\"eventSourceARN\":{},\"isFinalInvokeForWindow\":{},\"isWindowTerminatedEarly\":{early}",
        window.row.state,
        Value::from(window.shard),
        Value::from(window.source),
        window.is_final,
    )
}

/// The state that a function hands on.
pub(super) fn state_of(answer: &[u8]) -> String {
    let answer: Value = serde_json::from_slice(answer).unwrap_or_default();
    match answer.get("state") {
        Some(state @ Value::Object(_)) => state.to_string(),
        _ => NO_STATE.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_begin_at_multiples_of_their_length() {
        assert_eq!(start(179_999, 60_000), 120_000);
        assert_eq!(start(180_000, 60_000), 180_000);
    }

    #[test]
    fn an_event_tells_of_its_window() {
        let row = WindowRow { start_ms: 1_607_497_440_000, state: r#"{"n":1}"#.to_owned() };
        let window =
            Window { row: &row, length_ms: 120_000, shard: "s", source: "arn", is_final: true };
        let event: Value =
            serde_json::from_str(&format!("{{\"Records\":[]{}}}", fields(&window))).unwrap();
        let want = json!({"start": "2020-12-09T07:04:00Z", "end": "2020-12-09T07:06:00Z"});
        assert_eq!(event["window"], want);
        assert_eq!(event["state"]["n"], 1);
        assert_eq!(event["isFinalInvokeForWindow"], true);
        assert_eq!(event["isWindowTerminatedEarly"], false);
    }

    #[test]
    fn only_an_object_is_state() {
        assert_eq!(state_of(br#"{"state": {"a": 1}}"#), r#"{"a":1}"#);
        for none in ["", "null", "{}", r#"{"state": 5}"#] {
            assert_eq!(state_of(none.as_bytes()), NO_STATE);
        }
    }
}
