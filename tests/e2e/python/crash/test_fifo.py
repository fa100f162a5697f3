"""`kill -9` while a FIFO queue is written and read: every message once, every group in its order."""

import random
import threading
import time

from botocore.exceptions import BotoCoreError, ClientError

KILLS = 6
GROUPS = 4
BROKEN = (BotoCoreError, ClientError, OSError)


def test_groups_keep_their_order_over_kills(new_cloud):
    cloud = new_cloud().start()
    attributes = {"FifoQueue": "true", "VisibilityTimeout": "1"}
    queue = cloud.client("sqs").create_queue(QueueName="q.fifo", Attributes=attributes)["QueueUrl"]
    stopping, sent, got, lock = threading.Event(), [0] * GROUPS, [], threading.Lock()

    def sender(group):
        sqs, n = cloud.client("sqs"), 0
        while not stopping.is_set():
            name = f"{group}:{n}"
            try:
                # Sent again under the same id until it is acknowledged: that makes it once.
                sqs.send_message(
                    QueueUrl=queue, MessageBody=name, MessageGroupId=str(group), MessageDeduplicationId=name)
            except BROKEN:
                time.sleep(0.02)
                continue
            n += 1
            sent[group] = n

    def receiver():
        sqs, quiet = cloud.client("sqs"), 0
        while quiet < 3:
            try:
                messages = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, WaitTimeSeconds=1).get("Messages", [])
                with lock:
                    got.extend((m["Body"], m["MessageId"]) for m in messages)
                for n, m in enumerate(messages):
                    sqs.delete_message(QueueUrl=queue, ReceiptHandle=m["ReceiptHandle"])
            except BROKEN:
                time.sleep(0.02)
                continue
            quiet = 0 if messages or not stopping.is_set() else quiet + 1

    threads = [threading.Thread(target=sender, args=(g,)) for g in range(GROUPS)]
    threads += [threading.Thread(target=receiver) for _ in range(2)]
    for thread in threads:
        thread.start()
    for _ in range(KILLS):
        time.sleep(random.uniform(0.3, 1))
        cloud.kill()
        cloud.start()
    time.sleep(0.5)
    stopping.set()
    for thread in threads:
        thread.join(60)
    ids = {}
    for body, message in got:
        assert ids.setdefault(body, message) == message, f"{body} is there twice"
    for group in range(GROUPS):
        first = list(dict.fromkeys(int(b.split(":")[1]) for b, _ in got if b.startswith(f"{group}:")))
        assert len(first) >= sent[group] > 0
        assert first == list(range(len(first)))
