//! How many `GetCallerIdentity` calls a second the whole chain answers, against a bare hyper echo in
//! the same process: `cargo run --release -p undercast-wire --example throughput [seconds]`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    dead_code,
    reason = "a measurement"
)]

#[path = "../tests/it/service.rs"]
mod service;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use http_body_util::{BodyExt, Full};
use hyper::service::service_fn;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use undercast_kernel::Mode;
use undercast_wire::{Gateway, Options, serve};

const CLIENTS: usize = 8;

async fn echo(listener: TcpListener) {
    loop {
        let (socket, _) = listener.accept().await.unwrap();
        socket.set_nodelay(true).unwrap();
        let service = service_fn(|request: hyper::Request<hyper::body::Incoming>| async move {
            let body = request.into_body().collect().await.unwrap().to_bytes();
            Ok::<_, Infallible>(hyper::Response::new(Full::new(body)))
        });
        let io = hyper_util::rt::TokioIo::new(socket);
        tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(io, service));
    }
}

/// Sends `request` again and again over one connection until the time is over.
async fn client(address: SocketAddr, request: Arc<Vec<u8>>, until: Instant, count: Arc<AtomicU64>) {
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket.set_nodelay(true).unwrap();
    let mut buffer = vec![0; 16 << 10];
    while Instant::now() < until {
        socket.write_all(&request).await.unwrap();
        let mut filled = 0;
        loop {
            filled += socket.read(&mut buffer[filled..]).await.unwrap();
            let text = &buffer[..filled];
            let Some(head) = text.windows(4).position(|w| w == b"\r\n\r\n") else {
                continue;
            };
            let head_text = std::str::from_utf8(&text[..head]).unwrap();
            assert!(head_text.starts_with("HTTP/1.1 200"), "{head_text}");
            let length = head_text.split("content-length: ").nth(1).unwrap();
            let length: usize = length.split("\r\n").next().unwrap().parse().unwrap();
            if filled == head + 4 + length {
                break;
            }
        }
        count.fetch_add(1, Ordering::Relaxed);
    }
}

async fn measure(address: SocketAddr, request: &[u8], seconds: u64) -> f64 {
    let request = Arc::new(request.to_vec());
    let count = Arc::new(AtomicU64::new(0));
    let begun = Instant::now();
    let until = begun + Duration::from_secs(seconds);
    let clients = (0..CLIENTS).map(|_| client(address, request.clone(), until, count.clone()));
    futures::future::join_all(clients.map(tokio::spawn)).await;
    count.load(Ordering::Relaxed) as f64 / begun.elapsed().as_secs_f64()
}

fn request(headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "POST / HTTP/1.1\r\nHost: 127.0.0.1:4566\r\nAccept-Encoding: identity\r\n{headers}\
         X-Amz-Date: 20261124T080000Z\r\nUser-Agent: Boto3/1.44.5 md/Botocore#1.44.5 ua/2.1 os/linux\r\n\
         Authorization: AWS4-HMAC-SHA256 Credential=test/20261124/us-east-1/sts/aws4_request, \
         SignedHeaders=content-type;host;x-amz-date, \
         Signature=b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

#[tokio::main(worker_threads = 2)]
async fn main() {
    let seconds = std::env::args().nth(1).and_then(|s| s.parse().ok()).unwrap_or(5);
    let bare = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let bare_address = bare.local_addr().unwrap();
    tokio::spawn(echo(bare));
    let env = undercast_store::Env::system();
    let db = undercast_store::Db::open(undercast_store::Options::memory(), env).await.unwrap();
    let gateway = Gateway::new(service::kernel(db, Mode::Open), Options::default());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(serve(listener, gateway, std::future::pending()));

    let form = "Content-Type: application/x-www-form-urlencoded; charset=utf-8\r\n";
    let identity = request(form, "Action=GetCallerIdentity&Version=2011-06-15");
    let json =
        "Content-Type: application/x-amz-json-1.0\r\nX-Amz-Target: AmazonSQS.SendMessage\r\n";
    let body = format!(
        r#"{{"QueueUrl":"http://127.0.0.1:4566/000000000000/q","MessageBody":"{}"}}"#,
        "x".repeat(1024)
    );
    let send = request(json, &body);
    for _ in 0..3 {
        let bare = measure(bare_address, &identity, seconds).await;
        let calls = measure(address, &identity, seconds).await;
        let sends = measure(address, &send, seconds).await;
        println!(
            "bare echo {bare:.0}/s, GetCallerIdentity {calls:.0}/s ({:.0} %), 1 KiB JSON {sends:.0}/s ({:.0} %)",
            100.0 * calls / bare,
            100.0 * sends / bare
        );
    }
}
