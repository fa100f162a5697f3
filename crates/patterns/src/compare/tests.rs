//! What is found, and what is not.

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn http(body: &str) -> Observed {
    let headers = vec![
        ("Content-Type".to_owned(), "application/json".to_owned()),
        ("Date".to_owned(), "Tue, 24 Nov 2026 11:16:31 GMT".to_owned()),
    ];
    let answer =
        Answer::Http { status: 200, headers, body: Bytes::copy_from_slice(body.as_bytes()) };
    Observed { answer, effects: Vec::new(), duration_ms: 20.0, started_ms: 1_795_521_600_000 }
}

fn with_effects(effects: &[(&str, &str, Value)]) -> Observed {
    let effect = |(service, operation, input): &(&str, &str, Value)| Effect {
        service: (*service).to_owned(),
        operation: (*operation).to_owned(),
        input: input.clone(),
        outcome: Ok(()),
    };
    Observed { effects: effects.iter().map(effect).collect(), ..http("{}") }
}

fn kinds(verdict: &Verdict) -> Vec<(Class, String)> {
    verdict.differences.iter().map(|d| (d.kind.class, d.kind.place.clone())).collect()
}

fn mirrored(class: Class) -> Class {
    match class {
        Class::Missing => Class::Extra,
        Class::Extra => Class::Missing,
        Class::DoneOnce => Class::DoneTwice,
        Class::DoneTwice => Class::DoneOnce,
        class => class,
    }
}

#[track_caller]
fn check_by(rules: &Rules, a: &Observed, b: &Observed, expected: &[(Class, &str)]) {
    let rules = rules.compile().unwrap();
    let expect = |map: fn(Class) -> Class| {
        let mut all: Vec<_> = expected.iter().map(|(c, p)| (map(*c), (*p).to_owned())).collect();
        all.sort();
        all
    };
    let sorted = |verdict: Verdict| {
        let mut all = kinds(&verdict);
        all.sort();
        all
    };
    assert_eq!(sorted(compare(a, b, &rules)), expect(|class| class));
    let back = sorted(compare(b, a, &rules));
    let same_place = |class: &Class| !matches!(class, Class::Status | Class::TimedOut);
    if expected.iter().all(|(class, _)| same_place(class)) {
        assert_eq!(back, expect(mirrored), "from the other side");
    }
}

#[track_caller]
fn check(a: &str, b: &str, expected: &[(Class, &str)]) {
    check_by(&Rules::default(), &http(a), &http(b), expected);
}

#[test]
fn bodies_are_classified() {
    check(r#"{"a":1}"#, r#"{ "a" : 1 }"#, &[]);
    check(r#"{"a":1,"b":2}"#, r#"{"b":2,"a":1}"#, &[(Class::KeyOrder, "")]);
    check(r#"{"a":null}"#, "{}", &[(Class::NullForMissing, "/a")]);
    check(r#"{"a":[]}"#, "{}", &[(Class::EmptyForMissing, "/a")]);
    check(r#"{"a":[]}"#, r#"{"a":null}"#, &[(Class::EmptyForMissing, "/a")]);
    check(r#"{"a":5}"#, r#"{"a":null}"#, &[(Class::Null, "/a")]);
    check(r#"{"a":{"b":1}}"#, r#"{"a":{}}"#, &[(Class::Missing, "/a/b")]);
    check(r#"{"a":5}"#, r#"{"a":"5"}"#, &[(Class::NumberAsText, "/a")]);
    check(r#"{"a":5}"#, r#"{"a":"x"}"#, &[(Class::Type, "/a")]);
    check(r#"{"a":true}"#, r#"{"a":false}"#, &[(Class::Boolean, "/a")]);
    check(r#"{"a":1.0}"#, r#"{"a":1}"#, &[(Class::NumberFormat, "/a")]);
    check(r#"{"a":9.995}"#, r#"{"a":10.0}"#, &[(Class::Rounding, "/a")]);
    check(r#"{"a":1250}"#, r#"{"a":12.5}"#, &[(Class::Scale, "/a")]);
    check(r#"[{"p":1},{"p":2}]"#, r#"[{"p":1},{"p":3}]"#, &[(Class::Number, "/*/p")]);
    check("[1,2,3]", "[3,1,2]", &[(Class::Order, "")]);
    check("[1,2,3]", "[1,3]", &[(Class::Length, "")]);
    check(r#"{"a":"x y"}"#, r#"{"a":"x  y"}"#, &[(Class::Whitespace, "/a")]);
    check(r#"{"a":"X"}"#, r#"{"a":"x"}"#, &[(Class::Case, "/a")]);
    check(r#"{"a":1}"#, "<html>", &[(Class::Format, "")]);
    check("plain", "Plain", &[(Class::Case, "")]);
    check("", "", &[]);
}

#[test]
fn times_are_classified() {
    let t = |time: &str| format!(r#"{{"at":"{time}"}}"#);
    check(&t("2020-05-01T12:00:00Z"), &t("2020-05-01T14:00:00+02:00"), &[(Class::TimeZone, "/at")]);
    check(&t("2020-05-01T12:00:00Z"), &t("2020-05-01T14:00:00Z"), &[(Class::TimeZone, "/at")]);
    check(
        &t("2020-05-01T12:00:00Z"),
        &t("2020-05-01T12:00:00.000Z"),
        &[(Class::TimeFormat, "/at")],
    );
    check(&t("2020-05-01T12:00:00Z"), &t("2020-05-01T12:00:01Z"), &[(Class::Time, "/at")]);
    check(&t("2020-05-01"), &t("2020-05-02"), &[(Class::Time, "/at")]);
    // Made by the calls.
    check(&t("2026-11-24T12:00:00.010Z"), &t("2026-11-24T12:00:00.712Z"), &[]);
    check(r#"{"at":1795521600010}"#, r#"{"at":1795521600900}"#, &[]);
    check(r#"{"at":1795521600}"#, r#"{"at":1795521600900}"#, &[(Class::TimeFormat, "/at")]);
    check(r#"{"at":1795521600}"#, r#"{"at":1795525200}"#, &[(Class::TimeZone, "/at")]);
    check(r#"{"at":1795525200}"#, r#"{"at":1795521700}"#, &[(Class::Number, "/at")]);
}

#[test]
fn documents_inside_of_texts_are_opened() {
    let outer = |inner: &Value| json!({"body": inner.to_string()}).to_string();
    check(
        &outer(&json!({"a": {"b": 1}, "n": 1})),
        &outer(&json!({"n": 1, "a": {"b": 2}})),
        &[(Class::KeyOrder, "/body"), (Class::Number, "/body/a/b")],
    );
    let item = |price: &str| json!({"Item": {"price": {"N": price}, "s": {"SS": ["a", "b"]}}});
    check(&item("1.50").to_string(), &item("1.5").to_string(), &[]);
    check(&item("1.50").to_string(), &item("1.6").to_string(), &[(Class::Number, "/Item/price")]);
}

fn invoke(payload: &Value, error: Option<&str>) -> Observed {
    let payload = Bytes::from(payload.to_string());
    let answer = Answer::Invoke { payload, error: error.map(str::to_owned) };
    Observed { answer, ..http("") }
}

#[test]
fn answers_of_http_functions_are_http_answers() {
    let answer = |status: u16, body: &Value| {
        invoke(
            &json!({"statusCode": status, "headers": {"content-type": "application/json"},
                "body": body.to_string(), "isBase64Encoded": false}),
            None,
        )
    };
    let rules = Rules::default();
    let (one, two) = (answer(200, &json!({"a": 1})), answer(200, &json!({"a": 2})));
    check_by(&rules, &one, &two, &[(Class::Number, "/a")]);
    check_by(&rules, &http(r#"{"a":1}"#), &two, &[(Class::Number, "/a")]);
    let verdict = compare(&one, &answer(502, &json!({})), &rules.compile().unwrap());
    assert!(!verdict.primary_failed && verdict.candidate_failed);
    assert_eq!(
        kinds(&verdict),
        [(Class::Status, "200 by the primary, 502 by the candidate".into())]
    );
}

#[test]
fn failures_are_classified() {
    let good = invoke(&json!(1), None);
    let failed = |kind: &str| Observed {
        answer: Answer::Failed { kind: kind.to_owned(), message: "Bearer abcdefghijk".to_owned() },
        ..http("")
    };
    let rules = Rules::default().compile().unwrap();
    for (kind, class) in [
        ("Timeout", Class::TimedOut),
        ("Crash", Class::Crashed),
        ("OutOfMemory", Class::OutOfMemory),
        ("Throttled", Class::Throttled),
        ("Other", Class::Failed),
    ] {
        let verdict = compare(&good, &failed(kind), &rules);
        assert_eq!(kinds(&verdict), [(class, format!("candidate {kind}"))]);
        assert!(verdict.candidate_failed);
        assert!(!format!("{verdict:?}").contains("abcdefghijk"));
        assert!(compare(&failed(kind), &failed(kind), &rules).is_match());
    }
    let threw = |name: &str| {
        let payload = json!({"errorType": name, "errorMessage": "no", "stackTrace": []});
        invoke(&payload, Some("Unhandled"))
    };
    let verdict = compare(&good, &threw("TypeError"), &rules);
    assert_eq!(kinds(&verdict), [(Class::Threw, "candidate Unhandled TypeError".into())]);
    assert!(compare(&threw("A"), &threw("A"), &rules).is_match());
    assert!(!compare(&threw("A"), &threw("B"), &rules).is_match());
    let slow = Observed { duration_ms: 2_000.0, ..good.clone() };
    let verdict = compare(&good, &slow, &rules);
    assert!(verdict.is_match() && !verdict.is_equal());
    assert_eq!(kinds(&verdict), [(Class::Slower, String::new())]);
}

#[test]
fn headers_are_compared_as_the_rules_say() {
    let with = |headers: &[(&str, &str)]| {
        let headers = headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        let answer = Answer::Http { status: 200, headers, body: Bytes::new() };
        Observed { answer, ..http("") }
    };
    let one = with(&[("Content-Type", "application/json; charset=UTF-8"), ("X-Request-Id", "1")]);
    let two = with(&[("content-type", "application/json;charset=utf-8"), ("X-Request-Id", "2")]);
    check_by(&Rules::default(), &one, &two, &[]);
    let one = with(&[("Set-Cookie", "session=1; Path=/"), ("X-Mine", "1")]);
    let two = with(&[("Set-Cookie", "session=2"), ("Location", "/x"), ("X-Mine", "2")]);
    check_by(&Rules::default(), &one, &two, &[(Class::Extra, "/location")]);
    let all = Rules { headers: vec!["*".into()], ..Rules::default() };
    check_by(&all, &one, &two, &[(Class::Extra, "/location"), (Class::Number, "/x-mine")]);
}

#[test]
fn rules_take_differences_away() {
    let a = r#"{"at":"x","n":100.0,"list":[{"id":1,"v":1},{"id":2,"v":2}],"gone":null}"#;
    let b = r#"{"at":"y","n":100.4,"list":[{"id":2,"v":2},{"id":1,"v":1}]}"#;
    let rules: Rules = serde_json::from_value(json!({
        "IgnoredPaths": ["/at"],
        "NumericTolerances": [{"Path": "/n", "Relative": 0.01}],
        "UnorderedArrays": [{"Path": "/list", "Key": "id"}],
        "NullEqualsMissing": true,
    }))
    .unwrap();
    check_by(&rules, &http(a), &http(b), &[]);
    let by_likeness = Rules {
        unordered_arrays: vec![UnorderedArray { path: "/list".into(), key: None }],
        ..rules.clone()
    };
    check_by(&by_likeness, &http(a), &http(b), &[]);
    let rules: Rules =
        serde_json::from_value(json!({"Classes": {"Text": "Inform", "KeyOrder": "Ignore"}}))
            .unwrap();
    let rules = rules.compile().unwrap();
    let verdict = compare(&http(r#"{"a":"x","b":1}"#), &http(r#"{"b":1,"a":"y"}"#), &rules);
    assert!(verdict.is_match());
    assert_eq!(kinds(&verdict), [(Class::Text, "/a".into())]);
}

#[test]
fn bad_rules_are_named() {
    for (rules, field) in [
        (json!({"IgnoredPaths": ["$.a"]}), "IgnoredPaths"),
        (json!({"NumericTolerances": [{"Path": "/a", "Absolute": -1}]}), "NumericTolerances"),
        (json!({"Headers": ["a:b"]}), "Headers"),
        (json!({"Redact": {"Patterns": ["("]}}), "Redact.Patterns"),
        (json!({"Redact": {"Paths": ["//"]}}), "Redact.Paths"),
        (json!({"Slower": {"Factor": 0.1}}), "Slower"),
    ] {
        let rules: Rules = serde_json::from_value(rules).unwrap();
        assert_eq!(rules.compile().unwrap_err().field, field);
    }
    assert!(serde_json::from_value::<Rules>(json!({"IgnorePaths": []})).is_err());
    let text = serde_json::to_string(&Rules::default()).unwrap();
    assert_eq!(serde_json::from_str::<Rules>(&text).unwrap(), Rules::default());
}

fn put(id: &str, price: &str) -> Value {
    json!({"TableName": "orders", "Item": {"id": {"S": id}, "price": {"N": price}}})
}

#[test]
fn effects_are_paired_and_compared() {
    let rules = Rules::default();
    let two = with_effects(&[
        ("dynamodb", "PutItem", put("a", "1")),
        ("dynamodb", "PutItem", put("b", "2")),
    ]);
    let swapped = with_effects(&[
        ("dynamodb", "PutItem", put("b", "2.0")),
        ("dynamodb", "PutItem", put("a", "1")),
    ]);
    check_by(&rules, &two, &swapped, &[]);
    let batch = with_effects(&[(
        "dynamodb",
        "BatchWriteItem",
        json!({"RequestItems": {"orders": [
            {"PutRequest": {"Item": {"id": {"S": "b"}, "price": {"N": "2"}}}},
            {"PutRequest": {"Item": {"id": {"S": "a"}, "price": {"N": "1"}}}},
        ]}}),
    )]);
    check_by(&rules, &two, &batch, &[]);
    let other = with_effects(&[
        ("dynamodb", "PutItem", put("a", "1.004")),
        ("dynamodb", "PutItem", put("b", "2")),
    ]);
    check_by(&rules, &two, &other, &[(Class::Rounding, "/dynamodb:PutItem(orders)/price")]);
    let one = with_effects(&[("dynamodb", "PutItem", put("a", "1"))]);
    check_by(&rules, &two, &one, &[(Class::Missing, "/dynamodb:PutItem(orders)")]);
    let twice = with_effects(&[
        ("dynamodb", "PutItem", put("a", "1")),
        ("dynamodb", "PutItem", put("a", "1")),
    ]);
    check_by(&rules, &one, &twice, &[(Class::DoneTwice, "/dynamodb:PutItem(orders)")]);
    let mut failing = one.clone();
    failing.effects[0].outcome = Err("ConditionalCheckFailedException".into());
    check_by(&rules, &one, &failing, &[(Class::Outcome, "/dynamodb:PutItem(orders)")]);
    let off = Rules { compare_effects: false, ..Rules::default() };
    check_by(&off, &one, &twice, &[]);
}

#[test]
fn other_targets_are_told_from_missing_effects() {
    let send = |queue: &str| json!({"QueueUrl": format!("http://localhost:4566/1/{queue}"), "MessageBody": "{\"a\":1}"});
    let rules = Rules::default().compile().unwrap();
    let a = with_effects(&[("sqs", "SendMessage", send("jobs"))]);
    let b = with_effects(&[("sqs", "SendMessage", send("jobs-old"))]);
    let found = kinds(&compare(&a, &b, &rules));
    assert_eq!(found, [(Class::Target, "/sqs:SendMessage(jobs, jobs-old)".into())]);
    let host = json!({"QueueUrl": "https://sqs.eu-west-1.amazonaws.com/1/jobs", "MessageBody": "{\"a\": 1}"});
    check_by(&Rules::default(), &a, &with_effects(&[("sqs", "SendMessage", host)]), &[]);
    let batch = json!({"QueueUrl": "http://localhost:4566/1/jobs",
        "Entries": [{"Id": "1", "MessageBody": "{\"a\":2}"}]});
    check_by(
        &Rules::default(),
        &a,
        &with_effects(&[("sqs", "SendMessageBatch", batch)]),
        &[(Class::Number, "/sqs:SendMessage(jobs)/MessageBody/a")],
    );
}

#[test]
fn order_matters_on_the_same_key_alone() {
    let delete = |id: &str| json!({"TableName": "orders", "Key": {"id": {"S": id}}});
    let a = with_effects(&[
        ("dynamodb", "PutItem", put("a", "1")),
        ("dynamodb", "DeleteItem", delete("a")),
        ("dynamodb", "DeleteItem", delete("b")),
    ]);
    let b = with_effects(&[
        ("dynamodb", "DeleteItem", delete("b")),
        ("dynamodb", "PutItem", put("a", "1")),
        ("dynamodb", "DeleteItem", delete("a")),
    ]);
    check_by(&Rules::default(), &a, &b, &[]);
    let c = with_effects(&[
        ("dynamodb", "DeleteItem", delete("a")),
        ("dynamodb", "PutItem", put("a", "1")),
        ("dynamodb", "DeleteItem", delete("b")),
    ]);
    check_by(&Rules::default(), &a, &c, &[(Class::Order, "/dynamodb:(orders)")]);
}

#[test]
fn updates_are_equal_whatever_their_placeholders() {
    let update = |expression: &str, name: &str, value: &str, price: &str| {
        json!({
            "TableName": "orders", "Key": {"id": {"S": "a"}}, "UpdateExpression": expression,
            "ExpressionAttributeNames": {name: "price"},
            "ExpressionAttributeValues": {value: {"N": price}}, "ReturnValues": "ALL_NEW",
        })
    };
    let a = with_effects(&[("dynamodb", "UpdateItem", update("SET #a = :b", "#a", ":b", "12.5"))]);
    let b = with_effects(&[("dynamodb", "UpdateItem", update("SET #x=:y", "#x", ":y", "12.50"))]);
    check_by(&Rules::default(), &a, &b, &[]);
    let c = with_effects(&[("dynamodb", "UpdateItem", update("SET #x=:y", "#x", ":y", "13"))]);
    check_by(&Rules::default(), &a, &c, &[(Class::Rounding, "/dynamodb:UpdateItem(orders)/price")]);
}

const IDS: [&str; 4] = [
    "550e8400-e29b-41d4-a716-446655440000",
    "661f8400-e29b-41d4-a716-446655440001",
    "772f8400-e29b-41d4-a716-446655440002",
    "883f8400-e29b-41d4-a716-446655440003",
];

fn made(answered: &str, written: &str, sent: &str) -> Observed {
    let send =
        json!({"QueueUrl": "http://x/1/q", "MessageBody": json!({"order": sent}).to_string()});
    let effects =
        with_effects(&[("dynamodb", "PutItem", put(written, "1")), ("sqs", "SendMessage", send)]);
    let body = json!({"id": answered, "link": format!("/orders/{answered}")}).to_string();
    Observed { answer: http(&body).answer, ..effects }
}

#[test]
fn generated_ids_have_to_be_consistent() {
    let [a, b, c, _] = IDS;
    check_by(&Rules::default(), &made(a, a, a), &made(b, b, b), &[]);
    let mixed = &[(Class::MixedUp, "/sqs:SendMessage(q)/MessageBody/order")];
    check_by(&Rules::default(), &made(a, a, a), &made(b, b, c), mixed);
    // The id of the request on both sides, another one written.
    let mixed = &[(Class::MixedUp, "/dynamodb:PutItem(orders)/id")];
    check_by(&Rules::default(), &made(a, a, a), &made(a, b, a), mixed);
    let off = Rules { match_generated: false, ..Rules::default() };
    let verdict = compare(&made(a, a, a), &made(b, b, b), &off.compile().unwrap());
    assert!(!verdict.is_match());
}

#[test]
fn everything_is_bounded() {
    let rules = Rules::default().compile().unwrap();
    let wide = |n: u32| {
        let map: serde_json::Map<_, _> =
            (0..500).map(|i| (format!("k{i}"), json!(i + n))).collect();
        Value::Object(map).to_string()
    };
    let verdict = compare(&http(&wide(1)), &http(&wide(1000)), &rules);
    assert_eq!(verdict.differences.len(), DIFFERENCES_MAX + 1);
    let last = verdict.differences.last().unwrap();
    assert_eq!((last.kind.class, last.times), (Class::More, 500 - 64));
    let deep = |n: usize, x: &str| format!("{}{x}{}", "[".repeat(n), "]".repeat(n));
    for n in [10, 100, 127, 128, 10_000] {
        assert!(!compare(&http(&deep(n, "1")), &http(&deep(n, "2")), &rules).is_match());
    }
    let mut nested = ("1".to_owned(), "2".to_owned());
    for _ in 0..12 {
        nested = (json!([nested.0]).to_string(), json!([nested.1]).to_string());
    }
    assert!(!compare(&http(&nested.0), &http(&nested.1), &rules).is_match());
    let large = |x: &str| format!("[{}{x}]", "1,".repeat(4 << 20));
    let verdict = compare(&http(&large("1")), &http(&large("2")), &rules);
    assert_eq!(kinds(&verdict), [(Class::Bytes, String::new())]);
    let many: Vec<_> =
        (0..3000).map(|n| ("dynamodb", "PutItem", put(&n.to_string(), "1"))).collect();
    let verdict = compare(&with_effects(&many), &with_effects(&[]), &rules);
    assert_eq!(verdict.differences.len(), 2);
    assert!(verdict.differences.iter().all(|d| format!("{d:?}").len() < 4096));
}

#[test]
fn samples_are_redacted() {
    let a = r#"{"password":"one-secret","token":"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abcdefgh"}"#;
    let b = r#"{"password":"two-secret","token":"none"}"#;
    let verdict = compare(&http(a), &http(b), &Rules::default().compile().unwrap());
    assert_eq!(verdict.differences.len(), 2);
    let shown = format!("{verdict:?}");
    for secret in ["one-secret", "two-secret", "eyJh"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[test]
fn kinds_have_ids_and_sentences() {
    let kind = Kind { part: Part::Body, class: Class::Rounding, place: "/items/*/price".into() };
    assert_eq!(kind.id(), kind.id());
    assert_eq!(kind.id().len(), 12);
    assert_eq!(kind.description(), "/items/*/price of the body is rounded in another way.");
    let mut ids: Vec<_> =
        Class::ALL.iter().map(|class| Kind { class: *class, ..kind.clone() }.id()).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), Class::ALL.len());
}

#[test]
fn ids_of_kinds_never_change() {
    let kind = Kind { part: Part::Body, class: Class::Rounding, place: "/items/*/price".into() };
    assert_eq!(kind.id(), "a8ba0d4cd3f3");
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-5_i64..5).prop_map(Value::from),
        (-9_999_i32..9_999).prop_map(|n| Value::from(f64::from(n) / 8.0)),
        "[a-c ]{0,4}".prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        prop::sample::select(IDS.to_vec()).prop_map(Value::from),
        prop::sample::select(vec![
            "2026-11-24T12:00:00Z",
            "2020-01-01T00:00:00Z",
            "1.0",
            "{\"a\":1}"
        ])
        .prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec(("[a-e]|S|N|L|id|Item", inner), 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn effects() -> impl Strategy<Value = Vec<Effect>> {
    let operation = prop::sample::select(vec![
        ("dynamodb", "PutItem"),
        ("dynamodb", "BatchWriteItem"),
        ("dynamodb", "UpdateItem"),
        ("sqs", "SendMessageBatch"),
        ("s3", "DeleteObjects"),
        ("x", "Y"),
    ]);
    let effect =
        (operation, value(), any::<bool>()).prop_map(|((service, operation), input, ok)| {
            let outcome = if ok { Ok(()) } else { Err("No".to_owned()) };
            Effect { service: service.into(), operation: operation.into(), input, outcome }
        });
    prop::collection::vec(effect, 0..4)
}

fn observed(body: &Value, effects: Vec<Effect>) -> Observed {
    Observed { effects, ..http(&body.to_string()) }
}

/// Another order everywhere, and every id replaced.
fn shuffled(value: &Value, seed: usize) -> Value {
    match value {
        Value::Array(elements) => {
            let mut out: Vec<_> = elements.iter().map(|e| shuffled(e, seed)).collect();
            let by = if out.is_empty() { 0 } else { seed % out.len() };
            out.rotate_left(by);
            out.into()
        }
        Value::Object(members) => {
            let mut out: Vec<_> =
                members.iter().map(|(k, v)| (k.clone(), shuffled(v, seed))).collect();
            let by = if out.is_empty() { 0 } else { seed % out.len() };
            out.rotate_left(by);
            Value::Object(out.into_iter().collect())
        }
        other => other.clone(),
    }
}

fn replaced(value: &Value) -> Value {
    let mut text = value.to_string();
    for (at, id) in IDS.iter().enumerate() {
        text = text.replace(id, &format!("00000000-0000-4000-8000-00000000000{at}"));
    }
    serde_json::from_str(&text).unwrap()
}

/// A few changes here and there.
fn mutated(value: &Value, state: &mut u64) -> Value {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    let dice = *state >> 40;
    if dice.is_multiple_of(8) {
        let other = [
            json!(null),
            json!("b A"),
            json!(2.5),
            json!(IDS[2]),
            json!([1, 2]),
            json!({"a": "x"}),
        ];
        return other[usize::try_from(dice / 8 % 6).unwrap()].clone();
    }
    match value {
        Value::Array(elements) => {
            let mut out: Vec<_> = elements.iter().map(|e| mutated(e, state)).collect();
            match dice % 8 {
                1 if !out.is_empty() => drop(out.pop()),
                2 => out.push(json!(7)),
                3 => out.reverse(),
                _ => {}
            }
            out.into()
        }
        Value::Object(members) => {
            let mut out: serde_json::Map<_, _> =
                members.iter().map(|(k, v)| (k.clone(), mutated(v, state))).collect();
            match dice % 8 {
                1 => drop(out.shift_remove("a")),
                2 => drop(out.insert("extra".into(), json!(7))),
                3 => out = out.into_iter().rev().collect(),
                _ => {}
            }
            out.into()
        }
        other => other.clone(),
    }
}

fn classes(verdict: &Verdict, mirror: bool) -> Vec<Class> {
    let mut classes: Vec<_> = verdict.differences.iter().map(|d| d.kind.class).collect();
    if mirror {
        classes = classes.into_iter().map(mirrored).collect();
    }
    classes.sort_unstable();
    classes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn both_directions_find_as_much_of_small_changes(
        body in value(), effects in effects(), mut seed: u64,
    ) {
        let other: Vec<_> = effects.iter()
            .map(|effect| Effect { input: mutated(&effect.input, &mut seed), ..effect.clone() })
            .collect();
        let (a, b) = (observed(&body, effects), observed(&mutated(&body, &mut seed), other));
        for rules in [json!({}), json!({"UnorderedArrays": [{"Path": "/**"}], "NullEqualsMissing": true})] {
            let rules = serde_json::from_value::<Rules>(rules).unwrap().compile().unwrap();
            let (there, back) = (compare(&a, &b, &rules), compare(&b, &a, &rules));
            prop_assert_eq!(classes(&there, false), classes(&back, true), "{:?} {:?}", there, back);
        }
    }

    /// One change, and it is found as what it is and where it is.
    #[test]
    fn a_seeded_change_is_found(body in value(), which in 0_usize..8, around in 0_usize..3) {
        let (from, to, class) = [
            (json!(null), json!({}), Class::EmptyForMissing),
            (json!(12.345), json!(12.35), Class::Rounding),
            (json!(7), json!("7"), Class::NumberAsText),
            (json!("Bern"), json!("bern"), Class::Case),
            (json!("2020-01-01T00:00:00Z"), json!("2020-01-01T01:00:00+01:00"), Class::TimeZone),
            (json!([3, 1, 2]), json!([1, 2, 3]), Class::Order),
            (json!(true), json!(false), Class::Boolean),
            (json!("x"), json!(null), Class::Null),
        ][which].clone();
        let wrap = |inner: Value| match around {
            0 => json!({"before": body, "here": inner, "after": body}),
            1 => json!([body, {"here": inner}, body]),
            _ => json!({"body": json!({"here": inner, "rest": body}).to_string()}),
        };
        let rules = Rules::default().compile().unwrap();
        let (a, b) = (http(&wrap(from).to_string()), http(&wrap(to).to_string()));
        let place = ["/here", "/*/here", "/body/here"][around];
        prop_assert_eq!(kinds(&compare(&a, &b, &rules)), [(class, place.to_owned())]);
    }

    #[test]
    fn what_is_equal_has_no_differences(body in value(), effects in effects()) {
        let rules = Rules::default().compile().unwrap();
        let one = observed(&body, effects);
        prop_assert!(compare(&one, &one, &rules).is_equal());
        // Not byte for byte.
        let spaced = serde_json::to_string_pretty(&body).unwrap();
        let other = Observed { answer: http(&spaced).answer, ..one.clone() };
        let verdict = compare(&one, &other, &rules);
        prop_assert!(verdict.is_equal(), "{verdict:?}");
    }

    #[test]
    fn both_directions_find_as_much(
        a in value(), b in value(), left in effects(), right in effects(),
    ) {
        let rules = Rules::default().compile().unwrap();
        let (a, b) = (observed(&a, left), observed(&b, right));
        let (there, back) = (compare(&a, &b, &rules), compare(&b, &a, &rules));
        prop_assert_eq!(classes(&there, false), classes(&back, true));
    }

    #[test]
    fn unordered_arrays_match_in_any_order(body in value(), seed in 0_usize..7) {
        let rules: Rules = serde_json::from_value(json!({
            "UnorderedArrays": [{"Path": "/**"}], "Classes": {"KeyOrder": "Ignore"}
        })).unwrap();
        let other = http(&shuffled(&body, seed).to_string());
        let verdict = compare(&http(&body.to_string()), &other, &rules.compile().unwrap());
        prop_assert!(verdict.is_equal(), "{verdict:?}");
    }

    #[test]
    fn ids_replaced_everywhere_match(body in value(), effects in effects()) {
        let rules = Rules::default().compile().unwrap();
        let other: Vec<_> = effects.iter()
            .map(|effect| Effect { input: replaced(&effect.input), ..effect.clone() })
            .collect();
        let one = observed(&body, effects);
        let other = observed(&replaced(&body), other);
        let verdict = compare(&one, &other, &rules);
        prop_assert!(verdict.is_match(), "{verdict:?}");
    }

    #[test]
    fn any_bytes_are_survived(a: Vec<u8>, b: Vec<u8>, x: String, y: String) {
        let rules = Rules::default().compile().unwrap();
        let with = |body: &[u8], text: &str| Observed {
            answer: Answer::Http {
                status: 200,
                headers: vec![(text.to_owned(), text.to_owned()), ("location".into(), text.to_owned())],
                body: Bytes::copy_from_slice(body),
            },
            ..with_effects(&[("dynamodb", "UpdateItem", json!({"UpdateExpression": text}))])
        };
        let verdict = compare(&with(&a, &x), &with(&b, &y), &rules);
        for difference in &verdict.differences {
            prop_assert!(!difference.kind.description().is_empty());
        }
    }
}
