//! Bodies that stream, their encodings and checksums.

use std::io::{Read, Write};
use std::net::TcpStream;

use undercast_kernel::Mode;

use crate::Server;

const CHUNKED: [&str; 4] = [
    "x-amz-content-sha256: STREAMING-UNSIGNED-PAYLOAD-TRAILER",
    "Content-Encoding: gzip,aws-chunked",
    "x-amz-trailer: x-amz-checksum-crc32",
    "x-amz-decoded-content-length: 11",
];

fn put(server: &Server, headers: &[&str], body: &str) -> crate::Answer {
    let mut head = vec!["PUT /b/k HTTP/1.1"];
    head.extend(headers);
    server.call(&head, body.as_bytes())
}

#[test]
fn aws_chunked_is_taken_off() {
    let server = Server::start(Mode::Open);
    let body = "5\r\nhello\r\n6\r\n world\r\n0\r\nx-amz-checksum-crc32:DUoRhQ==\r\n\r\n";
    let answer = put(&server, &CHUNKED, body);
    assert_eq!(answer.header("etag"), Some(r#""k" 11 Some("gzip")"#), "{}", answer.body);
    let answer = put(&server, &CHUNKED, &body.replace("DUoR", "DUoS"));
    assert!(answer.body.contains("<Code>BadDigest</Code>"), "{}", answer.body);
    let answer = put(&server, &CHUNKED, &body.replace("x-amz-checksum-crc32:DUoRhQ==\r\n", ""));
    assert!(answer.body.contains("<Code>MalformedTrailerError</Code>"), "{}", answer.body);
    let answer = put(&server, &CHUNKED, "5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n");
    assert!(answer.body.contains("<Code>IncompleteBody</Code>"), "{}", answer.body);
}

#[test]
fn every_checksum_in_a_header_is_verified() {
    let server = Server::start(Mode::Open);
    for (name, right) in [
        ("x-amz-checksum-crc32", "DUoRhQ=="),
        ("x-amz-checksum-crc32c", "yZRlqg=="),
        ("x-amz-checksum-sha1", "Kq5sNclPz7QV2+lfQIuc6R7oRu0="),
        ("x-amz-checksum-sha256", "uU0nuZNNPgilLlLX2n2r+sSE7+N6U4DukIj3rOLvzek="),
        ("content-md5", "XrY7u+Ae7tCTyyK7j1rNww=="),
    ] {
        let answer = put(&server, &[&format!("{name}: {right}")], "hello world");
        assert_eq!(answer.status, 200, "{name}: {}", answer.body);
        let answer = put(&server, &[&format!("{name}: {right}")], "jello world");
        assert!(answer.body.contains("<Code>BadDigest</Code>"), "{name}: {}", answer.body);
    }
    let answer = put(&server, &["x-amz-checksum-crc32: nonsense"], "x");
    assert!(answer.body.contains("<Code>InvalidRequest</Code>"), "{}", answer.body);
}

#[test]
fn metadata_and_streams_go_both_ways() {
    let server = Server::start(Mode::Open);
    let answer = put(&server, &["x-amz-meta-One: a b", "x-amz-meta-two: é"], "x");
    assert_eq!(answer.header("x-amz-meta-one"), Some("a b"));
    assert_eq!(answer.header("x-amz-meta-two"), Some("é"));
    let answer = server.call(&["GET /b/k HTTP/1.1"], b"");
    assert_eq!((answer.body.len(), answer.header("content-length")), (1 << 20, Some("1048576")));
}

#[test]
fn a_client_may_wait_for_permission_to_send() {
    let server = Server::start(Mode::Open);
    let mut stream = TcpStream::connect(server.address).unwrap();
    stream
        .write_all(b"PUT /b/k HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 5\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut start = [0; 12];
    stream.read_exact(&mut start).unwrap();
    assert_eq!(&start, b"HTTP/1.1 100");
    stream.write_all(b"hello").unwrap();
    let mut rest = String::new();
    stream.read_to_string(&mut rest).unwrap();
    assert!(rest.contains("HTTP/1.1 200 OK"), "{rest}");
}

#[test]
fn a_body_in_memory_is_bounded() {
    let options = undercast_wire::Options { body_bytes_max: 1000, ..Default::default() };
    let server = Server::with(Mode::Open, options);
    let body = format!("{{\"QueueUrl\":\"{}\"}}", "x".repeat(2000));
    let answer = server.json("AmazonSQS.SendMessage", &body);
    assert_eq!(answer.status, 413, "{}", answer.body);
    // Objects stream, whatever their size.
    assert_eq!(put(&server, &[], &"x".repeat(100_000)).status, 200);
}

/// Sends a call that is refused by its head, with a body of `length` bytes, and then another one on
/// the same connection.
fn refused_then_another(length: usize, headers: &str, send: usize) -> String {
    let server = Server::start(Mode::Secure);
    let mut stream = TcpStream::connect(server.address).unwrap();
    let head = format!(
        "POST / HTTP/1.1\r\nHost: localhost\r\nX-Amz-Target: Json.Put\r\nContent-Type: \
         application/x-amz-json-1.0\r\nContent-Length: {length}\r\n{headers}\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    let body = vec![b' '; send];
    let _ = stream.write_all(&body);
    if send == length {
        let next = "GET /_nothing HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        let _ = stream.write_all(next.as_bytes());
    }
    let mut text = Vec::new();
    let _ = stream.read_to_end(&mut text);
    String::from_utf8_lossy(&text).into_owned()
}

#[test]
fn a_refused_call_leaves_its_connection_usable() {
    // The second one is above what any call may have: its answer arrives all the same.
    for length in [300_000, 20 << 20] {
        let text = refused_then_another(length, "", length);
        assert_eq!(text.matches("HTTP/1.1 ").count(), 2, "{text}");
        assert_eq!(text.matches("onnection: close").count(), 1, "{text}");
    }
    // Too much to read for nothing, or never sent: the client is told to take another connection.
    for (headers, length) in [("", 200 << 20), ("Expect: 100-continue\r\n", 5)] {
        let text = refused_then_another(length, headers, 0).to_lowercase();
        assert_eq!(text.matches("http/1.1 ").count(), 1, "{text}");
        assert!(text.contains("connection: close"), "{text}");
        assert!(!text.contains("100 continue"), "{text}");
    }
}
