//! Whole requests to every service, in open and in secure mode: routes, signatures, bodies, the readers
//! of all protocols, and the envelopes of their errors. Handlers do not run.
//!
//! An input is the text of an HTTP request; what is no request is made one.
#![no_main]

use std::net::SocketAddr;
use std::sync::OnceLock;

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{HeaderName, HeaderValue, Method, Uri};
use http_body_util::{BodyExt as _, Full};
use libfuzzer_sys::fuzz_target;
use tokio::runtime::Runtime;
use undercast_kernel::ports::Issued;
use undercast_kernel::{Credentials, Kernel, Mode, Principal, Secret, ServiceError, Settings};
use undercast_store::{Db, Env};
use undercast_wire::echo::Echo;
use undercast_wire::sigv4::{self, Found, Signed};
use undercast_wire::{Gateway, Options};

/// Everybody has the same secret.
struct Known;

impl Credentials for Known {
    fn lookup(
        &self,
        _: Kernel,
        _: String,
    ) -> BoxFuture<'static, Result<Option<Secret>, ServiceError>> {
        let principal = Principal::Root { account: "000000000000".to_owned() };
        let secret_key = "secret".to_owned();
        let secret = Secret { secret_key, session_token: None, expires_ms: None, principal };
        Box::pin(async { Ok(Some(secret)) })
    }

    fn assume(
        &self,
        _: Kernel,
        _: String,
        _: String,
    ) -> BoxFuture<'static, Result<Issued, ServiceError>> {
        Box::pin(async { Err(ServiceError::internal("not here")) })
    }
}

struct World {
    runtime: Runtime,
    gateways: [Gateway; 2],
}

fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let gateways = runtime.block_on(async {
            [gateway(Mode::Open).await, gateway(Mode::Secure).await]
        });
        World { runtime, gateways }
    })
}

async fn gateway(mode: Mode) -> Gateway {
    let db = Db::open(undercast_store::Options::memory(), Env::system()).await.unwrap();
    let kernel = Kernel::new(db, Settings { mode, ..Settings::default() });
    // The first that is provided stays.
    kernel.provide_credentials(std::sync::Arc::new(Known));
    let folder = tempfile::tempdir().unwrap().keep();
    let endpoint = undercast_sandbox::Endpoint::default();
    let options = undercast_sandbox::Options::new(folder.clone(), "/bin/true".into(), endpoint);
    let sandbox = undercast_sandbox::Sandbox::new(options).unwrap();
    let mut services = undercast_iam::services(&kernel);
    services.push(undercast_apigateway::service(&kernel));
    services.push(undercast_cloudformation::service(&kernel));
    services.extend(undercast_dynamodb::services(&kernel));
    services.push(undercast_lambda::service(&kernel, sandbox, folder));
    services.push(undercast_logs::service(&kernel));
    services.push(undercast_s3::service(&kernel));
    services.push(undercast_sqs::service(&kernel));
    services.extend(undercast_support::services(&kernel));
    kernel.install(services);
    Gateway::new(kernel, Options { echo: Some(Echo::default()), ..Options::default() })
}

fn request(bytes: &[u8]) -> Option<http::Request<Full<Bytes>>> {
    let split = bytes.windows(2).position(|pair| pair == b"\n\n").unwrap_or(bytes.len());
    let (head, body) = bytes.split_at(split);
    let body = body.get(2..).unwrap_or_default();
    let mut lines = head.split(|byte| *byte == b'\n');
    let mut first = lines.next()?.split(|byte| *byte == b' ');
    let method = Method::from_bytes(first.next()?).ok()?;
    let uri = Uri::try_from(first.next()?).ok()?;
    let mut request = http::Request::new(Full::new(Bytes::copy_from_slice(body)));
    *request.method_mut() = method;
    *request.uri_mut() = uri;
    for line in lines.take(200) {
        let at = line.iter().position(|byte| *byte == b':')?;
        let (name, value) = line.split_at(at);
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value))
        else {
            return None;
        };
        request.headers_mut().append(name, value);
    }
    Some(request)
}

fn verify(request: &http::Request<Full<Bytes>>) {
    let query = request.uri().query().unwrap_or_default();
    let Ok(pairs) = undercast_wire::codec::query::parse_pairs(query) else {
        return;
    };
    let Found::Signed(signature) = sigv4::find(request.headers(), &pairs) else {
        return;
    };
    let signed = Signed {
        method: request.method().as_str(),
        path: request.uri().path(),
        query,
        headers: request.headers(),
        payload_hash: "UNSIGNED-PAYLOAD",
    };
    let _ = sigv4::verify(&signature, &signed, "secret");
}

fuzz_target!(|bytes: &[u8]| {
    let Some(request) = request(bytes) else {
        return;
    };
    // The echo's own answers are no part of the product.
    if request.uri().path().starts_with("/_echo/") {
        return;
    }
    verify(&request);
    let world = world();
    let peer = SocketAddr::from(([127, 0, 0, 1], 1));
    world.runtime.block_on(async {
        for gateway in &world.gateways {
            let answer = gateway.handle(request.clone(), peer, "http").await;
            assert_ne!(answer.status(), 500, "{request:?}");
            let _ = answer.into_body().collect().await;
        }
    });
});
