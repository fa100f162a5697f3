//! What two sides of a dark run did, whatever that was.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use undercast_patterns::compare::{Answer, Effect, Observed, Rules, compare};

fn observed(body: &[u8], input: &[u8], operation: &str) -> Observed {
    let effect = Effect {
        service: "dynamodb".to_owned(),
        operation: operation.to_owned(),
        input: serde_json::from_slice(input).unwrap_or_default(),
        outcome: Ok(()),
    };
    Observed {
        answer: Answer::Invoke { payload: Bytes::copy_from_slice(body), error: None },
        effects: vec![effect],
        duration_ms: 1.0,
        started_ms: 1_795_521_600_000,
    }
}

fuzz_target!(|data: (&[u8], &[u8], &[u8], &[u8], u8)| {
    let Ok(rules) = Rules::default().compile() else { return };
    let operation = match data.4 % 3 {
        0 => "UpdateItem",
        1 => "BatchWriteItem",
        _ => "PutItem",
    };
    let (a, b) = (observed(data.0, data.2, operation), observed(data.1, data.3, operation));
    let there = compare(&a, &b, &rules);
    assert_eq!(there.is_match(), compare(&b, &a, &rules).is_match());
    assert!(compare(&a, &a, &rules).is_equal());
});
