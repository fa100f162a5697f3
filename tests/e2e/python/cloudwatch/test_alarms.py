"""CloudWatch alarms through boto3."""

import datetime
import json
import time
import urllib.request

import pytest

from lambda_.test_lambda import ROLE, archive

FUNCTION = "exports.handler = async (event) => { console.log('EVENT ' + JSON.stringify(event)); };"


@pytest.fixture
def cloudwatch(client):
    return client("cloudwatch")


def put(cloudwatch, name, value, ago=0, namespace="App"):
    at = datetime.datetime.fromtimestamp(now(cloudwatch) - ago, datetime.timezone.utc)
    cloudwatch.put_metric_data(Namespace=namespace, MetricData=[{"MetricName": name, "Value": value, "Timestamp": at}])


def now(cloudwatch):
    return time.time() + MOVED.get(cloudwatch.meta.endpoint_url, 0)


MOVED = {}


def advance(cloud, seconds):
    request = urllib.request.Request(f"{cloud.url}/_undercast/control/time?advance_ms={seconds * 1000}", method="POST")
    urllib.request.urlopen(request, timeout=10).read()
    MOVED[cloud.url] = MOVED.get(cloud.url, 0) + seconds


def alarm(cloudwatch, name, **more):
    arguments = {
        "AlarmName": name, "Namespace": "App", "MetricName": name, "Statistic": "Sum", "Period": 60,
        "EvaluationPeriods": 1, "Threshold": 1.0, "ComparisonOperator": "GreaterThanThreshold",
    }
    cloudwatch.put_metric_alarm(**{**arguments, **more})


def state(cloudwatch, name):
    found = cloudwatch.describe_alarms(AlarmNames=[name], AlarmTypes=["MetricAlarm", "CompositeAlarm"])
    [one] = found["MetricAlarms"] + found["CompositeAlarms"]
    return one


def until(check, seconds=20):
    deadline = time.monotonic() + seconds
    while True:
        found = check()
        if found:
            return found
        assert time.monotonic() < deadline, found
        time.sleep(0.05)


def becomes(cloudwatch, name, value):
    return until(lambda: (one := state(cloudwatch, name))["StateValue"] == value and one)


def test_an_alarm_follows_its_metric(new_cloud):
    cloud = new_cloud().start()
    cloudwatch = cloud.client("cloudwatch")
    put(cloudwatch, "Errors", 5, ago=60)
    alarm(cloudwatch, "Errors", AlarmActions=["arn:aws:sns:us-east-1:000000000000:nobody"], Tags=[{"Key": "a", "Value": "b"}])
    found = becomes(cloudwatch, "Errors", "ALARM")
    assert found["StateReason"].startswith("Threshold Crossed: 1 out of the last 1 datapoint [5.0 (")
    assert found["AlarmArn"] == "arn:aws:cloudwatch:us-east-1:000000000000:alarm:Errors"
    assert (found["Threshold"], found["Period"], found["ActionsEnabled"]) == (1.0, 60, True)
    assert cloudwatch.list_tags_for_resource(ResourceARN=found["AlarmArn"])["Tags"] == [{"Key": "a", "Value": "b"}]
    advance(cloud, 60)
    put(cloudwatch, "Errors", 0)
    advance(cloud, 60)
    becomes(cloudwatch, "Errors", "OK")
    # A kill changes nothing: the alarm is looked at by whoever comes next.
    cloud.kill()
    cloud.start()
    MOVED[cloud.url] = 120
    advance(cloud, 600)
    becomes(cloudwatch, "Errors", "INSUFFICIENT_DATA")
    history = until(lambda: (all := cloudwatch.describe_alarm_history(AlarmName="Errors", ScanBy="TimestampAscending")["AlarmHistoryItems"]) and any(h["HistoryItemType"] == "Action" for h in all) and all)
    told = [h["HistorySummary"] for h in history if h["HistoryItemType"] != "Action"]
    assert told == [
        'Alarm "Errors" created',
        "Alarm updated from INSUFFICIENT_DATA to ALARM",
        "Alarm updated from ALARM to OK",
        "Alarm updated from OK to INSUFFICIENT_DATA",
    ]
    [action] = [h for h in history if h["HistoryItemType"] == "Action"]
    assert action["HistorySummary"].startswith("Failed to execute action arn:aws:sns:us-east-1:000000000000:nobody")
    assert "not implemented" in json.loads(action["HistoryData"])["error"] or "sns" in action["HistoryData"]
    data = json.loads(history[-1]["HistoryData"])
    assert data["newState"]["stateValue"] == "INSUFFICIENT_DATA"


def test_alarms_on_expressions_and_m_out_of_n(cloudwatch):
    put(cloudwatch, "E", 5, ago=60)
    put(cloudwatch, "C", 10, ago=60)
    metrics = [
        {"Id": "e", "MetricStat": {"Metric": {"Namespace": "App", "MetricName": "E"}, "Period": 60, "Stat": "Sum"}, "ReturnData": False},
        {"Id": "c", "MetricStat": {"Metric": {"Namespace": "App", "MetricName": "C"}, "Period": 60, "Stat": "Sum"}, "ReturnData": False},
        {"Id": "rate", "Expression": "100 * e / c", "Label": "rate"},
    ]
    cloudwatch.put_metric_alarm(
        AlarmName="rate", Metrics=metrics, EvaluationPeriods=3, DatapointsToAlarm=1, Threshold=20,
        ComparisonOperator="GreaterThanOrEqualToThreshold", TreatMissingData="notBreaching",
    )
    found = becomes(cloudwatch, "rate", "ALARM")
    assert "[50.0 (" in found["StateReason"]
    assert [m["Id"] for m in found["Metrics"]] == ["e", "c", "rate"]
    alarm(cloudwatch, "quiet", TreatMissingData="breaching")
    assert "treated as [Breaching]" in becomes(cloudwatch, "quiet", "ALARM")["StateReason"]
    put(cloudwatch, "slow", 900, ago=60)
    cloudwatch.put_metric_alarm(
        AlarmName="slow", Namespace="App", MetricName="slow", ExtendedStatistic="p99", Period=60,
        EvaluationPeriods=1, Threshold=500, ComparisonOperator="GreaterThanThreshold",
    )
    becomes(cloudwatch, "slow", "ALARM")
    names = [a["AlarmName"] for a in cloudwatch.describe_alarms_for_metric(Namespace="App", MetricName="slow")["MetricAlarms"]]
    assert names == ["slow"]


def test_composite_alarms_follow_others(cloudwatch, error):
    for name in ("a", "b"):
        alarm(cloudwatch, name, TreatMissingData="notBreaching")
        becomes(cloudwatch, name, "OK")
    cloudwatch.put_composite_alarm(AlarmName="both", AlarmRule='ALARM("a") AND ALARM("b")')
    cloudwatch.put_composite_alarm(AlarmName="upper", AlarmRule="ALARM(both) OR FALSE")
    becomes(cloudwatch, "both", "OK")
    cloudwatch.set_alarm_state(AlarmName="a", StateValue="ALARM", StateReason="by hand")
    cloudwatch.set_alarm_state(AlarmName="b", StateValue="ALARM", StateReason="by hand")
    becomes(cloudwatch, "both", "ALARM")
    becomes(cloudwatch, "upper", "ALARM")
    children = cloudwatch.describe_alarms(ChildrenOfAlarmName="both")
    assert [a["AlarmName"] for a in children["MetricAlarms"]] == ["a", "b"]
    parents = cloudwatch.describe_alarms(ParentsOfAlarmName="both")
    assert [a["AlarmName"] for a in parents["CompositeAlarms"]] == ["upper"]
    for rule in ("ALARM(", "ALARM(gone)", "ALARM(upper)"):
        assert error(cloudwatch.put_composite_alarm, AlarmName="both", AlarmRule=rule)[0] == "ValidationError", rule
    cloudwatch.delete_alarms(AlarmNames=["upper", "both", "a", "b", "gone"])
    assert cloudwatch.describe_alarms(AlarmTypes=["MetricAlarm", "CompositeAlarm"])["MetricAlarms"] == []


def make_function(client, account, name="told"):
    made = client("lambda").create_function(
        FunctionName=name, Runtime="nodejs20.x", Role=ROLE.format(account), Handler="index.handler", Code={"ZipFile": archive(index__js=FUNCTION)}
    )
    return made["FunctionArn"]


def test_an_alarm_invokes_a_function(cloudwatch, client, account, logged):
    function = make_function(client, account)
    alarm(cloudwatch, "told", TreatMissingData="notBreaching", AlarmActions=[function], AlarmDescription="why", Dimensions=[{"Name": "A", "Value": "b"}])
    becomes(cloudwatch, "told", "OK")
    cloudwatch.set_alarm_state(AlarmName="told", StateValue="ALARM", StateReason="by hand", StateReasonData='{"x": 1}')
    lines = logged("told", lambda lines: any("EVENT " in line for line in lines))
    [line] = [line for line in lines if "EVENT " in line]
    event = json.loads(line.split("EVENT ", 1)[1])
    assert event["source"] == "aws.cloudwatch" and event["alarmArn"] == state(cloudwatch, "told")["AlarmArn"]
    data = event["alarmData"]
    assert (data["alarmName"], data["state"]["value"], data["state"]["reason"]) == ("told", "ALARM", "by hand")
    assert data["previousState"]["value"] == "OK"
    [metric] = data["configuration"]["metrics"]
    assert metric["metricStat"]["metric"] == {"namespace": "App", "name": "told", "dimensions": {"A": "b"}}
    assert (data["configuration"]["description"], metric["metricStat"]["stat"], metric["metricStat"]["period"]) == ("why", "Sum", 60)
    items = until(lambda: cloudwatch.describe_alarm_history(AlarmName="told", HistoryItemType="Action")["AlarmHistoryItems"])
    assert items[0]["HistorySummary"] == f"Successfully executed action {function}"


def test_what_services_do_is_counted(cloudwatch, client, account):
    make_function(client, account, "counted")
    for _ in range(3):
        client("lambda").invoke(FunctionName="counted", Payload=b"{}")
    sqs = client("sqs")
    queue = sqs.create_queue(QueueName="counted")["QueueUrl"]
    sqs.send_message_batch(QueueUrl=queue, Entries=[{"Id": str(i), "MessageBody": "x"} for i in range(4)])
    [message] = sqs.receive_message(QueueUrl=queue)["Messages"]
    sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
    dynamodb = client("dynamodb")
    dynamodb.create_table(
        TableName="counted", BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}], KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
    )
    dynamodb.put_item(TableName="counted", Item={"id": {"S": "a"}})
    dynamodb.get_item(TableName="counted", Key={"id": {"S": "a"}}, ConsistentRead=True)

    def total(namespace, name, dimension, value="counted"):
        end = time.time() + 60
        found = cloudwatch.get_metric_statistics(
            Namespace=namespace, MetricName=name, Dimensions=[{"Name": dimension, "Value": value}], Period=60, Statistics=["Sum"],
            StartTime=datetime.datetime.fromtimestamp(end - 600, datetime.timezone.utc), EndTime=datetime.datetime.fromtimestamp(end, datetime.timezone.utc),
        )
        return sum(p["Sum"] for p in found["Datapoints"])

    assert total("AWS/Lambda", "Invocations", "FunctionName") == 3
    assert total("AWS/Lambda", "Errors", "FunctionName") == 0
    assert total("AWS/Lambda", "Duration", "FunctionName") > 0
    assert total("AWS/SQS", "NumberOfMessagesSent", "QueueName") == 4
    assert total("AWS/SQS", "NumberOfMessagesReceived", "QueueName") == 1
    assert total("AWS/SQS", "NumberOfMessagesDeleted", "QueueName") == 1
    assert total("AWS/DynamoDB", "ConsumedWriteCapacityUnits", "TableName") == 1
    assert total("AWS/DynamoDB", "ConsumedReadCapacityUnits", "TableName") == 1


def test_alarms_are_described_switched_and_refused(cloudwatch, error):
    for i in range(5):
        alarm(cloudwatch, f"alarm-{i}", AlarmActions=["arn:aws:sns:us-east-1:1:t"] if i == 3 else [])
    pages = cloudwatch.get_paginator("describe_alarms").paginate(AlarmNamePrefix="alarm-", PaginationConfig={"PageSize": 2})
    assert [len(page["MetricAlarms"]) for page in pages] == [2, 2, 1]
    found = cloudwatch.describe_alarms(ActionPrefix="arn:aws:sns")["MetricAlarms"]
    assert [a["AlarmName"] for a in found] == ["alarm-3"]
    cloudwatch.disable_alarm_actions(AlarmNames=["alarm-3", "gone"])
    assert state(cloudwatch, "alarm-3")["ActionsEnabled"] is False
    cloudwatch.enable_alarm_actions(AlarmNames=["alarm-3"])
    assert state(cloudwatch, "alarm-3")["ActionsEnabled"] is True
    arn = state(cloudwatch, "alarm-3")["AlarmArn"]
    cloudwatch.tag_resource(ResourceARN=arn, Tags=[{"Key": "k", "Value": "v"}, {"Key": "l", "Value": "w"}])
    cloudwatch.untag_resource(ResourceARN=arn, TagKeys=["k"])
    assert cloudwatch.list_tags_for_resource(ResourceARN=arn)["Tags"] == [{"Key": "l", "Value": "w"}]
    assert error(cloudwatch.list_tags_for_resource, ResourceARN=arn + "x")[0] == "ResourceNotFoundException"
    assert error(cloudwatch.set_alarm_state, AlarmName="gone", StateValue="OK", StateReason="x")[0] == "ResourceNotFound"
    assert error(cloudwatch.set_alarm_state, AlarmName="alarm-3", StateValue="OK", StateReason="x", StateReasonData="{")[0] == "InvalidFormat"

    def code(**more):
        return error(alarm, cloudwatch=cloudwatch, name="bad", **more)[0]

    assert code(Period=7) == "ValidationError"
    assert code(DatapointsToAlarm=2) == "ValidationError"
    assert code(TreatMissingData="maybe") == "ValidationError"
    assert code(ExtendedStatistic="p90") == "ValidationError"
    assert code(EvaluationPeriods=2000) == "ValidationError"
    assert code(ComparisonOperator="LessThanLowerThreshold", ThresholdMetricId="m") == "NotImplemented"
    assert len(cloudwatch.describe_alarms()["MetricAlarms"]) == 5


def test_alarms_and_dashboards_in_templates(deploy, client, cloudwatch):
    template = {
        "Resources": {
            "Errors": {"Type": "AWS::CloudWatch::Alarm", "Properties": {
                "Namespace": "App", "MetricName": "Errors", "Statistic": "Sum", "Period": "60", "EvaluationPeriods": 1,
                "Threshold": 1, "ComparisonOperator": "GreaterThanThreshold", "TreatMissingData": "notBreaching"}},
            "Any": {"Type": "AWS::CloudWatch::CompositeAlarm", "Properties": {
                "AlarmName": "any", "AlarmRule": {"Fn::Sub": "ALARM(\"${Errors}\")"}}},
            "Board": {"Type": "AWS::CloudWatch::Dashboard", "Properties": {"DashboardName": "board", "DashboardBody": "{}"}},
        },
        "Outputs": {"Arn": {"Value": {"Fn::GetAtt": ["Errors", "Arn"]}}},
    }
    stack = deploy("alarms", template)
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    [one] = cloudwatch.describe_alarms()["MetricAlarms"]
    assert stack["Outputs"][0]["OutputValue"] == one["AlarmArn"]
    assert one["AlarmName"].startswith("alarms-Errors-")
    template["Resources"]["Errors"]["Properties"]["Threshold"] = 7
    deploy("alarms", template, kind="UPDATE")
    assert cloudwatch.describe_alarms()["MetricAlarms"][0]["Threshold"] == 7
    cloudformation = client("cloudformation")
    cloudformation.delete_stack(StackName="alarms")
    until(lambda: not cloudwatch.describe_alarms()["MetricAlarms"] and not cloudwatch.list_dashboards()["DashboardEntries"])
