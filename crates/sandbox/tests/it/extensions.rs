//! External extensions: processes beside the runtime.

use std::sync::Arc;
use std::time::Duration;

use crate::fixture::{Fixture, fixture};

/// Registers, writes down what it hears, and takes its time.
const WATCHER: &str = r#"#!/bin/bash
API="http://$AWS_LAMBDA_RUNTIME_API/2020-01-01/extension"
curl -sS -D /tmp/reg -o /tmp/regbody -X POST "$API/register" -H "Lambda-Extension-Name: watcher.sh" -d '{"events":["INVOKE","SHUTDOWN"]}'
ID=$(grep -i lambda-extension-identifier /tmp/reg | tr -d '\r' | cut -d' ' -f2)
echo "registered: $(cat /tmp/regbody)"
while true; do
  EVENT=$(curl -sS "$API/event/next" -H "Lambda-Extension-Identifier: $ID")
  echo "extension heard: $EVENT"
  case "$EVENT" in
    *SHUTDOWN*) echo "extension ends"; exit 0 ;;
    *crash*) exit 9 ;;
  esac
done
"#;

fn with_extension(f: &Fixture, script: &str) -> Arc<undercast_sandbox::Function> {
    let code =
        "const fs = require('fs'); exports.handler = async () => fs.existsSync('/tmp/regbody');";
    let mut function = f.function("nodejs20.x", "index.handler", &[("index.js", code)]);
    function.layers = vec![f.function("x", "x", &[("extensions/watcher.sh", script)]).code];
    Arc::new(function)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_extension_hears_of_invocations_and_of_the_end() {
    let f = fixture();
    let function = with_extension(&f, WATCHER);
    // It has registered before the runtime started.
    assert_eq!(f.call(&function, "{}").await, true);
    let registered = f.logged("registered: ").await;
    assert!(registered.contains(r#""functionVersion":"$LATEST""#), "{registered}");
    f.logged(r#"extension heard: {"eventType":"INVOKE""#).await;
    tokio::time::sleep(Duration::from_millis(150)).await;
    assert_eq!(f.call(&function, "{}").await, true);
    assert_eq!(f.sandbox.instances().len(), 1);
    f.sandbox.drain().await;
    let logs = f.logged("extension ends\n").await;
    assert!(logs.contains(r#""shutdownReason":"spindown""#), "{logs}");
    assert_eq!(logs.matches(r#""eventType":"INVOKE""#).count(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_extension_that_fails_ends_the_instance() {
    let f = fixture();
    let crashes = with_extension(&f, "#!/bin/sh\nexit 4\n");
    let error = f.fail(&crashes, "{}").await;
    assert_eq!(error["errorType"], "Extension.Crash");
    let reports = WATCHER.replace(
        "while true; do",
        "curl -sS -X POST $API/init/error -H \"Lambda-Extension-Identifier: $ID\" -H 'Lambda-Extension-Function-Error-Type: Ext.Bad' -d '{}'\nwhile true; do",
    );
    let error = f.fail(&with_extension(&f, &reports), "{}").await;
    assert_eq!(error["errorType"], "Extension.InitError");
    assert!(error["errorMessage"].as_str().unwrap().contains("Ext.Bad"));
}
