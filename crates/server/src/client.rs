//! The command line's side of the control routes.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper_util::client::legacy::Client as Http;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};

use crate::terminal::Failure;

/// Where a running cloud is, for every command but `up`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Target {
    /// Address of the running cloud.
    #[arg(long, env = "AWS_ENDPOINT_URL", default_value = "http://127.0.0.1:4566", global = true)]
    pub(crate) endpoint: String,
    /// Account to act in.
    #[arg(long, default_value = "000000000000")]
    pub(crate) account: String,
    /// Region to act in.
    #[arg(long, env = "AWS_REGION", default_value = "us-east-1")]
    pub(crate) region: String,
    /// Token of a cloud in secure mode (the file `control-token` in its data folder).
    #[arg(long, env = "UNDERCAST_TOKEN", hide_env_values = true)]
    pub(crate) token: Option<String>,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

pub(crate) struct Client {
    http: Http<HttpConnector, Full<Bytes>>,
    target: Target,
}

/// An error that the cloud answered.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) code: String,
    pub(crate) message: String,
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        format!("{}: {}", refused.code, refused.message)
    }
}

/// Runs a command's future on a small runtime of its own.
pub(crate) fn block_on<T>(future: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|e| e.to_string())?.block_on(future)
}

/// Waits between two looks at something that changes. The command line has no clock but the system's.
#[expect(clippy::disallowed_methods, reason = "a command-line tool waits in real time")]
pub(crate) async fn pause(time: Duration) {
    tokio::time::sleep(time).await;
}

impl Client {
    pub(crate) fn new(target: &Target) -> Self {
        Self { http: Http::builder(TokioExecutor::new()).build_http(), target: target.clone() }
    }

    async fn send(&self, method: &str, path: &str, body: String) -> Result<Value, Refused> {
        let broken = |message: String| Refused { code: "Unreachable".to_owned(), message };
        let endpoint = self.endpoint();
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{endpoint}{path}"))
            .header("content-type", "application/json");
        if let Some(token) = &self.target.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let request =
            request.body(Full::new(Bytes::from(body))).map_err(|e| broken(e.to_string()))?;
        let response = self.http.request(request).await.map_err(|_| {
            broken(format!("no cloud answers at {endpoint}; start one with `undercast up`"))
        })?;
        let status = response.status();
        let body = response.into_body().collect().await.map_err(|e| broken(e.to_string()))?;
        let value: Value = serde_json::from_slice(&body.to_bytes())
            .map_err(|_| broken(format!("{endpoint} is not an Undercast")))?;
        if status.is_success() {
            return Ok(value);
        }
        let part =
            |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        Err(Refused { code: part("code"), message: part("message") })
    }

    pub(crate) fn endpoint(&self) -> &str {
        self.target.endpoint.trim_end_matches('/')
    }

    /// Where local code is put before it is deployed.
    pub(crate) fn deployment_bucket(&self) -> String {
        format!("undercast-deploy-{}-{}", self.target.account, self.target.region)
    }

    /// Puts an object, unsigned: in secure mode this is refused, and tools that sign are the way.
    pub(crate) async fn put_object(
        &self,
        bucket: &str,
        key: &str,
        bytes: Vec<u8>,
    ) -> Result<(), Failure> {
        let credential =
            format!("{}/20260101/{}/s3/aws4_request", self.target.account, self.target.region);
        let request = Request::builder()
            .method("PUT")
            .uri(format!("{}/{bucket}/{key}", self.endpoint()))
            .header(
                "authorization",
                format!(
                    "AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders=host, Signature=0"
                ),
            )
            .body(Full::new(Bytes::from(bytes)))
            .map_err(|e| e.to_string())?;
        let response = self.http.request(request).await.map_err(|e| e.to_string())?;
        let status = response.status();
        if status.is_success() {
            return Ok(());
        }
        let body = response.into_body().collect().await.map_err(|e| e.to_string())?;
        let text = String::from_utf8_lossy(&body.to_bytes()).into_owned();
        Err(format!("the upload of {key} was answered with {status}: {text}"))
    }

    /// Calls an operation.
    pub(crate) async fn call(
        &self,
        service: &str,
        operation: &str,
        input: Value,
    ) -> Result<Value, Refused> {
        let body = json!({
            "service": service, "operation": operation, "input": input,
            "account": self.target.account, "region": self.target.region,
        });
        self.send("POST", "/_undercast/control/call", body.to_string()).await
    }

    pub(crate) async fn get(&self, path: &str) -> Result<Value, Refused> {
        self.send("GET", path, String::new()).await
    }

    pub(crate) async fn post(&self, path: &str) -> Result<Value, Refused> {
        self.send("POST", path, String::new()).await
    }
}
