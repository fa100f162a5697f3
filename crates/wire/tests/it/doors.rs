//! Front doors, the server's own routes, and the end of a server.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use futures::future::BoxFuture;
use undercast_kernel::http::{HttpEndpoint, Request, Response};
use undercast_kernel::{Kernel, Mode};
use undercast_wire::Options;

use crate::Server;

/// Answers what it was asked.
struct Door;

impl HttpEndpoint for Door {
    fn matches(&self, request: &Request) -> bool {
        request.host_name() == "abc.execute-api.localhost" || request.path.starts_with("/_door/")
    }

    fn serve(&self, _: Kernel, request: Request) -> BoxFuture<'static, Response> {
        Box::pin(async move {
            let body = request.body.collect(1 << 20).await.unwrap();
            let asked = request.header("x-asked").unwrap_or("-").to_owned();
            Response::new(201)
                .header("set-cookie", "a=1")
                .header("set-cookie", "b=2")
                .header(
                    "x-seen",
                    format!("{} {}?{} {asked}", request.method, request.path, request.query),
                )
                .body(body)
        })
    }
}

fn server() -> Server {
    Server::with(Mode::Open, Options { routes: vec![Arc::new(Door)], ..Options::default() })
}

#[test]
fn a_door_gets_the_request_as_it_came() {
    let server = server();
    let answer = server.call(
        &["PUT /a%20b/?x=1&y HTTP/1.1", "Host: abc.execute-api.localhost:4566", "X-Asked: é"],
        b"body",
    );
    assert_eq!((answer.status, answer.body.as_str()), (201, "body"));
    assert_eq!(answer.header("x-seen"), Some("PUT /a%20b/?x=1&y é"));
    assert_eq!(answer.head.matches("set-cookie").count(), 2);
    assert_eq!(server.call(&["GET /_door/x HTTP/1.1"], b"").status, 201);
}

/// Takes everything that nobody else wants.
struct Last;

impl HttpEndpoint for Last {
    fn matches(&self, _: &Request) -> bool {
        true
    }

    fn yields(&self) -> bool {
        true
    }

    fn serve(&self, _: Kernel, _: Request) -> BoxFuture<'static, Response> {
        Box::pin(async { Response::new(204) })
    }
}

#[tokio::test]
async fn a_door_that_yields_is_asked_last_whatever_the_order_of_services() {
    for flipped in [false, true] {
        let env = undercast_store::Env::system();
        let db = undercast_store::Db::open(undercast_store::Options::memory(), env).await.unwrap();
        let kernel = Kernel::new(db, undercast_kernel::Settings::default());
        let service = undercast_kernel::Service::new;
        let mut services = vec![
            service(&crate::service::WHO).endpoint(Arc::new(Last)),
            service(&crate::service::QUEUE).endpoint(Arc::new(Door)),
        ];
        if flipped {
            services.reverse();
        }
        kernel.install(services);
        let order: Vec<_> = kernel.endpoints().map(|door| door.yields()).collect();
        assert_eq!(order, [false, true]);
    }
}

#[test]
fn a_door_says_itself_who_may_read_its_answers() {
    let answer = server().call(&["GET /_door/x HTTP/1.1", "Origin: http://app"], b"");
    assert_eq!(answer.header("access-control-allow-origin"), None);
}

#[test]
fn a_call_with_a_target_is_never_for_a_door() {
    let server = server();
    let answer = server.call(
        &["POST /_door/x HTTP/1.1", "X-Amz-Target: AmazonSQS.SendMessage"],
        br#"{"QueueUrl":"u"}"#,
    );
    assert_eq!((answer.status, answer.body.as_str()), (200, r#"{"QueueUrl":"u"}"#));
}

#[test]
fn a_connection_is_kept_and_drained_at_the_end() {
    let server = server();
    let mut stream = TcpStream::connect(server.address).unwrap();
    for _ in 0..3 {
        stream.write_all(b"GET /_door/x HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            answer.extend(byte);
        }
        assert!(answer.starts_with(b"HTTP/1.1 201"));
    }
    drop(server);
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();
    assert!(rest.is_empty(), "an idle connection is closed without a word");
}
