"""`kill -9` at random moments under mixed load: nothing acknowledged is lost, no stack is stuck, every
task goes on, no process is left over.

`UNDERCAST_KILLS` sets the number of kills: 20 here, 300 in the long form. `UNDERCAST_STORE` names a
store other than the embedded one, such as `postgres://…`.
"""

import json
import os
import random
import signal
import subprocess
import threading
import time

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from conftest import settled

KILLS = int(os.environ.get("UNDERCAST_KILLS", "20"))
STORE = ["--store", os.environ["UNDERCAST_STORE"]] if "UNDERCAST_STORE" in os.environ else []
TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}

# Writes one item per record; an item that is there already is as good.
WORKER = """
const http = require("http");
const call = (target, body) => new Promise((done, fail) => {
  const url = new URL(process.env.AWS_ENDPOINT_URL);
  const request = http.request({ host: url.hostname, port: url.port, method: "POST", headers: {
    "x-amz-target": target, "content-type": "application/x-amz-json-1.0",
    authorization: "AWS4-HMAC-SHA256 Credential=" + process.env.AWS_ACCESS_KEY_ID + "/20260101/us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=0" } },
    (r) => { let text = ""; r.on("data", (d) => text += d); r.on("end", () => r.statusCode < 300 ? done(text) : fail(new Error(text))); });
  request.on("error", fail);
  request.end(JSON.stringify(body));
});
exports.handler = async (event) => {
  const names = event.Records ? event.Records.map((r) => r.body ?? r.dynamodb.NewImage.thread.S) : [event.name];
  for (const name of names) await call("DynamoDB_20120810.PutItem", { TableName: "done", Item: { id: { S: name } } });
};
"""


class Load:
    """What clients do, and what they were told."""

    def __init__(self, cloud):
        self.cloud = cloud
        self.stopping = threading.Event()
        self.threads = []
        self.queued, self.invoked, self.changed, self.items, self.objects = set(), set(), set(), {}, {}
        self.lock = threading.Lock()

    def run(self, work):
        def loop():
            n = 0
            while not self.stopping.is_set():
                n += 1
                try:
                    work(f"{threading.current_thread().name}-{n}")
                except (BotoCoreError, ClientError, OSError):
                    # Refused or cut off: not acknowledged. The next one may be.
                    time.sleep(0.02)

        thread = threading.Thread(target=loop, name=f"{work.__name__}{len(self.threads)}")
        self.threads.append(thread)
        thread.start()

    def send(self, name):
        self.sqs.send_message(QueueUrl="work", MessageBody=name)
        with self.lock:
            self.queued.add(name)

    def invoke(self, name):
        self.lam.invoke(FunctionName="worker", InvocationType="Event", Payload=json.dumps({"name": name}))
        with self.lock:
            self.invoked.add(name)
        time.sleep(0.01)

    def put(self, name):
        key = f"k{random.randint(0, 200)}"
        with self.lock:
            wanted = self.items.get(key, {"acknowledged": 0, "tried": 0})
            value = wanted["tried"] + 1
            self.items[key] = {**wanted, "tried": value}
        self.dynamodb.put_item(TableName="items", Item={"id": {"S": key}, "thread": {"S": name}, "n": {"N": str(value)}})
        with self.lock:
            self.changed.add(name)
            self.items[key]["acknowledged"] = max(self.items[key]["acknowledged"], value)

    def upload(self, name):
        size = random.choice([10, 70_000, 300_000])
        self.s3.put_object(Bucket="objects", Key=name, Body=name.encode() * (size // len(name) + 1))
        with self.lock:
            self.objects[name] = size // len(name) + 1
        time.sleep(0.02)

    def start(self):
        for service, name in (("sqs", "sqs"), ("lambda", "lam"), ("dynamodb", "dynamodb"), ("s3", "s3")):
            setattr(self, name, self.cloud.client(service))
        # One writer of items, so that numbers of a key only grow.
        for work in (self.send, self.send, self.invoke, self.put, self.upload):
            self.run(work)

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join()


def template(n):
    return json.dumps(
        {
            "Resources": {
                "Dead": {"Type": "AWS::SQS::Queue"},
                "Live": {
                    "Type": "AWS::SQS::Queue",
                    "Properties": {"DelaySeconds": n % 10, "RedrivePolicy": {"deadLetterTargetArn": {"Fn::GetAtt": ["Dead", "Arn"]}, "maxReceiveCount": 2}},
                },
                "Named": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": f"named-{n}"}},
                "Role": {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": TRUST}},
                "Table": {
                    "Type": "AWS::DynamoDB::Table",
                    "Properties": {"BillingMode": "PAY_PER_REQUEST", "AttributeDefinitions": [{"AttributeName": "a", "AttributeType": "S"}], "KeySchema": [{"AttributeName": "a", "KeyType": "HASH"}]},
                },
                "Function": {
                    "Type": "AWS::Lambda::Function",
                    "Properties": {"Runtime": "nodejs20.x", "Handler": "index.handler", "Role": {"Fn::GetAtt": ["Role", "Arn"]}, "Code": {"ZipFile": f"exports.handler = async () => {n}"}},
                },
            }
        }
    )


def change_stack(cloud, n):
    """Begins the next operation on the stack, if it is at rest."""
    cfn = cloud.client("cloudformation")
    try:
        if n == 0:
            cfn.create_stack(StackName="s", TemplateBody=template(0), Capabilities=["CAPABILITY_IAM"])
        else:
            cfn.update_stack(StackName="s", TemplateBody=template(n), Capabilities=["CAPABILITY_IAM"])
    except (BotoCoreError, ClientError):
        pass


def set_up(cloud):
    lam, sqs, dynamodb = cloud.client("lambda"), cloud.client("sqs"), cloud.client("dynamodb")
    for table in ("done", "items"):
        dynamodb.create_table(
            TableName=table,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"} if table == "items" else {"StreamEnabled": False},
        )
    cloud.client("s3").create_bucket(Bucket="objects")
    sqs.create_queue(QueueName="work", Attributes={"VisibilityTimeout": "2"})
    arn = sqs.get_queue_attributes(QueueUrl="work", AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    from apigateway.test_http_api import archive

    lam.create_function(FunctionName="worker", Runtime="nodejs20.x", Role="arn:aws:iam::000000000000:role/r", Handler="index.handler", Timeout=2, Code={"ZipFile": archive(WORKER)})
    lam.create_event_source_mapping(EventSourceArn=arn, FunctionName="worker", BatchSize=10)
    stream = dynamodb.describe_table(TableName="items")["Table"]["LatestStreamArn"]
    lam.create_event_source_mapping(EventSourceArn=stream, FunctionName="worker", BatchSize=20, StartingPosition="LATEST", ParallelizationFactor=2)


def processes_of(cloud):
    """Processes that the cloud left behind, by the data folder in their command line or environment."""
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit() or int(entry) == os.getpid():
            continue
        try:
            with open(f"/proc/{entry}/cmdline", "rb") as f:
                command = f.read()
            if str(cloud.folder).encode() in command:
                found.append((entry, command))
        except OSError:
            pass
    return found


@pytest.mark.timeout(240 + 6 * KILLS)
@pytest.mark.xdist_group("crash")
def test_kill_at_random_moments_under_mixed_load(new_cloud):
    seed = int(os.environ.get("UNDERCAST_SEED", random.randint(0, 10**6)))
    print("seed", seed)
    chance = random.Random(seed)
    cloud = new_cloud(*STORE).start()
    set_up(cloud)
    load = Load(cloud)
    load.start()
    try:
        for n in range(KILLS):
            change_stack(cloud, n)
            time.sleep(chance.uniform(0.0, 0.6))
            cloud.kill()
            cloud.start()
    finally:
        load.stop()

    # The stack comes to rest by itself, in a state from which it can be updated.
    cfn = cloud.client("cloudformation")
    stack = settled(cfn, "s")
    assert stack["StackStatus"] in ("CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE"), stack
    named = [u for u in cloud.client("sqs").list_queues(QueueNamePrefix="named-")["QueueUrls"]]
    assert len(named) == 1, f"half done: {named}"

    # Every message, every event and every change reaches the worker.
    dynamodb = cloud.client("dynamodb")
    deadline = time.monotonic() + 150
    while True:
        done = {i["id"]["S"] for page in dynamodb.get_paginator("scan").paginate(TableName="done") for i in page["Items"]}
        missing = (load.queued | load.invoked | load.changed) - done
        if not missing:
            break
        assert time.monotonic() < deadline, f"{len(missing)} of {len(load.queued)} + {len(load.invoked)} + {len(load.changed)}: {sorted(missing)[:5]}"
        time.sleep(0.5)

    # Items and objects are what was acknowledged, or newer.
    rows = {i["id"]["S"]: int(i["n"]["N"]) for page in dynamodb.get_paginator("scan").paginate(TableName="items") for i in page["Items"]}
    for key, known in load.items.items():
        assert known["acknowledged"] <= rows.get(key, 0) <= known["tried"], (key, known, rows.get(key))
    s3 = cloud.client("s3")
    for key, times in load.objects.items():
        assert s3.get_object(Bucket="objects", Key=key)["Body"].read() == key.encode() * times, key

    assert len(load.queued) > KILLS and len(load.invoked) > KILLS // 2 and load.changed and load.objects
    assert cloud.stop() == 0, cloud.read_log()
    time.sleep(0.2)
    assert processes_of(cloud) == []
    print(f"{KILLS} kills: {len(load.queued)} messages, {len(load.invoked)} events, {len(load.items)} keys, {len(load.objects)} objects")


def test_a_second_process_on_the_same_folder_is_refused(new_cloud):
    first = new_cloud().start()
    second = new_cloud(folder=first.folder)
    with pytest.raises(RuntimeError, match="another process|locked|in use|Locked"):
        second.start()
    assert first.client("sts").get_caller_identity()["Account"]


def test_sigterm_lets_requests_finish(new_cloud):
    cloud = new_cloud().start()
    sqs = cloud.client("sqs")
    queue = sqs.create_queue(QueueName="q")["QueueUrl"]
    acknowledged = []

    def send():
        mine = cloud.client("sqs")
        while True:
            try:
                mine.send_message(QueueUrl=queue, MessageBody="x")
                acknowledged.append(1)
            except (BotoCoreError, ClientError, OSError):
                return

    threads = [threading.Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    time.sleep(0.3)
    assert cloud.stop() == 0
    for thread in threads:
        thread.join()
    cloud.start()
    got = cloud.client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])["Attributes"]
    assert int(got["ApproximateNumberOfMessages"]) >= len(acknowledged) > 0
    cloud.process.send_signal(signal.SIGTERM)
    assert cloud.process.wait(timeout=20) == 0


def test_an_address_that_others_reach_needs_secure_mode(new_cloud):
    from conftest import BINARY

    done = subprocess.run([BINARY, "up", "--listen", "0.0.0.0:0", "--data", "/nonexistent"], capture_output=True, text=True, timeout=20)
    assert done.returncode != 0 and "--secure" in done.stderr
