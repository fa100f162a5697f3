"""SQS through boto3: messages, visibility, dead letters, limits, wording."""

import json
import threading
import time

import pytest


@pytest.fixture
def sqs(client):
    return client("sqs")


@pytest.fixture
def queue(sqs):
    return sqs.create_queue(QueueName="orders")["QueueUrl"]


def attributes(sqs, queue, *names):
    return sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=list(names or ["All"]))["Attributes"]


def test_a_message_is_sent_received_and_deleted(sqs, queue):
    sent = sqs.send_message(
        QueueUrl=queue,
        MessageBody="hello",
        MessageAttributes={
            "text": {"DataType": "String", "StringValue": "a"},
            "bytes": {"DataType": "Binary", "BinaryValue": b"\x00\x01"},
        },
    )
    message = sqs.receive_message(
        QueueUrl=queue, AttributeNames=["All"], MessageAttributeNames=["All"]
    )["Messages"][0]
    assert message["MessageId"] == sent["MessageId"]
    assert message["Body"] == "hello"
    assert message["MD5OfMessageAttributes"] == sent["MD5OfMessageAttributes"]
    assert message["MessageAttributes"]["bytes"]["BinaryValue"] == b"\x00\x01"
    assert message["Attributes"]["ApproximateReceiveCount"] == "1"
    assert "Messages" not in sqs.receive_message(QueueUrl=queue)
    sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
    assert attributes(sqs, queue)["ApproximateNumberOfMessages"] == "0"
    assert attributes(sqs, queue)["ApproximateNumberOfMessagesNotVisible"] == "0"


def test_the_queue_url_matches_whatever_its_host(sqs, queue, account):
    sqs.send_message(QueueUrl=f"https://sqs.eu-west-1.amazonaws.com/{account}/orders", MessageBody="x")
    assert sqs.receive_message(QueueUrl=queue)["Messages"]


def test_a_long_poll_returns_when_a_message_comes(sqs, queue, client):
    def later():
        time.sleep(0.3)
        client("sqs").send_message(QueueUrl=queue, MessageBody="x")

    thread = threading.Thread(target=later)
    begun = time.monotonic()
    thread.start()
    assert sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=10)["Messages"]
    assert time.monotonic() - begun < 3
    thread.join()


def test_visibility_ends_and_can_be_changed(sqs, queue):
    sqs.send_message(QueueUrl=queue, MessageBody="x")
    first = sqs.receive_message(QueueUrl=queue, VisibilityTimeout=600)["Messages"][0]
    sqs.change_message_visibility(QueueUrl=queue, ReceiptHandle=first["ReceiptHandle"], VisibilityTimeout=0)
    second = sqs.receive_message(QueueUrl=queue, VisibilityTimeout=600, AttributeNames=["All"])["Messages"][0]
    assert second["Attributes"]["ApproximateReceiveCount"] == "2"
    # The first handle is no longer good for the message that somebody else has.
    sqs.delete_message(QueueUrl=queue, ReceiptHandle=first["ReceiptHandle"])
    assert attributes(sqs, queue)["ApproximateNumberOfMessagesNotVisible"] == "1"
    sqs.change_message_visibility(QueueUrl=queue, ReceiptHandle=second["ReceiptHandle"], VisibilityTimeout=30)
    sqs.delete_message(QueueUrl=queue, ReceiptHandle=second["ReceiptHandle"])
    assert attributes(sqs, queue)["ApproximateNumberOfMessagesNotVisible"] == "0"


def test_messages_that_nobody_can_handle_become_dead_letters(sqs):
    dead = sqs.create_queue(QueueName="dead")["QueueUrl"]
    arn = attributes(sqs, dead)["QueueArn"]
    policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 2})
    queue = sqs.create_queue(QueueName="live", Attributes={"RedrivePolicy": policy})["QueueUrl"]
    big = "x" * 300_000
    sqs.send_message(QueueUrl=queue, MessageBody=big)
    for _ in range(2):
        got = sqs.receive_message(QueueUrl=queue, VisibilityTimeout=0)
        assert got["Messages"][0]["Body"] == big
    assert "Messages" not in sqs.receive_message(QueueUrl=queue)
    message = sqs.receive_message(QueueUrl=dead, AttributeNames=["All"])["Messages"][0]
    assert message["Body"] == big
    assert message["Attributes"]["DeadLetterQueueSourceArn"] == attributes(sqs, queue)["QueueArn"]
    assert sqs.list_dead_letter_source_queues(QueueUrl=dead)["queueUrls"] == [queue]


def test_batches_fail_entry_by_entry(sqs, queue):
    answer = sqs.send_message_batch(
        QueueUrl=queue,
        Entries=[{"Id": "good", "MessageBody": "x"}, {"Id": "bad", "MessageBody": "\x01"}],
    )
    assert [e["Id"] for e in answer["Successful"]] == ["good"]
    assert answer["Failed"][0]["Code"] == "InvalidMessageContents" and answer["Failed"][0]["SenderFault"]
    messages = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10)["Messages"]
    answer = sqs.delete_message_batch(
        QueueUrl=queue,
        Entries=[
            {"Id": "a", "ReceiptHandle": messages[0]["ReceiptHandle"]},
            {"Id": "b", "ReceiptHandle": "nonsense"},
        ],
    )
    assert [e["Id"] for e in answer["Successful"]] == ["a"]
    assert answer["Failed"][0]["Code"] == "ReceiptHandleIsInvalid"


def test_every_message_arrives_once(sqs, queue):
    for start in range(0, 2_000, 10):
        sqs.send_message_batch(
            QueueUrl=queue,
            Entries=[{"Id": str(i), "MessageBody": str(start + i)} for i in range(10)],
        )
    seen = []
    while messages := sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages"):
        seen += [int(m["Body"]) for m in messages]
        sqs.delete_message_batch(
            QueueUrl=queue,
            Entries=[{"Id": m["MessageId"], "ReceiptHandle": m["ReceiptHandle"]} for m in messages],
        )
    assert sorted(seen) == list(range(2_000))


def test_delays_hide_a_message_at_first(sqs, queue):
    sqs.send_message(QueueUrl=queue, MessageBody="x", DelaySeconds=1)
    assert "Messages" not in sqs.receive_message(QueueUrl=queue)
    assert attributes(sqs, queue)["ApproximateNumberOfMessagesDelayed"] == "1"
    assert sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=5)["Messages"]


def test_queues_are_found_listed_tagged_purged_and_deleted(sqs, queue, error):
    assert sqs.create_queue(QueueName="orders")["QueueUrl"] == queue
    code, message = error(sqs.create_queue, QueueName="orders", Attributes={"DelaySeconds": "5"})
    assert code == "QueueAlreadyExists" and "DelaySeconds" in message
    assert sqs.get_queue_url(QueueName="orders")["QueueUrl"] == queue
    assert sqs.list_queues(QueueNamePrefix="ord")["QueueUrls"] == [queue]
    sqs.tag_queue(QueueUrl=queue, Tags={"a": "1", "b": "2"})
    sqs.untag_queue(QueueUrl=queue, TagKeys=["a"])
    assert sqs.list_queue_tags(QueueUrl=queue)["Tags"] == {"b": "2"}
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"VisibilityTimeout": "7"})
    assert attributes(sqs, queue, "VisibilityTimeout") == {"VisibilityTimeout": "7"}
    sqs.add_permission(QueueUrl=queue, Label="l", AWSAccountIds=["111111111111"], Actions=["SendMessage"])
    assert "111111111111" in attributes(sqs, queue)["Policy"]
    sqs.remove_permission(QueueUrl=queue, Label="l")
    assert "Policy" not in attributes(sqs, queue)
    sqs.send_message(QueueUrl=queue, MessageBody="x")
    sqs.purge_queue(QueueUrl=queue)
    assert error(sqs.purge_queue, QueueUrl=queue)[0] == "AWS.SimpleQueueService.PurgeQueueInProgress"
    sqs.delete_queue(QueueUrl=queue)
    assert error(sqs.get_queue_url, QueueName="orders")[0] == "AWS.SimpleQueueService.NonExistentQueue"


@pytest.mark.parametrize(
    "arguments, code",
    [
        ({"WaitTimeSeconds": 21}, "InvalidParameterValue"),
        ({"MaxNumberOfMessages": 11}, "InvalidParameterValue"),
        ({"VisibilityTimeout": 50_000}, "InvalidParameterValue"),
    ],
)
def test_bad_numbers_are_refused(sqs, queue, error, arguments, code):
    assert error(sqs.receive_message, QueueUrl=queue, **arguments)[0] == code


def test_old_clients_speak_the_query_protocol(cloud, account):
    import urllib.parse
    import urllib.request

    def call(**parameters):
        data = urllib.parse.urlencode({"Version": "2012-11-05", **parameters}).encode()
        credential = f"AWS4-HMAC-SHA256 Credential={account}/20260101/us-east-1/sqs/aws4_request, SignedHeaders=host, Signature=0"
        request = urllib.request.Request(cloud.url, data, {"Authorization": credential})
        return urllib.request.urlopen(request).read().decode()

    answer = call(Action="CreateQueue", QueueName="old", **{"Attribute.1.Name": "DelaySeconds", "Attribute.1.Value": "0"})
    assert "<CreateQueueResult><QueueUrl>" in answer
    url = f"{cloud.url}/{account}/old"
    assert "<MessageId>" in call(Action="SendMessage", QueueUrl=url, MessageBody="hi")
    assert "<Body>hi</Body>" in call(Action="ReceiveMessage", QueueUrl=url)
