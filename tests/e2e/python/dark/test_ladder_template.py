"""Releases out of templates: the type `Undercast::Release::Ladder`, and metadata on an alias."""

import json
import time

import pytest

from conftest import settled
from dark.test_dark import Shop

CANARY = {"Kind": "Canary", "Share": 0.5, "Gates": {"SampleMin": 3, "ErrorRateMax": 0.0}}
SLOW = {"Kind": "Canary", "Share": 0.5, "DurationSeconds": 3600}
EVERYBODY = {"Kind": "Everybody"}


@pytest.fixture
def shop(client, account):
    return Shop(client, account)


class Stack:
    def __init__(self, shop):
        self.shop, self.cloudformation, self.release = shop, shop.client("cloudformation"), shop.release

    def change(self, template, kind="update", **more):
        call = getattr(self.cloudformation, f"{kind}_stack")
        more = {"StackName": "s", "TemplateBody": json.dumps(template), **more}
        return call(**more)

    def deploy(self, template, kind="update", **more):
        return self.settle(self.change(template, kind, **more)["StackId"])

    def settle(self, stack="s", traffic=None):
        deadline = time.monotonic() + 60
        while True:
            found = self.cloudformation.describe_stacks(StackName=stack)["Stacks"][0]
            if not found["StackStatus"].endswith("_IN_PROGRESS"):
                return found
            assert time.monotonic() < deadline, found
            if traffic:
                self.shop.lam.invoke(FunctionName=f"f:{traffic}", Payload=self.shop.event())["Payload"].read()
            time.sleep(0.05)

    def alias(self, name):
        alias = self.shop.lam.get_alias(FunctionName="f", Name=name)
        return alias["FunctionVersion"], alias.get("RoutingConfig", {}).get("AdditionalVersionWeights", {})

    def reasons(self):
        events = self.cloudformation.describe_stack_events(StackName="s")["StackEvents"]
        return " ".join(event.get("ResourceStatusReason", "") for event in events)

    def releases(self):
        return {r["Name"]: r for r in self.release.list_releases()["Releases"]}

    def wait_for_release(self):
        deadline = time.monotonic() + 30
        while not self.releases():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        return next(iter(self.releases()))


@pytest.fixture
def stack(shop):
    return Stack(shop)


def ladder(version, *steps, **more):
    properties = {"FunctionName": "f", "Alias": "up", "Version": version, "Steps": list(steps), **more}
    return {
        "Resources": {"Ladder": {"Type": "Undercast::Release::Ladder", "Properties": properties}},
        "Outputs": {
            "Name": {"Value": {"Ref": "Ladder"}},
            "Alias": {"Value": {"Fn::GetAtt": ["Ladder", "AliasArn"]}},
            "Release": {"Value": {"Fn::GetAtt": ["Ladder", "ReleaseArn"]}},
        },
    }


def outputs(stack):
    return {o["OutputKey"]: o["OutputValue"] for o in stack["Outputs"]}


def test_a_ladder_owns_its_alias(shop, stack, error):
    made = stack.deploy(ladder("1", SLOW, EVERYBODY), "create")
    assert made["StackStatus"] == "CREATE_COMPLETE", stack.reasons()
    values = outputs(made)
    assert values["Alias"].endswith(":function:f:up") and values["Release"].endswith(f":release/{values['Name']}")
    assert stack.alias("up") == ("1", {}) and stack.releases() == {}
    # Another version: a release that nobody waits for.
    for kind in ("same", "null"):
        shop.version(kind)
    assert stack.deploy(ladder("2", SLOW, EVERYBODY))["StackStatus"] == "UPDATE_COMPLETE"
    assert stack.alias("up") == ("1", {"2": 0.5})
    assert stack.releases()[values["Name"]]["ToVersion"] == "2"
    # Another one while it is under way: that one goes back first.
    assert stack.deploy(ladder("3", SLOW, EVERYBODY))["StackStatus"] == "UPDATE_COMPLETE"
    assert stack.alias("up") == ("1", {"3": 0.5})
    stack.release.advance_release(Name=values["Name"])
    deadline = time.monotonic() + 30
    while stack.alias("up") != ("3", {}):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    # A finished one is in nobody's way.
    assert stack.deploy(ladder("2", {**SLOW, "Share": 0.25}, EVERYBODY))["StackStatus"] == "UPDATE_COMPLETE"
    assert stack.alias("up") == ("3", {"2": 0.25})
    # Back to where it leads: nothing to do but to end the release.
    assert stack.deploy(ladder("3", SLOW, EVERYBODY))["StackStatus"] == "UPDATE_COMPLETE"
    assert stack.alias("up") == ("3", {}) and stack.releases() == {}
    assert stack.deploy(ladder("2", SLOW, EVERYBODY))["StackStatus"] == "UPDATE_COMPLETE"
    stack.cloudformation.delete_stack(StackName="s")
    assert stack.settle(made["StackId"])["StackStatus"] == "DELETE_COMPLETE"
    assert error(shop.lam.get_alias, FunctionName="f", Name="up")[0] == "ResourceNotFoundException"
    assert stack.releases() == {}


def test_a_ladder_takes_an_alias_that_is_there(shop, stack):
    shop.version("same")
    made = stack.deploy(ladder("2", SLOW, EVERYBODY, Alias="live", Name="mine"), "create")
    assert made["StackStatus"] == "CREATE_COMPLETE", stack.reasons()
    assert outputs(made)["Name"] == "mine" and stack.alias("live") == ("1", {"2": 0.5})
    stack.cloudformation.delete_stack(StackName="s")
    assert stack.settle(made["StackId"])["StackStatus"] == "DELETE_COMPLETE"
    assert stack.alias("live") == ("1", {}) and stack.releases() == {}


def test_a_ladder_is_replaced_and_the_alias_stays(shop, stack, error):
    made = stack.deploy(ladder("1", EVERYBODY, Name="a"), "create")
    assert stack.deploy(ladder("1", EVERYBODY, Name="b"))["StackStatus"] == "UPDATE_COMPLETE", stack.reasons()
    assert stack.alias("up") == ("1", {})
    # Replaced and taken back.
    template = ladder("1", EVERYBODY, Name="c")
    template["Resources"]["Queue"] = {
        "Type": "AWS::SQS::Queue", "DependsOn": "Ladder", "Properties": {"VisibilityTimeout": -1}}
    assert stack.deploy(template)["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE", stack.reasons()
    assert stack.alias("up") == ("1", {})
    stack.cloudformation.delete_stack(StackName="s")
    assert stack.settle(made["StackId"])["StackStatus"] == "DELETE_COMPLETE"
    assert error(shop.lam.get_alias, FunctionName="f", Name="up")[0] == "ResourceNotFoundException"


def test_a_stack_waits_for_its_release(shop, stack):
    stack.deploy(ladder("1", EVERYBODY), "create")
    for kind in ("same", "throws"):
        shop.version(kind)
    stack.change(ladder("2", CANARY, EVERYBODY, WaitForCompletion=True))
    assert stack.settle(traffic="up")["StackStatus"] == "UPDATE_COMPLETE", stack.reasons()
    assert stack.alias("up") == ("2", {})
    stack.change(ladder("3", CANARY, EVERYBODY, WaitForCompletion=True))
    assert stack.settle(traffic="up")["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE", stack.reasons()
    assert "was rolled back: " in stack.reasons() and "fail" in stack.reasons(), stack.reasons()
    assert stack.alias("up") == ("2", {})


def test_what_differs_in_the_dark_can_be_looked_at_afterwards(shop, stack):
    made = stack.deploy(ladder("1", EVERYBODY), "create")
    shop.version("rounds")
    dark = {"Kind": "Dark", "Share": 1, "Gates": {"SampleMin": "3", "MatchRateMin": "1.0"}}
    rules = {"Classes": {"Slower": "Ignore"}}
    stack.change(ladder("2", dark, EVERYBODY, Rules=rules, Limits={"ConcurrencyMax": "1"}, WaitForCompletion="true"))
    assert stack.settle(traffic="up")["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE", stack.reasons()
    name = outputs(made)["Name"]
    assert "match" in stack.reasons() and stack.alias("up") == ("1", {})
    assert stack.releases()[name]["State"] == "ROLLED_BACK"
    assert shop.kinds(name)[("Body", "Rounding", "/price")]["Count"] >= 3
    shop.check_live()


def test_what_follows_a_ladder_fails_and_everything_goes_back(shop, stack):
    stack.deploy(ladder("1", EVERYBODY), "create")
    shop.version("same")
    template = ladder("2", EVERYBODY)
    template["Resources"]["Queue"] = {
        "Type": "AWS::SQS::Queue", "DependsOn": "Ladder", "Properties": {"VisibilityTimeout": -1}}
    assert stack.deploy(template)["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE", stack.reasons()
    assert stack.alias("up") == ("1", {})


def test_what_a_ladder_does_not_know_fails(stack, shop):
    shop.version("same")
    for steps, wanted in [
        ([{**CANARY, "Gates": {"ErorRateMax": 0}}], "there is no ErorRateMax"),
        ([{**CANARY, "Kind": "Dusk"}], "at 'steps.1.member.kind'"),
    ]:
        made = stack.deploy(ladder("2", *steps, Alias="live"), "create")
        assert made["StackStatus"] == "ROLLBACK_COMPLETE" and wanted in stack.reasons(), stack.reasons()
        stack.cloudformation.delete_stack(StackName="s")
        stack.settle(made["StackId"])
    assert stack.alias("live") == ("1", {})


def test_a_waiting_stack_survives_a_crash(new_cloud):
    cloud = new_cloud().start()
    shop = Shop(lambda service: cloud.client(service), "000000000000")
    stack = Stack(shop)
    stack.deploy(ladder("1", EVERYBODY), "create")
    shop.version("same")
    stack.change(ladder("2", SLOW, EVERYBODY, WaitForCompletion=True))
    name = stack.wait_for_release()
    cloud.kill()
    cloud.start()
    assert list(stack.releases()) == [name] and stack.alias("up") == ("1", {"2": 0.5})
    stack.release.advance_release(Name=name)
    assert stack.settle()["StackStatus"] == "UPDATE_COMPLETE", stack.reasons()
    assert stack.alias("up") == ("2", {})
    assert stack.releases()[name]["State"] == "PROMOTED"


def with_metadata(version, release, **more):
    properties = {"FunctionName": "f", "Name": "plain", "FunctionVersion": version}
    alias = {"Type": "AWS::Lambda::Alias", "Properties": properties}
    if release is not None:
        alias["Metadata"] = {"Undercast::Release": release}
    return {"Parameters": {"Share": {"Type": "Number", "Default": "0.25"}}, "Resources": {"Alias": alias, **more}}


def test_metadata_on_an_alias_is_a_ladder(shop, stack, error):
    slow = {"Steps": [{**SLOW, "Share": {"Ref": "Share"}}, EVERYBODY]}
    made = stack.deploy(with_metadata("1", slow), "create")
    assert made["StackStatus"] == "CREATE_COMPLETE", stack.reasons()
    assert stack.alias("plain") == ("1", {}) and stack.releases() == {}
    for kind in ("same", "throws"):
        shop.version(kind)
    assert stack.deploy(with_metadata("2", slow))["StackStatus"] == "UPDATE_COMPLETE", stack.reasons()
    assert stack.alias("plain") == ("1", {"2": 0.25})
    # What does not change the version leaves the release alone.
    described = with_metadata("2", slow)
    described["Resources"]["Alias"]["Properties"]["Description"] = "slowly"
    assert stack.deploy(described)["StackStatus"] == "UPDATE_COMPLETE", stack.reasons()
    assert stack.alias("plain") == ("1", {"2": 0.25})
    assert shop.lam.get_alias(FunctionName="f", Name="plain")["Description"] == "slowly"
    # Without metadata as ever: at once, and what was under way is over.
    assert stack.deploy(with_metadata("2", None))["StackStatus"] == "UPDATE_COMPLETE"
    template = with_metadata("2", None)
    template["Resources"]["Alias"]["Properties"]["Description"] = "plain"
    assert stack.deploy(template)["StackStatus"] == "UPDATE_COMPLETE"
    assert stack.alias("plain") == ("2", {}) and stack.releases() == {}
    # With waiting: a release that goes back takes the stack with it.
    waits = {"Steps": [CANARY, EVERYBODY], "WaitForCompletion": True}
    stack.change(with_metadata("3", waits))
    assert stack.settle(traffic="plain")["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE", stack.reasons()
    assert "was rolled back: " in stack.reasons() and stack.alias("plain") == ("2", {})
    # What it does not know fails.
    assert stack.deploy(with_metadata("3", {"Step": []}))["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert "Undercast::Release has no Step" in stack.reasons()
    stack.deploy(with_metadata("3", {"Preset": "Canary10Percent5Minutes"}))
    assert stack.alias("plain") == ("2", {"3": 0.1})
    stack.cloudformation.delete_stack(StackName="s")
    assert stack.settle(made["StackId"])["StackStatus"] == "DELETE_COMPLETE"
    assert stack.releases() == {}
