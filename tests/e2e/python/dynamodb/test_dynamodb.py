"""DynamoDB through boto3: items, expressions, queries, indexes, transactions, crashes, stacks."""

from decimal import Decimal
from concurrent.futures import ThreadPoolExecutor

import boto3
import pytest
from boto3.dynamodb.conditions import Attr, Key
from boto3.dynamodb.types import Binary


@pytest.fixture
def dynamodb(client):
    return client("dynamodb")


@pytest.fixture
def resource(cloud, account):
    return boto3.resource(
        "dynamodb",
        endpoint_url=cloud.url,
        region_name="us-east-1",
        aws_access_key_id=account,
        aws_secret_access_key="secret",
    )


def make(dynamodb, name="orders", **more):
    dynamodb.create_table(
        TableName=name,
        AttributeDefinitions=[
            {"AttributeName": "pk", "AttributeType": "S"},
            {"AttributeName": "sk", "AttributeType": "N"},
            {"AttributeName": "who", "AttributeType": "S"},
        ],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "by-who",
                "KeySchema": [{"AttributeName": "who", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
        BillingMode="PAY_PER_REQUEST",
        **more,
    )
    dynamodb.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 1})


@pytest.fixture
def table(dynamodb, resource):
    make(dynamodb)
    return resource.Table("orders")


def test_items_survive_the_way_there_and_back(table):
    item = {
        "pk": "a",
        "sk": Decimal("-1.5"),
        "text": "ü",
        "bytes": Binary(b"\x00\xff"),
        "big": Decimal("12345678901234567890123456789012345678"),
        "small": Decimal("1E-120"),
        "list": [1, None, True, {"k": [Decimal("2.5")]}],
        "words": {"x", "y"},
        "numbers": {Decimal(1), Decimal("2.5")},
    }
    table.put_item(Item=item)
    got = table.get_item(Key={"pk": "a", "sk": Decimal("-1.50")}, ConsistentRead=True)["Item"]
    assert got == item
    assert table.get_item(Key={"pk": "a", "sk": 9}).get("Item") is None


def test_updates_and_conditions(table, dynamodb, error):
    key = {"pk": "a", "sk": 1}
    made = table.update_item(
        Key=key,
        UpdateExpression="SET #s = :new, tags = list_append(if_not_exists(tags, :none), :tag) ADD n :one",
        ConditionExpression=Attr("pk").not_exists(),
        ExpressionAttributeNames={"#s": "status"},
        ExpressionAttributeValues={":new": "new", ":none": [], ":tag": ["x"], ":one": 1},
        ReturnValues="ALL_NEW",
    )["Attributes"]
    assert made == {**key, "status": "new", "tags": ["x"], "n": 1}
    failed = error(
        table.update_item,
        Key=key,
        UpdateExpression="SET n = :n",
        ConditionExpression="n > :n",
        ExpressionAttributeValues={":n": 5},
    )
    assert failed == ("ConditionalCheckFailedException", "The conditional request failed")
    with pytest.raises(dynamodb.exceptions.ConditionalCheckFailedException) as caught:
        dynamodb.put_item(
            TableName="orders",
            Item={"pk": {"S": "a"}, "sk": {"N": "1"}},
            ConditionExpression="attribute_not_exists(pk)",
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )
    assert caught.value.response["Item"]["status"] == {"S": "new"}


def test_errors_are_worded_as_on_aws(table, dynamodb, error):
    code, message = error(table.update_item, Key={"pk": "a", "sk": 1}, UpdateExpression="SET name = :n",
                          ExpressionAttributeValues={":n": 1})
    assert code == "ValidationException"
    assert message == "Invalid UpdateExpression: Attribute name is a reserved keyword; reserved keyword: name"
    assert error(dynamodb.get_item, TableName="nothing", Key={"a": {"S": "b"}}) == (
        "ResourceNotFoundException",
        "Requested resource not found",
    )
    assert error(table.get_item, Key={"pk": "a"}) == (
        "ValidationException",
        "The provided key element does not match the schema",
    )
    assert error(table.put_item, Item={"pk": "a"}) == (
        "ValidationException",
        "One or more parameter values were invalid: Missing the key sk in the item",
    )
    assert error(dynamodb.delete_table, TableName="nothing") == (
        "ResourceNotFoundException",
        "Requested resource not found: Table: nothing not found",
    )


def test_queries_and_scans(table):
    with table.batch_writer() as batch:
        for n in range(60):
            batch.put_item(Item={"pk": f"p{n % 2}", "sk": n, "who": "ann" if n % 3 else "bob"})
    page = table.query(KeyConditionExpression=Key("pk").eq("p0") & Key("sk").between(10, 20))
    assert [item["sk"] for item in page["Items"]] == [10, 12, 14, 16, 18, 20]
    page = table.query(
        IndexName="by-who",
        KeyConditionExpression=Key("who").eq("bob") & Key("sk").lt(10),
        FilterExpression=Attr("pk").eq("p1") | Attr("pk").eq("p0"),
        ScanIndexForward=False,
    )
    assert [item["sk"] for item in page["Items"]] == [9, 6, 3, 0]
    paginator = table.meta.client.get_paginator("scan")
    pages = list(paginator.paginate(TableName="orders", PaginationConfig={"PageSize": 7}))
    assert sum(page["Count"] for page in pages) == 60
    assert len(pages) == 9
    counted = table.scan(Select="COUNT", FilterExpression=Attr("who").eq("ann") & Attr("sk").size().gt(0) | Attr("sk").gt(50))
    assert (counted["Count"], counted["ScannedCount"]) == (9, 60)


def test_transactions_are_whole(dynamodb, table):
    def put(sk, condition):
        item = {"pk": {"S": "t"}, "sk": {"N": str(sk)}}
        return {"Put": {"TableName": "orders", "Item": item, "ConditionExpression": condition}}

    dynamodb.transact_write_items(TransactItems=[put(1, "attribute_not_exists(pk)")], ClientRequestToken="once")
    dynamodb.transact_write_items(TransactItems=[put(1, "attribute_not_exists(pk)")], ClientRequestToken="once")
    with pytest.raises(dynamodb.exceptions.TransactionCanceledException) as caught:
        dynamodb.transact_write_items(
            TransactItems=[put(1, "attribute_not_exists(pk)"), put(2, "attribute_not_exists(pk)")]
        )
    assert str(caught.value) == (
        "An error occurred (TransactionCanceledException) when calling the TransactWriteItems operation: "
        "Transaction cancelled, please refer cancellation reasons for specific reasons [ConditionalCheckFailed, None]"
    )
    codes = [reason["Code"] for reason in caught.value.response["CancellationReasons"]]
    assert codes == ["ConditionalCheckFailed", "None"]
    got = dynamodb.transact_get_items(
        TransactItems=[{"Get": {"TableName": "orders", "Key": {"pk": {"S": "t"}, "sk": {"N": n}}}} for n in "12"]
    )
    assert ["Item" in response for response in got["Responses"]] == [True, False]


def test_concurrent_counters_lose_nothing(table):
    def add(_):
        table.update_item(
            Key={"pk": "n", "sk": 0}, UpdateExpression="ADD hits :one", ExpressionAttributeValues={":one": 1}
        )

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add, range(80)))
    assert table.get_item(Key={"pk": "n", "sk": 0})["Item"]["hits"] == 80


def test_the_table_of_a_stack_with_its_index(deploy, dynamodb, account):
    properties = {
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        "BillingMode": "PAY_PER_REQUEST",
        "StreamSpecification": {"StreamViewType": "NEW_IMAGE"},
        "TimeToLiveSpecification": {"AttributeName": "ttl", "Enabled": True},
    }
    template = {
        "Resources": {"Orders": {"Type": "AWS::DynamoDB::Table", "Properties": properties}},
        "Outputs": {
            "Name": {"Value": {"Ref": "Orders"}},
            "Arn": {"Value": {"Fn::GetAtt": ["Orders", "Arn"]}},
            "Stream": {"Value": {"Fn::GetAtt": ["Orders", "StreamArn"]}},
        },
    }
    stack = deploy("shop", template)
    assert stack["StackStatus"] == "CREATE_COMPLETE", stack
    outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
    assert outputs["Arn"] == f"arn:aws:dynamodb:us-east-1:{account}:table/{outputs['Name']}"
    assert outputs["Stream"].startswith(outputs["Arn"] + "/stream/")
    dynamodb.put_item(TableName=outputs["Name"], Item={"id": {"S": "1"}, "who": {"S": "ann"}})
    properties["AttributeDefinitions"].append({"AttributeName": "who", "AttributeType": "S"})
    properties["GlobalSecondaryIndexes"] = [
        {
            "IndexName": "who",
            "KeySchema": [{"AttributeName": "who", "KeyType": "HASH"}],
            "Projection": {"ProjectionType": "ALL"},
        }
    ]
    stack = deploy("shop", template, kind="UPDATE")
    assert stack["StackStatus"] == "UPDATE_COMPLETE", stack
    found = dynamodb.query(
        TableName=outputs["Name"],
        IndexName="who",
        KeyConditionExpression="who = :w",
        ExpressionAttributeValues={":w": {"S": "ann"}},
    )
    assert found["Count"] == 1


def test_what_was_acknowledged_survives_a_kill(new_cloud):
    cloud = new_cloud().start()
    dynamodb = cloud.client("dynamodb")
    make(dynamodb)
    item = {"pk": {"S": "a"}, "sk": {"N": "1"}, "who": {"S": "ann"}}
    dynamodb.put_item(TableName="orders", Item=item)
    cloud.kill()
    cloud.start()
    dynamodb = cloud.client("dynamodb")
    key = {name: item[name] for name in ("pk", "sk")}
    assert dynamodb.get_item(TableName="orders", Key=key)["Item"] == item
    found = dynamodb.query(
        TableName="orders",
        IndexName="by-who",
        KeyConditionExpression="who = :w",
        ExpressionAttributeValues={":w": {"S": "ann"}},
    )
    assert found["Items"] == [item]
