//! DynamoDB's expressions of every kind, parsed and run on an item.
#![no_main]

use libfuzzer_sys::fuzz_target;
use undercast_dynamodb::expression::exercise;
use undercast_dynamodb::value::{Item, Value};

fuzz_target!(|text: &str| {
    let item = Item::from([
        ("a".to_owned(), Value::S("text".into())),
        ("b".to_owned(), Value::Bool(true)),
        ("c".to_owned(), Value::L(vec![Value::S("x".into())])),
    ]);
    exercise(text, &item);
});
