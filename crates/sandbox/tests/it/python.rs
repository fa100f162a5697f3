//! The Python runtime client.

use std::sync::Arc;

use serde_json::json;
use undercast_sandbox::{Function, Invocation};

use crate::fixture::{self, Fixture, fixture};

fn python(f: &Fixture, code: &str) -> Arc<Function> {
    Arc::new(f.function("python3.12", "pkg/app.handler", &[("pkg/app.py", code)]))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn handler_answers_and_stays_warm() {
    let f = fixture();
    let function = python(
        &f,
        "import sys\nn = 0\ndef handler(event, context):\n    global n\n    n += 1\n    return {'n': n, 'event': event, 'v': sys.version_info[1]}\n",
    );
    let first = f.call(&function, r#"{"a":"é"}"#).await;
    assert_eq!((&first["n"], &first["event"]), (&json!(1), &json!({"a": "é"})));
    for n in 2..10 {
        assert_eq!(f.call(&function, "{}").await["n"], n);
    }
    assert_eq!(f.sandbox.instances().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn context_is_whole() {
    let f = fixture();
    let function = python(
        &f,
        "def handler(event, c):\n    return [c.aws_request_id, c.function_name, c.function_version, c.memory_limit_in_mb, c.invoked_function_arn, c.log_group_name, c.log_stream_name, c.identity.cognito_identity_id, c.client_context.custom, c.get_remaining_time_in_millis()]\n",
    );
    let invocation = Invocation {
        client_context: Some(r#"{"custom":{"a":1}}"#.into()),
        cognito_identity: Some(r#"{"cognitoIdentityId":"x"}"#.into()),
        ..fixture::invocation(&function)
    };
    let id = invocation.request_id.clone();
    let answer = f.invoke_as(&function, invocation).await.unwrap();
    let value = fixture::json(&answer);
    let expected = json!([
        id, function.name, "$LATEST", "256", function.arn, function.log_group, answer.log_stream, "x", {"a": 1}
    ]);
    assert_eq!(value.as_array().unwrap()[..9], expected.as_array().unwrap()[..]);
    assert!(value[9].as_u64().unwrap() > 15_000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logs_are_in_the_format_of_aws() {
    let f = fixture();
    let code = "import logging\nlogger = logging.getLogger()\nlogger.setLevel('INFO')\ndef handler(e, c):\n    print('printed')\n    logger.info('two\\nlines %s', 1)\n    logger.debug('no')\n";
    let answer = f.invoke(&python(&f, code), "{}").await;
    let tail = answer.log_tail.unwrap();
    let lines: Vec<&str> = tail.lines().collect();
    assert_eq!(lines[1], "printed");
    let fields: Vec<&str> = lines[2].split('\t').collect();
    assert_eq!((fields[0], fields[2].len(), fields[3]), ("[INFO]", 32, "two"));
    assert!(fields[1].ends_with('Z') && fields[1].len() == 24, "{tail}");
    assert_eq!(lines[3], "lines 1");
    assert!(!tail.contains("no\n"), "{tail}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn errors_have_the_payload_of_aws() {
    let f = fixture();
    let raises = python(&f, "def handler(e, c):\n    raise ValueError('no')\n");
    let error = f.fail(&raises, "{}").await;
    assert_eq!((&error["errorType"], &error["errorMessage"]), (&json!("ValueError"), &json!("no")));
    assert_eq!(error["requestId"].as_str().unwrap().len(), 32);
    assert_eq!(
        error["stackTrace"][0],
        "  File \"/var/task/pkg/app.py\", line 2, in handler\n    raise ValueError('no')\n"
    );
    f.logged("[ERROR] ValueError: no\nTraceback (most recent call last):\n").await;
    let unserializable = python(&f, "def handler(e, c):\n    return object()\n");
    assert_eq!(f.fail(&unserializable, "{}").await["errorType"], "Runtime.MarshalError");
    assert_eq!(f.sandbox.instances().len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn load_errors_have_the_names_of_aws() {
    let f = fixture();
    let missing = Arc::new(f.function("python3.11", "gone.handler", &[("app.py", "")]));
    let error = f.fail(&missing, "{}").await;
    assert_eq!(error["errorType"], "Runtime.ImportModuleError");
    assert_eq!(error["errorMessage"], "Unable to import module 'gone': No module named 'gone'");
    assert_eq!((&error["requestId"], &error["stackTrace"]), (&json!(""), &json!([])));
    let no_handler = python(&f, "x = 1\n");
    let error = f.fail(&no_handler, "{}").await;
    assert_eq!(error["errorType"], "Runtime.HandlerNotFound");
    assert_eq!(error["errorMessage"], "Handler 'handler' missing on module 'pkg/app'");
    let syntax = python(&f, "def handler(:\n");
    let error = f.fail(&syntax, "{}").await;
    assert_eq!(error["errorType"], "Runtime.UserCodeSyntaxError");
    assert!(
        error["errorMessage"].as_str().unwrap().starts_with("Syntax error in module 'pkg/app': "),
        "{error}"
    );
    let bad = Arc::new(f.function("python3.12", "nodot", &[("app.py", "")]));
    assert_eq!(f.fail(&bad, "{}").await["errorType"], "Runtime.MalformedHandlerName");
    let raises = python(&f, "raise Exception('at load')\n");
    let error = f.fail(&raises, "{}").await;
    assert_eq!((&error["errorType"], &error["requestId"]), (&json!("Exception"), &json!("")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_exact_version_is_preferred() {
    let f = fixture();
    let code = "import sys\ndef handler(e, c):\n    return '%d.%d' % sys.version_info[:2]\n";
    for version in ["3.10", "3.13"] {
        let function = f.function(&format!("python{version}"), "app.handler", &[("app.py", code)]);
        if f.sandbox.runtime_available(&function.runtime).await.is_err() {
            continue;
        }
        let found = f.call(&Arc::new(function), "{}").await;
        if found != version {
            eprintln!("python {version} is not installed: ran on {found}");
        }
    }
}
