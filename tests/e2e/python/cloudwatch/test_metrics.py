"""CloudWatch metrics and dashboards through boto3."""

import datetime
import json
import time

import botocore.session
import pytest
from botocore.config import Config


@pytest.fixture
def cloudwatch(client):
    return client("cloudwatch")


def minute():
    """The start of a minute that is over."""
    now = int(time.time()) - 120
    return now - now % 60


def at(seconds):
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)


def put(cloudwatch, name, values, **more):
    data = [{"MetricName": name, "Value": v, "Timestamp": at(t), **more} for t, v in values]
    cloudwatch.put_metric_data(Namespace="App", MetricData=data)


def statistics(cloudwatch, name, start, end, period=60, **more):
    more = more or {"Statistics": ["Sum"]}
    found = cloudwatch.get_metric_statistics(
        Namespace="App", MetricName=name, StartTime=at(start), EndTime=at(end), Period=period, **more
    )
    assert found["Label"] == name
    return sorted(found["Datapoints"], key=lambda p: p["Timestamp"])


def test_values_become_statistics(cloudwatch):
    t = minute() - 600
    put(cloudwatch, "Latency", [(t + i, float(i)) for i in range(1, 11)], Unit="Milliseconds")
    put(cloudwatch, "Latency", [(t + 61, 100.0)], Unit="Milliseconds")
    names = ["SampleCount", "Average", "Sum", "Minimum", "Maximum"]
    one, two = statistics(cloudwatch, "Latency", t, t + 120, Statistics=names)
    assert one == {"Timestamp": at(t), "SampleCount": 10.0, "Average": 5.5, "Sum": 55.0, "Minimum": 1.0, "Maximum": 10.0, "Unit": "Milliseconds"}
    assert (two["Timestamp"], two["Sum"]) == (at(t + 60), 100.0)
    [point] = statistics(cloudwatch, "Latency", t, t + 60, ExtendedStatistics=["p50", "p90"])
    assert point["ExtendedStatistics"] == {"p50": 5.5, "p90": pytest.approx(9.1)}
    [point] = statistics(cloudwatch, "Latency", t, t + 120, period=120)
    assert point["Sum"] == 155.0
    assert statistics(cloudwatch, "Latency", t, t + 60, Statistics=["Sum"], Unit="Seconds") == []
    # Another region and another account know nothing of it.
    assert statistics(cloudwatch, "Other", t, t + 60) == []


def test_sets_counts_and_high_resolution(cloudwatch):
    t = minute()
    cloudwatch.put_metric_data(
        Namespace="App",
        MetricData=[
            {"MetricName": "S", "Timestamp": at(t), "StatisticValues": {"SampleCount": 4, "Sum": 10, "Minimum": 1, "Maximum": 5}},
            {"MetricName": "C", "Timestamp": at(t), "Values": [1.0, 2.0], "Counts": [3.0, 1.0]},
            {"MetricName": "H", "Timestamp": at(t + 1), "Value": 1, "StorageResolution": 1},
            {"MetricName": "H", "Timestamp": at(t + 11), "Value": 2, "StorageResolution": 1},
        ],
    )
    names = ["SampleCount", "Sum", "Minimum", "Maximum"]
    [point] = statistics(cloudwatch, "S", t, t + 60, Statistics=names)
    assert [point[n] for n in names] == [4, 10, 1, 5]
    [point] = statistics(cloudwatch, "S", t, t + 60, ExtendedStatistics=["p99"])
    assert "ExtendedStatistics" not in point
    [point] = statistics(cloudwatch, "C", t, t + 60, Statistics=names)
    assert [point[n] for n in names] == [4, 5, 1, 2]
    assert [p["Sum"] for p in statistics(cloudwatch, "H", t, t + 60, period=10)] == [1, 2]
    assert [p["Sum"] for p in statistics(cloudwatch, "H", t, t + 60)] == [3]


def test_bad_data_changes_nothing(cloudwatch, error):
    put_data = cloudwatch.put_metric_data

    def code(**datum):
        return error(put_data, Namespace="App", MetricData=[{"MetricName": "Good", "Value": 1}, {"MetricName": "Bad", **datum}])[0]

    now = time.time()
    assert code(Value=1, Timestamp=at(now - 15 * 86400)) == "InvalidParameterValue"
    assert code(Value=1, Timestamp=at(now + 3 * 3600)) == "InvalidParameterValue"
    assert code(Value=float("nan")) == "InvalidParameterValue"
    assert code(Value=1e120) == "InvalidParameterValue"
    assert code(Value=1, StorageResolution=5) == "InvalidParameterValue"
    assert code(Values=[1.0], Counts=[1.0, 2.0]) == "InvalidParameterValue"
    assert code(Values=[float(i) for i in range(151)]) == "InvalidParameterValue"
    assert code(Value=1, Values=[1.0]) == "InvalidParameterCombination"
    assert code(StatisticValues={"SampleCount": 1, "Sum": 1, "Minimum": 2, "Maximum": 1}) == "InvalidParameterCombination"
    assert code() == "MissingParameter"
    assert error(put_data, Namespace="AWS/Lambda", MetricData=[{"MetricName": "x", "Value": 1}])[0] == "InvalidParameterValue"
    assert error(put_data, Namespace="App", MetricData=[{"MetricName": "x", "Value": 1}] * 1001)[0] == "InvalidParameterValue"
    assert cloudwatch.list_metrics()["Metrics"] == []
    get = {"Namespace": "App", "MetricName": "x", "StartTime": at(now - 60), "EndTime": at(now), "Period": 60, "Statistics": ["Sum"]}
    assert error(cloudwatch.get_metric_statistics, **{**get, "Period": 7})[0] == "InvalidParameterValue"
    assert error(cloudwatch.get_metric_statistics, **{**get, "StartTime": at(now + 1)})[0] == "InvalidParameterValue"
    assert error(cloudwatch.get_metric_statistics, **{**get, "StartTime": at(now - 86400 * 2)})[0] == "InvalidParameterCombination"
    del get["Statistics"]
    assert error(cloudwatch.get_metric_statistics, **get)[0] == "MissingParameter"


def test_metrics_are_listed_by_their_parts(cloudwatch):
    now = time.time()
    put(cloudwatch, "A", [(now, 1)], Dimensions=[{"Name": "Stage", "Value": "prod"}, {"Name": "App", "Value": "x"}])
    put(cloudwatch, "A", [(now, 1)], Dimensions=[{"Name": "Stage", "Value": "dev"}])
    put(cloudwatch, "B", [(now, 1)])
    # The order of dimensions does not make another metric.
    put(cloudwatch, "A", [(now, 1)], Dimensions=[{"Name": "App", "Value": "x"}, {"Name": "Stage", "Value": "prod"}])
    assert len(cloudwatch.list_metrics()["Metrics"]) == 3
    found = cloudwatch.list_metrics(Namespace="App", MetricName="A", Dimensions=[{"Name": "App"}])["Metrics"]
    assert found == [{"Namespace": "App", "MetricName": "A", "Dimensions": [{"Name": "App", "Value": "x"}, {"Name": "Stage", "Value": "prod"}]}]
    assert cloudwatch.list_metrics(Namespace="Nobody")["Metrics"] == []
    data = [{"MetricName": f"M{i:04}", "Value": 1} for i in range(700)]
    cloudwatch.put_metric_data(Namespace="Many", MetricData=data)
    pages = list(cloudwatch.get_paginator("list_metrics").paginate(Namespace="Many"))
    assert [len(page["Metrics"]) for page in pages] == [500, 200]
    assert len({m["MetricName"] for page in pages for m in page["Metrics"]}) == 700


def test_metric_math(cloudwatch, error):
    t = minute() - 300
    put(cloudwatch, "Errors", [(t, 1), (t + 60, 3)])
    put(cloudwatch, "Calls", [(t, 10), (t + 60, 10), (t + 120, 5)])

    def query(name, **more):
        metric = {"Namespace": "App", "MetricName": name}
        return {"MetricStat": {"Metric": metric, "Period": 60, "Stat": "Sum"}, **more}

    def ask(queries, **more):
        return cloudwatch.get_metric_data(MetricDataQueries=queries, StartTime=at(t), EndTime=at(t + 240), **more)

    base = [query("Errors", Id="e", ReturnData=False), query("Calls", Id="c", Label="calls")]
    queries = [
        {"Id": "rate", "Expression": "100 * filled / c"},
        {"Id": "filled", "Expression": "FILL(e, 0)", "ReturnData": False},
        {"Id": "both", "Expression": "SUM(METRICS())"},
        {"Id": "most", "Expression": "IF(c > 5, MAX([e, c]))"},
        *base,
    ]
    answer = ask(queries, ScanBy="TimestampAscending")
    found = {r["Id"]: (r["Label"], r["Values"]) for r in answer["MetricDataResults"]}
    assert found == {
        "rate": ("rate", [10.0, 30.0, 0.0]),
        "both": ("both", [11.0, 13.0, 5.0]),
        "most": ("most", [10.0, 10.0]),
        "c": ("calls", [10.0, 10.0, 5.0]),
    }
    [calls] = ask(base)["MetricDataResults"]
    assert (calls["Timestamps"], calls["Values"]) == ([at(t + 120), at(t + 60), at(t)], [5.0, 10.0, 10.0])
    pages = list(cloudwatch.get_paginator("get_metric_data").paginate(MetricDataQueries=base, StartTime=at(t), EndTime=at(t + 240), MaxDatapoints=2))
    assert [page["MetricDataResults"][0]["Values"] for page in pages] == [[5.0, 10.0], [10.0]]
    for wrong in ("e +", "unknown + 1", "SUM(e)", "self"):
        assert error(ask, queries=[*base, {"Id": "self", "Expression": wrong}])[0] == "ValidationError", wrong
    assert error(ask, queries=[*base, {"Id": "s", "Expression": "SEARCH('x', 'Sum', 60)"}])[0] == "NotImplemented"
    assert error(ask, queries=[*base, {"Id": "s", "Expression": "ANOMALY_DETECTION_BAND(e)"}])[0] == "NotImplemented"


def test_dashboards_are_kept(cloudwatch, error):
    body = json.dumps({"widgets": [{"type": "text", "properties": {"markdown": "x"}}]})
    assert cloudwatch.put_dashboard(DashboardName="one", DashboardBody=body)["DashboardValidationMessages"] == []
    cloudwatch.put_dashboard(DashboardName="two", DashboardBody="{}")
    assert cloudwatch.get_dashboard(DashboardName="one")["DashboardBody"] == body
    listed = cloudwatch.list_dashboards(DashboardNamePrefix="o")["DashboardEntries"]
    assert [(d["DashboardName"], d["Size"]) for d in listed] == [("one", len(body))]
    assert error(cloudwatch.put_dashboard, DashboardName="x", DashboardBody="no json")[0] == "InvalidParameterInput"
    assert error(cloudwatch.put_dashboard, DashboardName="x y", DashboardBody="{}")[0] == "InvalidParameterInput"
    assert error(cloudwatch.delete_dashboards, DashboardNames=["one", "gone"])[0] == "ResourceNotFound"
    assert len(cloudwatch.list_dashboards()["DashboardEntries"]) == 2
    cloudwatch.delete_dashboards(DashboardNames=["one", "two"])
    assert error(cloudwatch.get_dashboard, DashboardName="one")[0] == "ResourceNotFound"


@pytest.mark.parametrize("protocol", ["query", "json", "smithy-rpc-v2-cbor"])
def test_every_protocol_is_spoken(cloud, account, protocol):
    """Clients of every age: the protocol is that of the model that they carry."""
    session = botocore.session.get_session()
    model = session.get_component("data_loader").load_service_model("cloudwatch", "service-2")
    model["metadata"]["protocol"] = protocol
    model["metadata"]["protocols"] = [protocol]
    session.get_component("data_loader")._cache.clear()
    loader = session.get_component("data_loader")
    plain = loader.load_service_model
    loader.load_service_model = lambda service, kind, **more: model if (service, kind) == ("cloudwatch", "service-2") else plain(service, kind, **more)
    client = session.create_client(
        "cloudwatch", region_name="us-east-1", endpoint_url=cloud.url, aws_access_key_id=account, aws_secret_access_key="s",
        config=Config(retries={"max_attempts": 0}, request_min_compression_size_bytes=2000),
    )
    t = minute()
    data = [{"MetricName": "P", "Value": i, "Timestamp": at(t), "Dimensions": [{"Name": "A", "Value": "é" * 20}]} for i in range(100)]
    client.put_metric_data(Namespace="App", MetricData=data)
    [metric] = client.list_metrics(Namespace="App")["Metrics"]
    assert metric["Dimensions"] == [{"Name": "A", "Value": "é" * 20}]
    [point] = client.get_metric_statistics(
        Namespace="App", MetricName="P", StartTime=at(t), EndTime=at(t + 60), Period=60, Statistics=["Sum"], ExtendedStatistics=["p50"], Dimensions=metric["Dimensions"]
    )["Datapoints"]
    assert (point["Timestamp"], point["Sum"], point["ExtendedStatistics"]) == (at(t), 4950.0, {"p50": 49.5})
    with pytest.raises(client.exceptions.ClientError) as caught:
        client.put_metric_data(Namespace="App", MetricData=[{"MetricName": "x"}])
    assert caught.value.response["Error"]["Code"] == "MissingParameter"
    with pytest.raises(client.exceptions.ClientError) as caught:
        client.list_metric_streams()
    assert caught.value.response["Error"]["Code"] == "NotImplemented"


def test_what_is_acknowledged_survives_a_kill(new_cloud):
    cloud = new_cloud().start()
    client = cloud.client("cloudwatch")
    t = minute()
    for i in range(20):
        put(client, "Kept", [(t, 1)])
    cloud.kill()
    cloud.start()
    [point] = statistics(cloud.client("cloudwatch"), "Kept", t, t + 60)
    assert point["Sum"] == 20
