//! IAM policies, read and asked.
#![no_main]

use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use undercast_iam::policy::{Policy, Question};

fuzz_target!(|text: &str| {
    if let Ok(policy) = Policy::parse(text) {
        let context = BTreeMap::from([("aws:sourceip".to_owned(), vec!["10.0.0.1".to_owned()])]);
        let question =
            Question { action: "sqs:SendMessage", resource: "arn:aws:sqs:r:1:q", context: &context };
        let _ = policy.evaluate(&question);
    }
});
