//! Event source mappings: queues that functions read.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::fixture::{Cloud, cloud};

/// Puts what it got into a second queue, by way of its answer's log.
const SHOW: &str =
    "exports.handler = async (event) => { console.log('GOT ' + JSON.stringify(event)); };";

async fn map(c: &Cloud, queue: &str, more: Value) -> String {
    let mut input = json!({"FunctionName": "f", "EventSourceArn": queue});
    for (key, value) in more.as_object().unwrap() {
        input[key] = value.clone();
    }
    let made = c.lambda("CreateEventSourceMapping", input).await;
    assert_eq!(made["State"], "Creating");
    made["UUID"].as_str().unwrap().to_owned()
}

/// The events that a function has shown.
fn shown(logs: &str) -> Vec<Value> {
    let lines = logs.lines().filter_map(|line| line.split_once("GOT "));
    lines.map(|(_, json)| serde_json::from_str(json).unwrap()).collect()
}

fn bodies(logs: &str) -> Vec<String> {
    let events = shown(logs);
    let records = events.iter().flat_map(|event| event["Records"].as_array().unwrap());
    let mut all: Vec<String> = records.map(|r| r["body"].as_str().unwrap().to_owned()).collect();
    all.sort();
    all
}

async fn left(c: &Cloud, url: &str) -> String {
    let names = json!(["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]);
    let input = json!({"QueueUrl": url, "AttributeNames": names});
    let got = c.call("sqs", "GetQueueAttributes", input).await;
    let of = |name: &str| got["Attributes"][name].as_str().unwrap().parse::<i64>().unwrap();
    (of("ApproximateNumberOfMessages") + of("ApproximateNumberOfMessagesNotVisible")).to_string()
}

#[tokio::test]
async fn a_message_arrives_in_awss_shape_and_is_deleted() {
    let c = cloud().await;
    let (url, arn) = c.queue("q", json!({})).await;
    c.function("f", SHOW, json!({})).await;
    let uuid = map(&c, &arn, json!({})).await;
    let input = json!({
        "QueueUrl": url, "MessageBody": "hello",
        "MessageAttributes": {"who": {"DataType": "String", "StringValue": "me"}},
    });
    let sent = c.call("sqs", "SendMessage", input).await;
    let logs = c.logged("/aws/lambda/f", "GOT ").await;
    let record = shown(&logs)[0]["Records"][0].clone();
    assert_eq!(record["messageId"], sent["MessageId"]);
    assert_eq!(record["body"], "hello");
    assert_eq!(record["md5OfBody"], sent["MD5OfMessageBody"]);
    assert_eq!(record["eventSource"], "aws:sqs");
    assert_eq!(record["eventSourceARN"], arn);
    assert_eq!(record["awsRegion"], "us-east-1");
    assert_eq!(record["attributes"]["ApproximateReceiveCount"], "1");
    assert!(record["attributes"]["SentTimestamp"].is_string());
    let want = json!({"stringValue": "me", "stringListValues": [], "binaryListValues": [], "dataType": "String"});
    assert_eq!(record["messageAttributes"]["who"], want);
    assert!(record["receiptHandle"].is_string());
    c.until("the message is deleted", || async { left(&c, &url).await == "0" }).await;
    let got = c.lambda("GetEventSourceMapping", json!({"UUID": uuid})).await;
    assert_eq!(got["State"], "Enabled");
    assert_eq!(got["BatchSize"], 10);
}

#[tokio::test]
async fn a_batch_may_fail_in_part() {
    let c = cloud().await;
    let (dead, dead_arn) = c.queue("dead", json!({})).await;
    let redrive = json!({"deadLetterTargetArn": dead_arn, "maxReceiveCount": 1}).to_string();
    let (url, arn) =
        c.queue("q", json!({"RedrivePolicy": redrive, "VisibilityTimeout": "1"})).await;
    let source = "exports.handler = async (event) => ({ batchItemFailures: event.Records
        .filter(r => r.body === 'bad').map(r => ({ itemIdentifier: r.messageId })) });";
    c.function("f", source, json!({"Timeout": 1})).await;
    for body in ["good", "bad", "fine"] {
        c.send(&url, body).await;
    }
    map(&c, &arn, json!({"FunctionResponseTypes": ["ReportBatchItemFailures"]})).await;
    assert_eq!(c.message(&dead).await["Body"], "bad");
    assert_eq!(left(&c, &url).await, "0");
}

#[tokio::test]
async fn messages_of_a_failed_batch_come_back() {
    let c = cloud().await;
    let (url, arn) = c.queue("q", json!({"VisibilityTimeout": "1"})).await;
    let source = "exports.handler = async (event) => {
        const count = event.Records[0].attributes.ApproximateReceiveCount;
        console.log('count ' + count); if (count === '1') throw new Error('no'); };";
    c.function("f", source, json!({"Timeout": 1})).await;
    map(&c, &arn, json!({})).await;
    c.send(&url, "x").await;
    c.logged("/aws/lambda/f", "count 2").await;
    c.until("the message is deleted", || async { left(&c, &url).await == "0" }).await;
}

#[tokio::test]
async fn what_does_not_match_is_dropped() {
    let c = cloud().await;
    let (url, arn) = c.queue("q", json!({})).await;
    c.function("f", SHOW, json!({})).await;
    let pattern = json!({"body": {"kind": ["order"]}}).to_string();
    map(&c, &arn, json!({"FilterCriteria": {"Filters": [{"Pattern": pattern}]}})).await;
    let order = json!({"kind": "order", "n": 1}).to_string();
    for body in ["no json", r#"{"kind": "other"}"#, &order] {
        c.send(&url, body).await;
    }
    c.until("the queue is empty", || async { left(&c, &url).await == "0" }).await;
    assert_eq!(bodies(&c.logged("/aws/lambda/f", "GOT ").await), [order]);
}

#[tokio::test]
async fn a_window_gathers_a_batch() {
    let c = cloud().await;
    let (url, arn) = c.queue("q", json!({})).await;
    c.function("f", SHOW, json!({})).await;
    map(&c, &arn, json!({"BatchSize": 12, "MaximumBatchingWindowInSeconds": 20})).await;
    for n in 0..12 {
        c.send(&url, &format!("{n:02}")).await;
    }
    let logs = c.logged("/aws/lambda/f", "GOT ").await;
    assert_eq!(shown(&logs).len(), 1);
    assert_eq!(bodies(&logs).len(), 12);
}

#[tokio::test]
async fn a_mapping_stops_starts_changes_and_goes() {
    let c = cloud().await;
    let (url, arn) = c.queue("q", json!({})).await;
    c.function("f", SHOW, json!({})).await;
    let uuid = map(&c, &arn, json!({"Enabled": false})).await;
    c.send(&url, "one").await;
    let get = json!({"UUID": uuid});
    assert_eq!(c.lambda("GetEventSourceMapping", get.clone()).await["State"], "Disabled");
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(left(&c, &url).await, "1");
    let change = json!({"UUID": uuid, "Enabled": true, "BatchSize": 1});
    assert_eq!(c.lambda("UpdateEventSourceMapping", change).await["State"], "Enabling");
    c.logged("/aws/lambda/f", r#""body":"one""#).await;
    let again = json!({"FunctionName": "f", "EventSourceArn": arn});
    let error = c.fail("CreateEventSourceMapping", again).await;
    assert_eq!(error.code(), "ResourceConflictException");
    assert!(error.message().ends_with(&uuid), "{error}");
    let listed = c.lambda("ListEventSourceMappings", json!({"FunctionName": "f"})).await;
    assert_eq!(listed["EventSourceMappings"][0]["UUID"], json!(uuid));
    let gone = c.lambda("DeleteEventSourceMapping", get.clone()).await;
    assert_eq!(gone["State"], "Deleting");
    assert_eq!(c.fail("GetEventSourceMapping", get).await.code(), "ResourceNotFoundException");
    tokio::time::sleep(Duration::from_millis(50)).await;
    c.send(&url, "two").await;
    tokio::time::sleep(Duration::from_millis(150)).await;
    assert_eq!(left(&c, &url).await, "1", "nobody reads the queue any more");
}

#[tokio::test]
async fn what_cannot_be_mapped_is_refused() {
    let c = cloud().await;
    let (_, arn) = c.queue("q", json!({"VisibilityTimeout": "5"})).await;
    c.function("f", SHOW, json!({})).await;
    let refused = async |more: Value| {
        let mut input = json!({"FunctionName": "f", "EventSourceArn": arn});
        for (key, value) in more.as_object().unwrap() {
            input[key] = value.clone();
        }
        let error = c.fail("CreateEventSourceMapping", input).await;
        format!("{}: {}", error.code(), error.message())
    };
    let invalid = "InvalidParameterValueException: ";
    assert_eq!(
        refused(json!({})).await,
        format!(
            "{invalid}Queue visibility timeout: 5 seconds is less than Function timeout: 10 seconds"
        )
    );
    assert_eq!(
        refused(json!({"BatchSize": 11})).await,
        format!(
            "{invalid}Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10"
        )
    );
    assert_eq!(
        refused(json!({"FilterCriteria": {"Filters": [{"Pattern": "simple"}]}})).await,
        format!("{invalid}Invalid filter pattern definition.")
    );
    assert_eq!(
        refused(json!({"FunctionName": "nope"})).await,
        format!("{invalid}Function does not exist")
    );
    let gone = refused(json!({"EventSourceArn": "arn:aws:sqs:us-east-1:000000000000:nope"})).await;
    assert!(gone.contains("AWS.SimpleQueueService.NonExistentQueue"), "{gone}");
    let stream = "arn:aws:kinesis:us-east-1:000000000000:stream/s";
    assert!(
        refused(json!({"EventSourceArn": stream}))
            .await
            .contains("kinesis as event source is not implemented")
    );
}

#[tokio::test]
async fn no_more_invocations_run_than_the_mapping_allows() {
    let c = cloud().await;
    let (url, arn) = c.queue("q", json!({})).await;
    let source =
        "exports.handler = async (event) => { await new Promise(r => setTimeout(r, 50)); };";
    c.function("f", source, json!({})).await;
    for n in 0..12 {
        c.send(&url, &n.to_string()).await;
    }
    map(&c, &arn, json!({"BatchSize": 1, "ScalingConfig": {"MaximumConcurrency": 2}})).await;
    c.until("all are handled", || async { left(&c, &url).await == "0" }).await;
    assert!(c.sandbox.instances().len() <= 2, "{:?}", c.sandbox.instances());
}

#[tokio::test]
async fn more_invocations_run_when_messages_pile_up() {
    let c = cloud().await;
    let (url, arn) = c.queue("q", json!({})).await;
    let source =
        "exports.handler = async (event) => { await new Promise(r => setTimeout(r, 100)); };";
    c.function("f", source, json!({})).await;
    for n in 0..40 {
        c.send(&url, &n.to_string()).await;
    }
    map(&c, &arn, json!({"BatchSize": 1})).await;
    c.until("all are handled", || async { left(&c, &url).await == "0" }).await;
    assert!(c.sandbox.instances().len() > 5, "{}", c.sandbox.instances().len());
}

/// A guard on the way from queue to function; prints what it measures.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_is_handled_within_milliseconds() {
    let c = cloud().await;
    let (url, arn) = c.queue("q", json!({})).await;
    let source = "exports.handler = async (event) => { console.log('SAW', event.Records[0].body, Date.now()); };";
    c.function("f", source, json!({})).await;
    map(&c, &arn, json!({"BatchSize": 1})).await;
    c.send(&url, "warm").await;
    c.logged("/aws/lambda/f", "SAW warm").await;
    let mut times: Vec<Duration> = Vec::new();
    for _ in 0..60 {
        let since = Instant::now();
        c.send(&url, "x").await;
        // Deleted is the last thing that happens.
        while left(&c, &url).await != "0" {
            tokio::time::sleep(Duration::from_micros(200)).await;
        }
        times.push(since.elapsed());
    }
    times.sort();
    eprintln!("sent to deleted: p50 {:?} p95 {:?}", times[30], times[57]);
    assert!(times[30] < Duration::from_millis(60), "{:?}", times[30]);
}
