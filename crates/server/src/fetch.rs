//! Calls to hosts outside: the one HTTP client of the cloud itself.

use std::sync::OnceLock;
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use undercast_kernel::Fetch;
use undercast_kernel::http::{Request, Response};

const BODY_BYTES_MAX: u64 = 10 << 20;
const IDLE: Duration = Duration::from_secs(30);
/// What belongs to one connection, or is made anew.
const HOP_HEADERS: [&str; 9] = [
    "connection",
    "keep-alive",
    "transfer-encoding",
    "upgrade",
    "te",
    "trailer",
    "proxy-authorization",
    "content-length",
    "host",
];

type Https = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// The certificates of the system are read when the first call is made.
#[derive(Default)]
pub(crate) struct Outward {
    client: OnceLock<Result<Https, String>>,
}

impl Outward {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    fn client(&self) -> Result<Https, String> {
        let made = self.client.get_or_init(|| {
            let connector = HttpsConnectorBuilder::new()
                .with_native_roots()
                .map_err(|e| format!("the system has no certificates: {e}"))?
                .https_or_http()
                .enable_http1()
                .build();
            Ok(Client::builder(TokioExecutor::new()).pool_idle_timeout(IDLE).build(connector))
        });
        made.clone()
    }
}

impl Fetch for Outward {
    fn fetch(&self, url: String, request: Request) -> BoxFuture<'static, Result<Response, String>> {
        let client = self.client();
        async move { fetch(client?, &url, request).await }.boxed()
    }
}

async fn fetch(client: Https, url: &str, request: Request) -> Result<Response, String> {
    let body = request.body.collect(BODY_BYTES_MAX).await.map_err(|e| e.to_string())?;
    let mut builder = http::Request::builder().method(request.method.as_str()).uri(url);
    for (name, value) in &request.headers {
        if !HOP_HEADERS.contains(&name.as_str()) {
            builder = builder.header(name, value);
        }
    }
    let outgoing = builder.body(Full::new(body)).map_err(|e| e.to_string())?;
    let answer = client.request(outgoing).await.map_err(|e| reason(&e))?;
    let mut response = Response::new(answer.status().as_u16());
    for (name, value) in answer.headers() {
        if !HOP_HEADERS.contains(&name.as_str()) {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            response = response.header(name.as_str(), value);
        }
    }
    let limit = usize::try_from(BODY_BYTES_MAX).unwrap_or(usize::MAX);
    let body = Limited::new(answer.into_body(), limit).collect().await;
    Ok(response.body(body.map_err(|e| e.to_string())?.to_bytes()))
}

/// The innermost cause says the most.
fn reason(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}
