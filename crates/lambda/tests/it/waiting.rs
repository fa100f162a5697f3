//! Asynchronous invocations: durable, tried again, delivered.

use std::time::Duration;

use serde_json::{Value, json};

use crate::fixture::cloud;

#[tokio::test]
async fn an_event_is_handled_after_the_answer() {
    let c = cloud().await;
    c.function("f", "exports.handler = async (e) => { console.log('got ' + e.n); };", json!({}))
        .await;
    let answer = c.invoke_with("f", &json!({"n": 7}), json!({"InvocationType": "Event"})).await;
    assert_eq!(answer, json!({"StatusCode": 202}));
    c.logged("/aws/lambda/f", "got 7").await;
}

#[tokio::test]
async fn a_failing_event_is_tried_three_times_and_becomes_a_dead_letter() {
    let c = cloud().await;
    let (url, arn) = c.queue("dead", json!({})).await;
    let source = "exports.handler = async (e, context) => {
        console.log('attempt ' + context.awsRequestId); throw new Error('on purpose'); };";
    c.function("f", source, json!({"DeadLetterConfig": {"TargetArn": arn}})).await;
    c.invoke_with("f", &json!({"n": 1}), json!({"InvocationType": "Event"})).await;
    let attempts = |text: &str| text.matches("attempt ").count();
    for (seen, wait) in [(1, 60), (2, 120)] {
        c.until("the next attempt", || async {
            attempts(&c.logged("/aws/lambda/f", "attempt").await) == seen
        })
        .await;
        // The retry is in the store once the attempt's task is waiting again.
        tokio::time::sleep(Duration::from_millis(100)).await;
        c.db.env().clock.advance(Duration::from_secs(wait));
    }
    let message = c.message(&url).await;
    assert_eq!(message["Body"], json!({"n": 1}).to_string());
    let attributes = &message["MessageAttributes"];
    assert_eq!(attributes["ErrorCode"], json!({"StringValue": "200", "DataType": "Number"}));
    assert_eq!(attributes["ErrorMessage"]["StringValue"], "on purpose");
    assert_eq!(attributes["RequestID"]["StringValue"], c.ctx.request_id());
}

#[tokio::test]
async fn results_go_to_destinations() {
    let c = cloud().await;
    let (url, arn) = c.queue("results", json!({})).await;
    let source =
        "exports.handler = async (e) => { if (e.fail) throw new Error('no'); return {ok: e.n}; };";
    c.function("f", source, json!({})).await;
    let config = json!({
        "FunctionName": "f",
        "MaximumRetryAttempts": 0,
        "DestinationConfig": {"OnSuccess": {"Destination": arn}, "OnFailure": {"Destination": arn}},
    });
    c.lambda("PutFunctionEventInvokeConfig", config).await;
    let event = json!({"InvocationType": "Event"});
    c.invoke_with("f", &json!({"n": 5}), event.clone()).await;
    let record: Value =
        serde_json::from_str(c.message(&url).await["Body"].as_str().unwrap()).unwrap();
    assert_eq!(record["version"], "1.0");
    let about = &record["requestContext"];
    assert_eq!(about["condition"], "Success");
    assert_eq!(about["functionArn"], "arn:aws:lambda:us-east-1:000000000000:function:f:$LATEST");
    assert_eq!(about["approximateInvokeCount"], 1);
    assert_eq!(record["requestPayload"], json!({"n": 5}));
    assert_eq!(record["responseContext"], json!({"statusCode": 200, "executedVersion": "$LATEST"}));
    assert_eq!(record["responsePayload"], json!({"ok": 5}));
    c.invoke_with("f", &json!({"fail": true}), event).await;
    let record: Value =
        serde_json::from_str(c.message(&url).await["Body"].as_str().unwrap()).unwrap();
    assert_eq!(record["requestContext"]["condition"], "RetriesExhausted");
    assert_eq!(record["responseContext"]["functionError"], "Unhandled");
    assert_eq!(record["responsePayload"]["errorMessage"], "no");
}

#[tokio::test]
async fn what_is_throttled_is_tried_until_there_is_room() {
    let c = std::sync::Arc::new(cloud().await);
    let source = "exports.handler = async (e) => { await new Promise(r => setTimeout(r, e.ms)); console.log('did ' + e.ms); };";
    c.function("f", source, json!({})).await;
    c.lambda(
        "PutFunctionConcurrency",
        json!({"FunctionName": "f", "ReservedConcurrentExecutions": 1}),
    )
    .await;
    let other = std::sync::Arc::clone(&c);
    let busy = tokio::spawn(async move { other.invoke("f", &json!({"ms": 400})).await });
    c.until("the first one runs", || async { !c.sandbox.instances().is_empty() }).await;
    c.invoke_with("f", &json!({"ms": 1}), json!({"InvocationType": "Event"})).await;
    busy.await.unwrap();
    let logs = c.logged("/aws/lambda/f", "did 1\n").await;
    assert!(logs.contains("did 400"), "{logs}");
}

#[tokio::test]
async fn where_there_is_never_room_an_event_is_given_up_at_once() {
    let c = cloud().await;
    let (url, arn) = c.queue("results", json!({})).await;
    c.function("f", "exports.handler = async (e) => e;", json!({})).await;
    let config =
        json!({"FunctionName": "f", "DestinationConfig": {"OnFailure": {"Destination": arn}}});
    c.lambda("PutFunctionEventInvokeConfig", config).await;
    c.lambda(
        "PutFunctionConcurrency",
        json!({"FunctionName": "f", "ReservedConcurrentExecutions": 0}),
    )
    .await;
    c.invoke_with("f", &json!({"n": 5}), json!({"InvocationType": "Event"})).await;
    let record: Value =
        serde_json::from_str(c.message(&url).await["Body"].as_str().unwrap()).unwrap();
    assert_eq!(record["requestContext"]["condition"], "ZeroReservedConcurrency");
    assert_eq!(record["requestContext"]["approximateInvokeCount"], 0);
}

#[tokio::test]
async fn large_events_come_whole() {
    let c = cloud().await;
    let (url, arn) = c.queue("results", json!({})).await;
    c.function("f", "exports.handler = async (e) => e.text.length;", json!({})).await;
    let config =
        json!({"FunctionName": "f", "DestinationConfig": {"OnSuccess": {"Destination": arn}}});
    c.lambda("PutFunctionEventInvokeConfig", config).await;
    let text = "\"".repeat(200_000);
    c.invoke_with("f", &json!({"text": text}), json!({"InvocationType": "Event"})).await;
    let record: Value =
        serde_json::from_str(c.message(&url).await["Body"].as_str().unwrap()).unwrap();
    assert_eq!(record["responsePayload"], json!(200_000));
}
