//! Invocations: answers, errors, limits, logs, cost.

use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};
use undercast_sandbox::{Credentials, Function, Host, Invocation, LogLine};

use crate::fixture::{ROLE, cloud, zip};

#[tokio::test]
async fn a_function_sees_its_context_and_its_errors_come_back() {
    let c = cloud().await;
    let source = "exports.handler = async (event, context) => {
        if (event.fail) throw new TypeError('no');
        console.log('hello', event.name);
        return { arn: context.invokedFunctionArn, id: context.awsRequestId,
                 custom: context.clientContext && context.clientContext.custom,
                 key: process.env.AWS_ACCESS_KEY_ID };
    };";
    c.function("f", source, json!({})).await;
    let more = json!({
        "LogType": "Tail",
        "ClientContext": BASE64.encode(r#"{"custom": {"a": "b"}}"#),
    });
    let answer = c.invoke_with("f", &json!({"name": "world"}), more).await;
    assert_eq!(answer["StatusCode"], 200);
    assert_eq!(answer["ExecutedVersion"], "$LATEST");
    let payload = &answer["Payload"];
    assert_eq!(payload["arn"], "arn:aws:lambda:us-east-1:000000000000:function:f");
    assert_eq!(payload["id"], c.ctx.request_id());
    assert_eq!(payload["custom"], json!({"a": "b"}));
    assert!(payload["key"].as_str().unwrap().starts_with("ASIA"), "{payload}");
    let log = BASE64.decode(answer["LogResult"].as_str().unwrap()).unwrap();
    assert!(String::from_utf8(log).unwrap().contains("hello world"));
    let logs = c.logged("/aws/lambda/f", "REPORT RequestId").await;
    assert!(logs.contains("hello world"), "{logs}");
    let answer = c.invoke_with("f", &json!({"fail": true}), json!({})).await;
    assert_eq!(answer["StatusCode"], 200);
    assert_eq!(answer["FunctionError"], "Unhandled");
    assert_eq!(answer["Payload"]["errorType"], "TypeError");
    assert_eq!(answer["Payload"]["errorMessage"], "no");
}

#[tokio::test]
async fn python_runs_and_logs_go_where_the_configuration_says() {
    let c = cloud().await;
    let source = "def handler(event, context):\n    print('from python')\n    return sum(event)\n";
    let input = json!({
        "FunctionName": "p", "Runtime": "python3.11", "Handler": "app.handler", "Role": ROLE,
        "Timeout": 10, "Code": {"ZipFile": zip(&[("app.py", source)])},
        "LoggingConfig": {"LogGroup": "/own/group"},
    });
    c.lambda("CreateFunction", input).await;
    assert_eq!(c.invoke("p", &json!([1, 2, 3])).await, json!(6));
    c.logged("/own/group", "from python").await;
}

#[tokio::test]
async fn payloads_have_limits_and_are_json() {
    let c = cloud().await;
    c.function("f", "exports.handler = async (e) => JSON.stringify(e).length;", json!({})).await;
    let large = json!({"FunctionName": "f", "Payload": BASE64.encode(vec![b'1'; 6_291_457])});
    let error = c.fail("Invoke", large).await;
    assert!(error.message().contains("(limit 6291456 bytes)"), "{error}");
    let large = json!({"FunctionName": "f", "InvocationType": "Event", "Payload": BASE64.encode(vec![b'1'; 1_048_577])});
    assert_eq!(c.fail("Invoke", large).await.code(), "RequestTooLargeException");
    let broken = json!({"FunctionName": "f", "Payload": BASE64.encode("{broken")});
    assert_eq!(c.fail("Invoke", broken).await.code(), "InvalidRequestContentException");
    let text = "x".repeat(5_000_000);
    assert_eq!(c.invoke("f", &Value::String(text)).await, json!(5_000_002));
    let dry = c.invoke_with("f", &json!({}), json!({"InvocationType": "DryRun"})).await;
    assert_eq!(dry, json!({"StatusCode": 204}));
}

#[tokio::test]
async fn reserved_concurrency_is_a_limit() {
    let c = Arc::new(cloud().await);
    let source =
        "exports.handler = async () => { await new Promise(r => setTimeout(r, 400)); return 1; };";
    c.function("f", source, json!({})).await;
    c.lambda(
        "PutFunctionConcurrency",
        json!({"FunctionName": "f", "ReservedConcurrentExecutions": 1}),
    )
    .await;
    let other = Arc::clone(&c);
    let first = tokio::spawn(async move { other.invoke("f", &json!({})).await });
    c.until("the first one runs", || async { !c.sandbox.instances().is_empty() }).await;
    let error = c.fail("Invoke", json!({"FunctionName": "f"})).await;
    assert_eq!(error.code(), "TooManyRequestsException");
    assert_eq!(error.message(), "Rate Exceeded.");
    let reason = ("Reason", json!("ReservedFunctionConcurrentInvocationLimitExceeded"));
    assert!(error.fields().contains(&reason));
    assert_eq!(first.await.unwrap(), json!(1));
    assert_eq!(c.invoke("f", &json!({})).await, json!(1));
    let error = c
        .fail(
            "PutFunctionConcurrency",
            json!({"FunctionName": "f", "ReservedConcurrentExecutions": 950}),
        )
        .await;
    assert_eq!(error.code(), "InvalidParameterValueException");
    let got = c.lambda("GetFunction", json!({"FunctionName": "f"})).await;
    assert_eq!(got["Concurrency"]["ReservedConcurrentExecutions"], 1);
    c.lambda("DeleteFunctionConcurrency", json!({"FunctionName": "f"})).await;
    let settings = c.lambda("GetAccountSettings", json!({})).await;
    assert_eq!(settings["AccountUsage"]["FunctionCount"], 1);
    assert_eq!(settings["AccountLimit"]["UnreservedConcurrentExecutions"], 1000);
}

struct Silent;

impl Host for Silent {
    fn credentials(&self, _: &Function, _: u64) -> Credentials {
        Credentials::default()
    }

    fn log(&self, _: &Function, _: &str, _: Vec<LogLine>) {}
}

async fn median<F: Future>(run: impl Fn() -> F) -> Duration {
    let mut times: Vec<Duration> = Vec::new();
    for _ in 0..300 {
        let since = Instant::now();
        run().await;
        times.push(since.elapsed());
    }
    times.sort();
    times[150]
}

/// A guard on the path of an invocation; prints what it measures.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_warm_invocation_costs_little_more_than_the_sandbox() {
    let c = cloud().await;
    c.function("f", "exports.handler = async () => 1;", json!({})).await;
    c.invoke("f", &json!({})).await;
    let nothing = json!({});
    let with = median(|| c.invoke("f", &nothing)).await;
    assert_eq!(c.sandbox.instances().len(), 1);
    let mut folders = std::fs::read_dir(&c.folder).unwrap().map(|e| e.unwrap().path());
    let function = Arc::new(Function {
        key: "bare".into(),
        arn: "arn".into(),
        name: "bare".into(),
        version: "$LATEST".into(),
        runtime: "nodejs20.x".into(),
        handler: "index.handler".into(),
        code: folders.find(|path| path.is_dir()).unwrap(),
        memory_mb: 128,
        timeout: Duration::from_secs(10),
        tmp_mb: 512,
        ..Function::default()
    });
    let host: Arc<dyn Host> = Arc::new(Silent);
    let bare = || async {
        let invocation = Invocation {
            request_id: c.db.env().ids.uuid(),
            payload: "{}".into(),
            ..Invocation::default()
        };
        c.sandbox.invoke(&function, invocation, &host).await.unwrap();
    };
    bare().await;
    let bare = median(bare).await;
    eprintln!("warm invocation: {with:?}, of the sandbox alone: {bare:?}");
    // Generous: machines that run tests are busy.
    assert!(with < bare + Duration::from_millis(20), "{with:?} {bare:?}");
}
