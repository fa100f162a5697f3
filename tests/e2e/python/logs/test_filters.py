"""Metric filters, embedded metrics and subscriptions through boto3."""

import base64
import datetime
import gzip
import json
import time

import pytest

from lambda_.test_lambda import ROLE, archive

FUNCTION = "exports.handler = async (event) => { console.log('DATA ' + event.awslogs.data); };"


@pytest.fixture
def logs(client):
    return client("logs")


@pytest.fixture
def cloudwatch(client):
    return client("cloudwatch")


def group(logs, name="/app"):
    logs.create_log_group(logGroupName=name)
    logs.create_log_stream(logGroupName=name, logStreamName="s")


def put(logs, *messages, name="/app"):
    now = int(time.time() * 1000)
    logs.put_log_events(logGroupName=name, logStreamName="s", logEvents=[{"timestamp": now, "message": m} for m in messages])


def total(cloudwatch, name, namespace="App", statistic="Sum", **dimensions):
    end = time.time() + 60
    found = cloudwatch.get_metric_statistics(
        Namespace=namespace, MetricName=name, Period=3600, Statistics=[statistic],
        Dimensions=[{"Name": k, "Value": v} for k, v in dimensions.items()],
        StartTime=datetime.datetime.fromtimestamp(end - 7200, datetime.timezone.utc), EndTime=datetime.datetime.fromtimestamp(end, datetime.timezone.utc),
    )
    return sum(p[statistic] for p in found["Datapoints"]) if found["Datapoints"] else None


def metric(name, value="1", **more):
    return [{"metricName": name, "metricNamespace": "App", "metricValue": value, **more}]


def test_metric_filters_count(logs, cloudwatch, error):
    group(logs)
    logs.put_metric_filter(logGroupName="/app", filterName="errors", filterPattern="ERROR -harmless", metricTransformations=metric("Errors"))
    logs.put_metric_filter(logGroupName="/app", filterName="took", filterPattern="{ $.took > 10 }", metricTransformations=metric("Took", "$.took", unit="Milliseconds", dimensions={"Path": "$.path"}))
    logs.put_metric_filter(logGroupName="/app", filterName="bytes", filterPattern="[ip, status = 5*, bytes]", metricTransformations=metric("Bytes", "$bytes"))
    logs.put_metric_filter(logGroupName="/app", filterName="default", filterPattern="never", metricTransformations=metric("Never", defaultValue=0))
    put(logs, "ERROR one", "ERROR harmless", "an ERROR", '{"took": 20, "path": "/a"}', '{"took": 30, "path": "/b"}', '{"took": 5, "path": "/a"}', "1.1.1.1 503 120", "1.1.1.1 200 7")
    assert total(cloudwatch, "Errors") == 2
    assert (total(cloudwatch, "Took", Path="/a"), total(cloudwatch, "Took", Path="/b")) == (20, 30)
    assert total(cloudwatch, "Bytes") == 120
    assert total(cloudwatch, "Never") == 0
    assert total(cloudwatch, "IncomingLogEvents", namespace="AWS/Logs", LogGroupName="/app") == 8
    assert logs.describe_log_groups(logGroupNamePrefix="/app")["logGroups"][0]["metricFilterCount"] == 4
    pages = list(logs.get_paginator("describe_metric_filters").paginate(logGroupName="/app", PaginationConfig={"PageSize": 3}))
    assert [f["filterName"] for page in pages for f in page["metricFilters"]] == ["bytes", "default", "errors", "took"]
    [found] = logs.describe_metric_filters(metricName="Took", metricNamespace="App")["metricFilters"]
    assert found["metricTransformations"] == metric("Took", "$.took", unit="Milliseconds", dimensions={"Path": "$.path"})
    logs.delete_metric_filter(logGroupName="/app", filterName="errors")
    assert error(logs.delete_metric_filter, logGroupName="/app", filterName="errors")[0] == "ResourceNotFoundException"
    put(logs, "ERROR more")
    assert total(cloudwatch, "Errors") == 2
    bad = {"logGroupName": "/app", "filterName": "bad"}
    assert error(logs.put_metric_filter, **bad, filterPattern="{ $.a = }", metricTransformations=metric("M"))[0] == "InvalidParameterException"
    assert error(logs.put_metric_filter, **bad, filterPattern="", metricTransformations=metric("M", "many"))[0] == "InvalidParameterException"
    assert error(logs.put_metric_filter, **bad, filterPattern="", metricTransformations=metric("M", defaultValue=1, dimensions={"A": "$.a"}))[0] == "InvalidParameterException"
    assert error(logs.put_metric_filter, **{**bad, "logGroupName": "/no"}, filterPattern="", metricTransformations=metric("M"))[0] == "ResourceNotFoundException"


def test_patterns_can_be_tried(logs, error):
    found = logs.test_metric_filter(filterPattern="[ip, ..., status = 4*]", logEventMessages=["1.1.1.1 GET /x 404", "1.1.1.1 GET /x 200"])["matches"]
    assert found == [{"eventNumber": 1, "eventMessage": "1.1.1.1 GET /x 404", "extractedValues": {"$ip": "1.1.1.1", "$status": "404"}}]
    found = logs.test_metric_filter(filterPattern="{ $.a = 1 }", logEventMessages=["no", '{"a": 1}'])["matches"]
    assert [(m["eventNumber"], m["extractedValues"]) for m in found] == [(2, {"$.a": "1"})]
    assert error(logs.test_metric_filter, filterPattern="[a", logEventMessages=["x"])[0] == "InvalidParameterException"


def test_embedded_metrics_are_counted(logs, cloudwatch):
    group(logs)
    line = {
        "_aws": {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": [{
            "Namespace": "App", "Dimensions": [["Service"], ["Service", "Path"]],
            "Metrics": [{"Name": "Latency", "Unit": "Milliseconds"}, {"Name": "Sizes"}, {"Name": "gone"}]}]},
        "Service": "shop", "Path": "/x", "Latency": 12.5, "Sizes": [1, 2, 3],
    }
    put(logs, json.dumps(line), "no json with \"CloudWatchMetrics\"")
    assert total(cloudwatch, "Latency", Service="shop") == 12.5
    assert total(cloudwatch, "Latency", Service="shop", Path="/x") == 12.5
    assert total(cloudwatch, "Sizes", Service="shop", statistic="SampleCount") == 3
    assert total(cloudwatch, "gone", Service="shop") is None


def test_a_subscription_sends_events_to_a_function(logs, client, account, logged, error):
    group(logs)
    function = client("lambda").create_function(
        FunctionName="sink", Runtime="nodejs20.x", Role=ROLE.format(account), Handler="index.handler", Code={"ZipFile": archive(index__js=FUNCTION)}
    )["FunctionArn"]
    logs.put_subscription_filter(logGroupName="/app", filterName="send", filterPattern="ERROR", destinationArn=function)
    put(logs, "ERROR one", "fine", "ERROR two")
    put(logs, "ERROR three")

    def events():
        got = []

        def enough(lines):
            got[:] = [json.loads(gzip.decompress(base64.b64decode(line.split("DATA ", 1)[1]))) for line in lines if "DATA " in line]
            return sum(len(g["logEvents"]) for g in got) >= 3

        logged("sink", enough)
        return got

    got = events()
    assert [e["message"] for g in got for e in g["logEvents"]] == ["ERROR one", "ERROR two", "ERROR three"]
    assert {k: got[0][k] for k in ("messageType", "owner", "logGroup", "logStream", "subscriptionFilters")} == {
        "messageType": "DATA_MESSAGE", "owner": account, "logGroup": "/app", "logStream": "s", "subscriptionFilters": ["send"],
    }
    shown = logs.filter_log_events(logGroupName="/app", filterPattern="one")["events"][0]
    assert got[0]["logEvents"][0]["id"] == shown["eventId"]
    [found] = logs.describe_subscription_filters(logGroupName="/app")["subscriptionFilters"]
    assert (found["filterName"], found["destinationArn"], found["distribution"]) == ("send", function, "ByLogStream")
    put_filter = {"logGroupName": "/app", "filterName": "x", "filterPattern": ""}
    assert error(logs.put_subscription_filter, **put_filter, destinationArn=function + "x")[0] == "InvalidParameterException"
    assert error(logs.put_subscription_filter, **put_filter, destinationArn=f"arn:aws:kinesis:us-east-1:{account}:stream/s")[0] == "NotImplemented"
    logs.put_subscription_filter(**put_filter, destinationArn=function)
    assert error(logs.put_subscription_filter, **{**put_filter, "filterName": "y"}, destinationArn=function)[0] == "LimitExceededException"
    logs.delete_subscription_filter(logGroupName="/app", filterName="x")
    logs.delete_subscription_filter(logGroupName="/app", filterName="send")
    assert error(logs.delete_subscription_filter, logGroupName="/app", filterName="send")[0] == "ResourceNotFoundException"


def test_filters_in_templates(deploy, logs, client, account):
    client("lambda").create_function(
        FunctionName="sink", Runtime="nodejs20.x", Role=ROLE.format(account), Handler="index.handler", Code={"ZipFile": archive(index__js=FUNCTION)}
    )
    template = {"Resources": {
        "Group": {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": "/t"}},
        "Filter": {"Type": "AWS::Logs::MetricFilter", "Properties": {
            "LogGroupName": {"Ref": "Group"}, "FilterPattern": "{ $.a = * }",
            "MetricTransformations": [{"MetricName": "M", "MetricNamespace": "N", "MetricValue": "$.a", "Dimensions": [{"Key": "B", "Value": "$.b"}]}]}},
        "Send": {"Type": "AWS::Logs::SubscriptionFilter", "Properties": {
            "LogGroupName": {"Ref": "Group"}, "FilterPattern": "", "DestinationArn": f"arn:aws:lambda:us-east-1:{account}:function:sink"}},
    }}
    assert deploy("filters", template)["StackStatus"] == "CREATE_COMPLETE"
    [found] = logs.describe_metric_filters(logGroupName="/t")["metricFilters"]
    assert found["filterName"].startswith("filters-Filter-")
    assert found["metricTransformations"][0]["dimensions"] == {"B": "$.b"}
    template["Resources"]["Filter"]["Properties"]["FilterPattern"] = "x"
    deploy("filters", template, kind="UPDATE")
    assert logs.describe_metric_filters(logGroupName="/t")["metricFilters"][0]["filterPattern"] == "x"
    del template["Resources"]["Filter"], template["Resources"]["Send"]
    assert deploy("filters", template, kind="UPDATE")["StackStatus"] == "UPDATE_COMPLETE"
    assert logs.describe_subscription_filters(logGroupName="/t")["subscriptionFilters"] == []
    assert logs.describe_metric_filters(logGroupName="/t")["metricFilters"] == []
