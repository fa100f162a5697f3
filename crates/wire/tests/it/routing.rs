//! Which service and operation a request reaches.

use undercast_kernel::Mode;

use crate::Server;

#[test]
fn hosts_name_buckets_and_services() {
    let server = Server::start(Mode::Open);
    for (host, path) in [
        ("bucket.s3.eu-west-1.amazonaws.com", "/"),
        ("bucket.localhost:4566", "/"),
        ("bucket.s3.localhost.localstack.cloud:4566", "/"),
        ("bucket.s3-accelerate.amazonaws.com", "/"),
        ("s3.localhost", "/bucket"),
        ("s3.us-east-1.amazonaws.com", "/bucket/"),
        ("127.0.0.1:4566", "/bucket"),
        ("anything.at.all", "/bucket"),
    ] {
        let answer = server.call(&[&format!("GET {path} HTTP/1.1"), &format!("Host: {host}")], b"");
        assert!(answer.body.contains("<Name>bucket</Name>"), "{host}{path}: {}", answer.body);
    }
    let host = "Host: sync-sqs.eu-west-1.amazonaws.com";
    let answer = server.call(&["GET /?Action=SendMessage&QueueUrl=u HTTP/1.1", host], b"");
    assert!(answer.body.contains("<SendMessageResult>"), "{}", answer.body);
}

#[test]
fn what_is_unknown_is_answered_as_aws_would() {
    let server = Server::start(Mode::Open);
    let code = |answer: &crate::Answer, status: u16, text: &str| {
        assert_eq!(answer.status, status, "{}", answer.body);
        assert!(answer.body.contains(text), "{}", answer.body);
    };
    code(&server.json("AmazonSQS.Nope", "{}"), 400, "UnknownOperationException");
    code(
        &server.json("AmazonSQS.PurgeQueue", "{}"),
        501,
        "sqs:PurgeQueue is not implemented by Undercast",
    );
    code(
        &server.json("Kinesis_20131202.PutRecord", "{}"),
        501,
        "Kinesis_20131202:PutRecord is not implemented",
    );
    code(
        &server.form("Action=GetFederationToken&Version=2011-06-15"),
        501,
        "<Code>NotImplemented</Code>",
    );
    code(&server.form("Action=Nope&Version=2011-06-15"), 400, "<Code>InvalidAction</Code>");
    let sts = "Host: sts.us-east-1.amazonaws.com";
    code(&server.call(&["GET / HTTP/1.1", sts], b""), 400, "<Code>MissingAction</Code>");
    code(&server.call(&["GET /b/k?acl HTTP/1.1"], b""), 501, "s3:GetObjectAcl is not implemented");
    code(&server.call(&["PATCH /b/k HTTP/1.1"], b""), 405, "<Code>MethodNotAllowed</Code>");
    code(&server.call(&["GET /b/%ff HTTP/1.1"], b""), 400, "<Code>InvalidURI</Code>");
    let ec2 = "Authorization: AWS4-HMAC-SHA256 Credential=k/20261124/us-east-1/ec2/aws4_request, SignedHeaders=host, Signature=x";
    let kind = "Content-Type: application/x-www-form-urlencoded";
    let answer = server.call(
        &["POST / HTTP/1.1", ec2, kind, "X-Amz-Date: 20261124T080000Z"],
        b"Action=DescribeVpcs",
    );
    code(&answer, 501, "ec2:DescribeVpcs is not implemented");
}

#[test]
fn the_access_key_gives_the_account_and_the_scope_the_region() {
    let server = Server::start(Mode::Open);
    let who = |key: &str| {
        let credential = format!(
            "Authorization: AWS4-HMAC-SHA256 Credential={key}/20261124/eu-north-1/sts/aws4_request, SignedHeaders=host, Signature=x"
        );
        let kind = "Content-Type: application/x-www-form-urlencoded";
        let date = "X-Amz-Date: 20261124T080000Z";
        server.call(&["POST / HTTP/1.1", &credential, kind, date], b"Action=GetCallerIdentity").body
    };
    assert!(
        who("123456789012")
            .contains("<Arn>arn:aws:iam::123456789012:root</Arn><Region>eu-north-1</Region>")
    );
    assert!(who("test").contains("<Account>000000000000</Account>"));
    assert!(
        who(crate::service::KEY_ID).contains("<Arn>arn:aws:iam::111122223333:user/alice</Arn>")
    );
    let answer = server.form("Action=GetCallerIdentity&Version=2011-06-15");
    assert!(answer.body.contains("<Account>000000000000</Account>"), "{}", answer.body);
}
