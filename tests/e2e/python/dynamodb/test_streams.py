"""Streams of tables, through boto3."""

import time

import pytest

KEYS = [{"AttributeName": "pk", "KeyType": "HASH"}]
DEFINITIONS = [{"AttributeName": "pk", "AttributeType": "S"}]


@pytest.fixture
def dynamodb(client):
    return client("dynamodb")


@pytest.fixture
def streams(client):
    return client("dynamodbstreams")


def table(dynamodb, name="events", view="NEW_AND_OLD_IMAGES"):
    """The ARN of the stream of a new table."""
    made = dynamodb.create_table(
        TableName=name,
        AttributeDefinitions=DEFINITIONS,
        KeySchema=KEYS,
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": view},
    )
    return made["TableDescription"]["LatestStreamArn"]


def shards(streams, arn):
    return [s["ShardId"] for s in streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]]


def records(streams, arn, kind="TRIM_HORIZON"):
    """All records of a stream, shard by shard."""
    found = []
    for shard in shards(streams, arn):
        at = streams.get_shard_iterator(StreamArn=arn, ShardId=shard, ShardIteratorType=kind)["ShardIterator"]
        while at:
            page = streams.get_records(ShardIterator=at)
            if not page["Records"]:
                break
            found += page["Records"]
            at = page.get("NextShardIterator")
    return found


def test_changes_are_recorded_in_order_with_both_images(dynamodb, streams):
    arn = table(dynamodb)
    # The sizes are those of the example in AWS's guide.
    dynamodb.put_item(TableName="events", Item={"pk": {"S": "a"}, "n": {"N": "1"}})
    dynamodb.put_item(TableName="events", Item={"pk": {"S": "a"}, "n": {"N": "1"}})
    dynamodb.update_item(TableName="events", Key={"pk": {"S": "a"}}, UpdateExpression="SET n = :n", ExpressionAttributeValues={":n": {"N": "2"}})
    dynamodb.delete_item(TableName="events", Key={"pk": {"S": "a"}})
    dynamodb.delete_item(TableName="events", Key={"pk": {"S": "a"}})
    got = records(streams, arn)
    assert [r["eventName"] for r in got] == ["INSERT", "MODIFY", "REMOVE"]
    first, second, third = (r["dynamodb"] for r in got)
    assert first["Keys"] == {"pk": {"S": "a"}}
    assert first["NewImage"] == {"pk": {"S": "a"}, "n": {"N": "1"}} and "OldImage" not in first
    assert second["OldImage"]["n"] == {"N": "1"} and second["NewImage"]["n"] == {"N": "2"}
    assert third["OldImage"]["n"] == {"N": "2"} and "NewImage" not in third
    assert (first["SizeBytes"], second["SizeBytes"], third["SizeBytes"]) == (9, 15, 9)
    assert first["SequenceNumber"] < second["SequenceNumber"] < third["SequenceNumber"]
    assert first["StreamViewType"] == "NEW_AND_OLD_IMAGES"
    assert abs(first["ApproximateCreationDateTime"].timestamp() - time.time()) < 60
    assert (got[0]["eventVersion"], got[0]["eventSource"], got[0]["awsRegion"]) == ("1.1", "aws:dynamodb", "us-east-1")
    assert len({r["eventID"] for r in got}) == 3 and len(got[0]["eventID"]) == 32


@pytest.mark.parametrize("view, images", [("KEYS_ONLY", set()), ("NEW_IMAGE", {"NewImage"}), ("OLD_IMAGE", {"OldImage"}), ("NEW_AND_OLD_IMAGES", {"NewImage", "OldImage"})])
def test_a_view_says_what_records_hold(dynamodb, streams, view, images):
    arn = table(dynamodb, view=view)
    for n in ("1", "2"):
        dynamodb.put_item(TableName="events", Item={"pk": {"S": "a"}, "n": {"N": n}})
    assert {k for k in records(streams, arn)[1]["dynamodb"] if k.endswith("Image")} == images


def test_every_write_of_every_operation_is_there_once(dynamodb, streams):
    arn = table(dynamodb, view="KEYS_ONLY")
    dynamodb.batch_write_item(RequestItems={"events": [{"PutRequest": {"Item": {"pk": {"S": f"b{n}"}}}} for n in range(25)]})
    dynamodb.transact_write_items(TransactItems=[{"Put": {"TableName": "events", "Item": {"pk": {"S": f"t{n}"}}}} for n in range(50)])
    with pytest.raises(dynamodb.exceptions.ConditionalCheckFailedException):
        dynamodb.put_item(TableName="events", Item={"pk": {"S": "t0"}, "x": {"S": "x"}}, ConditionExpression="attribute_not_exists(pk)")
    got = sorted(r["dynamodb"]["Keys"]["pk"]["S"] for r in records(streams, arn))
    assert got == sorted([f"b{n}" for n in range(25)] + [f"t{n}" for n in range(50)])


def test_iterators_of_all_four_types(dynamodb, streams, error):
    arn = table(dynamodb)
    for n in range(6):
        dynamodb.put_item(TableName="events", Item={"pk": {"S": "a"}, "n": {"N": str(n)}})
    got = records(streams, arn)
    shard = next(s for s in shards(streams, arn) if records_of(streams, arn, s))
    third = got[2]["dynamodb"]["SequenceNumber"]

    def read(kind, **more):
        at = streams.get_shard_iterator(StreamArn=arn, ShardId=shard, ShardIteratorType=kind, **more)["ShardIterator"]
        return [r["dynamodb"]["NewImage"]["n"]["N"] for r in streams.get_records(ShardIterator=at)["Records"]]

    assert read("TRIM_HORIZON") == list("012345")
    assert read("AT_SEQUENCE_NUMBER", SequenceNumber=third) == list("2345")
    assert read("AFTER_SEQUENCE_NUMBER", SequenceNumber=third) == list("345")
    assert read("LATEST") == []
    at = streams.get_shard_iterator(StreamArn=arn, ShardId=shard, ShardIteratorType="LATEST")["ShardIterator"]
    dynamodb.put_item(TableName="events", Item={"pk": {"S": "a"}, "n": {"N": "6"}})
    assert [r["dynamodb"]["NewImage"]["n"]["N"] for r in streams.get_records(ShardIterator=at)["Records"]] == ["6"]
    at = streams.get_shard_iterator(StreamArn=arn, ShardId=shard, ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
    page = streams.get_records(ShardIterator=at, Limit=2)
    assert len(page["Records"]) == 2
    assert streams.get_records(ShardIterator=page["NextShardIterator"], Limit=1)["Records"][0]["dynamodb"]["NewImage"]["n"]["N"] == "2"
    code, _ = error(streams.get_shard_iterator, StreamArn=arn, ShardId=shard, ShardIteratorType="AT_SEQUENCE_NUMBER")
    assert code == "ValidationException"
    code, _ = error(streams.get_shard_iterator, StreamArn=arn, ShardId="shardId-00000000000000000000-00000009", ShardIteratorType="LATEST")
    assert code == "ResourceNotFoundException"
    assert error(streams.get_records, ShardIterator="nonsense") == ("ValidationException", "Invalid ShardIterator")
    code, _ = error(streams.get_records, ShardIterator=at, Limit=1001)
    assert code == "ValidationException"


def records_of(streams, arn, shard):
    at = streams.get_shard_iterator(StreamArn=arn, ShardId=shard, ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
    return streams.get_records(ShardIterator=at)["Records"]


def test_images_at_the_limit_of_an_item(dynamodb, streams):
    arn = table(dynamodb)
    # Many small numbers take much more room in the store than AWS counts.
    big = {"pk": {"S": "a"}, "l": {"L": [{"N": "1"}] * 130_000}}
    dynamodb.put_item(TableName="events", Item=big)
    dynamodb.put_item(TableName="events", Item={**big, "l": {"L": [{"N": "2"}] * 130_000}})
    dynamodb.delete_item(TableName="events", Key={"pk": {"S": "a"}})
    got = records(streams, arn)
    assert len(got) == 3
    assert got[1]["dynamodb"]["OldImage"] == big
    assert got[1]["dynamodb"]["NewImage"]["l"]["L"][-1] == {"N": "2"}


def test_a_stream_is_found_described_and_ends(dynamodb, streams, error):
    arn = table(dynamodb)
    label = arn.rsplit("/", 1)[1]
    assert streams.list_streams(TableName="events")["Streams"] == [{"StreamArn": arn, "TableName": "events", "StreamLabel": label}]
    described = streams.describe_stream(StreamArn=arn)["StreamDescription"]
    assert described["StreamStatus"] == "ENABLED" and described["KeySchema"] == KEYS and described["StreamLabel"] == label
    assert len(described["Shards"]) == 4
    assert all("EndingSequenceNumber" not in s["SequenceNumberRange"] for s in described["Shards"])
    page = streams.describe_stream(StreamArn=arn, Limit=3)["StreamDescription"]
    assert page["LastEvaluatedShardId"] == described["Shards"][2]["ShardId"]
    rest = streams.describe_stream(StreamArn=arn, ExclusiveStartShardId=page["LastEvaluatedShardId"])["StreamDescription"]
    assert [s["ShardId"] for s in rest["Shards"]] == [described["Shards"][3]["ShardId"]]
    children = streams.describe_stream(StreamArn=arn, ShardFilter={"Type": "CHILD_SHARDS", "ShardId": described["Shards"][0]["ShardId"]})
    assert children["StreamDescription"]["Shards"] == []
    # AWS, recorded 20-11-2024.
    gone = arn.rsplit("/", 1)[0] + "/2024-11-18T14:36:44.149"
    assert error(streams.describe_stream, StreamArn=gone) == ("ResourceNotFoundException", f"Requested resource not found: Stream: {gone} not found")

    dynamodb.put_item(TableName="events", Item={"pk": {"S": "a"}})
    dynamodb.update_table(TableName="events", StreamSpecification={"StreamEnabled": False})
    dynamodb.put_item(TableName="events", Item={"pk": {"S": "b"}})
    described = streams.describe_stream(StreamArn=arn)["StreamDescription"]
    assert described["StreamStatus"] == "DISABLED"
    assert all("EndingSequenceNumber" in s["SequenceNumberRange"] for s in described["Shards"])
    assert [r["dynamodb"]["Keys"] for r in records(streams, arn)] == [{"pk": {"S": "a"}}]
    shard = described["Shards"][0]["ShardId"]
    at = streams.get_shard_iterator(StreamArn=arn, ShardId=shard, ShardIteratorType="LATEST")["ShardIterator"]
    assert "NextShardIterator" not in streams.get_records(ShardIterator=at)

    made = dynamodb.update_table(TableName="events", StreamSpecification={"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"})
    second = made["TableDescription"]["LatestStreamArn"]
    assert second != arn
    dynamodb.put_item(TableName="events", Item={"pk": {"S": "c"}})
    dynamodb.delete_table(TableName="events")
    assert [s["StreamArn"] for s in streams.list_streams()["Streams"]] == [arn, second]
    assert [r["dynamodb"]["Keys"] for r in records(streams, second)] == [{"pk": {"S": "c"}}]

