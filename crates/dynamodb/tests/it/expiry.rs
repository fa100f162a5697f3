//! Items that expire.

use std::time::Duration;

use serde_json::{Value, json};

use crate::fixture::{Cloud, cloud};

fn enable(enabled: bool) -> Value {
    json!({"TableName": "tbl", "TimeToLiveSpecification": {"Enabled": enabled, "AttributeName": "ttl"}})
}

async fn put(cloud: &Cloud, pk: &str, seconds: i64) {
    let at = cloud.kernel.env().clock.now_ms() / 1000 + seconds;
    cloud.put(json!({"pk": {"S": pk}, "ttl": {"N": at.to_string()}})).await;
}

async fn left(cloud: &Cloud) -> Vec<String> {
    let scanned = cloud.call("Scan", json!({"TableName": "tbl"})).await;
    let items = scanned["Items"].as_array().unwrap();
    let mut keys: Vec<String> =
        items.iter().map(|item| item["pk"]["S"].as_str().unwrap().to_owned()).collect();
    keys.sort();
    keys
}

#[tokio::test]
async fn items_go_when_their_time_has_come() {
    let cloud = cloud().await;
    cloud.table(None).await;
    put(&cloud, "before", 3_600).await;
    put(&cloud, "long gone", -3_600).await;
    cloud.call("UpdateTimeToLive", enable(true)).await;
    let described = cloud.call("DescribeTimeToLive", json!({"TableName": "tbl"})).await;
    assert_eq!(
        described["TimeToLiveDescription"],
        json!({"TimeToLiveStatus": "ENABLED", "AttributeName": "ttl"})
    );
    put(&cloud, "day", 86_400).await;
    put(&cloud, "hour", 3_600).await;
    put(&cloud, "kept", 3_600).await;
    put(&cloud, "ancient", -10 * 366 * 86_400).await;
    cloud.put(json!({"pk": {"S": "text"}, "ttl": {"S": "1"}})).await;
    put(&cloud, "kept", 7 * 86_400).await;
    cloud.until(|| async { !left(&cloud).await.contains(&"long gone".to_owned()) }).await;
    cloud.kernel.env().clock.advance(Duration::from_secs(3_700));
    cloud.until(|| async { left(&cloud).await == ["ancient", "day", "kept", "text"] }).await;
    cloud.kernel.env().clock.advance(Duration::from_secs(86_400));
    cloud.until(|| async { left(&cloud).await == ["ancient", "kept", "text"] }).await;
    // One that comes later than the next sweep was meant for.
    put(&cloud, "soon", 60).await;
    cloud.kernel.env().clock.advance(Duration::from_secs(61));
    cloud.until(|| async { left(&cloud).await == ["ancient", "kept", "text"] }).await;
    cloud.call("UpdateTimeToLive", enable(false)).await;
    cloud.kernel.env().clock.advance(Duration::from_secs(30 * 86_400));
    assert_eq!(left(&cloud).await, ["ancient", "kept", "text"]);
    let count =
        cloud.call("DescribeTable", json!({"TableName": "tbl"})).await["Table"]["ItemCount"]
            .clone();
    assert_eq!(count, 3);
}

#[tokio::test]
async fn expiry_is_turned_on_once() {
    let cloud = cloud().await;
    cloud.table(None).await;
    assert_eq!(
        cloud.invalid("UpdateTimeToLive", enable(false)).await,
        "TimeToLive is already disabled"
    );
    cloud.call("UpdateTimeToLive", enable(true)).await;
    assert_eq!(
        cloud.invalid("UpdateTimeToLive", enable(true)).await,
        "TimeToLive is already enabled"
    );
}
