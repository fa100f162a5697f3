//! Real bytes over a real socket against four small services.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests"
)]

mod calls;
mod codecs;
mod doors;
mod routing;
mod service;
mod signatures;
mod streams;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use undercast_kernel::Mode;
use undercast_wire::{Gateway, Options, serve};

/// A server for one test; it ends with it.
pub struct Server {
    pub address: SocketAddr,
    _stop: tokio::sync::oneshot::Sender<()>,
}

pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

impl Server {
    pub fn start(mode: Mode) -> Self {
        Self::with(mode, Options::default())
    }

    pub fn with(mode: Mode, options: Options) -> Self {
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let (tell, told) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let env = undercast_store::Env::system();
                let db = undercast_store::Db::open(undercast_store::Options::memory(), env);
                let kernel = service::kernel(db.await.unwrap(), mode);
                let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
                tell.send(listener.local_addr().unwrap()).unwrap();
                let gateway = Gateway::new(kernel, options);
                serve(listener, gateway, async {
                    let _ = stopped.await;
                })
                .await;
            });
        });
        Self { address: told.recv().unwrap(), _stop: stop }
    }

    /// Sends a request head (lines without their ends) and a body, and reads the whole answer.
    pub fn call(&self, head: &[&str], body: &[u8]) -> Answer {
        let mut stream = TcpStream::connect(self.address).unwrap();
        let mut text = head.join("\r\n");
        if !text.to_ascii_lowercase().contains("\r\nhost:") {
            text.push_str("\r\nHost: localhost:4566");
        }
        if !body.is_empty() {
            text.push_str(&format!("\r\nContent-Length: {}", body.len()));
        }
        text.push_str("\r\nConnection: close\r\n\r\n");
        stream.write_all(text.as_bytes()).unwrap();
        stream.write_all(body).unwrap();
        let mut all = Vec::new();
        stream.read_to_end(&mut all).unwrap();
        let text = String::from_utf8_lossy(&all).into_owned();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head: head.to_owned(), body: body.to_owned() }
    }

    pub fn json(&self, target: &str, body: &str) -> Answer {
        let target = format!("X-Amz-Target: {target}");
        let kind = "Content-Type: application/x-amz-json-1.0";
        self.call(&["POST / HTTP/1.1", &target, kind], body.as_bytes())
    }

    pub fn form(&self, body: &str) -> Answer {
        let kind = "Content-Type: application/x-www-form-urlencoded";
        self.call(&["POST / HTTP/1.1", kind], body.as_bytes())
    }
}
