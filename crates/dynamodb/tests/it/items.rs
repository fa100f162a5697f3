//! Single items: written, read, changed and deleted, on conditions.

use serde_json::json;

use crate::fixture::cloud;

#[tokio::test]
async fn items_come_back_as_they_were_put() {
    let cloud = cloud().await;
    cloud.table(Some("N")).await;
    let item = json!({
        "pk": {"S": "a"}, "sk": {"N": "1.50"}, "text": {"S": ""}, "bytes": {"B": "AAEC"}, "yes": {"BOOL": true},
        "nil": {"NULL": true}, "ss": {"SS": ["b", "a"]}, "ns": {"NS": ["2", "1.0"]}, "bs": {"BS": ["AA=="]},
        "doc": {"M": {"l": {"L": [{"S": "x"}, {"M": {}}, {"L": []}]}}},
    });
    cloud.put(item.clone()).await;
    let mut normal = item;
    normal["sk"] = json!({"N": "1.5"});
    normal["ss"] = json!({"SS": ["a", "b"]});
    normal["ns"] = json!({"NS": ["1", "2"]});
    assert_eq!(cloud.get(json!({"pk": {"S": "a"}, "sk": {"N": "1.5000"}})).await, normal);
    assert_eq!(cloud.get(json!({"pk": {"S": "a"}, "sk": {"N": "2"}})).await, json!(null));
    let picked = cloud
        .call(
            "GetItem",
            json!({
                "TableName": "tbl", "Key": {"pk": {"S": "a"}, "sk": {"N": "1.5"}},
                "ProjectionExpression": "#y, doc.l[0]", "ExpressionAttributeNames": {"#y": "yes"},
                "ReturnConsumedCapacity": "TOTAL",
            }),
        )
        .await;
    assert_eq!(
        picked,
        json!({
            "Item": {"yes": {"BOOL": true}, "doc": {"M": {"l": {"L": [{"S": "x"}]}}}},
            "ConsumedCapacity": {"TableName": "tbl", "CapacityUnits": 0.5},
        })
    );
}

#[tokio::test]
async fn bad_items_are_refused_in_the_words_of_aws() {
    let cloud = cloud().await;
    cloud.table(Some("N")).await;
    let put = |item: serde_json::Value| json!({"TableName": "tbl", "Item": item});
    for (item, message) in [
        (
            json!({"pk": {"S": "a"}}),
            "One or more parameter values were invalid: Missing the key sk in the item",
        ),
        (
            json!({"pk": {"S": "a"}, "sk": {"S": "x"}}),
            "One or more parameter values were invalid: Type mismatch for key sk expected: N actual: S",
        ),
        (
            json!({"pk": {"S": ""}, "sk": {"N": "1"}}),
            "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty string value. Key: pk",
        ),
        (
            json!({"pk": {"S": "a"}, "sk": {"N": "x"}}),
            "The parameter cannot be converted to a numeric value: x",
        ),
        (
            json!({"pk": {"S": "a"}, "sk": {"N": "1"}, "e": {}}),
            "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes",
        ),
        (
            json!({"pk": {"S": "a"}, "sk": {"N": "1"}, "e": {"S": "x", "N": "1"}}),
            "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes",
        ),
        (
            json!({"pk": {"S": "a"}, "sk": {"N": "1"}, "e": {"SS": []}}),
            "One or more parameter values were invalid: An string set  may not be empty",
        ),
        (
            json!({"pk": {"S": "a"}, "sk": {"N": "1"}, "e": {"SS": ["x", "x"]}}),
            "One or more parameter values were invalid: Input collection [x, x] contains duplicates.",
        ),
        (
            json!({"pk": {"S": "a"}, "sk": {"N": "1"}, "e": {"S": "x".repeat(410_000)}}),
            "Item size has exceeded the maximum allowed size",
        ),
        (
            json!({"pk": {"S": "a".repeat(2049)}, "sk": {"N": "1"}}),
            "One or more parameter values were invalid: Size of hashkey has exceeded the maximum size limit of2048 bytes",
        ),
    ] {
        assert_eq!(cloud.invalid("PutItem", put(item)).await, message);
    }
    let mut deep = json!({"S": "x"});
    for _ in 0..33 {
        deep = json!({"L": [deep]});
    }
    let item = json!({"pk": {"S": "a"}, "sk": {"N": "1"}, "deep": deep});
    assert_eq!(
        cloud.invalid("PutItem", put(item)).await,
        "Nesting Levels have exceeded supported limits"
    );
    for key in [json!({"pk": {"S": "a"}}), json!({"pk": {"S": "a"}, "sk": {"S": "1"}})] {
        let message = cloud.invalid("GetItem", json!({"TableName": "tbl", "Key": key})).await;
        assert_eq!(message, "The provided key element does not match the schema");
    }
}

#[tokio::test]
async fn conditions_guard_writes() {
    let cloud = cloud().await;
    cloud.table(None).await;
    let create = json!({
        "TableName": "tbl", "Item": {"pk": {"S": "a"}, "v": {"N": "1"}},
        "ConditionExpression": "attribute_not_exists(pk)", "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    });
    cloud.call("PutItem", create.clone()).await;
    let error = cloud.try_call("PutItem", create).await.unwrap_err();
    assert_eq!(error.code(), "ConditionalCheckFailedException");
    assert_eq!(error.message(), "The conditional request failed");
    assert_eq!(error.fields()[0], ("Item", json!({"pk": {"S": "a"}, "v": {"N": "1"}})));
    let delete = |v: &str| {
        json!({
            "TableName": "tbl", "Key": {"pk": {"S": "a"}}, "ConditionExpression": "v = :v",
            "ExpressionAttributeValues": {":v": {"N": v}}, "ReturnValues": "ALL_OLD",
        })
    };
    let error = cloud.try_call("DeleteItem", delete("2")).await.unwrap_err();
    assert_eq!((error.code(), error.fields().len()), ("ConditionalCheckFailedException", 0));
    let gone = cloud.call("DeleteItem", delete("1")).await;
    assert_eq!(gone, json!({"Attributes": {"pk": {"S": "a"}, "v": {"N": "1"}}}));
    assert_eq!(cloud.get(json!({"pk": {"S": "a"}})).await, json!(null));
    let unused = json!({
        "TableName": "tbl", "Item": {"pk": {"S": "a"}}, "ExpressionAttributeNames": {"#a": "b"},
    });
    assert_eq!(
        cloud.invalid("PutItem", unused).await,
        "ExpressionAttributeNames can only be specified when using expressions: ConditionExpression is null"
    );
}

#[tokio::test]
async fn updates_return_what_was_asked_for() {
    let cloud = cloud().await;
    cloud.table(None).await;
    let update = |returned: &str, text: &str| {
        json!({
            "TableName": "tbl", "Key": {"pk": {"S": "a"}}, "UpdateExpression": text, "ReturnValues": returned,
            "ExpressionAttributeValues": {":one": {"N": "1"}},
        })
    };
    let new = cloud.call("UpdateItem", update("ALL_NEW", "ADD hits :one")).await;
    assert_eq!(new, json!({"Attributes": {"pk": {"S": "a"}, "hits": {"N": "1"}}}));
    let old =
        cloud.call("UpdateItem", update("UPDATED_OLD", "SET hits = hits + :one, x = :one")).await;
    assert_eq!(old, json!({"Attributes": {"hits": {"N": "1"}}}));
    let new =
        cloud.call("UpdateItem", update("UPDATED_NEW", "SET hits = hits + :one REMOVE x")).await;
    assert_eq!(new, json!({"Attributes": {"hits": {"N": "3"}}}));
    let none = cloud.call("UpdateItem", update("NONE", "SET y = :one")).await;
    assert_eq!(none, json!({}));
    assert_eq!(
        cloud.invalid("UpdateItem", update("NONE", "SET pk = :one")).await,
        "One or more parameter values were invalid: Cannot update attribute pk. This attribute is part of the key"
    );
    let unused = json!({
        "TableName": "tbl", "Key": {"pk": {"S": "a"}}, "UpdateExpression": "REMOVE y",
        "ExpressionAttributeNames": {"#q": "q"},
    });
    assert_eq!(
        cloud.invalid("UpdateItem", unused).await,
        "Value provided in ExpressionAttributeNames unused in expressions: keys: {#q}"
    );
    // Without an expression an item of nothing but its key is made.
    cloud.call("UpdateItem", json!({"TableName": "tbl", "Key": {"pk": {"S": "b"}}})).await;
    assert_eq!(cloud.get(json!({"pk": {"S": "b"}})).await, json!({"pk": {"S": "b"}}));
}

#[tokio::test]
async fn counters_lose_nothing_under_contention() {
    let cloud = cloud().await;
    cloud.table(None).await;
    let updates = (0..50).map(|_| {
        cloud.call(
            "UpdateItem",
            json!({
                "TableName": "tbl", "Key": {"pk": {"S": "a"}}, "UpdateExpression": "ADD n :one",
                "ExpressionAttributeValues": {":one": {"N": "1"}},
            }),
        )
    });
    futures::future::join_all(updates).await;
    assert_eq!(cloud.get(json!({"pk": {"S": "a"}})).await["n"], json!({"N": "50"}));
    // Of many who want to be the first, one is.
    let claims = (0..20).map(|n| {
        cloud.try_call(
            "PutItem",
            json!({
                "TableName": "tbl", "Item": {"pk": {"S": "lock"}, "n": {"N": n.to_string()}},
                "ConditionExpression": "attribute_not_exists(pk)",
            }),
        )
    });
    let results = futures::future::join_all(claims).await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
}

#[tokio::test]
async fn long_keys_are_keys() {
    let cloud = cloud().await;
    cloud.table(Some("S")).await;
    let key = |end: &str| json!({"pk": {"S": format!("{}{end}", "p".repeat(2047))}, "sk": {"S": format!("{}{end}", "s".repeat(1023))}});
    cloud.put(key("a")).await;
    cloud.put(key("b")).await;
    assert_eq!(cloud.get(key("a")).await, key("a"));
    assert_eq!(cloud.get(key("b")).await, key("b"));
    let scanned = cloud.call("Scan", json!({"TableName": "tbl", "Limit": 1})).await;
    let rest = json!({"TableName": "tbl", "ExclusiveStartKey": scanned["LastEvaluatedKey"]});
    assert_eq!(cloud.call("Scan", rest).await["Count"], 1);
}
