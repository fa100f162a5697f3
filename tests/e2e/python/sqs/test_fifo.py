"""FIFO queues through boto3: order, groups, deduplication, attempts, dead letters and their way back."""

import json
import time

import pytest


@pytest.fixture
def sqs(client):
    return client("sqs")


@pytest.fixture
def fifo(sqs):
    def make(name="orders.fifo", **attributes):
        attributes = {"FifoQueue": "true", "ContentBasedDeduplication": "true"} | attributes
        return sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]

    return make


def send(sqs, queue, *bodies, group="g"):
    return [sqs.send_message(QueueUrl=queue, MessageBody=b, MessageGroupId=group) for b in bodies]


def receive(sqs, queue, n=10, **more):
    got = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=n, AttributeNames=["All"], **more)
    return got.get("Messages", [])


def bodies(messages):
    return [m["Body"] for m in messages]


def arn(sqs, queue):
    return sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]


def test_a_group_is_given_in_order_and_blocks_while_in_flight(sqs, fifo):
    queue = fifo()
    sent = send(sqs, queue, *"abcd")
    numbers = [s["SequenceNumber"] for s in sent]
    assert numbers == sorted(numbers) and {len(n) for n in numbers} == {20}
    send(sqs, queue, "x", group="other")
    first = receive(sqs, queue, 2)
    assert bodies(first) == ["a", "b"]
    shown = first[0]["Attributes"]
    assert shown["MessageGroupId"] == "g" and shown["SequenceNumber"] == numbers[0]
    assert len(shown["MessageDeduplicationId"]) == 64
    assert bodies(receive(sqs, queue)) == ["x"]
    sqs.delete_message(QueueUrl=queue, ReceiptHandle=first[0]["ReceiptHandle"])
    assert receive(sqs, queue) == []
    counts = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])["Attributes"]
    assert counts["ApproximateNumberOfMessages"] == "2"
    assert counts["ApproximateNumberOfMessagesNotVisible"] == "2"
    sqs.delete_message(QueueUrl=queue, ReceiptHandle=first[1]["ReceiptHandle"])
    assert bodies(receive(sqs, queue)) == ["c", "d"]


def test_order_holds_after_visibility_ends(sqs, fifo):
    queue = fifo()
    send(sqs, queue, *"abc")
    a, b = receive(sqs, queue, 2)
    sqs.change_message_visibility(QueueUrl=queue, ReceiptHandle=b["ReceiptHandle"], VisibilityTimeout=0)
    assert receive(sqs, queue) == [], "the first one is in flight still"
    sqs.change_message_visibility(QueueUrl=queue, ReceiptHandle=a["ReceiptHandle"], VisibilityTimeout=0)
    again = receive(sqs, queue, VisibilityTimeout=1)
    assert bodies(again) == ["a", "b", "c"]
    assert [m["Attributes"]["ApproximateReceiveCount"] for m in again] == ["2", "2", "1"]
    third = receive(sqs, queue, WaitTimeSeconds=5)
    assert bodies(third) == ["a", "b", "c"]


def test_what_is_visible_again_cannot_be_deleted(sqs, fifo, error):
    queue = fifo()
    send(sqs, queue, "a")
    (message,) = receive(sqs, queue, VisibilityTimeout=0)
    code, text = error(sqs.delete_message, QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
    assert code == "InvalidParameterValue" and "The receipt handle has expired" in text
    (message,) = receive(sqs, queue)
    for _ in range(2):
        sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])


def test_the_same_message_is_taken_once(sqs, fifo):
    queue = fifo()
    first, second = send(sqs, queue, "a", "a")
    assert first["MessageId"] == second["MessageId"]
    assert first["SequenceNumber"] == second["SequenceNumber"]
    send(sqs, queue, "a", group="other")
    other = sqs.send_message(QueueUrl=queue, MessageBody="a", MessageGroupId="g", MessageDeduplicationId="1")
    assert other["MessageId"] != first["MessageId"]
    got = receive(sqs, queue)
    assert bodies(got) == ["a", "a"]
    for m in got:
        sqs.delete_message(QueueUrl=queue, ReceiptHandle=m["ReceiptHandle"])
    send(sqs, queue, "a")
    assert receive(sqs, queue) == [], "deleted ones are remembered, too"


def test_the_scope_of_deduplication_may_be_the_group(sqs, fifo, error):
    high = {"DeduplicationScope": "messageGroup", "FifoThroughputLimit": "perMessageGroupId"}
    queue = fifo(**high)
    for group in "xyx":
        send(sqs, queue, "a", group=group)
    assert len(receive(sqs, queue)) == 2
    shown = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])["Attributes"]
    assert high.items() <= shown.items() and shown["FifoQueue"] == "true"
    code, _ = error(
        sqs.set_queue_attributes, QueueUrl=queue, Attributes={"DeduplicationScope": "queue"}
    )
    assert code == "InvalidAttributeValue"


def test_an_attempt_to_receive_can_be_made_again(sqs, fifo):
    queue = fifo()
    send(sqs, queue, *"abc")
    first = receive(sqs, queue, 2, ReceiveRequestAttemptId="try")
    again = receive(sqs, queue, 2, ReceiveRequestAttemptId="try")
    assert bodies(again) == ["a", "b"]
    assert [m["ReceiptHandle"] for m in again] == [m["ReceiptHandle"] for m in first]
    assert receive(sqs, queue, ReceiveRequestAttemptId="another") == []
    sqs.delete_message(QueueUrl=queue, ReceiptHandle=first[0]["ReceiptHandle"])
    assert receive(sqs, queue, 2, ReceiveRequestAttemptId="try") == []


@pytest.mark.parametrize(
    "arguments, code, words",
    [
        ({}, "MissingParameter", "MessageGroupId"),
        ({"MessageGroupId": "g"}, "InvalidParameterValue", "MessageDeduplicationId provided explicitly"),
        ({"MessageGroupId": "a b", "MessageDeduplicationId": "1"}, "InvalidParameterValue", "MessageGroupId"),
        ({"MessageGroupId": "g", "MessageDeduplicationId": "1" * 129}, "InvalidParameterValue", "1 to 128"),
        (
            {"MessageGroupId": "g", "MessageDeduplicationId": "1", "DelaySeconds": 5},
            "InvalidParameterValue",
            "not valid for this queue type",
        ),
    ],
)
def test_what_a_fifo_queue_does_not_take(sqs, fifo, error, arguments, code, words):
    queue = fifo(ContentBasedDeduplication="false")
    got, message = error(sqs.send_message, QueueUrl=queue, MessageBody="a", **arguments)
    assert got == code and words in message
    batch = sqs.send_message_batch(QueueUrl=queue, Entries=[{"Id": "1", "MessageBody": "a"} | arguments])
    assert batch["Failed"][0]["Code"] == code


def test_the_name_says_the_kind(sqs, error):
    assert error(sqs.create_queue, QueueName="q", Attributes={"FifoQueue": "true"})[0] == "InvalidParameterValue"
    assert error(sqs.create_queue, QueueName="q.fifo")[0] == "InvalidParameterValue"
    got = error(sqs.create_queue, QueueName="q", Attributes={"ContentBasedDeduplication": "true"})
    assert got[0] == "InvalidAttributeName"
    standard = sqs.create_queue(QueueName="q")["QueueUrl"]
    sqs.send_message(QueueUrl=standard, MessageBody="fair", MessageGroupId="tenant")
    assert receive(sqs, standard)[0]["Attributes"]["MessageGroupId"] == "tenant"
    more = {"MessageDeduplicationId": "1"}
    assert error(sqs.send_message, QueueUrl=standard, MessageBody="x", **more)[0] == "InvalidParameterValue"


def test_a_batch_keeps_its_order(sqs, fifo):
    queue = fifo()
    entries = [{"Id": str(n), "MessageBody": f"{n}", "MessageGroupId": "g"} for n in range(10)]
    sent = sqs.send_message_batch(QueueUrl=queue, Entries=entries)["Successful"]
    numbers = [s["SequenceNumber"] for s in sent]
    assert numbers == sorted(set(numbers))
    got = receive(sqs, queue)
    assert bodies(got) == [str(n) for n in range(10)]
    gone = [{"Id": str(n), "ReceiptHandle": m["ReceiptHandle"]} for n, m in enumerate(got)]
    assert len(sqs.delete_message_batch(QueueUrl=queue, Entries=gone)["Successful"]) == 10
    counts = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])["Attributes"]
    assert counts["ApproximateNumberOfMessages"] == "0"


def test_large_bodies_and_purge(sqs, fifo, eventually=None):
    queue = fifo()
    send(sqs, queue, "b" * 700_000, "c" * 5_000)
    got = receive(sqs, queue)
    assert [len(m["Body"]) for m in got] == [700_000, 5_000]
    send(sqs, queue, "x", group="other")
    sqs.purge_queue(QueueUrl=queue)
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        counts = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])["Attributes"]
        if counts["ApproximateNumberOfMessages"] == counts["ApproximateNumberOfMessagesNotVisible"] == "0":
            break
        time.sleep(0.05)
    assert receive(sqs, queue) == []
    send(sqs, queue, "new")
    assert bodies(receive(sqs, queue)) == ["new"]


def test_a_delay_holds_for_the_whole_queue(sqs, fifo):
    queue = fifo(DelaySeconds="900")
    send(sqs, queue, *"ab")
    assert receive(sqs, queue) == []
    counts = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])["Attributes"]
    assert counts["ApproximateNumberOfMessagesDelayed"] == "2"
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"DelaySeconds": "0"})
    assert bodies(receive(sqs, queue, WaitTimeSeconds=10)) == ["a", "b"]


@pytest.fixture
def pair(sqs, fifo):
    dead = fifo("dead.fifo")
    policy = json.dumps({"deadLetterTargetArn": arn(sqs, dead), "maxReceiveCount": 1})
    return fifo(RedrivePolicy=policy), dead


def until(check, seconds=10):
    deadline = time.monotonic() + seconds
    while True:
        got = check()
        if got or time.monotonic() > deadline:
            return got
        time.sleep(0.05)


def done(sqs, source):
    def check():
        (task,) = sqs.list_message_move_tasks(SourceArn=source)["Results"]
        return task["Status"] != "RUNNING" and task

    return until(check)


def test_dead_letters_keep_their_order_and_come_back(sqs, pair, error):
    queue, dead = pair
    send(sqs, queue, *"abc")
    assert len(receive(sqs, queue, VisibilityTimeout=0)) == 3
    assert receive(sqs, queue) == []
    letters = receive(sqs, dead, VisibilityTimeout=0)
    assert bodies(letters) == ["a", "b", "c"]
    assert letters[0]["Attributes"]["DeadLetterQueueSourceArn"] == arn(sqs, queue)
    handle = sqs.start_message_move_task(SourceArn=arn(sqs, dead))["TaskHandle"]
    assert handle
    task = done(sqs, arn(sqs, dead))
    assert task["Status"] == "COMPLETED" and task["ApproximateNumberOfMessagesMoved"] == 3
    assert "TaskHandle" not in task
    back = receive(sqs, queue)
    assert bodies(back) == ["a", "b", "c"]
    assert "DeadLetterQueueSourceArn" not in back[0]["Attributes"]
    got = error(sqs.start_message_move_task, SourceArn=arn(sqs, queue))
    assert got[0] == "InvalidParameterValue" and "Dead Letter Queue" in got[1]


def test_a_move_has_a_rate_and_can_be_cancelled(sqs, error):
    dead = sqs.create_queue(QueueName="dead")["QueueUrl"]
    other = sqs.create_queue(QueueName="other")["QueueUrl"]
    policy = json.dumps({"deadLetterTargetArn": arn(sqs, dead), "maxReceiveCount": 1})
    sqs.create_queue(QueueName="q", Attributes={"RedrivePolicy": policy})
    for n in range(10):
        sqs.send_message(QueueUrl=dead, MessageBody=str(n))
    start = {"SourceArn": arn(sqs, dead), "DestinationArn": arn(sqs, other)}
    handle = sqs.start_message_move_task(**start, MaxNumberOfMessagesPerSecond=1)["TaskHandle"]
    assert "already a task running" in error(sqs.start_message_move_task, **start)[1]
    assert until(lambda: receive(sqs, other))
    moved = sqs.cancel_message_move_task(TaskHandle=handle)["ApproximateNumberOfMessagesMoved"]
    assert 1 <= moved < 10
    assert sqs.list_message_move_tasks(SourceArn=arn(sqs, dead))["Results"][0]["Status"] == "CANCELLED"
    assert error(sqs.cancel_message_move_task, TaskHandle=handle)[0] == "InvalidParameterValue"
    sqs.start_message_move_task(**start)
    assert until(lambda: len(sqs.list_message_move_tasks(SourceArn=arn(sqs, dead), MaxResults=10)["Results"]) == 2)
    assert done(sqs, arn(sqs, dead))["ApproximateNumberOfMessagesMoved"] == 10 - moved


def test_dead_letters_without_a_way_back_stay(sqs, error):
    dead = sqs.create_queue(QueueName="dead")["QueueUrl"]
    policy = json.dumps({"deadLetterTargetArn": arn(sqs, dead), "maxReceiveCount": 1})
    sqs.create_queue(QueueName="q", Attributes={"RedrivePolicy": policy})
    sqs.send_message(QueueUrl=dead, MessageBody="sent by hand")
    sqs.start_message_move_task(SourceArn=arn(sqs, dead))
    assert done(sqs, arn(sqs, dead))["Status"] == "FAILED"
    assert len(receive(sqs, dead)) == 1
    unknown = arn(sqs, dead) + "x"
    assert error(sqs.start_message_move_task, SourceArn=unknown)[0] == "ResourceNotFoundException"


def test_dead_letters_go_to_their_own_kind(sqs, fifo, error):
    standard = sqs.create_queue(QueueName="dead")["QueueUrl"]
    policy = json.dumps({"deadLetterTargetArn": arn(sqs, standard), "maxReceiveCount": 1})
    got = error(fifo, RedrivePolicy=policy)
    assert got[0] == "InvalidParameterValue" and "same type" in got[1]


def test_many_senders_and_receivers_keep_every_group_in_order(client, sqs, fifo):
    import threading

    queue = fifo()
    groups, each = 4, 25

    def sender(group):
        own = client("sqs")
        for n in range(each):
            own.send_message(QueueUrl=queue, MessageBody=f"{group}:{n}", MessageGroupId=str(group))

    got, lock = [], threading.Lock()

    def receiver():
        own = client("sqs")
        while True:
            messages = receive(own, queue, WaitTimeSeconds=1)
            if not messages and len(got) >= groups * each:
                return
            with lock:
                got.extend(bodies(messages))
            entries = [{"Id": str(i), "ReceiptHandle": m["ReceiptHandle"]} for i, m in enumerate(messages)]
            if entries:
                assert not own.delete_message_batch(QueueUrl=queue, Entries=entries).get("Failed")

    threads = [threading.Thread(target=sender, args=(g,)) for g in range(groups)]
    threads += [threading.Thread(target=receiver) for _ in range(3)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(60)
    for group in range(groups):
        own = [int(b.split(":")[1]) for b in got if b.startswith(f"{group}:")]
        assert own == list(range(each))


def test_a_template_makes_fifo_queues(client, sqs):
    template = {
        "Resources": {
            "Dead": {"Type": "AWS::SQS::Queue", "Properties": {"FifoQueue": True}},
            "Queue": {
                "Type": "AWS::SQS::Queue",
                "Properties": {
                    "FifoQueue": True,
                    "ContentBasedDeduplication": True,
                    "DeduplicationScope": "messageGroup",
                    "FifoThroughputLimit": "perMessageGroupId",
                    "RedrivePolicy": {
                        "deadLetterTargetArn": {"Fn::GetAtt": ["Dead", "Arn"]},
                        "maxReceiveCount": 3,
                    },
                },
            },
        },
        "Outputs": {"Url": {"Value": {"Ref": "Queue"}}},
    }
    cloudformation = client("cloudformation")
    cloudformation.create_stack(StackName="fifo", TemplateBody=json.dumps(template))
    cloudformation.get_waiter("stack_create_complete").wait(
        StackName="fifo", WaiterConfig={"Delay": 1, "MaxAttempts": 30}
    )
    (output,) = cloudformation.describe_stacks(StackName="fifo")["Stacks"][0]["Outputs"]
    url = output["OutputValue"]
    assert url.endswith(".fifo")
    shown = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert shown["DeduplicationScope"] == "messageGroup" and shown["ContentBasedDeduplication"] == "true"
