//! Transactions over many items.

use serde_json::{Value, json};

use crate::fixture::cloud;

fn put(pk: &str, condition: Option<&str>) -> Value {
    json!({"Put": {
        "TableName": "tbl", "Item": {"pk": {"S": pk}, "v": {"N": "1"}}, "ConditionExpression": condition,
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }})
}

#[tokio::test]
async fn all_or_nothing_is_written() {
    let cloud = cloud().await;
    cloud.table(None).await;
    let create = Some("attribute_not_exists(pk)");
    cloud
        .call("TransactWriteItems", json!({"TransactItems": [put("a", create), put("b", create)]}))
        .await;
    let error = cloud
        .try_call(
            "TransactWriteItems",
            json!({"TransactItems": [put("a", create), put("c", create)]}),
        )
        .await
        .unwrap_err();
    assert_eq!(error.code(), "TransactionCanceledException");
    assert_eq!(
        error.message(),
        "Transaction cancelled, please refer cancellation reasons for specific reasons [ConditionalCheckFailed, None]"
    );
    assert_eq!(
        error.fields()[0],
        (
            "CancellationReasons",
            json!([
                {"Code": "ConditionalCheckFailed", "Message": "The conditional request failed",
                 "Item": {"pk": {"S": "a"}, "v": {"N": "1"}}},
                {"Code": "None"},
            ])
        )
    );
    assert_eq!(cloud.get(json!({"pk": {"S": "c"}})).await, json!(null));
    let mixed = json!({"TransactItems": [
        {"ConditionCheck": {"TableName": "tbl", "Key": {"pk": {"S": "a"}}, "ConditionExpression": "attribute_exists(pk)"}},
        {"Update": {"TableName": "tbl", "Key": {"pk": {"S": "b"}}, "UpdateExpression": "ADD v :one",
                    "ExpressionAttributeValues": {":one": {"N": "1"}}}},
        {"Delete": {"TableName": "tbl", "Key": {"pk": {"S": "x"}}}},
        put("c", None),
    ], "ReturnConsumedCapacity": "TOTAL"});
    let answer = cloud.call("TransactWriteItems", mixed).await;
    assert_eq!(answer["ConsumedCapacity"][0]["CapacityUnits"], 8.0);
    let get = |pk: &str| json!({"Get": {"TableName": "tbl", "Key": {"pk": {"S": pk}}, "ProjectionExpression": "v"}});
    let answer = cloud
        .call("TransactGetItems", json!({"TransactItems": [get("b"), get("none"), get("c")]}))
        .await;
    assert_eq!(
        answer["Responses"],
        json!([{"Item": {"v": {"N": "2"}}}, {}, {"Item": {"v": {"N": "1"}}}])
    );
}

#[tokio::test]
async fn a_token_makes_it_happen_once() {
    let cloud = cloud().await;
    cloud.table(None).await;
    let add = |n: &str| {
        json!({"ClientRequestToken": "token-1", "TransactItems": [
            {"Update": {"TableName": "tbl", "Key": {"pk": {"S": "a"}}, "UpdateExpression": "ADD v :n",
                        "ExpressionAttributeValues": {":n": {"N": n}}}},
        ]})
    };
    cloud.call("TransactWriteItems", add("1")).await;
    cloud.call("TransactWriteItems", add("1")).await;
    assert_eq!(cloud.get(json!({"pk": {"S": "a"}})).await["v"], json!({"N": "1"}));
    let (code, _) = cloud.error("TransactWriteItems", add("2")).await;
    assert_eq!(code, "IdempotentParameterMismatchException");
    // After ten minutes the token is forgotten.
    cloud.kernel.env().clock.advance(std::time::Duration::from_secs(601));
    cloud.call("TransactWriteItems", add("2")).await;
    assert_eq!(cloud.get(json!({"pk": {"S": "a"}})).await["v"], json!({"N": "3"}));
}

#[tokio::test]
async fn bad_transactions_are_refused() {
    let cloud = cloud().await;
    cloud.table(None).await;
    let error = cloud
        .invalid("TransactWriteItems", json!({"TransactItems": [put("a", None), put("a", None)]}))
        .await;
    assert_eq!(error, "Transaction request cannot include multiple operations on one item");
    let error = cloud.invalid("TransactWriteItems", json!({"TransactItems": [{}]})).await;
    assert_eq!(error, "TransactItems can only contain one of Check, Put, Update or Delete");
    let bad = json!({"TransactItems": [{"Put": {"TableName": "tbl", "Item": {"id": {"S": "x"}}}}]});
    let error = cloud.try_call("TransactWriteItems", bad).await.unwrap_err();
    assert_eq!(error.code(), "TransactionCanceledException");
    assert_eq!(error.fields()[0].1[0]["Code"], "ValidationError");
    let many: Vec<Value> = (0..101).map(|n| put(&format!("k{n}"), None)).collect();
    let error = cloud.invalid("TransactWriteItems", json!({"TransactItems": many})).await;
    assert!(error.ends_with("Member must have length less than or equal to 100"), "{error}");
}

#[tokio::test]
async fn transfers_keep_the_sum() {
    let cloud = cloud().await;
    cloud.table(None).await;
    for pk in ["a", "b"] {
        cloud.put(json!({"pk": {"S": pk}, "v": {"N": "10"}})).await;
    }
    let transfer = |from: &str, to: &str| {
        let change = |pk: &str, sign: &str| {
            json!({"Update": {"TableName": "tbl", "Key": {"pk": {"S": pk}}, "UpdateExpression": format!("SET v = v {sign} :one"),
                              "ConditionExpression": "v > :zero",
                              "ExpressionAttributeValues": {":one": {"N": "1"}, ":zero": {"N": "0"}}}})
        };
        json!({"TransactItems": [change(from, "-"), change(to, "+")]})
    };
    let calls = (0..40).map(|n| {
        let input = if n % 3 == 0 { transfer("a", "b") } else { transfer("b", "a") };
        cloud.try_call("TransactWriteItems", input)
    });
    futures::future::join_all(calls).await;
    let scanned = cloud.call("Scan", json!({"TableName": "tbl"})).await;
    let sum: i64 = scanned["Items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|i| i["v"]["N"].as_str().unwrap().parse::<i64>().unwrap())
        .sum();
    assert_eq!(sum, 20);
}
