"""The parameters of the time before expressions, through boto3."""

import pytest


@pytest.fixture
def dynamodb(client):
    dynamodb = client("dynamodb")
    dynamodb.create_table(
        TableName="old",
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}, {"AttributeName": "sk", "AttributeType": "N"}],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        BillingMode="PAY_PER_REQUEST",
    )
    for n in range(4):
        dynamodb.put_item(TableName="old", Item={"pk": {"S": "a"}, "sk": {"N": str(n)}, "x": {"S": f"x{n}"}, "set": {"SS": ["one", f"s{n}"]}})
    return dynamodb


KEY = {"pk": {"S": "a"}, "sk": {"N": "1"}}


def test_attributes_to_get(dynamodb, error):
    assert dynamodb.get_item(TableName="old", Key=KEY, AttributesToGet=["x", "gone"])["Item"] == {"x": {"S": "x1"}}
    got = dynamodb.batch_get_item(RequestItems={"old": {"Keys": [KEY], "AttributesToGet": ["sk"]}})
    assert got["Responses"]["old"] == [{"sk": {"N": "1"}}]
    assert dynamodb.scan(TableName="old", AttributesToGet=["x"], Limit=1)["Items"] == [{"x": {"S": "x0"}}]
    # Reported from AWS by users of its SDKs.
    assert error(dynamodb.get_item, TableName="old", Key=KEY, AttributesToGet=["x"], ProjectionExpression="x") == (
        "ValidationException",
        "Can not use both expression and non-expression parameters in the same request: Non-expression parameters: {AttributesToGet} Expression parameters: {ProjectionExpression}",
    )


def condition(operator, *values):
    return {"ComparisonOperator": operator, "AttributeValueList": list(values)}


def test_key_conditions_and_filters(dynamodb, error):
    def numbers(**more):
        keys = {"pk": condition("EQ", {"S": "a"}), **more.pop("keys", {})}
        return [int(i["sk"]["N"]) for i in dynamodb.query(TableName="old", KeyConditions=keys, **more)["Items"]]

    assert numbers() == [0, 1, 2, 3]
    assert numbers(keys={"sk": condition("BETWEEN", {"N": "1"}, {"N": "2"})}, ScanIndexForward=False) == [2, 1]
    assert numbers(keys={"sk": condition("GE", {"N": "2"})}) == [2, 3]
    assert numbers(QueryFilter={"x": condition("IN", {"S": "x0"}, {"S": "x3"})}) == [0, 3]
    both = {"x": condition("EQ", {"S": "x1"}), "set": condition("CONTAINS", {"S": "s2"})}
    assert numbers(QueryFilter=both) == []
    assert numbers(QueryFilter=both, ConditionalOperator="OR") == [1, 2]
    found = dynamodb.scan(TableName="old", ScanFilter={"sk": condition("LT", {"N": "1"}), "gone": condition("NULL")})
    assert [i["sk"]["N"] for i in found["Items"]] == ["0"] and found["ScannedCount"] == 4
    call = dynamodb.query
    assert error(call, TableName="old", KeyConditions={"sk": condition("EQ", {"N": "1"})})[0] == "ValidationException"
    assert error(call, TableName="old", KeyConditions={"pk": condition("EQ")}) == (
        "ValidationException",
        "One or more parameter values were invalid: Invalid number of argument(s) for the EQ ComparisonOperator",
    )
    assert error(call, TableName="old", KeyConditions={"pk": condition("EQ", {"S": "a"})}, FilterExpression="attribute_exists(x)")[1].endswith(
        "Non-expression parameters: {KeyConditions} Expression parameters: {FilterExpression}"
    )


def test_expected(dynamodb, error):
    failed = ("ConditionalCheckFailedException", "The conditional request failed")
    put = {"TableName": "old", "Item": {**KEY, "x": {"S": "new"}}}
    assert error(dynamodb.put_item, **put, Expected={"pk": {"Exists": False}}) == failed
    assert error(dynamodb.put_item, **put, Expected={"x": {"Value": {"S": "other"}}}) == failed
    dynamodb.put_item(**put, Expected={"x": {"Value": {"S": "x1"}}})
    two = {"x": {"Value": {"S": "no"}}, "sk": {"ComparisonOperator": "LE", "AttributeValueList": [{"N": "1"}]}}
    assert error(dynamodb.delete_item, TableName="old", Key=KEY, Expected=two) == failed
    gone = dynamodb.delete_item(TableName="old", Key=KEY, Expected=two, ConditionalOperator="OR", ReturnValues="ALL_OLD")
    assert gone["Attributes"]["x"] == {"S": "new"}
    code, message = error(dynamodb.put_item, **put, Expected={"x": {"Exists": True}})
    assert (code, message) == ("ValidationException", "One or more parameter values were invalid: Value must be provided when Exists is set to true for Attribute: x")
    assert error(dynamodb.put_item, **put, ConditionalOperator="OR") == ("ValidationException", "ConditionalOperator cannot be used without Filter or Expected")


def test_attribute_updates(dynamodb, error):
    def update(key=KEY, **updates):
        return dynamodb.update_item(TableName="old", Key=key, AttributeUpdates=updates, ReturnValues="ALL_NEW").get("Attributes")

    new = update(
        x={"Action": "DELETE"},
        n={"Action": "ADD", "Value": {"N": "5"}},
        set={"Action": "DELETE", "Value": {"SS": ["one"]}},
        l={"Action": "ADD", "Value": {"L": [{"S": "a"}]}},
        y={"Value": {"S": "y"}},
    )
    assert new == {**KEY, "n": {"N": "5"}, "set": {"SS": ["s1"]}, "l": {"L": [{"S": "a"}]}, "y": {"S": "y"}}
    assert update(n={"Action": "ADD", "Value": {"N": "-2"}})["n"] == {"N": "3"}
    other = {"pk": {"S": "none"}, "sk": {"N": "1"}}
    assert update(other, x={"Action": "DELETE"}) is None
    assert "Item" not in dynamodb.get_item(TableName="old", Key=other)
    assert update(other, x={"Value": {"S": "x"}}) == {**other, "x": {"S": "x"}}
    call = dynamodb.update_item
    assert error(call, TableName="old", Key=KEY, AttributeUpdates={"x": {"Action": "PUT"}}) == (
        "ValidationException",
        "One or more parameter values were invalid: Only DELETE action is allowed when no attribute value is specified",
    )
    assert error(call, TableName="old", Key=KEY, AttributeUpdates={"x": {"Action": "ADD", "Value": {"S": "x"}}}) == (
        "ValidationException",
        "One or more parameter values were invalid: ADD action is not supported for the type S",
    )
    assert error(call, TableName="old", Key=KEY, AttributeUpdates={"sk": {"Value": {"N": "2"}}})[0] == "ValidationException"
