//! Bootstraps: any executable that speaks the Runtime API.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::json;

use crate::fixture::{fixture, fixture_with};

/// A bootstrap in shell, with one connection for each call.
const ECHO: &str = r#"#!/bin/bash
API="http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime"
while true; do
  EVENT=$(curl -sS -D /tmp/headers "$API/invocation/next") || exit 1
  ID=$(grep -i lambda-runtime-aws-request-id /tmp/headers | tr -d '\r' | cut -d' ' -f2)
  echo "in shell"
  case "$EVENT" in
    *exit7*) exit 7 ;;
    *kill*) kill -9 $$ ;;
    *wrong*) curl -s -o /tmp/out -w '%{http_code}' "$API/invocation/nobody/response" -d x > /tmp/code
      EVENT="{\"code\":$(cat /tmp/code),\"out\":$(cat /tmp/out)}" ;;
    *twice*) curl -s "$API/invocation/$ID/response" -d '1' > /dev/null
      CODE=$(curl -s -o /dev/null -w '%{http_code}' "$API/invocation/$ID/response" -d '2')
      echo "second: $CODE"; continue ;;
    *oops*) curl -s "$API/invocation/$ID/error" -H 'Lambda-Runtime-Function-Error-Type: Custom' -d '{"errorType":"Custom","errorMessage":"m"}' > /dev/null; continue ;;
  esac
  curl -sS "$API/invocation/$ID/response" -d "$EVENT" > /dev/null
done
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bootstrap_in_shell_works() {
    let f = fixture();
    let function = Arc::new(f.function("provided.al2023", "x", &[("bootstrap", ECHO)]));
    assert_eq!(f.call(&function, r#"{"a":1}"#).await, json!({"a": 1}));
    let big = format!(r#"{{"pad":"{}"}}"#, "p".repeat(60_000));
    assert_eq!(f.call(&function, &big).await["pad"].as_str().unwrap().len(), 60_000);
    let wrong = f.call(&function, r#""wrong""#).await;
    assert_eq!(
        (&wrong["code"], &wrong["out"]["errorType"]),
        (&json!(400), &json!("InvalidRequestID"))
    );
    assert_eq!(f.call(&function, r#""twice""#).await, json!(1));
    f.call(&function, "{}").await;
    f.logged("second: 403").await;
    assert_eq!(f.fail(&function, r#""oops""#).await["errorType"], "Custom");
    assert!(f.logs().contains("in shell\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exits_are_answered_and_replaced() {
    let f = fixture();
    let function = Arc::new(f.function("provided.al2023", "x", &[("bootstrap", ECHO)]));
    let error = f.fail(&function, r#""exit7""#).await;
    assert_eq!(error["errorType"], "Runtime.ExitError");
    let message = error["errorMessage"].as_str().unwrap();
    assert!(
        message.starts_with("RequestId: ")
            && message.ends_with(" Error: Runtime exited with error: exit status 7")
    );
    let error = f.fail(&function, r#""kill""#).await;
    assert!(error["errorMessage"].as_str().unwrap().ends_with("signal: killed"), "{error}");
    assert_eq!(f.call(&function, "1").await, 1);
    let logs = f.logged("Status: error\tError Type: Runtime.ExitError\n").await;
    assert!(
        logs.contains(" Error: Runtime exited with error: exit status 7\nRuntime.ExitError\n"),
        "{logs}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bootstrap_that_is_missing_or_broken_is_an_init_error() {
    let f = fixture();
    let missing = Arc::new(f.function("provided.al2", "x", &[("readme", "")]));
    let error = f.fail(&missing, "{}").await;
    assert_eq!(error["errorType"], "Runtime.InvalidEntrypoint");
    let message = error["errorMessage"].as_str().unwrap();
    assert!(
        message.ends_with("Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]"),
        "{message}"
    );
    let exits = Arc::new(f.function("provided.al2", "x", &[("bootstrap", "#!/bin/sh\nexit 3\n")]));
    let error = f.fail(&exits, "{}").await;
    assert!(error["errorMessage"].as_str().unwrap().ends_with("exit status 3"), "{error}");
    let mut wrapped = f.function(
        "nodejs20.x",
        "index.handler",
        &[("index.js", "exports.handler = async () => 1;")],
    );
    wrapped.environment = vec![("AWS_LAMBDA_EXEC_WRAPPER".into(), "/var/task/none".into())];
    assert_eq!(f.fail(&Arc::new(wrapped), "{}").await["errorType"], "Runtime.InvalidEntrypoint");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn layers_are_laid_over_one_another() {
    let f = fixture();
    let code = "const fs = require('fs'); exports.handler = async () => [require('dep'), fs.readFileSync('/opt/two', 'utf8'), fs.readdirSync('/opt')];";
    let mut function = f.function("nodejs20.x", "index.handler", &[("index.js", code)]);
    let first = f.function(
        "x",
        "x",
        &[("nodejs/node_modules/dep/index.js", "module.exports = 'dep 1';"), ("two", "1")],
    );
    let second = f.function("x", "x", &[("two", "2"), ("three", "3")]);
    function.layers = vec![first.code.clone()];
    assert_eq!(
        f.call(&Arc::new(function.clone()), "{}").await,
        json!(["dep 1", "1", ["nodejs", "two"]])
    );
    function.key.push('b');
    function.layers.push(second.code);
    assert_eq!(
        f.call(&Arc::new(function), "{}").await,
        json!(["dep 1", "2", ["nodejs", "three", "two"]])
    );
}

/// Where `make test` has installed AWS's client for Python, or what `UNDERCAST_TEST_RIC` says: the
/// `site-packages` of a python3.11.
fn packages_of_aws() -> Option<PathBuf> {
    let given = std::env::var_os("UNDERCAST_TEST_RIC").map(PathBuf::from);
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let packages = given.unwrap_or_else(|| root.join(".venv/lib/python3.11/site-packages"));
    packages.join("awslambdaric").is_dir().then(|| packages.canonicalize().unwrap())
}

/// AWS's own client for Python in place of ours. The end-to-end tests have it as a `provided` bootstrap.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_client_of_aws_works_as_a_bootstrap() {
    let Some(packages) = packages_of_aws() else {
        eprintln!("skipped: awslambdaric for python3.11 is not in .venv");
        return;
    };
    let f = fixture_with(|options| options.runtime_libs.python = Some(packages));
    let wrapper = "#!/bin/sh\nexport PYTHONPATH=$UNDERCAST_PYTHON_LIBS\nexec $1 -m awslambdaric app.handler\n";
    let app = "def handler(e, c):\n    print('ric')\n    if e.get('fail'):\n        raise KeyError('x')\n    return {'id': c.aws_request_id, 'e': e}\n";
    let mut function =
        f.function("python3.11", "app.handler", &[("wrap.sh", wrapper), ("app.py", app)]);
    function.environment = vec![("AWS_LAMBDA_EXEC_WRAPPER".into(), "/var/task/wrap.sh".into())];
    let function = Arc::new(function);
    for _ in 0..3 {
        assert_eq!(f.call(&function, r#"{"x":1}"#).await["e"], json!({"x": 1}));
    }
    assert_eq!(f.fail(&function, r#"{"fail":1}"#).await["errorType"], "KeyError");
    f.logged("ric\n").await;
    assert_eq!(f.sandbox.instances().len(), 1);
}
