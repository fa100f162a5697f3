//! The command line's side of the control routes.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use futures::TryStreamExt;
use futures::stream::BoxStream;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::{Request, Response};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client as Http;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::RootCertStore;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
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
    #[arg(long, env = "UNDERCAST_TOKEN", hide_env_values = true, global = true)]
    pub(crate) token: Option<String>,
    /// Certificates to trust (a cloud in secure mode has them in `authority/ca.pem` in its data folder).
    #[arg(long, env = "AWS_CA_BUNDLE", global = true)]
    pub(crate) ca_bundle: Option<std::path::PathBuf>,
    /// Print JSON.
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

type Outgoing = UnsyncBoxBody<Bytes, std::io::Error>;

fn whole(body: impl Into<Bytes>) -> Outgoing {
    Full::new(body.into()).map_err(|never| match never {}).boxed_unsync()
}

pub(crate) struct Client {
    http: Http<HttpsConnector<HttpConnector>, Outgoing>,
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

fn broken(message: String) -> Refused {
    Refused { code: "Unreachable".to_owned(), message }
}

fn roots(bundle: Option<&Path>) -> Result<RootCertStore, Failure> {
    let mut roots = RootCertStore::empty();
    let Some(bundle) = bundle else { return Ok(roots) };
    let failed = |error: String| format!("{}: {error}", bundle.display());
    let pem = CertificateDer::pem_file_iter(bundle).map_err(|e| failed(e.to_string()))?;
    for certificate in pem {
        let certificate = certificate.map_err(|e| failed(e.to_string()))?;
        roots.add(certificate).map_err(|e| failed(e.to_string()))?;
    }
    Ok(roots)
}

/// Text as a part of a query string.
pub(crate) fn quoted(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
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
    pub(crate) fn new(target: &Target) -> Result<Self, Failure> {
        let roots = roots(target.ca_bundle.as_deref())?;
        let tls = rustls::ClientConfig::builder().with_root_certificates(roots);
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls.with_no_client_auth())
            .https_or_http()
            .enable_http1()
            .build();
        let http = Http::builder(TokioExecutor::new()).build(connector);
        Ok(Self { http, target: target.clone() })
    }

    /// Asks a control route; the answer is what it said if it did not refuse.
    async fn ask(
        &self,
        method: &str,
        path: &str,
        body: Outgoing,
    ) -> Result<Response<Incoming>, Refused> {
        let endpoint = self.endpoint();
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{endpoint}{path}"))
            .header("content-type", "application/json");
        if let Some(token) = &self.target.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let request = request.body(body).map_err(|e| broken(e.to_string()))?;
        let response = self.http.request(request).await.map_err(|error| {
            let why = std::error::Error::source(&error).map(ToString::to_string);
            let why = why.unwrap_or_else(|| error.to_string());
            broken(format!("no cloud answers at {endpoint} ({why}); start one with `undercast up`"))
        })?;
        if response.status().is_success() {
            return Ok(response);
        }
        let value = self.read(response).await?;
        let part =
            |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        Err(Refused { code: part("code"), message: part("message") })
    }

    async fn read(&self, response: Response<Incoming>) -> Result<Value, Refused> {
        let body = response.into_body().collect().await.map_err(|e| broken(e.to_string()))?;
        serde_json::from_slice(&body.to_bytes())
            .map_err(|_| broken(format!("{} is not an Undercast", self.endpoint())))
    }

    async fn send(&self, method: &str, path: &str, body: String) -> Result<Value, Refused> {
        let response = self.ask(method, path, whole(body)).await?;
        self.read(response).await
    }

    /// The answer of a control route as it comes.
    pub(crate) async fn stream(
        &self,
        path: &str,
    ) -> Result<BoxStream<'static, Result<Bytes, Failure>>, Refused> {
        let body = self.ask("GET", path, whole("")).await?.into_body();
        Ok(Box::pin(body.into_data_stream().map_err(|error| error.to_string())))
    }

    /// Sends a stream to a control route.
    pub(crate) async fn upload(
        &self,
        path: &str,
        content: BoxStream<'static, std::io::Result<Bytes>>,
    ) -> Result<Value, Refused> {
        let body = StreamBody::new(content.map_ok(Frame::data));
        let response = self.ask("POST", path, BodyExt::boxed_unsync(body)).await?;
        self.read(response).await
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
            .body(whole(bytes))
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

    pub(crate) async fn delete(&self, path: &str) -> Result<Value, Refused> {
        self.send("DELETE", path, String::new()).await
    }
}
