//! Batches of reads and writes.

use serde_json::{Value, json};

use crate::fixture::cloud;

fn puts(range: std::ops::Range<usize>) -> Vec<Value> {
    range.map(|n| json!({"PutRequest": {"Item": {"pk": {"S": format!("k{n}")}}}})).collect()
}

#[tokio::test]
async fn batches_write_and_read() {
    let cloud = cloud().await;
    cloud.table(None).await;
    let answer = cloud
        .call(
            "BatchWriteItem",
            json!({"RequestItems": {"tbl": puts(0..25)}, "ReturnConsumedCapacity": "TOTAL"}),
        )
        .await;
    assert_eq!(
        answer,
        json!({"UnprocessedItems": {}, "ConsumedCapacity": [{"TableName": "tbl", "CapacityUnits": 25.0}]})
    );
    let delete = json!({"DeleteRequest": {"Key": {"pk": {"S": "k1"}}}});
    cloud.call("BatchWriteItem", json!({"RequestItems": {"tbl": [delete]}})).await;
    let keys: Vec<Value> = (0..3).map(|n| json!({"pk": {"S": format!("k{n}")}})).collect();
    let answer = cloud.call("BatchGetItem", json!({"RequestItems": {"tbl": {"Keys": keys}}})).await;
    assert_eq!(answer["Responses"]["tbl"], json!([{"pk": {"S": "k0"}}, {"pk": {"S": "k2"}}]));
    assert_eq!(answer["UnprocessedKeys"], json!({}));
}

#[tokio::test]
async fn bad_batches_write_nothing() {
    let cloud = cloud().await;
    cloud.table(None).await;
    let write = |requests: Value| json!({"RequestItems": {"tbl": requests}});
    let error = cloud.invalid("BatchWriteItem", write(puts(0..26).into())).await;
    assert_eq!(error, "Too many items requested for the BatchWriteItem call");
    let twice = [puts(0..2), puts(1..2)].concat();
    let error = cloud.invalid("BatchWriteItem", write(twice.into())).await;
    assert_eq!(error, "Provided list of item keys contains duplicates");
    let wrong = [puts(0..1), vec![json!({"PutRequest": {"Item": {"id": {"S": "x"}}}})]].concat();
    let error = cloud.invalid("BatchWriteItem", write(wrong.into())).await;
    assert_eq!(error, "The provided key element does not match the schema");
    let large =
        json!({"PutRequest": {"Item": {"pk": {"S": "x"}, "y": {"S": "y".repeat(410_000)}}}});
    let error =
        cloud.invalid("BatchWriteItem", write([puts(0..1), vec![large]].concat().into())).await;
    assert_eq!(error, "Item size has exceeded the maximum allowed size");
    assert_eq!(cloud.call("Scan", json!({"TableName": "tbl"})).await["Count"], 0);
    let keys: Vec<Value> = (0..101).map(|n| json!({"pk": {"S": format!("k{n}")}})).collect();
    let error =
        cloud.invalid("BatchGetItem", json!({"RequestItems": {"tbl": {"Keys": keys}}})).await;
    assert_eq!(error, "Too many items requested for the BatchGetItem call");
    let (code, _) = cloud
        .error("BatchGetItem", json!({"RequestItems": {"gone": {"Keys": [{"pk": {"S": "x"}}]}}}))
        .await;
    assert_eq!(code, "ResourceNotFoundException");
}

#[tokio::test]
async fn the_largest_batch_is_written_and_read_in_parts() {
    let cloud = cloud().await;
    cloud.table(None).await;
    let large = |n: usize| json!({"PutRequest": {"Item": {"pk": {"S": format!("k{n}")}, "x": {"S": "x".repeat(400_000)}}}});
    for start in [0, 25] {
        let requests: Vec<Value> = (start..start + 25).map(large).collect();
        cloud.call("BatchWriteItem", json!({"RequestItems": {"tbl": requests}})).await;
    }
    let keys: Vec<Value> = (0..50).map(|n| json!({"pk": {"S": format!("k{n}")}})).collect();
    let answer = cloud.call("BatchGetItem", json!({"RequestItems": {"tbl": {"Keys": keys}}})).await;
    let got = answer["Responses"]["tbl"].as_array().unwrap().len();
    let left = answer["UnprocessedKeys"]["tbl"]["Keys"].as_array().unwrap().len();
    assert_eq!((got, left), (42, 8));
}
