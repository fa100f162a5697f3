//! The Node.js runtime client.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use undercast_sandbox::{AnswerBody, Function, Invocation};

use crate::fixture::{self, Fixture, fixture};

fn node(f: &Fixture, code: &str) -> Arc<Function> {
    Arc::new(f.function("nodejs20.x", "index.handler", &[("index.js", code)]))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn async_handler_answers_and_stays_warm() {
    let f = fixture();
    let function = node(&f, "let n = 0; exports.handler = async (event) => ({ n: ++n, event });");
    assert_eq!(f.call(&function, r#"{"a":"é"}"#).await, json!({"n": 1, "event": {"a": "é"}}));
    for n in 2..20 {
        assert_eq!(f.call(&function, "{}").await["n"], n);
    }
    assert_eq!(f.sandbox.instances().len(), 1);
    let logs = f.logs();
    assert!(logs.contains("INIT_START Runtime Version: nodejs:20."), "{logs}");
    assert_eq!(logs.matches("Init Duration").count(), 1);
    assert_eq!(logs.matches("\nEND RequestId: ").count(), 19);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_form_of_handler_works() {
    let f = fixture();
    let callback = node(&f, "exports.handler = (e, c, cb) => cb(null, 'cb');");
    assert_eq!(f.call(&callback, "{}").await, "cb");
    let waits = node(
        &f,
        "exports.handler = (e, c, cb) => { let o = {v: 1}; setTimeout(() => { o.v = 2; }, 30); cb(null, o); };",
    );
    assert_eq!(f.call(&waits, "{}").await, json!({"v": 2}));
    assert_eq!(f.call(&waits, "{}").await, json!({"v": 2}));
    let does_not = node(
        &f,
        "exports.handler = (e, c, cb) => { c.callbackWaitsForEmptyEventLoop = false; let o = {v: 1}; setTimeout(() => { o.v = 2; }, 30); cb(null, o); };",
    );
    assert_eq!(f.call(&does_not, "{}").await, json!({"v": 1}));
    let promise = node(&f, "exports.handler = () => Promise.resolve([1]);");
    assert_eq!(f.call(&promise, "{}").await, json!([1]));
    let nothing = node(&f, "exports.handler = () => {};");
    assert_eq!(f.call(&nothing, "{}").await, json!(null));
    let never = node(&f, "exports.handler = () => new Promise(() => {});");
    assert_eq!(f.call(&never, "{}").await, json!(null));
    let module = Arc::new(f.function(
        "nodejs22.x",
        "src/app.run",
        &[("src/app.mjs", "export const run = async () => 'esm';")],
    ));
    assert_eq!(f.call(&module, "{}").await, "esm");
    let typed = Arc::new(f.function(
        "nodejs18.x",
        "index.a.b",
        &[
            ("index.js", "export const a = { b: async () => 'nested' };"),
            ("package.json", r#"{"type":"module"}"#),
        ],
    ));
    assert_eq!(f.call(&typed, "{}").await, "nested");
    let done = node(&f, "exports.handler = (e, c) => { c.succeed('old'); };");
    assert_eq!(f.call(&done, "{}").await, "old");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn context_and_environment_are_whole() {
    let f = fixture();
    let mut function = f.function("nodejs20.x", "index.handler", &[(
        "index.js",
        "exports.handler = async (e, c) => ({ ...c, left: c.getRemainingTimeInMillis(), env: process.env, cwd: process.cwd() });",
    )]);
    function.environment =
        vec![("COLOR".into(), "blue".into()), ("AWS_REGION".into(), "moon".into())];
    let function = Arc::new(function);
    let invocation = Invocation {
        client_context: Some(r#"{"custom":{"a":"ü"}}"#.into()),
        cognito_identity: Some(r#"{"cognitoIdentityId":"x"}"#.into()),
        trace_id: Some("Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1".into()),
        ..fixture::invocation(&function)
    };
    let id = invocation.request_id.clone();
    let answer = f.invoke_as(&function, invocation).await.unwrap();
    let value = fixture::json(&answer);
    assert_eq!(value["awsRequestId"], id);
    assert_eq!(value["functionName"], function.name);
    assert_eq!(value["memoryLimitInMB"], "256");
    assert_eq!(value["invokedFunctionArn"], function.arn);
    assert_eq!(value["clientContext"]["custom"]["a"], "ü");
    assert_eq!(value["identity"]["cognitoIdentityId"], "x");
    assert_eq!(value["logStreamName"], answer.log_stream);
    let left = value["left"].as_f64().unwrap();
    assert!(left > 15_000.0 && left <= 20_000.0, "{left}");
    let env = &value["env"];
    for (name, expected) in [
        ("COLOR", "blue"),
        ("AWS_REGION", "eu-west-1"),
        ("_HANDLER", "index.handler"),
        ("TZ", ":UTC"),
        ("AWS_ACCESS_KEY_ID", "AKID"),
        ("AWS_SESSION_TOKEN", "TOKEN"),
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:4566"),
        ("AWS_EXECUTION_ENV", "AWS_Lambda_nodejs20.x"),
        ("LAMBDA_TASK_ROOT", "/var/task"),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
        ("_X_AMZN_TRACE_ID", "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1"),
    ] {
        assert_eq!(env[name], expected, "{name}");
    }
    assert_eq!(value["cwd"], "/var/task");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn console_is_in_the_format_of_aws() {
    let f = fixture();
    let code = "exports.handler = async () => { console.log('hello %s', 'you'); console.error('two\\nlines'); process.stdout.write('raw'); };";
    let function = node(&f, code);
    let answer = f.invoke(&function, "{}").await;
    let tail = answer.log_tail.unwrap();
    let lines: Vec<&str> = tail.lines().collect();
    assert!(lines[0].starts_with("START RequestId: "), "{tail}");
    let fields: Vec<&str> = lines[1].split('\t').collect();
    assert_eq!((fields[1].len(), fields[2], fields[3]), (32, "INFO", "hello you"));
    assert!(tail.contains("\tERROR\ttwo\nlines\n"), "{tail}");
    assert!(tail.contains("\nraw\nEND RequestId: "), "{tail}");
    assert!(lines.last().unwrap().starts_with("REPORT RequestId: "));
    // Several lines of one message are one event.
    assert!(f.log.lines.lock().unwrap().iter().any(|(_, text)| text.ends_with("two\nlines\n")));

    let mut json_function = f.function(
        "nodejs20.x",
        "index.handler",
        &[(
            "index.js",
            "exports.handler = async () => { console.log('hi'); console.debug('no'); };",
        )],
    );
    json_function.json_logs = true;
    json_function.application_log_level = Some("INFO".into());
    let answer = f.invoke(&Arc::new(json_function), "{}").await;
    let events: Vec<serde_json::Value> =
        answer.log_tail.unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(events[0]["type"], "platform.start");
    assert_eq!((&events[1]["level"], &events[1]["message"]), (&json!("INFO"), &json!("hi")));
    assert_eq!(events[2]["type"], "platform.report");
    assert_eq!(events[2]["record"]["status"], "success");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn errors_have_the_payload_of_aws() {
    let f = fixture();
    let thrown = node(
        &f,
        "class Odd extends Error { constructor(m) { super(m); this.name = 'Odd'; } }\nexports.handler = async () => { throw new Odd('no'); };",
    );
    let error = f.fail(&thrown, "{}").await;
    assert_eq!((&error["errorType"], &error["errorMessage"]), (&json!("Odd"), &json!("no")));
    assert!(error["trace"][1].as_str().unwrap().contains("/var/task/index.js:2"), "{error}");
    // The process lives on.
    f.fail(&thrown, "{}").await;
    assert_eq!(f.sandbox.instances().len(), 1);

    let string = node(&f, "exports.handler = (e, c, cb) => cb('plain');");
    assert_eq!(
        f.fail(&string, "{}").await,
        json!({"errorType": "string", "errorMessage": "plain", "trace": []})
    );

    let rejection = node(
        &f,
        "exports.handler = async () => { Promise.reject(new Error('lost')); await new Promise(r => setTimeout(r, 1000)); };",
    );
    let error = f.fail(&rejection, "{}").await;
    assert_eq!(error["errorType"], "Runtime.UnhandledPromiseRejection");
    assert_eq!(error["errorMessage"], "Error: lost");

    let uncaught = node(
        &f,
        "exports.handler = (e, c, cb) => { setTimeout(() => { throw new Error('late'); }, 5); };",
    );
    assert_eq!(f.fail(&uncaught, "{}").await["errorMessage"], "late");
    assert_eq!(f.fail(&uncaught, "{}").await["errorMessage"], "late");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn load_errors_have_the_names_of_aws() {
    let f = fixture();
    let missing = Arc::new(f.function("nodejs20.x", "gone.handler", &[("index.js", "")]));
    let error = f.fail(&missing, "{}").await;
    assert_eq!(error["errorType"], "Runtime.ImportModuleError");
    assert!(
        error["errorMessage"].as_str().unwrap().starts_with("Error: Cannot find module 'gone'"),
        "{error}"
    );
    let dependency = node(&f, "require('not-there');");
    let error = f.fail(&dependency, "{}").await;
    assert!(
        error["errorMessage"]
            .as_str()
            .unwrap()
            .starts_with("Error: Cannot find module 'not-there'"),
        "{error}"
    );
    let no_export = node(&f, "exports.other = 1;");
    let error = f.fail(&no_export, "{}").await;
    assert_eq!(error["errorType"], "Runtime.HandlerNotFound");
    assert_eq!(error["errorMessage"], "index.handler is undefined or not exported");
    let syntax = node(&f, "exports.handler = async () => {");
    let error = f.fail(&syntax, "{}").await;
    assert_eq!(error["errorType"], "Runtime.UserCodeSyntaxError");
    assert!(error["errorMessage"].as_str().unwrap().starts_with("SyntaxError: "), "{error}");
    let throws = node(&f, "throw new TypeError('at load');");
    let error = f.fail(&throws, "{}").await;
    assert_eq!(
        (&error["errorType"], &error["errorMessage"]),
        (&json!("TypeError"), &json!("at load"))
    );
    // Tried twice for each invocation, as AWS does.
    assert_eq!(f.logs().matches("INIT_REPORT Init Duration").count(), 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_arrive_chunk_by_chunk() {
    let f = fixture();
    let code = r"
        exports.handler = awslambda.streamifyResponse(async (event, stream, context) => {
            stream = awslambda.HttpResponseStream.from(stream, { statusCode: 201, headers: { a: 'b' } });
            stream.write('one');
            await new Promise(r => setTimeout(r, 300));
            if (event.fail) throw new RangeError('broken');
            stream.write('two');
            stream.end();
        });";
    let function = node(&f, code);
    for _ in 0..2 {
        let answer = f.invoke(&function, "{}").await;
        let AnswerBody::Stream(mut stream) = answer.payload else { panic!("not a stream") };
        assert_eq!(
            stream.content_type.as_deref(),
            Some("application/vnd.awslambda.http-integration-response")
        );
        let mut head = Vec::new();
        while !head.ends_with(b"one") {
            head.extend_from_slice(&stream.chunk().await.unwrap());
        }
        assert_eq!(head, b"{\"statusCode\":201,\"headers\":{\"a\":\"b\"}}\0\0\0\0\0\0\0\0one");
        let since = Instant::now();
        let mut rest = Vec::new();
        while let Some(chunk) = stream.chunk().await {
            rest.extend_from_slice(&chunk);
        }
        assert!(since.elapsed() > Duration::from_millis(150));
        assert_eq!(rest, b"two");
        let end = stream.end().await;
        assert!(end.error.is_none() && end.duration_ms > 250.0, "{end:?}");
    }
    let answer = f.invoke(&function, r#"{"fail":true}"#).await;
    let error = answer.payload.collect(1024).await.unwrap_err();
    assert_eq!(error.kind, "RangeError");
    let payload: serde_json::Value = serde_json::from_slice(&error.payload).unwrap();
    assert_eq!(payload["errorMessage"], "broken");
    assert_eq!(f.sandbox.instances().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn payloads_are_bounded() {
    let f = fixture();
    let function = node(&f, "exports.handler = async (e) => 'x'.repeat(e.n);");
    let answer = f.invoke(&function, r#"{"n":6000000}"#).await;
    assert_eq!(fixture::bytes(&answer).len(), 6_000_002);
    let error = f.fail(&function, r#"{"n":6300000}"#).await;
    assert_eq!(error["errorType"], "Function.ResponseSizeTooLarge");
    assert_eq!(f.call(&function, r#"{"n":1}"#).await, "x");
    let big = format!(r#"{{"n":2,"pad":"{}"}}"#, "p".repeat(5_900_000));
    assert_eq!(f.call(&function, &big).await, "xx");
}
