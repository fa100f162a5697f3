"""Functions that read the streams of tables."""

import json
import time

import pytest

from lambda_.test_lambda import ROLE, archive

# Shows what it gets, and fails at items with `fail` as many times as they say.
SHOW = """
const failed = {};
exports.handler = async (event, context) => {
  console.log('GOT ' + JSON.stringify(event));
  for (const r of event.Records) {
    const image = r.dynamodb.NewImage;
    const id = r.dynamodb.SequenceNumber;
    if (image?.fail && (failed[id] = (failed[id] || 0) + 1) <= Number(image.fail.N)) {
      if (process.env.PARTIAL) return { batchItemFailures: [{ itemIdentifier: id }] };
      throw new Error('no');
    }
  }
};
"""


class Shop:
    """A table with a stream, and a function that shows what it gets of it."""

    def __init__(self, client, account):
        self.dynamodb, self.lam, self.logs, self.sqs = (client(s) for s in ("dynamodb", "lambda", "logs", "sqs"))
        self.account = account
        made = self.dynamodb.create_table(
            TableName="orders",
            AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
            BillingMode="PAY_PER_REQUEST",
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
        )
        self.stream = made["TableDescription"]["LatestStreamArn"]

    def function(self, source=SHOW, **environment):
        self.lam.create_function(
            FunctionName="f",
            Role=ROLE.format(self.account),
            Runtime="nodejs20.x",
            Handler="index.handler",
            Timeout=10,
            Code={"ZipFile": archive(index__js=source)},
            Environment={"Variables": environment},
        )

    def map(self, **more):
        settings = {"StartingPosition": "TRIM_HORIZON", **more}
        return self.lam.create_event_source_mapping(FunctionName="f", EventSourceArn=self.stream, **settings)

    def put(self, pk, n=0, **more):
        self.dynamodb.put_item(TableName="orders", Item={"pk": {"S": pk}, "n": {"N": str(n)}, **more})

    def events(self):
        """What the function has been given so far."""
        found = []
        try:
            for page in self.logs.get_paginator("filter_log_events").paginate(logGroupName="/aws/lambda/f"):
                found += [e["message"] for e in page["events"]]
        except self.logs.exceptions.ResourceNotFoundException:
            return []
        return [json.loads(line.split("GOT ", 1)[1]) for line in found if "GOT " in line]

    def numbers(self):
        return [[int(r["dynamodb"]["NewImage"]["n"]["N"]) for r in event["Records"]] for event in self.events()]

    def until(self, holds, seconds=20):
        deadline = time.monotonic() + seconds
        while True:
            events = self.events()
            if holds(events):
                return events
            assert time.monotonic() < deadline, json.dumps(events)[:3000]
            time.sleep(0.02)

    def queue(self, name="failed"):
        url = self.sqs.create_queue(QueueName=name)["QueueUrl"]
        return url, f"arn:aws:sqs:us-east-1:{self.account}:{name}"


@pytest.fixture
def shop(client, account):
    return Shop(client, account)


def records(events):
    return [r for event in events for r in event["Records"]]


def test_a_record_arrives_in_awss_shape(shop, error):
    shop.function()
    made = shop.map()
    # AWS, recorded 25-11-2025.
    assert made["ResponseMetadata"]["HTTPStatusCode"] == 202
    assert (made["State"], made["StateTransitionReason"], made["LastProcessingResult"]) == ("Creating", "User action", "No records processed")
    assert (made["BatchSize"], made["MaximumBatchingWindowInSeconds"], made["ParallelizationFactor"]) == (100, 0, 1)
    assert (made["MaximumRecordAgeInSeconds"], made["MaximumRetryAttempts"], made["TumblingWindowInSeconds"]) == (-1, -1, 0)
    assert made["BisectBatchOnFunctionError"] is False and made["DestinationConfig"] == {"OnFailure": {}}
    assert made["StartingPosition"] == "TRIM_HORIZON" and made["FunctionResponseTypes"] == []
    shop.dynamodb.put_item(TableName="orders", Item={"pk": {"S": "hello world"}, "binary_key": {"B": b"foobar"}})
    shop.dynamodb.delete_item(TableName="orders", Key={"pk": {"S": "hello world"}})
    first, second = records(shop.until(lambda events: len(records(events)) == 2))
    assert len(first.pop("eventID")) == 32
    data = first.pop("dynamodb")
    assert first == {"eventName": "INSERT", "eventVersion": "1.1", "eventSource": "aws:dynamodb", "awsRegion": "us-east-1", "eventSourceARN": shop.stream}
    assert abs(data.pop("ApproximateCreationDateTime") - time.time()) < 60
    assert len(data.pop("SequenceNumber")) >= 21
    assert data == {
        "Keys": {"pk": {"S": "hello world"}},
        "NewImage": {"binary_key": {"B": "Zm9vYmFy"}, "pk": {"S": "hello world"}},
        "SizeBytes": 42,
        "StreamViewType": "NEW_AND_OLD_IMAGES",
    }
    assert second["eventName"] == "REMOVE" and second["dynamodb"]["OldImage"]["binary_key"] == {"B": "Zm9vYmFy"}
    deadline = time.monotonic() + 10
    while shop.lam.get_event_source_mapping(UUID=made["UUID"])["LastProcessingResult"] != "OK":
        assert time.monotonic() < deadline
        time.sleep(0.02)
    listed = shop.lam.list_event_source_mappings(EventSourceArn=shop.stream)["EventSourceMappings"]
    assert [m["UUID"] for m in listed] == [made["UUID"]] and listed[0]["State"] == "Enabled"
    code, message = error(shop.map)
    assert code == "ResourceConflictException"
    assert message == f'The event source arn (" {shop.stream} ") and function (" f ") provided mapping already exists. Please update or delete the existing mapping with UUID {made["UUID"]}'


def test_what_cannot_be_mapped_is_refused(shop, error):
    shop.function()
    invalid = "InvalidParameterValueException"
    # AWS, recorded 25-11-2025.
    assert error(shop.map, StartingPosition="AT_TIMESTAMP", StartingPositionTimestamp=0) == (invalid, f"Unsupported starting position for arn type: {shop.stream}")
    gone = shop.stream.rsplit("/", 1)[0] + "/2020-01-01T00:00:00.000"
    call = shop.lam.create_event_source_mapping
    assert error(call, FunctionName="f", EventSourceArn=gone, StartingPosition="LATEST") == (invalid, f"Stream not found: {gone}")
    assert error(call, FunctionName="f", EventSourceArn=shop.stream)[0] == "ValidationException"
    assert error(shop.map, MaximumRecordAgeInSeconds=5)[0] == invalid
    assert error(shop.map, DestinationConfig={"OnFailure": {"Destination": "arn:aws:sns:us-east-1:000000000000:t"}})[0] == "NotImplemented"
    assert error(shop.map, FilterCriteria={"Filters": [{"Pattern": "simple"}]}) == (invalid, "Invalid filter pattern definition.")
    assert shop.lam.list_event_source_mappings()["EventSourceMappings"] == []


def test_latest_begins_with_what_is_written_after_the_mapping_was_made(shop):
    shop.function()
    shop.put("a", 1)
    shop.map(StartingPosition="LATEST")
    shop.put("a", 2)
    shop.until(lambda events: records(events))
    assert shop.numbers() == [[2]]


def test_batches_are_as_large_as_wanted_and_in_order(shop):
    shop.function()
    for n in range(25):
        shop.put("a", n)
    shop.map(BatchSize=10)
    shop.until(lambda events: len(records(events)) == 25)
    assert shop.numbers() == [list(range(10)), list(range(10, 20)), list(range(20, 25))]


def test_a_window_gathers_a_batch(shop):
    shop.function()
    shop.map(BatchSize=5, MaximumBatchingWindowInSeconds=60)
    for n in range(5):
        shop.put("a", n)
    shop.until(lambda events: events)
    assert shop.numbers() == [list(range(5))]


def test_filters_choose_by_event_and_image(shop):
    shop.function()
    pattern = {"eventName": ["MODIFY"], "dynamodb": {"NewImage": {"kind": {"S": ["order"]}}}}
    shop.map(FilterCriteria={"Filters": [{"Pattern": json.dumps(pattern)}]})
    shop.put("a", 1, kind={"S": "order"})
    shop.put("a", 2, kind={"S": "other"})
    shop.put("a", 3, kind={"S": "order"})
    shop.until(lambda events: events)
    assert shop.numbers() == [[3]]


def test_a_failed_batch_is_retried_and_keeps_the_others_waiting(shop):
    shop.function()
    made = shop.map(BatchSize=1)
    shop.put("a", 1, fail={"N": "2"})
    shop.put("a", 2)
    shop.until(lambda events: len(events) == 4)
    assert shop.numbers() == [[1], [1], [1], [2]]
    assert shop.lam.get_event_source_mapping(UUID=made["UUID"])["LastProcessingResult"] in ("OK", "PROBLEM: Function call failed")


def test_after_its_retries_a_batch_goes_to_the_destination(shop):
    shop.function()
    url, arn = shop.queue()
    shop.map(BatchSize=1, MaximumRetryAttempts=1, DestinationConfig={"OnFailure": {"Destination": arn}})
    shop.put("a", 1, fail={"N": "9"})
    shop.put("a", 2)
    shop.until(lambda events: len(events) == 3)
    assert shop.numbers() == [[1], [1], [2]]
    message = shop.sqs.receive_message(QueueUrl=url, WaitTimeSeconds=10)["Messages"][0]
    body = json.loads(message["Body"])
    first = shop.events()[0]["Records"][0]["dynamodb"]
    # AWS, recorded 25-11-2025.
    assert len(body["requestContext"].pop("requestId")) == 36
    assert body["requestContext"] == {"functionArn": f"arn:aws:lambda:us-east-1:{shop.account}:function:f", "condition": "RetryAttemptsExhausted", "approximateInvokeCount": 2}
    assert body["responseContext"] == {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"}
    info = body["DDBStreamBatchInfo"]
    assert info["startSequenceNumber"] == info["endSequenceNumber"] == first["SequenceNumber"]
    assert (info["batchSize"], info["streamArn"]) == (1, shop.stream) and info["shardId"].startswith("shardId-")
    when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(first["ApproximateCreationDateTime"]))
    assert info["approximateArrivalOfFirstRecord"] == info["approximateArrivalOfLastRecord"] == when
    assert body["version"] == "1.0" and body["timestamp"].endswith("Z")


def test_a_failed_batch_is_split(shop):
    shop.function()
    url, arn = shop.queue()
    for n in range(4):
        shop.put("a", n, **({"fail": {"N": "9"}} if n == 2 else {}))
    shop.map(BatchSize=4, BisectBatchOnFunctionError=True, MaximumRetryAttempts=0, DestinationConfig={"OnFailure": {"Destination": arn}})
    shop.until(lambda events: len(events) == 5)
    assert shop.numbers() == [[0, 1, 2, 3], [0, 1], [2, 3], [2], [3]]
    message = shop.sqs.receive_message(QueueUrl=url, WaitTimeSeconds=10)["Messages"][0]
    assert json.loads(message["Body"])["DDBStreamBatchInfo"]["batchSize"] == 1


def test_a_batch_that_fails_in_part_goes_on_with_the_first_that_failed(shop):
    shop.function(PARTIAL="1")
    for n in range(5):
        shop.put("a", n, **({"fail": {"N": "1"}} if n == 2 else {}))
    shop.map(FunctionResponseTypes=["ReportBatchItemFailures"])
    shop.until(lambda events: len(events) == 2)
    assert shop.numbers() == [[0, 1, 2, 3, 4], [2, 3, 4]]


def test_an_answer_that_names_nothing_fails_the_whole_batch(shop):
    shop.function("exports.handler = async (event) => { console.log('GOT ' + JSON.stringify(event)); return { batchItemFailures: [{ itemIdentifier: '' }] }; };")
    url, arn = shop.queue()
    shop.map(MaximumRetryAttempts=1, FunctionResponseTypes=["ReportBatchItemFailures"], DestinationConfig={"OnFailure": {"Destination": arn}})
    shop.put("a", 1)
    body = json.loads(shop.sqs.receive_message(QueueUrl=url, WaitTimeSeconds=15)["Messages"][0]["Body"])
    # AWS, recorded 25-11-2025: an answer without an error.
    assert body["responseContext"]["functionError"] is None
    assert body["requestContext"]["approximateInvokeCount"] == 2


def test_lanes_work_at_the_same_time_and_keep_the_order_of_a_key(shop):
    # While one key waits for itself, the others of its shard go on.
    shop.function("""
      exports.handler = async (event) => {
        console.log('GOT ' + JSON.stringify(event));
        const n = Number(event.Records[0].dynamodb.NewImage.n.N);
        await new Promise((done) => setTimeout(done, n === 0 ? 300 : 0));
      };""")
    shop.map(BatchSize=1, ParallelizationFactor=10)
    keys = [f"key{k}" for k in range(12)]
    for n in range(4):
        for key in keys:
            shop.put(key, n)
    shop.until(lambda events: len(records(events)) == 48, 40)
    seen = {key: [] for key in keys}
    for r in records(shop.events()):
        seen[r["dynamodb"]["Keys"]["pk"]["S"]].append(int(r["dynamodb"]["NewImage"]["n"]["N"]))
    assert all(sorted(ns) == list(range(4)) for ns in seen.values())


def test_a_mapping_stops_goes_on_where_it_was_changes_and_goes(shop):
    shop.function()
    uuid = shop.map(BatchSize=1)["UUID"]
    shop.put("a", 1)
    shop.until(lambda events: len(events) == 1)
    assert shop.lam.update_event_source_mapping(UUID=uuid, Enabled=False)["State"] == "Disabling"
    assert shop.lam.get_event_source_mapping(UUID=uuid)["State"] == "Disabled"
    for n in range(2, 6):
        shop.put("a", n)
    time.sleep(0.2)
    assert len(shop.events()) == 1
    changed = shop.lam.update_event_source_mapping(UUID=uuid, Enabled=True, ParallelizationFactor=4, BatchSize=10, MaximumRetryAttempts=3)
    assert (changed["ParallelizationFactor"], changed["BatchSize"], changed["MaximumRetryAttempts"]) == (4, 10, 3)
    shop.until(lambda events: len(records(events)) >= 5)
    numbers = [n for batch in shop.numbers() for n in batch]
    assert numbers in ([1, 2, 3, 4, 5], [1, 1, 2, 3, 4, 5]), numbers
    assert shop.lam.delete_event_source_mapping(UUID=uuid)["State"] == "Deleting"
    seen = len(shop.events())
    time.sleep(0.1)
    shop.put("a", 9)
    time.sleep(0.3)
    assert len(shop.events()) == seen


def test_a_tumbling_window_adds_up(shop):
    shop.function("""
      exports.handler = async (event) => {
        console.log('GOT ' + JSON.stringify(event));
        const state = event.state || {};
        for (const r of event.Records) state.sum = (state.sum || 0) + Number(r.dynamodb.NewImage.n.N);
        return { state };
      };""")
    shop.map(BatchSize=1, TumblingWindowInSeconds=2)
    for n in (1, 2, 3):
        shop.put("a", n)
    events = shop.until(lambda events: sum(e["state"].get("sum", 0) for e in events if e["isFinalInvokeForWindow"]) == 6)
    for event in events:
        assert event["eventSourceARN"] == shop.stream and event["shardId"].startswith("shardId-")
        assert event["isWindowTerminatedEarly"] is False
        assert event["isFinalInvokeForWindow"] == (event["Records"] == [])
        start, end = (time.strptime(event["window"][k], "%Y-%m-%dT%H:%M:%SZ") for k in ("start", "end"))
        assert time.mktime(end) - time.mktime(start) == 2
    assert events[0]["state"] == {}


def test_an_item_that_expired_says_who_deleted_it(shop):
    shop.function()
    pattern = {"userIdentity": {"type": ["Service"], "principalId": ["dynamodb.amazonaws.com"]}}
    shop.map(FilterCriteria={"Filters": [{"Pattern": json.dumps(pattern)}]})
    shop.dynamodb.update_time_to_live(TableName="orders", TimeToLiveSpecification={"Enabled": True, "AttributeName": "until"})
    shop.put("a", until={"N": str(int(time.time()) - 10)})
    record = records(shop.until(lambda events: events))[0]
    assert record["userIdentity"] == {"type": "Service", "principalId": "dynamodb.amazonaws.com"}
    assert record["eventName"] == "REMOVE" and record["dynamodb"]["Keys"] == {"pk": {"S": "a"}}


def test_a_long_backlog_does_not_keep_a_mapping_from_stopping(shop):
    shop.function()
    for n in range(60):
        shop.put("a", n)
    uuid = shop.map(BatchSize=1)["UUID"]
    shop.until(lambda events: len(events) >= 3)
    shop.lam.update_event_source_mapping(UUID=uuid, Enabled=False)
    time.sleep(0.3)
    seen = len(shop.events())
    time.sleep(0.3)
    assert len(shop.events()) == seen < 60
    shop.lam.update_event_source_mapping(UUID=uuid, Enabled=True, BatchSize=100)
    shop.until(lambda events: records(events)[-1]["dynamodb"]["NewImage"]["n"]["N"] == "59")
    assert sorted({n for batch in shop.numbers() for n in batch}) == list(range(60))


def test_the_role_has_to_be_allowed_to_read(secure_cloud, error):
    shop = Shop(secure_cloud.client, "000000000000")
    iam = secure_cloud.client("iam")
    trust = {"Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]}
    iam.create_role(RoleName="worker", AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", **trust}))
    iam.attach_role_policy(RoleName="worker", PolicyArn="arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole")
    shop.function()
    code, message = error(shop.map)
    assert code == "InvalidParameterValueException"
    assert message == f"Cannot access stream {shop.stream}. Please ensure the role can perform the GetRecords, GetShardIterator, DescribeStream, and ListStreams Actions on your stream in IAM."
    iam.attach_role_policy(RoleName="worker", PolicyArn="arn:aws:iam::aws:policy/service-role/AWSLambdaDynamoDBExecutionRole")
    shop.map()
    shop.put("a", 1)
    shop.until(lambda events: events)


def test_a_template_and_a_sam_event_deploy_a_reader(client, deploy, account):
    template = {
        "Transform": "AWS::Serverless-2016-10-31",
        "Resources": {
            "Table": {
                "Type": "AWS::DynamoDB::Table",
                "Properties": {
                    "BillingMode": "PAY_PER_REQUEST",
                    "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
                    "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
                    "StreamSpecification": {"StreamViewType": "NEW_IMAGE"},
                },
            },
            "Failed": {"Type": "AWS::SQS::Queue"},
            "Reader": {
                "Type": "AWS::Serverless::Function",
                "Properties": {
                    "Runtime": "nodejs20.x",
                    "Handler": "index.handler",
                    "InlineCode": SHOW,
                    "FunctionName": "f",
                    "Events": {
                        "Changes": {
                            "Type": "DynamoDB",
                            "Properties": {
                                "Stream": {"Fn::GetAtt": ["Table", "StreamArn"]},
                                "StartingPosition": "TRIM_HORIZON",
                                "BatchSize": 7,
                                "MaximumRetryAttempts": 2,
                                "BisectBatchOnFunctionError": True,
                                "FunctionResponseTypes": ["ReportBatchItemFailures"],
                                "FilterCriteria": {"Filters": [{"Pattern": json.dumps({"eventName": ["INSERT"]})}]},
                                "DestinationConfig": {"OnFailure": {"Type": "SQS", "Destination": {"Fn::GetAtt": ["Failed", "Arn"]}}},
                            },
                        }
                    },
                },
            },
        },
        "Outputs": {"Table": {"Value": {"Ref": "Table"}}, "Stream": {"Value": {"Fn::GetAtt": ["Table", "StreamArn"]}}},
    }
    stack = deploy("s", template)
    assert stack["StackStatus"] == "CREATE_COMPLETE", stack
    out = {o["OutputKey"]: o["OutputValue"] for o in stack["Outputs"]}
    lam = client("lambda")
    mapping = lam.list_event_source_mappings(FunctionName="f")["EventSourceMappings"][0]
    assert mapping["EventSourceArn"] == out["Stream"] and mapping["BatchSize"] == 7 and mapping["MaximumRetryAttempts"] == 2
    assert mapping["BisectBatchOnFunctionError"] is True and mapping["DestinationConfig"]["OnFailure"]["Destination"].startswith("arn:aws:sqs:")
    client("dynamodb").put_item(TableName=out["Table"], Item={"pk": {"S": "a"}})
    shop = Shop.__new__(Shop)
    shop.logs = client("logs")
    assert records(shop.until(lambda events: events))[0]["eventSourceARN"] == out["Stream"]

    changes = template["Resources"]["Reader"]["Properties"]["Events"]["Changes"]["Properties"]
    del changes["MaximumRetryAttempts"], changes["DestinationConfig"], changes["BatchSize"]
    changes["ParallelizationFactor"] = 2
    stack = deploy("s", template, kind="UPDATE")
    assert stack["StackStatus"] == "UPDATE_COMPLETE", stack
    mapping = lam.list_event_source_mappings(FunctionName="f")["EventSourceMappings"][0]
    assert (mapping["BatchSize"], mapping["MaximumRetryAttempts"], mapping["ParallelizationFactor"]) == (100, -1, 2)
    assert mapping["DestinationConfig"] == {"OnFailure": {}}
