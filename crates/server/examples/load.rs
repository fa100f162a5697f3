//! The load generator of `bench/run`: many keep-alive connections that each repeat one thing, against
//! a running cloud or against a bare echo of its own. Prints one JSON line.
//!
//! `load echo|identity|sqs|fill|put|get|query|s3put|s3get|invoke|api URL CLIENTS SECONDS [EXTRA [CALLS [RATE]]]`: EXTRA names the queue,
//! table, function or path; with CALLS above 0 it ends after so many; with RATE it begins so many a second, however
//! long they take.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a measuring program"
)]

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::Full;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// One connection that speaks just enough HTTP/1.1.
struct Client {
    socket: TcpStream,
    host: String,
    buffer: Vec<u8>,
}

impl Client {
    async fn connect(url: &str) -> Self {
        let host = url.trim_start_matches("http://").split('/').next().unwrap().to_owned();
        let socket = connected(&host).await;
        Self { socket, host, buffer: Vec::with_capacity(64 << 10) }
    }

    /// A peer may close a connection that has served its time: the call is made once more on another.
    async fn call(&mut self, method: &str, path: &str, headers: &str, body: &[u8]) -> (u16, Bytes) {
        for _ in 0..3 {
            match self.try_call(method, path, headers, body).await {
                Some(answer) => return answer,
                None => self.socket = connected(&self.host).await,
            }
        }
        panic!("the connection is closed again and again");
    }

    async fn try_call(
        &mut self,
        method: &str,
        path: &str,
        headers: &str,
        body: &[u8],
    ) -> Option<(u16, Bytes)> {
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\n{headers}content-length: {}\r\n\r\n",
            self.host,
            body.len()
        );
        let mut request = head.into_bytes();
        request.extend_from_slice(body);
        self.socket.write_all(&request).await.ok()?;
        self.buffer.clear();
        loop {
            let n = self.socket.read_buf(&mut self.buffer).await.ok()?;
            if n == 0 {
                assert!(self.buffer.is_empty(), "the connection was closed in an answer");
                return None;
            }
            let Some(end) = find(&self.buffer, b"\r\n\r\n") else { continue };
            let head = String::from_utf8_lossy(&self.buffer[..end]).to_lowercase();
            let length = head.split("content-length: ").nth(1).and_then(|t| t.split("\r\n").next());
            let length: usize = length.map_or(0, |t| t.parse().unwrap());
            while self.buffer.len() < end + 4 + length {
                assert!(self.socket.read_buf(&mut self.buffer).await.unwrap() > 0);
            }
            let status = head[9..12].parse().unwrap();
            return Some((status, Bytes::copy_from_slice(&self.buffer[end + 4..end + 4 + length])));
        }
    }

    async fn aws(&mut self, service: &str, target: &str, body: &str) -> Bytes {
        let headers = format!(
            "authorization: AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/{service}/aws4_request, SignedHeaders=host, Signature=0\r\nx-amz-target: {target}\r\ncontent-type: application/x-amz-json-1.0\r\n"
        );
        let (status, answer) = self.call("POST", "/", &headers, body.as_bytes()).await;
        assert!(status < 300, "{target}: {status} {answer:?}");
        answer
    }

    /// Ten messages of 256 bytes.
    async fn send(&mut self, queue: &str) {
        let text = "x".repeat(256);
        let entries: Vec<String> =
            (0..10).map(|i| format!(r#"{{"Id":"{i}","MessageBody":"{text}"}}"#)).collect();
        let body = format!(r#"{{"QueueUrl":"{queue}","Entries":[{}]}}"#, entries.join(","));
        let answer = self.aws("sqs", "AmazonSQS.SendMessageBatch", &body).await;
        assert_eq!(find(&answer, b"\"Code\""), None, "{answer:?}");
    }

    /// Receives up to ten messages and deletes them; answers how many they were.
    async fn receive_and_delete(&mut self, queue: &str) -> u64 {
        let body = format!(r#"{{"QueueUrl":"{queue}","MaxNumberOfMessages":10}}"#);
        let got = self.aws("sqs", "AmazonSQS.ReceiveMessage", &body).await;
        let got = std::str::from_utf8(&got).unwrap();
        // Read by hand, so that the one who measures takes as little of the processor as may be.
        let handles: Vec<&str> = got
            .split(r#""ReceiptHandle":"#)
            .skip(1)
            .map(|rest| rest.split('"').nth(1).unwrap())
            .collect();
        if handles.is_empty() {
            return 0;
        }
        let entry = |(i, handle)| format!(r#"{{"Id":"{i}","ReceiptHandle":"{handle}"}}"#);
        let entries: Vec<String> = handles.iter().enumerate().map(entry).collect();
        let body = format!(r#"{{"QueueUrl":"{queue}","Entries":[{}]}}"#, entries.join(","));
        let answer = self.aws("sqs", "AmazonSQS.DeleteMessageBatch", &body).await;
        let answer = std::str::from_utf8(&answer).unwrap();
        assert_eq!(answer.matches(r#""Id""#).count(), handles.len(), "{answer}");
        handles.len() as u64
    }
}

async fn connected(host: &str) -> TcpStream {
    let socket = TcpStream::connect(host).await.unwrap();
    socket.set_nodelay(true).unwrap();
    socket
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|w| w == wanted)
}

/// Answers each request with its body, in a process of its own as the cloud is.
async fn serve_echo() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("http://{}", listener.local_addr().unwrap());
    loop {
        let (socket, _) = listener.accept().await.unwrap();
        socket.set_nodelay(true).unwrap();
        let answer = service_fn(|request: Request<hyper::body::Incoming>| async move {
            use http_body_util::BodyExt;
            let body = request.into_body().collect().await.unwrap().to_bytes();
            Ok::<_, Infallible>(Response::new(Full::new(body)))
        });
        tokio::spawn(
            hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(socket), answer),
        );
    }
}

/// Starts the echo; it ends with the returned process.
async fn echo() -> (String, tokio::process::Child) {
    let mut child = tokio::process::Command::new(std::env::current_exe().unwrap())
        .arg("serve-echo")
        .stdout(std::process::Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut url = String::new();
    let mut lines = tokio::io::BufReader::new(child.stdout.take().unwrap());
    lines.read_line(&mut url).await.unwrap();
    (url.trim().to_owned(), child)
}

/// One unit of what is measured; answers how many things it did.
async fn once(what: &str, client: &mut Client, n: u64, extra: &str) -> u64 {
    match what {
        "echo" => {
            client.call("POST", "/", "", b"Action=GetCallerIdentity&Version=2011-06-15").await;
        }
        "identity" => {
            let headers = "authorization: AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/sts/aws4_request, SignedHeaders=host, Signature=0\r\ncontent-type: application/x-www-form-urlencoded\r\n";
            let (status, _) = client
                .call("POST", "/", headers, b"Action=GetCallerIdentity&Version=2011-06-15")
                .await;
            assert_eq!(status, 200);
        }
        "sqs" => {
            client.send(extra).await;
            return client.receive_and_delete(extra).await;
        }
        "fill" => {
            client.send(extra).await;
            return 10;
        }
        "put" => {
            let value = "x".repeat(200);
            let item = format!(r#"{{"id":{{"S":"k{n}"}},"v":{{"S":"{value}"}}}}"#);
            let body = format!(r#"{{"TableName":"{extra}","Item":{item}}}"#);
            client.aws("dynamodb", "DynamoDB_20120810.PutItem", &body).await;
        }
        "get" => {
            let key = format!(r#"{{"id":{{"S":"k{}"}}}}"#, n % 1000);
            let body = format!(r#"{{"TableName":"{extra}","Key":{key},"ConsistentRead":true}}"#);
            let answer = client.aws("dynamodb", "DynamoDB_20120810.GetItem", &body).await;
            assert!(find(&answer, b"\"Item\"").is_some(), "{answer:?}");
        }
        "query" => {
            let values = format!(r#"{{":id":{{"S":"k{}"}}}}"#, n % 1000);
            let body = format!(
                r#"{{"TableName":"{extra}","KeyConditionExpression":"id = :id","ExpressionAttributeValues":{values}}}"#
            );
            let answer = client.aws("dynamodb", "DynamoDB_20120810.Query", &body).await;
            assert!(find(&answer, b"\"Items\"").is_some(), "{answer:?}");
        }
        "s3put" | "s3get" => {
            let headers = "authorization: AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0\r\nx-amz-content-sha256: UNSIGNED-PAYLOAD\r\n";
            let path = format!("/{extra}/key-{}", n % 1000);
            let (method, body) = match what {
                "s3put" => ("PUT", vec![b'x'; 1024]),
                _ => ("GET", Vec::new()),
            };
            let (status, answer) = client.call(method, &path, headers, &body).await;
            assert_eq!(status, 200, "{answer:?}");
        }
        "invoke" => {
            let headers = "authorization: AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/lambda/aws4_request, SignedHeaders=host, Signature=0\r\n";
            let path = format!("/2015-03-31/functions/{extra}/invocations");
            let (status, answer) = client.call("POST", &path, headers, b"{\"a\":1}").await;
            assert_eq!(status, 200, "{answer:?}");
        }
        "api" => {
            let (status, answer) = client.call("GET", extra, "", b"").await;
            assert_eq!(status, 200, "{answer:?}");
        }
        other => panic!("{other}?"),
    }
    1
}

#[tokio::main]
async fn main() {
    let args: Vec<String> = std::env::args().collect();
    if args[1] == "serve-echo" {
        return serve_echo().await;
    }
    let (what, clients, seconds) =
        (args[1].clone(), args[3].parse::<u64>().unwrap(), args[4].parse::<f64>().unwrap());
    let (url, _child) = match what.as_str() {
        "echo" => {
            let (url, child) = echo().await;
            (url, Some(child))
        }
        _ => (args[2].clone(), None),
    };
    let extra = args.get(5).cloned().unwrap_or_default();
    let left: i64 = args.get(6).map_or(0, |calls| calls.parse().unwrap());
    let left = if left > 0 { left } else { i64::MAX };
    let rate: Option<f64> = args.get(7).map(|rate| rate.parse().unwrap());
    let left = Arc::new(AtomicI64::new(left));
    let end = Instant::now() + Duration::from_secs_f64(seconds);
    let begun = Instant::now();
    let mut workers = Vec::new();
    for c in 0..clients {
        let (what, url, extra, left) = (what.clone(), url.clone(), extra.clone(), left.clone());
        workers.push(tokio::spawn(async move {
            let mut client = Client::connect(&url).await;
            let (mut done, mut n, mut times) = (0, c * 1_000_000_000, Vec::new());
            // Each client has its own share of the rate, spread evenly.
            let pace = rate.map(|rate| Duration::from_secs_f64(clients as f64 / rate));
            let mut due = begun + pace.unwrap_or_default().mul_f64(c as f64 / clients as f64);
            while Instant::now() < end && left.fetch_sub(1, Ordering::Relaxed) > 0 {
                if let Some(pace) = pace {
                    tokio::time::sleep_until(due.into()).await;
                    due += pace;
                }
                let start = Instant::now();
                done += once(&what, &mut client, n, &extra).await;
                times.push(start.elapsed().as_micros() as u64);
                n += 1;
            }
            (done, times)
        }));
    }
    let (mut done, mut times) = (0, Vec::new());
    for worker in workers {
        let (n, more) = worker.await.unwrap();
        done += n;
        times.extend(more);
    }
    let took = begun.elapsed().as_secs_f64();
    times.sort_unstable();
    let at = |share: f64| {
        times.get((times.len() as f64 * share) as usize).copied().unwrap_or(0) as f64 / 1000.0
    };
    println!(
        "{}",
        json!({"what": what, "clients": clients, "per_s": (done as f64 / took).round(), "p50_ms": at(0.5), "p99_ms": at(0.99)})
    );
}
