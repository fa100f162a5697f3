"""Lambda through boto3: functions, invocations, events that wait, queues that are read."""

import base64
import io
import json
import urllib.request
import zipfile

import pytest

ROLE = "arn:aws:iam::{}:role/worker"
ECHO = "exports.handler = async (event) => event;"


def archive(**files):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as z:
        for name, text in files.items():
            entry = zipfile.ZipInfo(name.replace("__", "."))
            entry.external_attr = 0o644 << 16  # what is not readable for all, functions cannot read
            z.writestr(entry, text)
    return out.getvalue()


@pytest.fixture
def fn(client):
    return client("lambda")


@pytest.fixture
def make(fn, account):
    def run(name="f", source=ECHO, **more):
        settings = {"Runtime": "nodejs20.x", "Handler": "index.handler", "Timeout": 10}
        code = {"ZipFile": archive(index__js=source)}
        return fn.create_function(
            FunctionName=name, Role=ROLE.format(account), Code=code, **{**settings, **more})

    return run


def call(fn, name, event, **more):
    answer = fn.invoke(FunctionName=name, Payload=json.dumps(event), **more)
    return answer, json.loads(answer["Payload"].read() or "null")


def test_a_function_lives(fn, make, account):
    made = make(Environment={"Variables": {"STAGE": "dev"}})
    assert made["ResponseMetadata"]["HTTPStatusCode"] == 201
    fn.get_waiter("function_active_v2").wait(FunctionName="f")
    fn.get_waiter("function_updated_v2").wait(FunctionName="f")
    answer, payload = call(fn, made["FunctionArn"], {"a": [1, {"b": "ü"}]})
    assert answer["StatusCode"] == 200 and answer["ExecutedVersion"] == "$LATEST"
    assert payload == {"a": [1, {"b": "ü"}]}
    for name in ("f:$LATEST", f"{account}:function:f", f"arn:aws:lambda:us-east-1:{account}:function:f:$LATEST"):
        assert call(fn, name, 1)[1] == 1
    found = fn.get_function(FunctionName="f")
    with urllib.request.urlopen(found["Code"]["Location"]) as response:
        assert zipfile.ZipFile(io.BytesIO(response.read())).namelist() == ["index.js"]
    fn.update_function_code(FunctionName="f", ZipFile=archive(index__js="exports.handler = async () => process.env.STAGE;"))
    assert call(fn, "f", {})[1] == "dev"
    fn.update_function_configuration(FunctionName="f", Environment={"Variables": {"STAGE": "prod"}})
    assert call(fn, "f", {})[1] == "prod"
    names = [f["FunctionName"] for page in fn.get_paginator("list_functions").paginate() for f in page["Functions"]]
    assert names == ["f"]
    assert fn.delete_function(FunctionName="f")["ResponseMetadata"]["HTTPStatusCode"] == 204


def test_code_comes_from_a_bucket(fn, client, account, error):
    s3, bucket = client("s3"), f"code-{account}"
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="a/b.zip", Body=archive(index__js="exports.handler = async () => 'from s3';"))
    settings = {"Runtime": "nodejs20.x", "Handler": "index.handler", "Timeout": 10, "Role": ROLE.format(account)}
    fn.create_function(FunctionName="f", Code={"S3Bucket": bucket, "S3Key": "a/b.zip"}, **settings)
    assert call(fn, "f", {})[1] == "from s3"
    code, message = error(fn.update_function_code, FunctionName="f", S3Bucket=bucket, S3Key="nope")
    assert (code, message) == (
        "InvalidParameterValueException",
        "Error occurred while GetObject. S3 Error Code: NoSuchKey. S3 Error Message: The specified key does not exist.")


def test_python_errors_and_the_log_tail(fn, account):
    source = "def handler(event, context):\n    print('about to fail')\n    raise ValueError('no')\n"
    fn.create_function(
        FunctionName="p", Runtime="python3.12", Handler="app.handler", Timeout=10,
        Role=ROLE.format(account), Code={"ZipFile": archive(app__py=source)})
    answer, payload = call(fn, "p", {}, LogType="Tail")
    assert answer["FunctionError"] == "Unhandled"
    assert payload["errorType"] == "ValueError" and payload["errorMessage"] == "no"
    assert "about to fail" in base64.b64decode(answer["LogResult"]).decode()


def test_errors_are_typed_and_worded(fn, make, account, error):
    code, message = error(fn.invoke, FunctionName="nope")
    assert (code, message) == (
        "ResourceNotFoundException",
        f"Function not found: arn:aws:lambda:us-east-1:{account}:function:nope:$LATEST")
    with pytest.raises(fn.exceptions.ResourceNotFoundException) as caught:
        fn.get_function(FunctionName="nope")
    assert caught.value.response["Type"] == "User"
    make()
    assert error(make) == ("ResourceConflictException", "Function already exist: f")
    code, message = error(make, name="g", Runtime="PYTHON3.9")
    assert code == "InvalidParameterValueException" and "at 'runtime' failed" in message
    code, message = error(make, name="g", MemorySize=20_000)
    assert code == "ValidationException"
    code, message = error(make, name="g", Environment={"Variables": {"AWS_REGION": "x"}})
    assert message.endswith("Reserved keys used in this request: AWS_REGION")
    code, _ = error(fn.invoke, FunctionName="f", Payload=b"{")
    assert code == "InvalidRequestContentException"
    code, _ = error(fn.list_capacity_providers)
    assert code == "NotImplemented"


def test_versions_and_aliases(fn, make):
    make(source="exports.handler = async () => 'one';", Publish=True)
    fn.update_function_code(FunctionName="f", ZipFile=archive(index__js="exports.handler = async () => 'two';"), Publish=True)
    fn.create_alias(FunctionName="f", Name="live", FunctionVersion="1")
    assert call(fn, "f:live", {})[1] == "one"
    fn.update_alias(FunctionName="f", Name="live", FunctionVersion="1", RoutingConfig={"AdditionalVersionWeights": {"2": 0.5}})
    assert {call(fn, "f:live", {})[1] for _ in range(40)} == {"one", "two"}
    fn.update_alias(FunctionName="f", Name="live", FunctionVersion="2", RoutingConfig={"AdditionalVersionWeights": {}})
    assert call(fn, "f", {}, Qualifier="live")[1] == "two"


def test_a_permission_is_a_statement(fn, make, account):
    make()
    added = fn.add_permission(
        FunctionName="f", StatementId="api", Action="lambda:InvokeFunction", Principal="apigateway.amazonaws.com")
    statement = json.loads(added["Statement"])
    assert statement["Principal"] == {"Service": "apigateway.amazonaws.com"}
    assert json.loads(fn.get_policy(FunctionName="f")["Policy"])["Statement"] == [statement]
    fn.remove_permission(FunctionName="f", StatementId="api")


def test_concurrency_is_limited(fn, make, error):
    make()
    fn.put_function_concurrency(FunctionName="f", ReservedConcurrentExecutions=0)
    with pytest.raises(fn.exceptions.TooManyRequestsException) as caught:
        fn.invoke(FunctionName="f")
    assert caught.value.response["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"
    fn.delete_function_concurrency(FunctionName="f")
    assert call(fn, "f", 2)[1] == 2


def test_the_result_of_an_event_goes_to_a_queue(fn, make, client, account):
    sqs = client("sqs")
    queue = sqs.create_queue(QueueName="results")["QueueUrl"]
    make(source="exports.handler = async (event) => ({ doubled: event.n * 2 });")
    fn.put_function_event_invoke_config(
        FunctionName="f",
        DestinationConfig={"OnSuccess": {"Destination": f"arn:aws:sqs:us-east-1:{account}:results"}})
    answer = fn.invoke(FunctionName="f", InvocationType="Event", Payload=b'{"n": 21}')
    assert answer["StatusCode"] == 202
    message = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=10)["Messages"][0]
    record = json.loads(message["Body"])
    assert record["responsePayload"] == {"doubled": 42}
    assert record["requestContext"]["requestId"] == answer["ResponseMetadata"]["RequestId"]


def test_a_queue_is_read_and_failures_come_back(fn, make, client, account):
    sqs = client("sqs")
    dead = sqs.create_queue(QueueName="dead")["QueueUrl"]
    redrive = json.dumps({"deadLetterTargetArn": f"arn:aws:sqs:us-east-1:{account}:dead", "maxReceiveCount": 1})
    queue = sqs.create_queue(QueueName="work", Attributes={"VisibilityTimeout": "1", "RedrivePolicy": redrive})["QueueUrl"]
    make(Timeout=1, source="""
        exports.handler = async (event) => ({ batchItemFailures: event.Records
          .filter((r) => JSON.parse(r.body).fail).map((r) => ({ itemIdentifier: r.messageId })) });""")
    mapping = fn.create_event_source_mapping(
        FunctionName="f", EventSourceArn=f"arn:aws:sqs:us-east-1:{account}:work",
        FunctionResponseTypes=["ReportBatchItemFailures"])
    for fail in (False, True, False):
        sqs.send_message(QueueUrl=queue, MessageBody=json.dumps({"fail": fail}))
    message = sqs.receive_message(QueueUrl=dead, WaitTimeSeconds=10)["Messages"][0]
    assert json.loads(message["Body"]) == {"fail": True}
    assert fn.get_event_source_mapping(UUID=mapping["UUID"])["State"] == "Enabled"
    assert fn.delete_event_source_mapping(UUID=mapping["UUID"])["State"] == "Deleting"


def test_a_fifo_queue_is_read_in_order_and_a_failure_blocks_its_group(fn, make, client, account, error, logged):
    sqs = client("sqs")
    done = sqs.create_queue(QueueName="done")["QueueUrl"]
    attributes = {"VisibilityTimeout": "1", "FifoQueue": "true", "ContentBasedDeduplication": "true"}
    queue = sqs.create_queue(QueueName="work.fifo", Attributes=attributes)["QueueUrl"]
    # Fails the first time that it sees "a:1"; what follows in that group has to wait.
    make(Timeout=1, Environment={"Variables": {"DONE": done}}, source="""
        exports.handler = async (event) => {
          for (const r of event.Records) {
            const times = Number(r.attributes.ApproximateReceiveCount);
            if (r.body === 'a:1' && times < 2) throw new Error('not yet');
            console.log('SEEN', r.attributes.MessageGroupId, r.body, r.attributes.SequenceNumber.length);
          }
        };""")
    source = f"arn:aws:sqs:us-east-1:{account}:work.fifo"
    arguments = {"FunctionName": "f", "EventSourceArn": source}
    refused = error(fn.create_event_source_mapping, **arguments, MaximumBatchingWindowInSeconds=1)
    assert refused == ("InvalidParameterValueException", "Batching window is not supported for FIFO queues")
    for n in range(3):
        for group in "ab":
            sqs.send_message(QueueUrl=queue, MessageBody=f"{group}:{n}", MessageGroupId=group)
    fn.create_event_source_mapping(**arguments, BatchSize=1)
    lines = logged("f", lambda lines: sum("SEEN " in line for line in lines) >= 6)
    seen = [line.split("SEEN ")[1].split() for line in lines if "SEEN " in line]
    for group in "ab":
        assert [body for of, body, _ in seen if of == group] == [f"{group}:{n}" for n in range(3)]
    assert {length for *_, length in seen} == {"20"}


def test_logs_are_kept(fn, make, logged):
    make(source="exports.handler = async () => { console.log('seen'); };")
    call(fn, "f", {})
    logged("f", lambda lines: "seen" in "".join(lines) and "REPORT RequestId" in "".join(lines))


def test_environment_variables_are_sealed_where_they_are_kept(new_cloud):
    cloud = new_cloud().start()
    fn = cloud.client("lambda")
    secret = "a-secret-that-nobody-reads-on-the-disk"
    source = "exports.handler = async () => process.env.TOKEN;"
    fn.create_function(
        FunctionName="f", Runtime="nodejs22.x", Handler="index.handler", Role=ROLE.format("0" * 12),
        Code={"ZipFile": archive(index__js=source)}, Environment={"Variables": {"TOKEN": secret}}, Publish=True)
    same = fn.update_function_configuration(FunctionName="f", Environment={"Variables": {"TOKEN": secret}})
    assert same["Environment"] == {"Variables": {"TOKEN": secret}}
    assert fn.publish_version(FunctionName="f")["Version"] == "1", "nothing has changed"
    cloud.stop()
    kept = [path for path in cloud.folder.rglob("*") if path.is_file()]
    assert kept and not [path for path in kept if secret.encode() in path.read_bytes()]
    cloud.start()
    for qualifier in ["$LATEST", "1"]:
        answer = fn.invoke(FunctionName="f", Qualifier=qualifier)["Payload"].read()
        assert answer == f'"{secret}"'.encode()
        found = fn.get_function_configuration(FunctionName="f", Qualifier=qualifier)
        assert found["Environment"]["Variables"]["TOKEN"] == secret
