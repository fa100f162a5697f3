//! An order that two versions of one function take: alike in all that matters, then different in one thing at a time.

use bytes::Bytes;
use serde_json::{Value, json};

use super::*;

/// What a side makes up.
struct Made {
    id: &'static str,
    event: &'static str,
    started_ms: i64,
    at: &'static str,
    ttl: u64,
}

const PRIMARY: Made = Made {
    id: "550e8400-e29b-41d4-a716-446655440000",
    event: "6f1ed002-ab5c-4c5e-9f0a-1c2d3e4f5a6b",
    started_ms: 1_795_521_600_000,
    at: "2026-11-24T12:00:00.014Z",
    ttl: 1_795_608_000,
};
/// Replayed a day later.
const CANDIDATE: Made = Made {
    id: "7a1b8400-e29b-41d4-a716-44665544abcd",
    event: "0b5ed0f2-ab5c-4c5e-9f0a-1c2d3e4f5a00",
    started_ms: 1_795_608_000_000,
    at: "2026-11-25T12:00:00.351Z",
    ttl: 1_795_694_400,
};

fn order(made: &Made) -> Value {
    json!({
        "orderId": made.id, "createdAt": made.at, "total": 59.97, "vat": 4.5, "coupon": null,
        "lines": [{"sku": "A-1", "count": 3, "price": 19.99}, {"sku": "B-2", "count": 1, "price": 5}],
        "_links": {"self": format!("/prod/orders/{}", made.id)},
    })
}

fn answer(made: &Made, order: &Value) -> Answer {
    let answer = json!({
        "statusCode": 201,
        "headers": {"content-type": "application/json", "location": format!("/orders/{}", made.id)},
        "body": order.to_string(),
    });
    Answer::Invoke { payload: Bytes::from(answer.to_string()), error: None }
}

fn effect(service: &str, operation: &str, input: Value) -> Effect {
    let (service, operation) = (service.to_owned(), operation.to_owned());
    Effect { service, operation, input, outcome: Ok(()) }
}

fn detail(made: &Made) -> String {
    json!({"orderId": made.id, "at": made.at, "total": 59.97}).to_string()
}

fn item(made: &Made, total: &str) -> Value {
    json!({
        "pk": {"S": format!("ORDER#{}", made.id)}, "sk": {"S": "META"}, "total": {"N": total},
        "createdAt": {"S": made.at}, "ttl": {"N": made.ttl.to_string()},
        "skus": {"SS": ["A-1", "B-2"]}, "address": {"M": {"city": {"S": "Bern"}}},
    })
}

fn old() -> Observed {
    let made = &PRIMARY;
    let effects = vec![
        effect(
            "dynamodb",
            "PutItem",
            json!({
                "TableName": "orders", "Item": item(made, "59.97"),
                "ConditionExpression": "attribute_not_exists(#p)",
                "ExpressionAttributeNames": {"#p": "pk"},
            }),
        ),
        effect(
            "dynamodb",
            "UpdateItem",
            json!({
                "TableName": "stock", "Key": {"sku": {"S": "A-1"}},
                "UpdateExpression": "SET #n = #n - :c, lastOrder = :o",
                "ExpressionAttributeNames": {"#n": "count"},
                "ExpressionAttributeValues": {":c": {"N": "3"}, ":o": {"S": made.id}},
            }),
        ),
        effect(
            "sqs",
            "SendMessage",
            json!({
                "QueueUrl": "http://localhost:4566/000000000000/mails",
                "MessageBody": json!({"to": "ann@example.org", "order": made.id}).to_string(),
            }),
        ),
        effect(
            "events",
            "PutEvents",
            json!({"Entries": [{
                "Source": "shop", "DetailType": "OrderPlaced", "Detail": detail(made),
            }]}),
        ),
        effect(
            "states",
            "StartExecution",
            json!({
                "stateMachineArn": "arn:aws:states:eu-west-1:000000000000:stateMachine:ship",
                "name": format!("ship-{}", made.event), "input": json!({"id": made.id}).to_string(),
            }),
        ),
    ];
    Observed {
        answer: answer(made, &order(made)),
        effects,
        duration_ms: 40.0,
        started_ms: made.started_ms,
    }
}

/// The same, rewritten: batches, other placeholders, another order of effects.
fn new() -> Observed {
    let made = &CANDIDATE;
    let effects = vec![
        effect(
            "eventbridge",
            "PutEvents",
            json!({"Entries": [{
                "Detail": detail(made), "DetailType": "OrderPlaced", "Source": "shop",
            }]}),
        ),
        effect(
            "sqs",
            "SendMessageBatch",
            json!({
                "QueueUrl": "https://sqs.eu-west-1.amazonaws.com/000000000000/mails",
                "Entries": [{"Id": "0", "MessageBody":
                    json!({"order": made.id, "to": "ann@example.org"}).to_string()}],
            }),
        ),
        effect(
            "dynamodb",
            "UpdateItem",
            json!({
                "TableName": "arn:aws:dynamodb:eu-west-1:000000000000:table/stock",
                "Key": {"sku": {"S": "A-1"}},
                "UpdateExpression": "set lastOrder=:last , #count = #count-:three",
                "ExpressionAttributeNames": {"#count": "count"},
                "ExpressionAttributeValues": {":three": {"N": "3.0"}, ":last": {"S": made.id}},
                "ReturnValues": "NONE",
            }),
        ),
        effect(
            "dynamodb",
            "PutItem",
            json!({
                "TableName": "orders", "Item": item(made, "59.970"),
                "ConditionExpression": "attribute_not_exists( pk )",
            }),
        ),
        effect(
            "states",
            "StartExecution",
            json!({
                "stateMachineArn": "arn:aws:states:eu-west-1:000000000000:stateMachine:ship",
                "input": json!({"id": made.id}).to_string(), "name": format!("ship-{}", made.event),
            }),
        ),
    ];
    Observed {
        answer: answer(made, &order(made)),
        effects,
        duration_ms: 400.0,
        started_ms: made.started_ms,
    }
}

fn found(candidate: &Observed) -> Vec<(Class, String)> {
    let verdict = compare(&old(), candidate, &Rules::default().compile().unwrap());
    verdict.differences.into_iter().map(|d| (d.kind.class, d.kind.place)).collect()
}

#[test]
fn a_faithful_rewrite_matches() {
    assert_eq!(found(&new()), []);
}

#[test]
fn each_divergence_of_an_answer_is_found_alone() {
    let cases: [(&str, Value, Class, &str); 9] = [
        ("/total", json!(59.9701), Class::Rounding, "/total"),
        ("/vat", json!(5), Class::Rounding, "/vat"),
        ("/lines/1/price", json!(5.0), Class::NumberFormat, "/lines/*/price"),
        ("/lines/0/price", json!(1999), Class::Scale, "/lines/*/price"),
        ("/createdAt", json!("2026-11-25T13:00:00.351+01:00"), Class::TimeZone, "/createdAt"),
        ("/createdAt", json!("2026-11-25T14:00:00.351Z"), Class::TimeZone, "/createdAt"),
        ("/createdAt", json!(1_795_608_000_351_u64), Class::Type, "/createdAt"),
        ("/orderId", json!("7A1B8400-E29B-41D4-A716-44665544ABCD"), Class::MixedUp, "/orderId"),
        ("/coupon", json!(""), Class::EmptyForMissing, "/coupon"),
    ];
    for (pointer, value, class, place) in cases {
        let mut order = order(&CANDIDATE);
        *order.pointer_mut(pointer).unwrap() = value.clone();
        let candidate = Observed { answer: answer(&CANDIDATE, &order), ..new() };
        assert_eq!(found(&candidate), [(class, place.to_owned())], "{pointer} {value}");
    }
    let mut without = order(&CANDIDATE);
    without.as_object_mut().unwrap().shift_remove("coupon");
    let candidate = Observed { answer: answer(&CANDIDATE, &without), ..new() };
    assert_eq!(found(&candidate), [(Class::NullForMissing, "/coupon".to_owned())]);
}

#[test]
fn each_divergence_of_effects_is_found_alone() {
    let with = |change: &dyn Fn(&mut Vec<Effect>)| {
        let mut candidate = new();
        change(&mut candidate.effects);
        found(&candidate)
    };
    let one = |class, place: &str| vec![(class, place.to_owned())];
    let put = "/dynamodb:PutItem(orders)";
    assert_eq!(with(&|all| drop(all.remove(3))), one(Class::Missing, put));
    assert_eq!(with(&|all| all.push(all[3].clone())), one(Class::DoneTwice, put));
    assert_eq!(
        with(&|all| all[3].input["TableName"] = json!("orders-v2")),
        one(Class::Target, "/dynamodb:PutItem(orders, orders-v2)")
    );
    assert_eq!(
        with(&|all| all[3].input["Item"]["total"] = json!({"S": "59.97"})),
        one(Class::NumberAsText, "/dynamodb:PutItem(orders)/total")
    );
    assert_eq!(
        with(&|all| all[3].input["Item"]["address"]["M"]["city"] = json!({"S": "Basel"})),
        one(Class::Text, "/dynamodb:PutItem(orders)/address/city")
    );
    assert_eq!(
        with(
            &|all| all[3].input["Item"]["ttl"] = json!({"N": (CANDIDATE.ttl + 40_000).to_string()})
        ),
        one(Class::Number, "/dynamodb:PutItem(orders)/ttl")
    );
    assert_eq!(
        with(&|all| all[3].input["Item"]["skus"] = json!({"SS": ["B-2", "A-1", "C-3"]})),
        one(Class::Length, "/dynamodb:PutItem(orders)/skus")
    );
    assert_eq!(
        with(&|all| drop(
            all[3].input.as_object_mut().unwrap().shift_remove("ConditionExpression")
        )),
        one(Class::Missing, "/dynamodb:PutItem(orders)/(condition)")
    );
    assert_eq!(
        with(&|all| all[3].outcome = Err("ConditionalCheckFailedException".into())),
        one(Class::Outcome, put)
    );
    assert_eq!(
        with(
            &|all| all[2].input["ExpressionAttributeValues"][":last"] = json!({"S": PRIMARY.event})
        ),
        one(Class::MixedUp, "/dynamodb:UpdateItem(stock)/lastOrder")
    );
    assert_eq!(
        with(&|all| all[2].input["ExpressionAttributeValues"][":three"] = json!({"N": "4"})),
        one(Class::Text, "/dynamodb:UpdateItem(stock)/count")
    );
    let send = |all: &mut Vec<Effect>, queue: &str| {
        all[1].input["QueueUrl"] = json!(format!("https://x/000000000000/{queue}"));
    };
    assert_eq!(
        with(&|all| send(all, "mails-old")),
        one(Class::Target, "/sqs:SendMessage(mails, mails-old)")
    );
    assert_eq!(
        with(&|all| all.push(effect("s3", "PutObject", json!({"Bucket": "b", "Key": "k"})))),
        one(Class::Extra, "/s3:PutObject(b)")
    );
}

#[test]
fn a_flood_of_effects_is_a_few_kinds() {
    let mut candidate = new();
    for n in 0..5_000 {
        let key = format!("{n}");
        candidate.effects.push(effect("s3", "PutObject", json!({"Bucket": "b", "Key": key})));
    }
    let found = found(&candidate);
    assert!(found.contains(&(Class::Extra, "/s3:PutObject(b)".to_owned())));
    assert_eq!(found.len(), 2, "{found:?}");
}
