"""Logs Insights through boto3."""

import json
import time

import pytest


@pytest.fixture
def logs(client):
    return client("logs")


def fill(logs, group, messages):
    logs.create_log_group(logGroupName=group)
    logs.create_log_stream(logGroupName=group, logStreamName="s")
    at = int(time.time() * 1000) - 60_000
    logs.put_log_events(logGroupName=group, logStreamName="s", logEvents=[{"timestamp": at + i, "message": m} for i, m in enumerate(messages)])
    return at


def finished(logs, query):
    deadline = time.monotonic() + 20
    while (found := logs.get_query_results(queryId=query))["status"] in ("Running", "Scheduled"):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return found


def ask(logs, text, groups=("/q",), **more):
    now = int(time.time())
    query = logs.start_query(logGroupNames=list(groups), startTime=now - 3600, endTime=now, queryString=text, **more)["queryId"]
    found = finished(logs, query)
    assert found["status"] == "Complete"
    return [{f["field"]: f["value"] for f in row if f["field"] != "@ptr"} for row in found["results"]]


def test_queries_find_and_count(logs, account):
    at = fill(logs, "/q", [json.dumps({"level": "ERROR" if i % 3 == 0 else "INFO", "took": i, "path": f"/{i % 2}"}) for i in range(10)])
    rows = ask(logs, "fields @timestamp, took, @logStream, @log | filter level = 'ERROR' and took > 0 | sort took asc | limit 2")
    stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime((at + 3) / 1000)) + f".{(at + 3) % 1000:03}"
    assert rows == [
        {"@timestamp": stamp, "took": "3", "@logStream": "s", "@log": f"{account}:/q"},
        {"@timestamp": ask(logs, "filter took = 6 | fields @timestamp")[0]["@timestamp"], "took": "6", "@logStream": "s", "@log": f"{account}:/q"},
    ]
    rows = ask(logs, "stats count(*) as n, avg(took) as a, max(took), pct(took, 50) as p by level | sort level")
    assert rows == [
        {"level": "ERROR", "n": "4", "a": "4.5", "max(took)": "9", "p": "3"},
        {"level": "INFO", "n": "6", "a": "4.5", "max(took)": "8", "p": "4"},
    ]
    assert sum(int(row["n"]) for row in ask(logs, "stats count(*) as n by bin(1h)")) == 10
    # Without a sort the newest come first, with what every event has.
    first = ask(logs, "filter @message like /took/", limit=3)
    assert [json.loads(row["@message"])["took"] for row in first] == [9, 8, 7]
    fill(logs, "/other", ["GET /a 200 12ms", "GET /b 500 30ms"])
    assert ask(logs, "parse @message '* * * *ms' as verb, path, status, took | filter status >= 500 | display path, took", ["/other"]) == [{"path": "/b", "took": "30"}]
    assert ask(logs, "stats count(*) as n by @log | sort n", ["/q", "/other"]) == [{"@log": f"{account}:/other", "n": "2"}, {"@log": f"{account}:/q", "n": "10"}]


def test_queries_are_listed_stopped_and_refused(logs, error):
    fill(logs, "/q", ["x"] * 30)
    now = int(time.time())
    arguments = {"logGroupName": "/q", "startTime": now - 3600, "endTime": now}
    for wrong in ("nope", "fields @message | filter", "stats median(x)"):
        assert error(logs.start_query, **arguments, queryString=wrong)[0] == "MalformedQueryException", wrong
    assert error(logs.start_query, **{**arguments, "logGroupName": "/no"}, queryString="limit 1")[0] == "ResourceNotFoundException"
    assert error(logs.start_query, **arguments, queryString="limit 1", queryLanguage="SQL")[0] == "NotImplemented"
    assert error(logs.get_query_results, queryId="gone")[0] == "ResourceNotFoundException"
    query = logs.start_query(**arguments, queryString="fields @message")["queryId"]
    found = finished(logs, query)
    assert len(found["results"]) == 30 and found["statistics"]["recordsScanned"] == 30
    page = logs.get_query_results(queryId=query, maxItems=20)
    rest = logs.get_query_results(queryId=query, nextToken=page["nextToken"])
    assert (len(page["results"]), len(rest["results"])) == (20, 10)
    assert error(logs.stop_query, queryId=query)[0] == "InvalidParameterException"
    [listed] = logs.describe_queries(logGroupName="/q")["queries"]
    assert (listed["queryId"], listed["status"], listed["queryString"]) == (query, "Complete", "fields @message")


def test_query_definitions_are_kept(logs, error, deploy):
    one = logs.put_query_definition(name="app/errors", queryString="filter a", logGroupNames=["/q"])["queryDefinitionId"]
    logs.put_query_definition(name="other", queryString="limit 1")
    assert logs.put_query_definition(queryDefinitionId=one, name="app/errors", queryString="filter b")["queryDefinitionId"] == one
    [found] = logs.describe_query_definitions(queryDefinitionNamePrefix="app/")["queryDefinitions"]
    assert (found["queryDefinitionId"], found["queryString"]) == (one, "filter b")
    assert logs.delete_query_definition(queryDefinitionId=one)["success"] is True
    assert error(logs.delete_query_definition, queryDefinitionId=one)[0] == "ResourceNotFoundException"
    template = {"Resources": {"Q": {"Type": "AWS::Logs::QueryDefinition", "Properties": {"Name": "made", "QueryString": "limit 5"}}}}
    deploy("definitions", template)
    template["Resources"]["Q"]["Properties"]["QueryString"] = "limit 6"
    deploy("definitions", template, kind="UPDATE")
    [made] = logs.describe_query_definitions(queryDefinitionNamePrefix="made")["queryDefinitions"]
    assert made["queryString"] == "limit 6"


def test_a_query_ends_after_a_kill(new_cloud):
    cloud = new_cloud().start()
    logs = cloud.client("logs")
    fill(logs, "/q", ["x"] * 5)
    now = int(time.time())
    query = logs.start_query(logGroupName="/q", startTime=now - 3600, endTime=now, queryString="stats count(*) as n")["queryId"]
    cloud.kill()
    cloud.start()
    found = finished(cloud.client("logs"), query)
    assert found["status"] == "Complete" and found["results"] == [[{"field": "n", "value": "5"}]]
