"""CloudWatch Logs through boto3."""

import time

import pytest


@pytest.fixture
def logs(client):
    return client("logs")


def now():
    return int(time.time() * 1000)


def test_events_are_put_read_and_filtered(logs, error, account):
    logs.create_log_group(logGroupName="/g", tags={"a": "b"})
    logs.create_log_stream(logGroupName="/g", logStreamName="one")
    logs.create_log_stream(logGroupName="/g", logStreamName="two")
    start = now()
    logs.put_log_events(logGroupName="/g", logStreamName="one", logEvents=[{"timestamp": start + i, "message": f"INFO line {i}"} for i in range(5)])
    logs.put_log_events(logGroupName="/g", logStreamName="two", logEvents=[{"timestamp": start + 2, "message": '{"level": "ERROR", "code": 503}'}])
    page = logs.get_log_events(logGroupName="/g", logStreamName="one", startFromHead=True, limit=3)
    assert [e["message"] for e in page["events"]] == ["INFO line 0", "INFO line 1", "INFO line 2"]
    rest = logs.get_log_events(logGroupName="/g", logStreamName="one", startFromHead=True, nextToken=page["nextForwardToken"])
    assert [e["message"] for e in rest["events"]] == ["INFO line 3", "INFO line 4"]
    end = logs.get_log_events(logGroupName="/g", logStreamName="one", startFromHead=True, nextToken=rest["nextForwardToken"])
    assert end["events"] == [] and end["nextForwardToken"] == rest["nextForwardToken"]
    found = logs.filter_log_events(logGroupName="/g", filterPattern='{ $.level = "ERROR" && $.code >= 500 }')["events"]
    assert [e["logStreamName"] for e in found] == ["two"]
    assert len(logs.filter_log_events(logGroupName="/g", filterPattern="INFO -3")["events"]) == 4
    streams = logs.describe_log_streams(logGroupName="/g", orderBy="LastEventTime", descending=True)["logStreams"]
    assert streams[0]["logStreamName"] == "one" and streams[0]["lastEventTimestamp"] == start + 4
    group = logs.describe_log_groups(logGroupNamePrefix="/g")["logGroups"][0]
    assert group["arn"] == f"arn:aws:logs:us-east-1:{account}:log-group:/g:*"
    assert logs.list_tags_for_resource(resourceArn=group["logGroupArn"])["tags"] == {"a": "b"}
    logs.delete_log_group(logGroupName="/g")
    assert error(logs.describe_log_streams, logGroupName="/g") == ("ResourceNotFoundException", "The specified log group does not exist.")


def test_what_is_out_of_order_too_old_or_nowhere(logs, error):
    logs.create_log_group(logGroupName="/g")
    logs.create_log_stream(logGroupName="/g", logStreamName="s")
    # Wording recorded from AWS, logs, 2026-02-03.
    events = [{"timestamp": now(), "message": "a"}, {"timestamp": now() - 1000, "message": "b"}]
    assert error(logs.put_log_events, logGroupName="/g", logStreamName="s", logEvents=events) == (
        "InvalidParameterException",
        "Log events in a single PutLogEvents request must be in chronological order.",
    )
    old = logs.put_log_events(logGroupName="/g", logStreamName="s", logEvents=[{"timestamp": now() - 20 * 86_400_000, "message": "a"}])
    assert old["rejectedLogEventsInfo"] == {"tooOldLogEventEndIndex": 1}
    assert error(logs.put_log_events, logGroupName="/g", logStreamName="x", logEvents=events[:1])[1] == "The specified log stream does not exist."
    assert error(logs.create_log_group, logGroupName="/g")[0] == "ResourceAlreadyExistsException"
    assert error(logs.get_log_events, logGroupName="/g", logStreamName="s", nextToken="x") == ("InvalidParameterException", "The specified nextToken is invalid.")


def test_retention(logs, error):
    logs.create_log_group(logGroupName="/g")
    logs.put_retention_policy(logGroupName="/g", retentionInDays=7)
    assert logs.describe_log_groups()["logGroups"][0]["retentionInDays"] == 7
    assert error(logs.put_retention_policy, logGroupName="/g", retentionInDays=2)[0] == "InvalidParameterException"
    logs.delete_retention_policy(logGroupName="/g")
    assert "retentionInDays" not in logs.describe_log_groups()["logGroups"][0]
