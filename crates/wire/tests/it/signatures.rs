//! Secure mode. Signatures of AWS's documentation are in the unit tests; here the test signs itself.

use undercast_kernel::Mode;
use undercast_wire::sigv4::SigningKey;

use crate::Server;
use crate::service::{KEY_ID, SECRET};

fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest as _;
    hex::encode(sha2::Sha256::digest(bytes))
}

fn now() -> (String, String) {
    let now = undercast_store::Env::system().clock.now_ms();
    let time = undercast_smithy::Timestamp::from_millis(now).format("%Y%m%dT%H%M%SZ");
    (time[..8].to_owned(), time)
}

/// The three headers that sign a request whose only signed headers are the host and the date.
fn sign(
    method: &str,
    path: &str,
    service: &str,
    hash: &str,
    secret: &str,
    time: &(String, String),
) -> Vec<String> {
    let (day, time) = time;
    let scope = format!("{day}/us-east-1/{service}/aws4_request");
    let canonical = format!(
        "{method}\n{path}\n\nhost:localhost:4566\nx-amz-date:{time}\n\nhost;x-amz-date\n{hash}"
    );
    let text = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{}", sha256(canonical.as_bytes()));
    let signature = SigningKey::new(secret, day, "us-east-1", service).sign(&text);
    vec![
        format!("X-Amz-Date: {time}"),
        format!("X-Amz-Content-Sha256: {hash}"),
        format!(
            "Authorization: AWS4-HMAC-SHA256 Credential={KEY_ID}/{scope}, SignedHeaders=host;x-amz-date, Signature={signature}"
        ),
    ]
}

fn call(
    server: &Server,
    first: &str,
    signed: &[String],
    more: &[&str],
    body: &[u8],
) -> crate::Answer {
    let mut head = vec![first];
    head.extend(signed.iter().map(String::as_str));
    head.extend(more);
    server.call(&head, body)
}

const FORM: &str = "Content-Type: application/x-www-form-urlencoded";
const WHO: &[u8] = b"Action=GetCallerIdentity&Version=2011-06-15";

#[test]
fn a_right_signature_is_let_in_and_a_wrong_one_is_not() {
    let server = Server::start(Mode::Secure);
    let first = "POST / HTTP/1.1";
    let right = sign("POST", "/", "sts", &sha256(WHO), SECRET, &now());
    let answer = call(&server, first, &right, &[FORM], WHO);
    assert!(answer.body.contains("user/alice"), "{}", answer.body);
    let wrong = sign("POST", "/", "sts", &sha256(WHO), "guess", &now());
    let answer = call(&server, first, &wrong, &[FORM], WHO);
    assert_eq!(answer.status, 403);
    assert!(answer.body.contains("<Code>SignatureDoesNotMatch</Code>"), "{}", answer.body);
    // A signature does not cover another body.
    let answer =
        call(&server, first, &right, &[FORM], b"Action=GetCallerIdentity&Version=2011-06-15&x=y");
    assert_eq!(answer.status, 403);
    let old = ("20130524".to_owned(), "20130524T000000Z".to_owned());
    let answer =
        call(&server, first, &sign("POST", "/", "sts", &sha256(WHO), SECRET, &old), &[FORM], WHO);
    assert!(
        answer.body.contains("Signature expired: 20130524T000000Z is now earlier than"),
        "{}",
        answer.body
    );
}

#[test]
fn an_unsigned_call_reaches_only_what_is_open_to_all() {
    let server = Server::start(Mode::Secure);
    let answer = server.form("Action=GetCallerIdentity&Version=2011-06-15");
    assert_eq!(answer.status, 403);
    assert!(answer.body.contains("<Code>MissingAuthenticationToken</Code>"), "{}", answer.body);
    let answer = server.form("Action=AssumeRoleWithWebIdentity&Version=2011-06-15");
    assert!(answer.body.contains("<Arn>anonymous</Arn>"), "{}", answer.body);
    let answer = server.json("AmazonSQS.SendMessage", "{}");
    assert!(answer.body.contains("MissingAuthenticationTokenException"), "{}", answer.body);
    // S3 decides by its policies.
    assert_eq!(server.call(&["GET /bucket HTTP/1.1"], b"").status, 200);
}

#[test]
fn s3_holds_a_body_to_the_hash_that_was_signed() {
    let server = Server::start(Mode::Secure);
    let signed = sign("PUT", "/b/k", "s3", &sha256(b"hello"), SECRET, &now());
    let answer = call(&server, "PUT /b/k HTTP/1.1", &signed, &[], b"hello");
    assert_eq!(answer.status, 200, "{}", answer.body);
    let answer = call(&server, "PUT /b/k HTTP/1.1", &signed, &[], b"jello");
    assert!(answer.body.contains("<Code>XAmzContentSHA256Mismatch</Code>"), "{}", answer.body);
}

#[test]
fn signed_chunks_are_verified_one_by_one() {
    let server = Server::start(Mode::Secure);
    let time = now();
    let hash = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER";
    let signed = sign("PUT", "/b/k", "s3", hash, SECRET, &time);
    let seed = signed[2].rsplit('=').next().unwrap().to_owned();
    let key = SigningKey::new(SECRET, &time.0, "us-east-1", "s3");
    let head = format!("{}\n{}/us-east-1/s3/aws4_request", time.1, time.0);
    let chunk = |previous: &str, data: &str| {
        let hashes = format!("{}\n{}", sha256(b""), sha256(data.as_bytes()));
        key.sign(&format!("AWS4-HMAC-SHA256-PAYLOAD\n{head}\n{previous}\n{hashes}"))
    };
    let first = chunk(&seed, "hello world");
    let last = chunk(&first, "");
    let trailer = "x-amz-checksum-crc32:DUoRhQ==";
    let hash = sha256(format!("{trailer}\n").as_bytes());
    let end = key.sign(&format!("AWS4-HMAC-SHA256-TRAILER\n{head}\n{last}\n{hash}"));
    let body = |data: &str, end: &str| {
        format!(
            "b;chunk-signature={first}\r\n{data}\r\n0;chunk-signature={last}\r\n{trailer}\r\nx-amz-trailer-signature:{end}\r\n\r\n"
        )
    };
    let more = ["x-amz-decoded-content-length: 11", "x-amz-trailer: x-amz-checksum-crc32"];
    let put = |body: String| call(&server, "PUT /b/k HTTP/1.1", &signed, &more, body.as_bytes());
    let answer = put(body("hello world", &end));
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert!(answer.header("etag").unwrap().contains(" 11 "), "{}", answer.head);
    assert!(put(body("jello world", &end)).body.contains("<Code>SignatureDoesNotMatch</Code>"));
    assert!(
        put(body("hello world", &"0".repeat(64)))
            .body
            .contains("<Code>SignatureDoesNotMatch</Code>")
    );
}
