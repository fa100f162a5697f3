"""Stacks that wait for a release, in clouds that are killed again and again meanwhile."""

import os
import random
import time

import pytest

from dark.test_codedeploy import Deploy, template
from dark.test_dark import Shop
from dark.test_ladder_template import Stack, ladder

KILLS = int(os.environ.get("UNDERCAST_KILLS", "6"))
STEPS = [{"Kind": "Canary", "Share": 0.5, "DurationSeconds": 1}, {"Kind": "Everybody", "DurationSeconds": 1}]


@pytest.mark.parametrize("kind", ["ladder", "codedeploy"])
def test_an_update_comes_to_its_end_whenever_the_cloud_dies(new_cloud, kind):
    cloud = new_cloud().start()
    shop = Shop(lambda service: cloud.client(service), "000000000000")
    for other in ("same", "null"):
        shop.version(other)
    stack, hooks = Stack(shop), {}
    if kind == "codedeploy":
        hook = Deploy(shop).hook("hook", "Succeeded")
        hooks = {"BeforeAllowTrafficHook": hook, "AfterAllowTrafficHook": hook}

    def wanted(version):
        if kind == "ladder":
            return ladder(version, *STEPS, WaitForCompletion=True)
        return template(version, hooks, DeploymentConfigName="CodeDeployDefault.LambdaAllAtOnce")

    at, kills, updates = "1", 0, 0
    assert stack.deploy(wanted(at), "create")["StackStatus"] == "CREATE_COMPLETE", stack.reasons()
    while kills < KILLS:
        at = random.choice([version for version in "123" if version != at])
        stack.change(wanted(at))
        updates += 1
        for _ in range(random.randint(1, 3)):
            time.sleep(random.random() * 0.5)
            cloud.kill()
            cloud.start()
            kills += 1
        assert stack.settle()["StackStatus"] == "UPDATE_COMPLETE", stack.reasons()
        assert stack.alias("up") == (at, {})
        if kind == "codedeploy":
            assert len(shop.client("codedeploy").list_deployments()["deployments"]) == updates
            assert stack.releases() == {}
