"""The state as a whole: snapshots, exports, imports, a moved clock; and what is remembered of what happened."""

import json
import subprocess
import threading
import time

import pytest
from apigateway.test_http_api import archive
from conftest import BINARY
from test_cli import run

WORKER = """
const { SQSClient, SendMessageCommand } = require('@aws-sdk/client-sqs');
exports.handler = async (event, context) => {
  if (event.queue) await new SQSClient({}).send(new SendMessageCommand({ QueueUrl: event.queue, MessageBody: event.say }));
  return { trace: process.env._X_AMZN_TRACE_ID, id: context.awsRequestId };
};
"""


def function(cloud, name="f"):
    cloud.client("lambda").create_function(
        FunctionName=name, Runtime="nodejs20.x", Role="arn:aws:iam::000000000000:role/r", Handler="index.handler", Timeout=20, Code={"ZipFile": archive(WORKER)}
    )


@pytest.fixture
def own(new_cloud):
    return new_cloud().start()


def fill(cloud):
    sqs, s3, db = (cloud.client(service) for service in ("sqs", "s3", "dynamodb"))
    queue = sqs.create_queue(QueueName="q")["QueueUrl"]
    sqs.send_message(QueueUrl=queue, MessageBody="one")
    s3.create_bucket(Bucket="things")
    s3.put_object(Bucket="things", Key="large", Body=b"x" * 300_000)
    s3.put_object(Bucket="things", Key="small", Body=b"small")
    db.create_table(TableName="tab", KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}], AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}], BillingMode="PAY_PER_REQUEST")
    for n in range(20):
        db.put_item(TableName="tab", Item={"id": {"S": str(n)}, "n": {"N": str(n)}})
    function(cloud)


def seen(cloud):
    """What is there, without changing it."""
    sqs, s3, db, fn = (cloud.client(service) for service in ("sqs", "s3", "dynamodb", "lambda"))
    queues = sqs.list_queues().get("QueueUrls", [])
    numbers = [sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["ApproximateNumberOfMessages"])["Attributes"] for queue in queues]
    objects = {o["Key"]: s3.get_object(Bucket="things", Key=o["Key"])["Body"].read() for o in s3.list_objects_v2(Bucket="things").get("Contents", [])}
    items = sorted(json.dumps(item, sort_keys=True) for item in db.scan(TableName="tab")["Items"])
    functions = [f["FunctionName"] for f in fn.list_functions()["Functions"]]
    return [url.rsplit("/", 1)[1] for url in queues], numbers, objects, items, functions


def spoil(cloud):
    sqs, s3, db, fn = (cloud.client(service) for service in ("sqs", "s3", "dynamodb", "lambda"))
    queue = sqs.get_queue_url(QueueName="q")["QueueUrl"]
    message = sqs.receive_message(QueueUrl=queue)["Messages"][0]
    sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
    sqs.send_message(QueueUrl=queue, MessageBody="two")
    sqs.send_message(QueueUrl=queue, MessageBody="three")
    s3.delete_object(Bucket="things", Key="large")
    s3.put_object(Bucket="things", Key="small", Body=b"changed")
    db.update_item(TableName="tab", Key={"id": {"S": "3"}}, UpdateExpression="SET n = :n", ExpressionAttributeValues={":n": {"N": "99"}})
    db.delete_item(TableName="tab", Key={"id": {"S": "4"}})
    fn.delete_function(FunctionName="f")
    sqs.create_queue(QueueName="more")


def test_a_snapshot_brings_everything_back(own):
    fill(own)
    fn = own.client("lambda")
    fn.invoke(FunctionName="f", Payload=b"{}")
    before = seen(own)
    kept = json.loads(run(own, "snapshot", "base", "--json").stdout)
    assert kept["name"] == "base" and kept["bytes"] > 300_000
    for _ in range(2):
        spoil(own)
        assert seen(own) != before
        changed = json.loads(run(own, "restore", "base", "--json").stdout)
        assert changed["rows"] > 5
        assert seen(own) == before
    # It works as well as it looks.
    sqs = own.client("sqs")
    queue = sqs.get_queue_url(QueueName="q")["QueueUrl"]
    assert sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=5)["Messages"][0]["Body"] == "one"
    assert json.loads(fn.invoke(FunctionName="f", Payload=json.dumps({"queue": queue, "say": "hello"}))["Payload"].read())["id"]
    assert sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=5)["Messages"][0]["Body"] == "hello"
    # It outlives the process, and a reset.
    own.kill()
    own.start()
    run(own, "reset", "--yes")
    assert own.client("sqs").list_queues().get("QueueUrls", []) == []
    assert "base" in run(own, "snapshot").stdout
    run(own, "restore", "base")
    assert seen(own) == before
    assert "deleted" in run(own, "snapshot", "base", "--delete").stdout
    gone = run(own, "restore", "base", check=False)
    assert gone.returncode == 1 and "There is no snapshot base" in gone.stderr
    assert "letters, digits" in run(own, "snapshot", "../up", check=False).stderr


def test_an_export_is_imported_elsewhere_with_its_secrets(own, new_cloud, tmp_path):
    fill(own)
    own.client("iam").create_user(UserName="u")
    key = own.client("iam").create_access_key(UserName="u")["AccessKey"]
    before = seen(own)
    file = tmp_path / "everything"
    assert "holds everything" in run(own, "export", str(file)).stdout
    assert file.stat().st_mode & 0o777 == 0o600
    other = new_cloud().start()
    other.client("sqs").create_queue(QueueName="other")
    assert "say --yes" in run(other, "import", str(file), check=False).stderr
    run(other, "import", str(file), "--yes")
    assert seen(other) == before
    # Sealed with the key of the first cloud, the secret opens here, also after a start.
    for _ in range(2):
        who = other.client("sts", key=key["AccessKeyId"], secret=key["SecretAccessKey"]).get_caller_identity()
        assert who["Arn"].endswith(":user/u")
        assert other.stop() == 0
        other = new_cloud(folder=other.folder).start()
    damaged = bytearray(file.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    file.write_bytes(damaged)
    refused = run(other, "import", str(file), "--yes", check=False)
    assert refused.returncode == 1 and "the archive is" in refused.stderr
    assert seen(other) == before


def test_a_kill_in_the_middle_of_a_restore_is_ended_by_the_next_start(own):
    fill(own)
    db = own.client("dynamodb")

    def add(n):
        for page in range(n):
            db.batch_write_item(RequestItems={"tab": [{"PutRequest": {"Item": {"id": {"S": f"p{page}-{i}"}, "text": {"S": "x" * 2000}}}} for i in range(25)]})

    add(300)
    before = seen(own)
    run(own, "snapshot", "base")
    for delay in (0.005, 0.02, 0.05, 0.1):
        spoil(own)
        pages = db.scan(TableName="tab", Limit=1000)["Items"]
        for start in range(0, 500, 25):
            db.batch_write_item(RequestItems={"tab": [{"DeleteRequest": {"Key": {"id": item["id"]}}} for item in pages[start : start + 25]]})
        restoring = threading.Thread(target=lambda: run(own, "restore", "base", check=False))
        restoring.start()
        time.sleep(delay)
        own.kill()
        restoring.join()
        marked = (own.folder / "restoring.undercast").exists()
        own.start()
        if marked:
            assert seen(own) == before
        else:
            # It had not begun, or was over.
            run(own, "restore", "base")
        assert not (own.folder / "restoring.undercast").exists()
        assert seen(own) == before
        db = own.client("dynamodb")


def test_the_clock_is_moved_and_stays_moved(own):
    sqs, db = own.client("sqs"), own.client("dynamodb")
    queue = sqs.create_queue(QueueName="q", Attributes={"VisibilityTimeout": "3600"})["QueueUrl"]
    sqs.send_message(QueueUrl=queue, MessageBody="late", DelaySeconds=900)
    assert "Messages" not in sqs.receive_message(QueueUrl=queue)
    run(own, "time", "advance", "15m")
    assert sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=5)["Messages"][0]["Body"] == "late"
    assert "Messages" not in sqs.receive_message(QueueUrl=queue)
    waiting = threading.Timer(0.2, lambda: run(own, "time", "advance", "1h"))
    waiting.start()
    # Who waits already is woken.
    assert sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=20)["Messages"][0]["Body"] == "late"
    waiting.join()
    db.create_table(TableName="tab", KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}], AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}], BillingMode="PAY_PER_REQUEST")
    db.update_time_to_live(TableName="tab", TimeToLiveSpecification={"Enabled": True, "AttributeName": "until"})
    db.put_item(TableName="tab", Item={"id": {"S": "a"}, "until": {"N": str(int(time.time()) + 3 * 86400)}})
    own.kill()
    own.start()
    clock = json.loads(run(own, "time", "--json").stdout)
    assert clock["moved_ms"] == 75 * 60_000
    moved = json.loads(run(own, "time", "advance", "4d", "--json").stdout)
    assert moved["moved_ms"] == 75 * 60_000 + 4 * 86_400_000 and moved["time"] > clock["time"]
    deadline = time.monotonic() + 20
    while own.client("dynamodb").scan(TableName="tab")["Items"]:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert "no duration" in run(own, "time", "advance", "soon", check=False).stderr


def test_a_trace_shows_what_a_request_led_to(own):
    function(own)
    sqs = own.client("sqs")
    queue = sqs.create_queue(QueueName="q")["QueueUrl"]
    tail = subprocess.Popen([str(BINARY), "tail", "--json", "--endpoint", own.url], stdout=subprocess.PIPE, text=True)
    lines = []
    reader = threading.Thread(target=lambda: lines.extend(json.loads(line) for line in tail.stdout), daemon=True)
    reader.start()
    deadline = time.monotonic() + 20
    while not lines:
        # Who listens hears what comes afterwards.
        sqs.get_queue_attributes(QueueUrl=queue)
        assert time.monotonic() < deadline
    answer = own.client("lambda").invoke(FunctionName="f", Payload=json.dumps({"queue": queue, "say": "hello"}))
    told = json.loads(answer["Payload"].read())
    assert "errorMessage" not in told, told
    root = told["trace"].split(";")[0].removeprefix("Root=")
    assert told["trace"].split(";")[1].startswith("Parent=")
    request = answer["ResponseMetadata"]["RequestId"]
    entries = json.loads(run(own, "trace", request, "--json").stdout)
    names = {entry.get("operation") or entry.get("function") for entry in entries}
    assert {"Invoke", "f", "SendMessage"} <= names
    invocation = next(entry for entry in entries if entry["kind"] == "invocation")
    assert invocation["cold"] and invocation["request"] == told["id"] and invocation["trace"] == root
    picture = run(own, "trace", root).stdout
    assert "λ f:$LATEST cold" in picture and "sqs.SendMessage" in picture and "█" in picture
    assert run(own, "trace", "nobody", check=False).returncode == 1
    own.client("lambda").invoke(FunctionName="f", Payload=b"{}")
    with pytest.raises(Exception, match="NonExistentQueue|does not exist"):
        sqs.receive_message(QueueUrl=queue + "x")
    while not any(line["error"] and "Queue" in line["error"] for line in lines):
        assert time.monotonic() < deadline + 20, lines[-5:]
        time.sleep(0.02)
    tail.kill()
    assert sum(line["kind"] == "invocation" for line in lines) == 2


def test_in_secure_mode_the_token_controls_and_the_root_key_stays(secure_cloud):
    cloud = secure_cloud
    token = (cloud.folder / "control-token").read_text().strip()
    trusted = ["--ca-bundle", str(cloud.folder / "authority/ca.pem")]
    refused = run(cloud, "snapshot", "base", *trusted, check=False)
    assert refused.returncode == 1 and "AccessDenied" in refused.stderr
    assert run(cloud, "status", "--token", token, check=False).returncode == 1, "the authority is not trusted"
    run(cloud, "snapshot", "base", *trusted, "--token", token)
    cloud.client("sqs").create_queue(QueueName="q")
    run(cloud, "restore", "base", *trusted, "--token", token)
    assert cloud.client("sqs").list_queues().get("QueueUrls", []) == []
    run(cloud, "reset", "--yes", *trusted, "--token", token)
    assert cloud.client("sts").get_caller_identity()["Arn"].endswith(":root")
