//! Queries and scans of tables.

use serde_json::{Value, json};

use crate::fixture::{Cloud, cloud};

async fn filled() -> Cloud {
    let cloud = cloud().await;
    cloud.table(Some("N")).await;
    for n in -3..10 {
        let item =
            json!({"pk": {"S": "a"}, "sk": {"N": n.to_string()}, "even": {"BOOL": n % 2 == 0}});
        cloud.put(item).await;
    }
    cloud.put(json!({"pk": {"S": "ab"}, "sk": {"N": "1"}})).await;
    cloud
}

fn query(parts: Value) -> Value {
    let mut input = json!({
        "TableName": "tbl", "KeyConditionExpression": "pk = :a", "ExpressionAttributeValues": {":a": {"S": "a"}},
    });
    for (name, value) in parts.as_object().unwrap() {
        match input[name].as_object_mut().zip(value.as_object()) {
            Some((known, more)) => known.extend(more.clone()),
            None => input[name] = value.clone(),
        }
    }
    input
}

fn sort_keys(answer: &Value) -> Vec<i64> {
    let items = answer["Items"].as_array().unwrap();
    items.iter().map(|item| item["sk"]["N"].as_str().unwrap().parse().unwrap()).collect()
}

#[tokio::test]
async fn partitions_are_read_in_order() {
    let cloud = filled().await;
    let all = cloud.call("Query", query(json!({"ReturnConsumedCapacity": "TOTAL"}))).await;
    assert_eq!(sort_keys(&all), (-3..10).collect::<Vec<_>>());
    assert_eq!(
        (&all["Count"], &all["ScannedCount"], &all["LastEvaluatedKey"]),
        (&json!(13), &json!(13), &json!(null))
    );
    assert_eq!(all["ConsumedCapacity"]["CapacityUnits"], 0.5);
    for (condition, values, wanted) in [
        ("sk > :x", json!({":x": {"N": "7"}}), vec![8, 9]),
        ("sk <= :x", json!({":x": {"N": "-2"}}), vec![-3, -2]),
        ("sk BETWEEN :x AND :y", json!({":x": {"N": "-1"}, ":y": {"N": "1.5"}}), vec![-1, 0, 1]),
        ("sk = :x", json!({":x": {"N": "4.0"}}), vec![4]),
        ("sk = :x", json!({":x": {"N": "44"}}), vec![]),
    ] {
        let text = format!("pk = :a AND {condition}");
        let input =
            query(json!({"KeyConditionExpression": text, "ExpressionAttributeValues": values}));
        assert_eq!(sort_keys(&cloud.call("Query", input).await), wanted, "{condition}");
    }
    let last = cloud.call("Query", query(json!({"ScanIndexForward": false, "Limit": 2}))).await;
    assert_eq!(sort_keys(&last), [9, 8]);
    let next = query(
        json!({"ScanIndexForward": false, "Limit": 3, "ExclusiveStartKey": last["LastEvaluatedKey"]}),
    );
    assert_eq!(sort_keys(&cloud.call("Query", next).await), [7, 6, 5]);
}

#[tokio::test]
async fn filters_come_after_the_limit() {
    let cloud = filled().await;
    let filtered = query(json!({
        "FilterExpression": "even = :t", "ExpressionAttributeValues": {":t": {"BOOL": true}}, "Limit": 4,
    }));
    let page = cloud.call("Query", filtered).await;
    assert_eq!(sort_keys(&page), [-2, 0]);
    assert_eq!((&page["Count"], &page["ScannedCount"]), (&json!(2), &json!(4)));
    assert_eq!(page["LastEvaluatedKey"], json!({"pk": {"S": "a"}, "sk": {"N": "0"}}));
    let count = cloud.call("Query", query(json!({"Select": "COUNT"}))).await;
    assert_eq!((&count["Count"], &count["Items"]), (&json!(13), &json!(null)));
    let picked =
        cloud.call("Query", query(json!({"ProjectionExpression": "even", "Limit": 1}))).await;
    assert_eq!(picked["Items"], json!([{"even": {"BOOL": false}}]));
}

#[tokio::test]
async fn bad_queries_are_refused_in_the_words_of_aws() {
    let cloud = filled().await;
    for (parts, message) in [
        (
            json!({"KeyConditionExpression": "sk = :a"}),
            "Query condition missed key schema element: pk",
        ),
        (
            json!({"ExpressionAttributeValues": {":a": {"N": "1"}}}),
            "One or more parameter values were invalid: Condition parameter type does not match schema type",
        ),
        (json!({"IndexName": "none"}), "The table does not have the specified index: none"),
        (
            json!({"FilterExpression": "sk <> :a"}),
            "Filter Expression can only contain non-primary key attributes: Primary key attribute: sk",
        ),
        (
            json!({"ExclusiveStartKey": {"pk": {"S": "a"}}}),
            "The provided starting key is invalid: The provided key element does not match the schema",
        ),
        (
            json!({"ExclusiveStartKey": {"pk": {"S": "zz"}, "sk": {"N": "1"}}}),
            "The provided starting key is outside query boundaries based on provided conditions",
        ),
        (
            json!({"Limit": 0}),
            "1 validation error detected: Value '0' at 'limit' failed to satisfy constraint: Member must have value greater than or equal to 1",
        ),
        (
            json!({"Select": "SPECIFIC_ATTRIBUTES"}),
            "Must specify the AttributesToGet or ProjectionExpression when choosing to get SPECIFIC_ATTRIBUTES",
        ),
    ] {
        assert_eq!(cloud.invalid("Query", query(parts)).await, message);
    }
}

#[tokio::test]
async fn pages_end_at_a_megabyte() {
    let cloud = cloud().await;
    cloud.table(Some("N")).await;
    for n in 0..8 {
        cloud.put(json!({"pk": {"S": "a"}, "sk": {"N": n.to_string()}, "x": {"S": "x".repeat(300_000)}})).await;
    }
    let page = cloud.call("Query", query(json!({"ProjectionExpression": "sk"}))).await;
    assert_eq!(sort_keys(&page), [0, 1, 2, 3]);
    let next =
        query(json!({"ProjectionExpression": "sk", "ExclusiveStartKey": page["LastEvaluatedKey"]}));
    let page = cloud.call("Query", next).await;
    assert_eq!(sort_keys(&page), [4, 5, 6, 7]);
    // All pages together have everything once.
    let next = query(json!({"ExclusiveStartKey": page["LastEvaluatedKey"]}));
    assert_eq!(sort_keys(&cloud.call("Query", next).await), Vec::<i64>::new());
}

#[tokio::test]
async fn scans_find_everything_once_in_segments_and_pages() {
    let cloud = cloud().await;
    cloud.table(None).await;
    for n in 0..60 {
        cloud.put(json!({"pk": {"S": format!("k{n}")}, "n": {"N": n.to_string()}})).await;
    }
    let mut found = Vec::new();
    for segment in 0..3 {
        let mut start = json!(null);
        loop {
            let input = json!({
                "TableName": "tbl", "Segment": segment, "TotalSegments": 3, "Limit": 7, "ExclusiveStartKey": start,
            });
            let page = cloud.call("Scan", input).await;
            found.extend(
                page["Items"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|i| i["pk"]["S"].as_str().unwrap().to_owned()),
            );
            start = page["LastEvaluatedKey"].clone();
            if start.is_null() {
                break;
            }
        }
    }
    found.sort();
    let mut wanted: Vec<String> = (0..60).map(|n| format!("k{n}")).collect();
    wanted.sort();
    assert_eq!(found, wanted);
    let filtered = json!({
        "TableName": "tbl", "FilterExpression": "n < :n", "ExpressionAttributeValues": {":n": {"N": "5"}},
    });
    let page = cloud.call("Scan", filtered).await;
    assert_eq!((&page["Count"], &page["ScannedCount"]), (&json!(5), &json!(60)));
    let error =
        cloud.invalid("Scan", json!({"TableName": "tbl", "Segment": 3, "TotalSegments": 3})).await;
    assert!(error.contains("Segment: 3 is not less than TotalSegments: 3"), "{error}");
}
