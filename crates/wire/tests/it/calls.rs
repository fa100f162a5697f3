//! Inputs, outputs and errors in each protocol.

use undercast_kernel::Mode;

use crate::Server;

#[test]
fn a_json_call_comes_back_whole() {
    let server = Server::start(Mode::Open);
    let body = r#"{"QueueUrl":"u","MessageBody":"é\"","Attributes":{"k":"v"},"Names":["a"],"Blob":"AAE=","At":1795507200.5,"Number":-9007199254740993}"#;
    let answer = server.json("AmazonSQS.SendMessage", body);
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (200, body.replace("200.5", "200.500").as_str())
    );
    assert_eq!(answer.header("content-type"), Some("application/x-amz-json-1.0"));
    assert_eq!(answer.header("x-amzn-requestid").unwrap().len(), 36);
    let answer = server.json("AmazonSQS.DeleteMessage", r#"{"QueueUrl":"u"}"#);
    assert_eq!((answer.status, answer.body.as_str()), (200, ""));
}

#[test]
fn a_query_call_comes_back_as_xml() {
    let server = Server::start(Mode::Open);
    let answer = server.form(
        "Action=SendMessage&Version=2012-11-05&QueueUrl=u&MessageBody=a+%26&Attribute.1.Name=k&Attribute.1.Value=v&Name.1=x&Name.2=y",
    );
    let request_id = answer.header("x-amzn-requestid").unwrap();
    assert_eq!(
        answer.body,
        format!(
            "<SendMessageResponse xmlns=\"http://queue.amazonaws.com/doc/2012-11-05/\"><SendMessageResult>\
             <QueueUrl>u</QueueUrl><MessageBody>a &amp;</MessageBody><Attribute><Name>k</Name><Value>v</Value></Attribute>\
             <Name>x</Name><Name>y</Name></SendMessageResult><ResponseMetadata><RequestId>{request_id}</RequestId>\
             </ResponseMetadata></SendMessageResponse>"
        )
    );
    let answer = server.form("Action=DeleteMessage&Version=2012-11-05&QueueUrl=u");
    assert!(!answer.body.contains("DeleteMessageResult"), "{}", answer.body);
}

#[test]
fn a_call_to_a_queue_url_needs_no_queue_parameter() {
    let server = Server::start(Mode::Open);
    let answer = server.call(
        &["POST /000000000000/q HTTP/1.1", "Content-Type: application/x-www-form-urlencoded"],
        b"Action=SendMessage&MessageBody=x",
    );
    assert!(
        answer.body.contains("<QueueUrl>http://localhost:4566/000000000000/q</QueueUrl>"),
        "{}",
        answer.body
    );
}

#[test]
fn errors_have_each_protocols_envelope() {
    let server = Server::start(Mode::Open);
    let answer =
        server.json("AmazonSQS.SendMessage", r#"{"QueueUrl":"u","MessageBody":"missing"}"#);
    assert_eq!(answer.status, 400);
    assert_eq!(
        answer.header("x-amzn-query-error"),
        Some("AWS.SimpleQueueService.NonExistentQueue;Sender")
    );
    assert_eq!(
        answer.body,
        r#"{"__type":"com.amazonaws.sqs#QueueDoesNotExist","message":"no <queue>"}"#
    );

    let answer = server.form("Action=SendMessage&QueueUrl=u&MessageBody=missing");
    assert_eq!(answer.status, 400);
    let wanted = "<Type>Sender</Type><Code>AWS.SimpleQueueService.NonExistentQueue</Code><Message>no &lt;queue&gt;</Message>";
    assert!(answer.body.contains(wanted), "{}", answer.body);

    let answer = server.call(&["POST /2015-03-31/functions/none/invocations HTTP/1.1"], b"{}");
    assert_eq!(answer.status, 404);
    assert_eq!(answer.header("x-amzn-errortype"), Some("ResourceNotFoundException"));
    assert_eq!(answer.body, r#"{"Type":"User","Message":"Function not found"}"#);

    let answer = server.call(&["GET /b/none HTTP/1.1"], b"");
    assert_eq!((answer.status, answer.header("content-type")), (404, Some("application/xml")));
    assert!(answer.body.contains("<Code>NoSuchKey</Code><Message>The specified key does not exist.</Message><Key>none</Key><RequestId>"));
    assert!(answer.header("x-amz-request-id").is_some() && answer.header("x-amz-id-2").is_some());
}

#[test]
fn own_failures_tell_no_detail_and_do_not_end_the_server() {
    let server = Server::start(Mode::Open);
    for body in ["panic", "broken"] {
        let answer = server.json(
            "AmazonSQS.SendMessage",
            &format!(r#"{{"QueueUrl":"u","MessageBody":"{body}"}}"#),
        );
        assert_eq!(answer.status, 500);
        assert!(
            answer.body.contains("InternalFailure") && !answer.body.contains("secret"),
            "{}",
            answer.body
        );
        assert!(answer.header("x-amzn-requestid").is_some());
    }
    assert_eq!(server.json("AmazonSQS.SendMessage", r#"{"QueueUrl":"u"}"#).status, 200);
}

#[test]
fn unreadable_and_invalid_inputs_are_refused() {
    let server = Server::start(Mode::Open);
    let answer = server.json("AmazonSQS.SendMessage", "{");
    assert!(answer.body.contains("SerializationException"), "{}", answer.body);
    let answer = server.json("AmazonSQS.SendMessage", r#"{"QueueUrl":1}"#);
    assert!(answer.body.contains("NUMBER_VALUE cannot be converted to String"), "{}", answer.body);
    let answer = server.json("AmazonSQS.SendMessage", "{}");
    assert!(
        answer.body.contains("Value null at 'queueUrl' failed to satisfy constraint"),
        "{}",
        answer.body
    );
}

#[test]
fn rest_members_travel_in_their_places() {
    let server = Server::start(Mode::Open);
    let answer = server.call(
        &[
            "POST /2015-03-31/functions/a%3Ab/invocations?Qualifier=x%20y HTTP/1.1",
            "X-Amz-Invocation-Type: Event",
        ],
        b"{\"raw\":1}",
    );
    assert_eq!(answer.status, 202);
    assert_eq!(
        answer.header("x-amz-executed-version"),
        Some(r#"Some("a:b")/Some("x y")/Some("Event")"#)
    );
    assert_eq!(answer.body, "{\"raw\":1}");
    let answer = server.call(&["DELETE /2015-03-31/functions/f HTTP/1.1"], b"");
    assert_eq!((answer.status, answer.body.as_str()), (204, ""));
    let answer = server.call(&["GET /bucket HTTP/1.1"], b"");
    assert_eq!(
        answer.body,
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
         <Name>bucket</Name><Key>a&amp;b</Key><Key>c</Key></ListBucketResult>"
    );
}

#[test]
fn answers_that_may_have_no_body_have_none() {
    let server = Server::start(Mode::Open);
    let answer = server.call(&["GET /b/same HTTP/1.1"], b"");
    assert_eq!((answer.status, answer.body.as_str()), (304, ""));
    let answer = server.call(&["HEAD /b/none HTTP/1.1"], b"");
    assert_eq!((answer.status, answer.body.as_str()), (404, ""));
    let answer = server.call(&["HEAD /b/k HTTP/1.1"], b"");
    assert_eq!(answer.header("last-modified"), Some("Tue, 24 Nov 2026 08:00:00 GMT"));
}

#[test]
fn browsers_may_ask_first() {
    let server = Server::start(Mode::Open);
    let answer = server.call(
        &[
            "OPTIONS / HTTP/1.1",
            "Origin: http://app",
            "Access-Control-Request-Method: POST",
            "Access-Control-Request-Headers: x-amz-target",
        ],
        b"",
    );
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    assert_eq!(answer.header("access-control-allow-headers"), Some("x-amz-target"));
}
