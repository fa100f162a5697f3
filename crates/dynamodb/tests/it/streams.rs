//! Streams, as far as time goes by; and many writers at once.

use std::time::Duration;

use serde_json::{Value, json};

use crate::fixture::{Cloud, cloud};

const HOUR: Duration = Duration::from_secs(3600);

impl Cloud {
    async fn streams(&self, operation: &str, input: Value) -> Value {
        let answer = self.kernel.call(&self.ctx, "dynamodbstreams", operation, &input).await;
        answer.unwrap_or_else(|error| panic!("{operation}: {error}"))
    }

    async fn streams_error(&self, operation: &str, input: Value) -> String {
        let answer = self.kernel.call(&self.ctx, "dynamodbstreams", operation, &input).await;
        answer.unwrap_err().code().to_owned()
    }

    /// Turns the stream of the table on; its ARN.
    async fn stream(&self) -> String {
        let specification = json!({"StreamEnabled": true, "StreamViewType": "NEW_AND_OLD_IMAGES"});
        let input = json!({"TableName": "tbl", "StreamSpecification": specification});
        let made = self.call("UpdateTable", input).await;
        made["TableDescription"]["LatestStreamArn"].as_str().unwrap().to_owned()
    }

    async fn iterators(&self, arn: &str, kind: &str) -> Vec<String> {
        let described = self.streams("DescribeStream", json!({"StreamArn": arn})).await;
        let mut all = Vec::new();
        for shard in described["StreamDescription"]["Shards"].as_array().unwrap() {
            let input = json!({
                "StreamArn": arn, "ShardId": shard["ShardId"], "ShardIteratorType": kind,
            });
            let made = self.streams("GetShardIterator", input).await;
            all.push(made["ShardIterator"].as_str().unwrap().to_owned());
        }
        all
    }

    async fn records(&self, arn: &str) -> Vec<Value> {
        let mut all = Vec::new();
        for mut at in self.iterators(arn, "TRIM_HORIZON").await {
            loop {
                let page = self.streams("GetRecords", json!({"ShardIterator": at})).await;
                let records = page["Records"].as_array().unwrap();
                all.extend(records.iter().cloned());
                match page["NextShardIterator"].as_str() {
                    Some(next) if !records.is_empty() => at = next.to_owned(),
                    _ => break,
                }
            }
        }
        all
    }

    fn advance(&self, by: Duration) {
        self.kernel.env().clock.advance(by);
    }
}

#[tokio::test]
async fn records_are_kept_for_a_day() {
    let c = cloud().await;
    c.table(None).await;
    let arn = c.stream().await;
    c.put(json!({"pk": {"S": "old"}})).await;
    let old = c.records(&arn).await;
    c.advance(23 * HOUR);
    assert_eq!(c.records(&arn).await, old);
    c.put(json!({"pk": {"S": "old"}, "n": {"N": "1"}})).await;
    c.advance(2 * HOUR);
    c.until(|| async { c.records(&arn).await.len() == 1 }).await;
    let kept = c.records(&arn).await;
    assert_eq!(kept[0]["dynamodb"]["NewImage"]["n"]["N"], "1");
    let shard = c.streams("DescribeStream", json!({"StreamArn": arn})).await;
    let shards = shard["StreamDescription"]["Shards"].as_array().unwrap().clone();
    let mut trimmed = 0;
    for shard in shards {
        let input = json!({
            "StreamArn": arn, "ShardId": shard["ShardId"],
            "ShardIteratorType": "AT_SEQUENCE_NUMBER",
            "SequenceNumber": old[0]["dynamodb"]["SequenceNumber"],
        });
        let code = c.kernel.call(&c.ctx, "dynamodbstreams", "GetShardIterator", &input).await;
        let code = code.unwrap_err().code().to_owned();
        trimmed += usize::from(code == "TrimmedDataAccessException");
    }
    assert_eq!(trimmed, 1, "the number belongs to one shard, and is gone there");
}

#[tokio::test]
async fn iterators_are_good_for_a_quarter_of_an_hour() {
    let c = cloud().await;
    c.table(None).await;
    let arn = c.stream().await;
    let at = c.iterators(&arn, "LATEST").await.remove(0);
    c.advance(HOUR / 5);
    c.streams("GetRecords", json!({"ShardIterator": at})).await;
    c.advance(HOUR / 10);
    let code = c.streams_error("GetRecords", json!({"ShardIterator": at})).await;
    assert_eq!(code, "ExpiredIteratorException");
}

#[tokio::test]
async fn a_stream_is_readable_for_a_day_after_its_end() {
    let c = cloud().await;
    c.table(None).await;
    let arn = c.stream().await;
    c.put(json!({"pk": {"S": "a"}})).await;
    c.call("DeleteTable", json!({"TableName": "tbl"})).await;
    c.advance(23 * HOUR);
    assert_eq!(c.records(&arn).await.len(), 1);
    c.advance(2 * HOUR);
    let code = c.streams_error("DescribeStream", json!({"StreamArn": arn})).await;
    assert_eq!(code, "ResourceNotFoundException");
    let listed = c.streams("ListStreams", json!({})).await;
    assert_eq!(listed["Streams"], json!([]));
}

#[tokio::test]
async fn who_deleted_an_item_is_told_where_it_expired() {
    let c = cloud().await;
    c.table(None).await;
    let arn = c.stream().await;
    let specification = json!({"Enabled": true, "AttributeName": "until"});
    c.call(
        "UpdateTimeToLive",
        json!({"TableName": "tbl", "TimeToLiveSpecification": specification}),
    )
    .await;
    c.put(json!({"pk": {"S": "a"}, "until": {"N": "1000000000"}})).await;
    let soon = c.ctx.now_ms() / 1000 + 60;
    c.put(json!({"pk": {"S": "b"}, "until": {"N": soon.to_string()}})).await;
    c.advance(HOUR / 30);
    c.until(|| async { c.records(&arn).await.len() == 3 }).await;
    let records = c.records(&arn).await;
    let removed: Vec<_> = records.iter().filter(|r| r["eventName"] == "REMOVE").collect();
    let by = json!({"PrincipalId": "dynamodb.amazonaws.com", "Type": "Service"});
    assert_eq!(removed[0]["userIdentity"], by);
    assert_eq!(removed[0]["dynamodb"]["Keys"]["pk"]["S"], "b");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn readers_that_go_on_miss_nothing_of_many_writers() {
    const WRITERS: usize = 8;
    const WRITES: usize = 60;
    let c = std::sync::Arc::new(cloud().await);
    c.table(None).await;
    let arn = c.stream().await;
    let mut at = c.iterators(&arn, "TRIM_HORIZON").await;
    let mut writers = Vec::new();
    for writer in 0..WRITERS {
        let c = std::sync::Arc::clone(&c);
        writers.push(tokio::spawn(async move {
            for n in 0..WRITES {
                // Two writers share each key.
                let item = json!({
                    "pk": {"S": format!("k{}", writer / 2 * 10 + n % 10)},
                    "n": {"S": format!("{writer}/{n}")},
                });
                c.put(item).await;
            }
        }));
    }
    let mut seen: Vec<Value> = Vec::new();
    let since = std::time::Instant::now();
    while seen.len() < WRITERS * WRITES {
        assert!(since.elapsed() < Duration::from_secs(30), "{} of all", seen.len());
        for at in &mut at {
            let page = c.streams("GetRecords", json!({"ShardIterator": at, "Limit": 7})).await;
            seen.extend(page["Records"].as_array().unwrap().iter().cloned());
            *at = page["NextShardIterator"].as_str().unwrap().to_owned();
        }
        tokio::task::yield_now().await;
    }
    for writer in writers {
        writer.await.unwrap();
    }
    // The images of a key follow from each other.
    let mut last = std::collections::HashMap::new();
    for record in &seen {
        let key = record["dynamodb"]["Keys"]["pk"]["S"].as_str().unwrap().to_owned();
        let old = last.insert(key, record["dynamodb"]["NewImage"].clone());
        assert_eq!(record["dynamodb"].get("OldImage").cloned(), old);
    }
    let ids: std::collections::HashSet<_> = seen.iter().map(|r| r["eventID"].to_string()).collect();
    assert_eq!(ids.len(), seen.len());
}
