//! What a restart must not lose.

use serde_json::json;

use crate::fixture::lasting;

#[tokio::test]
async fn functions_events_and_mappings_outlive_the_process() {
    let mut c = lasting(tempfile::tempdir().unwrap()).await;
    let (url, arn) = c.queue("q", json!({})).await;
    let source =
        "exports.handler = async (e) => { console.log('SAW ' + JSON.stringify(e)); return 1; };";
    c.function("f", source, json!({"Publish": true})).await;
    c.lambda(
        "CreateEventSourceMapping",
        json!({"FunctionName": "f", "EventSourceArn": arn, "Enabled": false}),
    )
    .await;
    c.stop_tasks();
    let answer =
        c.invoke_with("f", &json!({"waits": true}), json!({"InvocationType": "Event"})).await;
    assert_eq!(answer["StatusCode"], 202);
    std::fs::create_dir(c.folder.join("0123abcd")).unwrap();
    let c = c.again().await;
    assert!(!c.folder.join("0123abcd").exists(), "code that nobody has is removed");
    c.logged("/aws/lambda/f", r#"SAW {"waits":true}"#).await;
    assert_eq!(c.invoke("f:1", &json!({})).await, json!(1));
    let uuid =
        c.lambda("ListEventSourceMappings", json!({})).await["EventSourceMappings"][0]["UUID"]
            .clone();
    c.lambda("UpdateEventSourceMapping", json!({"UUID": uuid, "Enabled": true})).await;
    let c = c.again().await;
    c.send(&url, "after the restart").await;
    c.logged("/aws/lambda/f", "after the restart").await;
}
