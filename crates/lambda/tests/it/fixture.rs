//! A small cloud: Lambda, SQS, Logs and IAM on a memory store, with real processes.

use std::io::{Cursor, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};
use tempfile::TempDir;
use undercast_kernel::{Context, Kernel, Principal, ServiceError, Settings};
use undercast_sandbox::{Endpoint, IsolationChoice, Sandbox};
use undercast_store::{Db, Env, Options, TaskRunner};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

pub const ROLE: &str = "arn:aws:iam::000000000000:role/worker";

pub struct Cloud {
    pub ctx: Context,
    pub kernel: Kernel,
    pub db: Db,
    pub sandbox: Sandbox,
    pub folder: PathBuf,
    tasks: Option<TaskRunner>,
    dir: Option<TempDir>,
}

/// The example of this crate that is nothing but the launcher.
fn launcher() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let target = test.parent().and_then(|deps| deps.parent()).unwrap();
    target.join("examples/lambda_launcher")
}

pub async fn cloud() -> Cloud {
    start(tempfile::tempdir().unwrap(), Options::memory()).await
}

/// A cloud whose store survives it.
pub async fn lasting(dir: TempDir) -> Cloud {
    let data = dir.path().join("data");
    start(dir, Options::dir(data)).await
}

async fn start(dir: TempDir, store: Options) -> Cloud {
    let endpoint = Endpoint::default();
    let mut options =
        undercast_sandbox::Options::new(dir.path().join("sandbox"), launcher(), endpoint);
    options.isolation = IsolationChoice::Process;
    let sandbox = Sandbox::new(options).unwrap();
    let db = Db::open(store, Env::system()).await.unwrap();
    let kernel = Kernel::new(db.clone(), Settings::default());
    let folder = dir.path().join("code");
    let mut services = undercast_iam::services(&kernel);
    services.push(undercast_sqs::service(&kernel));
    services.push(undercast_logs::service(&kernel));
    services.push(undercast_lambda::service(&kernel, sandbox.clone(), folder.clone()));
    kernel.install(services);
    for service in kernel.services() {
        if let Some(start) = &service.start {
            start(kernel.clone()).await.unwrap();
        }
    }
    let root = Principal::Root { account: "000000000000".into() };
    Cloud {
        ctx: kernel.context(root, "000000000000", "us-east-1"),
        tasks: Some(TaskRunner::start(db.clone(), kernel.task_kinds())),
        kernel,
        db,
        sandbox,
        folder,
        dir: Some(dir),
    }
}

pub fn zip(files: &[(&str, &str)]) -> String {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().unix_permissions(0o755);
    for (name, text) in files {
        zip.start_file(*name, options).unwrap();
        zip.write_all(text.as_bytes()).unwrap();
    }
    BASE64.encode(zip.finish().unwrap().into_inner())
}

impl Cloud {
    /// No event that waits is handled from now on.
    pub fn stop_tasks(&mut self) {
        self.tasks = None;
    }

    /// Ends without saying goodbye and starts again over the same folder.
    pub async fn again(mut self) -> Cloud {
        self.stop_tasks();
        self.sandbox.drain().await;
        self.db.close().await;
        let dir = self.dir.take().unwrap();
        drop(self);
        lasting(dir).await
    }

    pub async fn try_call(
        &self,
        service: &str,
        operation: &str,
        input: Value,
    ) -> Result<Value, ServiceError> {
        self.kernel.call(&self.ctx, service, operation, &input).await
    }

    pub async fn call(&self, service: &str, operation: &str, input: Value) -> Value {
        let result = self.try_call(service, operation, input).await;
        result.unwrap_or_else(|error| panic!("{operation}: {error}"))
    }

    pub async fn lambda(&self, operation: &str, input: Value) -> Value {
        self.call("lambda", operation, input).await
    }

    pub async fn fail(&self, operation: &str, input: Value) -> ServiceError {
        self.try_call("lambda", operation, input).await.unwrap_err()
    }

    /// A Node.js function whose module is this text.
    pub async fn function(&self, name: &str, source: &str, more: Value) -> Value {
        let mut input = json!({
            "FunctionName": name,
            "Runtime": "nodejs20.x",
            "Handler": "index.handler",
            "Role": ROLE,
            "Timeout": 10,
            "Code": {"ZipFile": zip(&[("index.js", source)])},
        });
        for (key, value) in more.as_object().unwrap() {
            input[key] = value.clone();
        }
        self.lambda("CreateFunction", input).await
    }

    /// The whole answer, with the payload as JSON.
    pub async fn invoke_with(&self, name: &str, payload: &Value, more: Value) -> Value {
        let mut input = json!({
            "FunctionName": name,
            "Payload": BASE64.encode(payload.to_string()),
        });
        for (key, value) in more.as_object().unwrap() {
            input[key] = value.clone();
        }
        let mut answer = self.lambda("Invoke", input).await;
        if let Some(payload) = answer.get("Payload").and_then(Value::as_str) {
            let bytes = BASE64.decode(payload).unwrap();
            answer["Payload"] = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        }
        answer
    }

    pub async fn invoke(&self, name: &str, payload: &Value) -> Value {
        let answer = self.invoke_with(name, payload, json!({})).await;
        assert!(answer.get("FunctionError").is_none(), "{answer}");
        answer["Payload"].clone()
    }

    /// URL and ARN of a new queue.
    pub async fn queue(&self, name: &str, attributes: Value) -> (String, String) {
        let input = json!({"QueueName": name, "Attributes": attributes});
        let made = self.call("sqs", "CreateQueue", input).await;
        let url = made["QueueUrl"].as_str().unwrap().to_owned();
        (url, format!("arn:aws:sqs:us-east-1:000000000000:{name}"))
    }

    /// The next message of a queue, deleted from it; waits for it.
    pub async fn message(&self, url: &str) -> Value {
        let input = json!({
            "QueueUrl": url,
            "WaitTimeSeconds": 10,
            "MessageAttributeNames": ["All"],
        });
        let got = self.call("sqs", "ReceiveMessage", input).await;
        let message = got["Messages"][0].clone();
        assert!(!message.is_null(), "no message in {url}");
        let input = json!({"QueueUrl": url, "ReceiptHandle": message["ReceiptHandle"]});
        self.call("sqs", "DeleteMessage", input).await;
        message
    }

    pub async fn send(&self, url: &str, body: &str) {
        let input = json!({"QueueUrl": url, "MessageBody": body});
        self.call("sqs", "SendMessage", input).await;
    }

    /// All log text of a function, once it holds `wanted`.
    pub async fn logged(&self, group: &str, wanted: &str) -> String {
        let input = json!({"logGroupName": group});
        let mut text = String::new();
        let since = Instant::now();
        while since.elapsed() < Duration::from_secs(5) {
            if let Ok(found) = self.try_call("logs", "FilterLogEvents", input.clone()).await {
                let events = found["events"].as_array().cloned().unwrap_or_default();
                text = events.iter().filter_map(|e| e["message"].as_str()).collect();
                if text.contains(wanted) {
                    return text;
                }
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{wanted:?} is not in {group}:\n{text}");
    }

    /// Waits until something holds.
    pub async fn until<F: Future<Output = bool>>(&self, what: &str, holds: impl Fn() -> F) {
        let since = Instant::now();
        while !holds().await {
            assert!(since.elapsed() < Duration::from_secs(8), "never: {what}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Drop for Cloud {
    fn drop(&mut self) {
        let sandbox = self.sandbox.clone();
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { sandbox.drain().await });
        }
    }
}
