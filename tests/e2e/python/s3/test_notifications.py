"""Notifications: what is told, to whom, and what may be asked for."""

import io
import json
import time
import zipfile

import pytest

HANDLER = """
def handler(event, context):
    return event
"""


def archive():
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as z:
        file = zipfile.ZipInfo("index.py")
        file.external_attr = 0o644 << 16
        z.writestr(file, HANDLER)
    return packed.getvalue()


@pytest.fixture
def s3(client):
    return client("s3")


@pytest.fixture
def sqs(client):
    return client("sqs")


@pytest.fixture
def queue(sqs, account):
    """Makes a queue that lets S3 in; answers its address and ARN."""

    def make(name="told", let=True):
        url = sqs.create_queue(QueueName=name)["QueueUrl"]
        arn = f"arn:aws:sqs:us-east-1:{account}:{name}"
        if let:
            policy = {
                "Statement": [
                    {
                        "Effect": "Allow",
                        "Principal": {"Service": "s3.amazonaws.com"},
                        "Action": "sqs:SendMessage",
                        "Resource": arn,
                        "Condition": {"StringEquals": {"aws:SourceAccount": account}},
                    }
                ]
            }
            sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(policy)})
        return url, arn

    return make


@pytest.fixture
def received(sqs):
    """Waits for so many messages, and answers them in the order of their keys' sequencers."""

    def receive(url, count, seconds=30):
        deadline = time.monotonic() + seconds
        found = []
        while len(found) < count:
            assert time.monotonic() < deadline, found
            answer = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1)
            for message in answer.get("Messages", []):
                found.append(json.loads(message["Body"]))
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return found

    return receive


def records(messages):
    return [m["Records"][0] for m in messages if "Records" in m]


def to_queue(arn, *events, **more):
    return {"QueueConfigurations": [{"QueueArn": arn, "Events": list(events), **more}]}


def configure(s3, bucket, configuration):
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=configuration)


def test_a_queue_hears_of_everything_that_happens(s3, queue, received, account):
    bucket = f"told-{account}"
    s3.create_bucket(Bucket=bucket)
    url, arn = queue()
    kinds = ["s3:ObjectCreated:*", "s3:ObjectRemoved:*", "s3:ObjectTagging:*"]
    configure(s3, bucket, to_queue(arn, *kinds, Id="all"))
    [test] = received(url, 1)
    assert (test["Service"], test["Event"], test["Bucket"]) == ("Amazon S3", "s3:TestEvent", bucket)

    put = s3.put_object(Bucket=bucket, Key="a b/ü.txt", Body=b"hello")
    s3.put_object_tagging(Bucket=bucket, Key="a b/ü.txt", Tagging={"TagSet": [{"Key": "k", "Value": "v"}]})
    s3.delete_object_tagging(Bucket=bucket, Key="a b/ü.txt")
    s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": "a b/ü.txt"})
    upload = s3.create_multipart_upload(Bucket=bucket, Key="parts")["UploadId"]
    part = s3.upload_part(Bucket=bucket, Key="parts", UploadId=upload, PartNumber=1, Body=b"part")
    s3.complete_multipart_upload(
        Bucket=bucket,
        Key="parts",
        UploadId=upload,
        MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]},
    )
    s3.delete_object(Bucket=bucket, Key="copy")
    s3.delete_object(Bucket=bucket, Key="was-never-there")
    s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "parts"}]})

    found = {(r["eventName"], r["s3"]["object"]["key"]): r for r in records(received(url, 7))}
    written = "a+b/%C3%BC.txt"
    assert sorted(found) == sorted(
        [
            ("ObjectCreated:Put", written),
            ("ObjectTagging:Put", written),
            ("ObjectTagging:Delete", written),
            ("ObjectCreated:Copy", "copy"),
            ("ObjectCreated:CompleteMultipartUpload", "parts"),
            ("ObjectRemoved:Delete", "copy"),
            ("ObjectRemoved:Delete", "parts"),
        ]
    )
    record = found["ObjectCreated:Put", written]
    assert (record["eventVersion"], record["eventSource"], record["awsRegion"]) == ("2.1", "aws:s3", "us-east-1")
    assert record["s3"]["s3SchemaVersion"] == "1.0"
    assert record["s3"]["configurationId"] == "all"
    assert record["s3"]["bucket"]["name"] == bucket
    assert record["s3"]["bucket"]["arn"] == f"arn:aws:s3:::{bucket}"
    assert record["s3"]["object"]["size"] == 5
    assert record["s3"]["object"]["eTag"] == put["ETag"].strip('"')
    assert "versionId" not in record["s3"]["object"]
    assert record["responseElements"]["x-amz-request-id"] == put["ResponseMetadata"]["HTTPHeaders"]["x-amz-request-id"]
    assert record["requestParameters"]["sourceIPAddress"] == "127.0.0.1"
    assert record["userIdentity"]["principalId"].startswith("AWS:")
    assert found["ObjectTagging:Put", written]["eventVersion"] == "2.3"
    before = found["ObjectCreated:Copy", "copy"]["s3"]["object"]["sequencer"]
    after = found["ObjectRemoved:Delete", "copy"]["s3"]["object"]
    assert before < after["sequencer"]
    assert set(after) == {"key", "sequencer"}


def test_versions_and_markers_are_named(s3, queue, received, account):
    bucket = f"told-{account}"
    s3.create_bucket(Bucket=bucket)
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    url, arn = queue()
    configure(s3, bucket, to_queue(arn, "s3:ObjectCreated:Put", "s3:ObjectRemoved:*"))
    version = s3.put_object(Bucket=bucket, Key="k", Body=b"1")["VersionId"]
    marker = s3.delete_object(Bucket=bucket, Key="k")["VersionId"]
    s3.delete_object(Bucket=bucket, Key="k", VersionId=version)
    found = records(received(url, 4))
    told = {r["eventName"]: r["s3"]["object"] for r in found}
    assert told["ObjectCreated:Put"]["versionId"] == version
    assert told["ObjectRemoved:DeleteMarkerCreated"]["versionId"] == marker
    assert told["ObjectRemoved:Delete"]["versionId"] == version
    order = sorted(found, key=lambda r: r["s3"]["object"]["sequencer"])
    assert [r["eventName"].split(":")[1] for r in order] == ["Put", "DeleteMarkerCreated", "Delete"]


def test_filters_choose_and_configurations_are_kept(s3, queue, received, account):
    bucket = f"told-{account}"
    s3.create_bucket(Bucket=bucket)
    assert "QueueConfigurations" not in s3.get_bucket_notification_configuration(Bucket=bucket)
    url, arn = queue()
    rules = [{"Name": "prefix", "Value": "in/"}, {"Name": "suffix", "Value": ".jpg"}]
    wanted = to_queue(arn, "s3:ObjectCreated:*", Filter={"Key": {"FilterRules": rules}})
    configure(s3, bucket, {**wanted, "EventBridgeConfiguration": {}})
    kept = s3.get_bucket_notification_configuration(Bucket=bucket)
    [one] = kept["QueueConfigurations"]
    assert one["QueueArn"] == arn and one["Events"] == ["s3:ObjectCreated:*"] and one["Id"]
    assert one["Filter"]["Key"]["FilterRules"] == [
        {"Name": "Prefix", "Value": "in/"},
        {"Name": "Suffix", "Value": ".jpg"},
    ]
    assert kept["EventBridgeConfiguration"] == {}
    received(url, 1)
    for key in ["out/a.jpg", "in/a.png", "in/a.jpg"]:
        s3.put_object(Bucket=bucket, Key=key, Body=b"")
    [record] = records(received(url, 1))
    assert record["s3"]["object"]["key"] == "in/a.jpg"
    configure(s3, bucket, {})
    assert "QueueConfigurations" not in s3.get_bucket_notification_configuration(Bucket=bucket)


def test_what_is_wrong_is_refused(s3, queue, error, account):
    bucket = f"told-{account}"
    s3.create_bucket(Bucket=bucket)
    url, arn = queue()
    _, closed = queue("closed", let=False)

    def refused(configuration):
        return error(
            s3.put_bucket_notification_configuration, Bucket=bucket, NotificationConfiguration=configuration
        )

    def filtered(name, value):
        return {"Key": {"FilterRules": [{"Name": name, "Value": value}]}}

    def two(first, second):
        queues = [{"QueueArn": arn, **first}, {"QueueArn": arn, **second}]
        return {"QueueConfigurations": queues}

    put = {"Events": ["s3:ObjectCreated:Put"]}
    every = {"Events": ["s3:ObjectCreated:*"]}
    not_valid = "Unable to validate the following destination configurations"
    assert refused(to_queue(arn, "s3:ObjectEaten:*")) == (
        "InvalidArgument",
        "The event is not supported for notifications",
    )
    assert refused(two(put, every)) == (
        "InvalidArgument",
        "Configurations overlap. Configurations on the same bucket cannot share a common event type.",
    )
    overlapping = two({**put, "Filter": filtered("prefix", "a")}, {**every, "Filter": filtered("suffix", "b")})
    assert refused(overlapping)[1].startswith("Configuration is ambiguously defined.")
    assert refused(two({**put, "Id": "1"}, {"Events": ["s3:ObjectRemoved:*"], "Id": "1"}))[0] == "InvalidArgument"
    assert refused(to_queue(closed, "s3:ObjectCreated:*")) == ("InvalidArgument", not_valid)
    assert refused(to_queue(arn + "x", "s3:ObjectCreated:*")) == ("InvalidArgument", not_valid)
    assert refused(to_queue(arn.replace("us-east-1", "eu-west-1"), "s3:ObjectCreated:*"))[0] == "InvalidArgument"
    function = f"arn:aws:lambda:us-east-1:{account}:function:nobody"
    lambdas = {"LambdaFunctionConfigurations": [{"LambdaFunctionArn": function, **put}]}
    assert refused(lambdas) == ("InvalidArgument", not_valid)
    topic = {"TopicConfigurations": [{"TopicArn": f"arn:aws:sns:us-east-1:{account}:t", **put}]}
    assert refused(topic)[0] == "NotImplemented"
    apart = two({**put, "Filter": filtered("prefix", "a")}, {**put, "Filter": filtered("prefix", "b")})
    configure(s3, bucket, apart)
    s3.put_bucket_notification_configuration(
        Bucket=bucket, NotificationConfiguration=lambdas, SkipDestinationValidation=True
    )


def test_a_function_is_called(client, s3, sqs, queue, received, account):
    bucket = f"told-{account}"
    s3.create_bucket(Bucket=bucket)
    functions = client("lambda")
    url, arn = queue("answers")
    function = functions.create_function(
        FunctionName="told",
        Runtime="python3.12",
        Handler="index.handler",
        Role=f"arn:aws:iam::{account}:role/r",
        Code={"ZipFile": archive()},
    )["FunctionArn"]
    functions.put_function_event_invoke_config(
        FunctionName="told", DestinationConfig={"OnSuccess": {"Destination": arn}}
    )
    wanted = {"LambdaFunctionConfigurations": [{"LambdaFunctionArn": function, "Events": ["s3:ObjectCreated:*"]}]}
    with pytest.raises(s3.exceptions.ClientError):
        configure(s3, bucket, wanted)
    functions.add_permission(
        FunctionName="told",
        StatementId="s3",
        Action="lambda:InvokeFunction",
        Principal="s3.amazonaws.com",
        SourceArn=f"arn:aws:s3:::{bucket}",
        SourceAccount=account,
    )
    configure(s3, bucket, wanted)
    s3.put_object(Bucket=bucket, Key="k", Body=b"1234")
    [answer] = received(url, 1, seconds=60)
    record = answer["responsePayload"]["Records"][0]
    assert record["eventName"] == "ObjectCreated:Put"
    assert record["s3"]["object"]["key"] == "k"


TEMPLATE = """
Transform: AWS::Serverless-2016-10-31
Resources:
  Bucket:
    Type: AWS::S3::Bucket
    Properties:
      BucketName: BUCKET
  Worker:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3.12
      Handler: index.handler
      InlineCode: |
        def handler(event, context):
            return event
      EventInvokeConfig:
        DestinationConfig:
          OnSuccess:
            Type: SQS
            Destination: !GetAtt Answers.Arn
      Events:
        Came:
          Type: S3
          Properties:
            Bucket: !Ref Bucket
            Events: s3:ObjectCreated:*
            Filter:
              S3Key:
                Rules:
                  - Name: suffix
                    Value: .txt
  Answers:
    Type: AWS::SQS::Queue
    Properties:
      QueueName: answers
"""


def test_a_serverless_function_hears_of_its_bucket(client, deploy, received, s3, account):
    bucket = f"told-{account}"
    stack = deploy("told", TEMPLATE.replace("BUCKET", bucket))
    assert stack["StackStatus"] == "CREATE_COMPLETE", stack
    s3.put_object(Bucket=bucket, Key="a.png", Body=b"")
    s3.put_object(Bucket=bucket, Key="a.txt", Body=b"")
    url = client("sqs").get_queue_url(QueueName="answers")["QueueUrl"]
    [answer] = received(url, 1, seconds=60)
    assert answer["responsePayload"]["Records"][0]["s3"]["object"]["key"] == "a.txt"


def test_what_was_acknowledged_is_told_after_a_crash(new_cloud):
    cloud = new_cloud().start()
    s3, sqs = cloud.client("s3"), cloud.client("sqs")
    s3.create_bucket(Bucket="told")
    url = sqs.create_queue(QueueName="told")["QueueUrl"]
    arn = "arn:aws:sqs:us-east-1:000000000000:told"
    allow = {"Effect": "Allow", "Principal": "*", "Action": "sqs:*", "Resource": arn}
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps({"Statement": [allow]})})
    configure(s3, "told", to_queue(arn, "s3:ObjectCreated:*"))
    keys = {f"k{n}" for n in range(30)}
    for key in keys:
        s3.put_object(Bucket="told", Key=key, Body=b"")
    cloud.kill()
    cloud.start()
    told, deadline = set(), time.monotonic() + 30
    while told != keys:
        assert time.monotonic() < deadline, keys - told
        answer = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1)
        bodies = [json.loads(m["Body"]) for m in answer.get("Messages", [])]
        told |= {r["s3"]["object"]["key"] for r in records(bodies)}
