//! The readers of the JSON and query protocols, over shapes of real services.
#![no_main]

use libfuzzer_sys::fuzz_target;
use undercast_smithy::validate::read_validated;
use undercast_sqs::api::sqs::shapes::{SendMessageBatchInput, SendMessageInput};
use undercast_wire::codec::json::JsonReader;
use undercast_wire::codec::query::{QueryReader, parse_pairs};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(mut reader) = JsonReader::new(bytes) {
        let _ = read_validated::<SendMessageBatchInput>(&mut reader);
    }
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Ok(mut pairs) = parse_pairs(text)
    {
        let _ = read_validated::<SendMessageInput>(&mut QueryReader::new(&mut pairs));
    }
});
