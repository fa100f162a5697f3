//! A network of its own.

use std::sync::{Arc, Mutex};

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use undercast_sandbox::{Credentials, Ends, Function, Host, Invocation, LogLine, Network, Sandbox};

use crate::fixture::{fixture_with, json};

/// Answers every connection on the plain ports with the port's place in the list.
#[derive(Default)]
struct Inside {
    begun: Mutex<Vec<(u64, String)>>,
    ended: Mutex<Vec<u64>>,
}

impl Host for Inside {
    fn credentials(&self, _: &Function, _: u64) -> Credentials {
        Credentials::default()
    }

    fn log(&self, _: &Function, _: &str, _: Vec<LogLine>) {}

    fn network(&self, _: &Function, _: u64, ends: Ends) {
        for (place, listener) in ends.plain.into_iter().enumerate() {
            listener.set_nonblocking(true).unwrap();
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            tokio::spawn(async move {
                while let Ok((mut socket, _)) = listener.accept().await {
                    let mut head = [0; 1024];
                    let _ = socket.read(&mut head).await;
                    let text = format!(
                        "HTTP/1.1 200 OK\r\ncontent-length: 1\r\nconnection: close\r\n\r\n{place}"
                    );
                    let _ = socket.write_all(text.as_bytes()).await;
                }
            });
        }
    }

    fn begins(&self, instance: u64, invocation: &Invocation) {
        self.begun.lock().unwrap().push((instance, invocation.request_id.clone()));
    }

    fn ends(&self, instance: u64) {
        self.ended.lock().unwrap().push(instance);
    }
}

const CALLER: &str = "
const http = require('http');
const get = (url) => new Promise((done) => {
  const request = http.get(url, (r) => { let t = ''; r.on('data', (d) => t += d); r.on('end', () => done(t)); });
  request.on('error', (e) => done(e.code));
  request.setTimeout(3000, () => { request.destroy(); done('hangs'); });
});
exports.handler = async (event) => Promise.all(event.urls.map(get));
";

async fn asked(
    sandbox: &Sandbox,
    host: &Arc<Inside>,
    function: Function,
    urls: &[String],
) -> serde_json::Value {
    let invocation = Invocation {
        request_id: "r".into(),
        payload: json!({"urls": urls}).to_string().into(),
        ..Invocation::default()
    };
    let host = Arc::clone(host) as Arc<dyn Host>;
    let answer = sandbox.invoke(&Arc::new(function), invocation, &host).await.unwrap();
    json(&answer)
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_leads_out_of_a_network_of_its_own() {
    let outside = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let beside = outside.local_addr().unwrap();
    let f = fixture_with(|options| options.network = Network::Own { plain_ports: vec![4566, 80] });
    if !f.sandbox.isolation().to_string().starts_with("namespaces") {
        return;
    }
    let host = Arc::new(Inside::default());
    let function = f.function("nodejs20.x", "index.handler", &[("index.js", CALLER)]);
    let urls = [
        "http://127.0.0.1:4566/".to_owned(),
        "http://dynamodb.us-east-1.amazonaws.com/".to_owned(),
        // Any name and any address.
        "http://example.com/".to_owned(),
        "http://10.1.2.3:4566/".to_owned(),
        // What listens on the host is not there.
        format!("http://{beside}/"),
    ];
    let got = asked(&f.sandbox, &host, function, &urls).await;
    assert_eq!(got, json!(["0", "1", "1", "0", "ECONNREFUSED"]));
    let begun = host.begun.lock().unwrap().clone();
    assert_eq!(begun.len(), 1);
    assert_eq!(begun[0].1, "r");
    assert_eq!(*host.ended.lock().unwrap(), [begun[0].0]);
}
