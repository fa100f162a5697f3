//! The patterns of event source mappings and of CloudWatch Logs, each asked about a message: a text
//! is a pattern, a line break and a message.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let (pattern, message) = text.split_once('\n').unwrap_or((text, "{}"));
    undercast_lambda::exercise_filter(pattern, message);
    undercast_logs::exercise_pattern(pattern, message);
});
