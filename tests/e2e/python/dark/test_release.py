"""The release ladder through boto3: dark, canary, everybody, and back by itself."""

import json
import time

import pytest

from dark.test_dark import Shop


@pytest.fixture
def shop(client, account):
    return Shop(client, account)


DARK = {"Kind": "Dark", "Share": 1.0, "Gates": {"SampleMin": 3, "MatchRateMin": 1.0}}
CANARY = {"Kind": "Canary", "Share": 0.5, "Gates": {"SampleMin": 3, "ErrorRateMax": 0.0}}
EVERYBODY = {"Kind": "Everybody", "Gates": {"SampleMin": 3, "ErrorRateMax": 0.0}}


class Ladder:
    def __init__(self, shop, kind, steps=(DARK, CANARY, EVERYBODY), **more):
        self.shop, self.release = shop, shop.release
        version = shop.version(kind).rsplit(":", 1)[1]
        more = {"Rules": {"Classes": {"Slower": "Ignore"}}, **more}
        if steps:
            more["Steps"] = list(steps)
        self.first = self.release.start_release(
            Name="up", FunctionName="f", Alias="live", ToVersion=version, **more
        )["Release"]

    def show(self):
        return self.release.describe_release(Name="up")["Release"]

    def alias(self):
        alias = self.shop.lam.get_alias(FunctionName="f", Name="live")
        weights = alias.get("RoutingConfig", {}).get("AdditionalVersionWeights", {})
        return alias["FunctionVersion"], weights

    def ends(self, state, version):
        """What is decided is shown before it is done."""
        return self.until(lambda r: r["State"] == state and self.alias() == (version, {}))

    def until(self, wanted, traffic=True):
        deadline = time.monotonic() + 60
        while True:
            shown = self.show()
            if wanted(shown):
                return shown
            assert time.monotonic() < deadline, shown
            if traffic:
                answer = self.shop.lam.invoke(FunctionName="f:live", Payload=self.shop.event())
                answer["Payload"].read()
            time.sleep(0.05)


def test_a_good_version_climbs_to_everybody(shop):
    ladder = Ladder(shop, "same")
    assert ladder.first["State"] == "RUNNING" and ladder.first["StepIndex"] == 0
    assert (ladder.first["FromVersion"], ladder.first["ToVersion"]) == ("1", "2")
    assert ladder.alias() == ("1", {})
    # A step is decided, then done.
    ladder.until(lambda r: r["StepIndex"] == 1 and ladder.alias() == ("1", {"2": 0.5}))
    assert shop.release.describe_dark_run(Name="up")["DarkRun"]["State"] == "STOPPED"
    ladder.until(lambda r: r["StepIndex"] == 2 and ladder.alias() == ("1", {"2": 1.0}))
    done = ladder.ends("PROMOTED", "2")
    assert [(s["Kind"], s["Outcome"]) for s in done["Reports"]] == [
        ("Dark", "passed"), ("Canary", "passed"), ("Everybody", "passed")]
    shop.check_live()
    shop.release.delete_release(Name="up")
    assert shop.release.list_releases()["Releases"] == shop.release.list_dark_runs()["DarkRuns"] == []


def test_a_version_that_differs_never_leaves_the_dark(shop):
    ladder = Ladder(shop, "rounds")
    done = ladder.ends("ROLLED_BACK", "1")
    assert "match" in done["StateReason"]
    assert shop.kinds("up")[("Body", "Rounding", "/price")]["Count"] >= 3
    shop.check_live()


def test_a_canary_that_fails_goes_back(shop):
    ladder = Ladder(shop, "throws", [CANARY, EVERYBODY])
    assert ladder.alias() == ("1", {"2": 0.5})
    done = ladder.ends("ROLLED_BACK", "1")
    assert done["StepIndex"] == 0, done


def test_an_alarm_is_a_gate(shop, error):
    cloudwatch = shop.client("cloudwatch")
    canary = {"Kind": "Canary", "Share": 0.5, "DurationSeconds": 3600, "Gates": {"Alarms": ["errors"]}}
    code, message = error(
        shop.release.start_release, Name="up", FunctionName="f", Alias="live", ToVersion="1", Steps=[canary])
    assert code == "ValidationException" and "there is no alarm errors" in message
    cloudwatch.put_metric_alarm(
        AlarmName="errors", Namespace="shop", MetricName="bad", Statistic="Sum", Period=60, EvaluationPeriods=1,
        Threshold=1, ComparisonOperator="GreaterThanThreshold", TreatMissingData="ignore")
    ladder = Ladder(shop, "same", steps=[canary])
    assert ladder.first["Steps"][0]["Gates"]["Alarms"] == ["errors"]
    ladder.until(lambda r: r["State"] == "RUNNING" and ladder.alias() == ("1", {"2": 0.5}))
    cloudwatch.set_alarm_state(AlarmName="errors", StateValue="ALARM", StateReason="told so")
    back = ladder.ends("ROLLED_BACK", "1")
    assert "the alarm errors is in ALARM" in back["StateReason"]


def test_an_operator_holds_resumes_advances_and_goes_back(shop, error):
    slow = {"Kind": "Canary", "Share": 0.1, "DurationSeconds": 3600}
    ladder = Ladder(shop, "same", [{**DARK, "DurationSeconds": 3600}, slow, EVERYBODY])
    release = shop.release
    assert ladder.show()["Waits"]
    assert release.hold_release(Name="up", Reason="lunch")["Release"]["State"] == "HELD"
    assert "lunch" in ladder.show()["StateReason"]
    assert release.resume_release(Name="up")["Release"]["State"] == "RUNNING"
    assert release.advance_release(Name="up")["Release"]["StepIndex"] == 1
    assert ladder.alias() == ("1", {"2": 0.1})
    code, message = error(
        release.start_release, Name="other", FunctionName="f", Alias="live", ToVersion="2", Preset="AllAtOnce"
    )
    assert code == "ConflictException" and "up moves" in message
    assert error(release.delete_release, Name="up")[0] == "ConflictException"
    assert release.roll_back_release(Name="up", Reason="no")["Release"]["State"] == "ROLLED_BACK"
    assert ladder.alias() == ("1", {})
    assert error(release.advance_release, Name="up")[0] == "ConflictException"


def test_a_release_survives_a_crash_at_its_step(new_cloud):
    cloud = new_cloud().start()
    shop = Shop(lambda service: cloud.client(service), "000000000000")
    ladder = Ladder(shop, "same", [DARK, {**CANARY, "DurationSeconds": 3600}, EVERYBODY])
    ladder.until(lambda r: r["StepIndex"] == 1)
    cloud.kill()
    cloud.start()
    # What was decided is done, before the crash or after it.
    ladder.until(lambda r: r["StepIndex"] == 1 and ladder.alias() == ("1", {"2": 0.5}), traffic=False)
    ladder.release.advance_release(Name="up")
    ladder.ends("PROMOTED", "2")
    shop.check_live()


def test_presets_are_those_of_codedeploy(shop, error):
    ladder = Ladder(shop, "same", [], Preset="CodeDeployDefault.LambdaCanary10Percent5Minutes")
    assert ladder.alias() == ("1", {"2": 0.1})
    assert [s["Kind"] for s in ladder.first["Steps"]] == ["Canary", "Everybody"]
    shop.release.roll_back_release(Name="up")
    start = {"Name": "x", "FunctionName": "f", "Alias": "live", "ToVersion": "2"}
    for change, wanted in [
        ({"Preset": "Canary1Percent"}, "Preset: Canary1Percent"),
        ({"Steps": [{"Kind": "Canary"}]}, "names its Share"),
        ({"Steps": [CANARY, DARK]}, "step 2"),
        ({"Preset": "AllAtOnce", "ToVersion": "1"}, "leads to version 1"),
        ({"Preset": "AllAtOnce", "ToVersion": "9"}, "ToVersion: "),
        ({"Preset": "AllAtOnce", "Alias": "gone"}, "Alias: "),
    ]:
        code, message = error(shop.release.start_release, **{**start, **change})
        assert code == "ValidationException" and wanted in message, (change, message)
