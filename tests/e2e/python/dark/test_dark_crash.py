"""`kill -9` in the middle of dark runs and ladders: live data is exact, runs go on, no overlay is left behind."""

import json
import random
import threading
import time

from botocore.exceptions import BotoCoreError, ClientError

from dark.test_dark import Shop

KILLS = 4


def test_kills_in_the_middle_of_a_dark_run_and_a_release(new_cloud):
    cloud = new_cloud().start()
    shop = Shop(lambda service: cloud.client(service), "000000000000")
    version = shop.version("writes").rsplit(":", 1)[1]
    steps = [
        {"Kind": "Dark", "DurationSeconds": 3600, "Gates": {"SampleMin": 1}},
        {"Kind": "Canary", "Share": 0.5, "DurationSeconds": 3600},
    ]
    shop.release.start_release(Name="up", FunctionName="f", Alias="live", ToVersion=version, Steps=steps)
    stopping = threading.Event()
    answered, tried = set(), []

    def load(name):
        lam = cloud.client("lambda")
        n = 0
        while not stopping.is_set():
            n += 1
            key = f"{name}-{n}"
            tried.append(key)
            try:
                answer = lam.invoke(FunctionName="f:live", Payload=json.dumps({"id": key}))
                body = json.load(answer["Payload"])
                if "FunctionError" not in answer:
                    assert body["price"] == 1.234
                    answered.add(key)
            except (BotoCoreError, ClientError, OSError):
                time.sleep(0.02)

    threads = [threading.Thread(target=load, args=(f"t{n}",)) for n in range(2)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(KILLS):
            time.sleep(random.uniform(0.5, 1.5))
            cloud.kill()
            cloud.start()
    finally:
        time.sleep(0.5)
        stopping.set()
        for thread in threads:
            thread.join()

    release = shop.release.describe_release(Name="up")["Release"]
    assert release["State"] == "RUNNING" and release["StepIndex"] == 0, release
    run = shop.until(lambda s: s["Executed"] > 0, "up")
    assert run["State"] == "RUNNING" and run["Summary"]["Executed"] <= run["Summary"]["Sampled"]
    items = {}
    for page in shop.db.get_paginator("scan").paginate(TableName="prices", ConsistentRead=True):
        items |= {item["id"]["S"]: item for item in page["Items"]}
    counter = int(items.pop("counter")["n"]["N"])
    # What was answered is there; nothing is there that nobody asked for, and nothing of the candidate's.
    assert answered <= set(items) <= set(tried)
    assert {item["by"]["S"] for item in items.values()} == {"same"}
    assert len(items) <= counter <= len(tried)
    # The ladder goes on from where it stood.
    assert shop.release.advance_release(Name="up")["Release"]["StepIndex"] == 1
    cloud.kill()
    cloud.start()
    assert shop.lam.get_alias(FunctionName="f", Name="live")["RoutingConfig"]["AdditionalVersionWeights"] == {version: 0.5}
    assert shop.release.roll_back_release(Name="up")["Release"]["State"] == "ROLLED_BACK"
    assert "RoutingConfig" not in shop.lam.get_alias(FunctionName="f", Name="live")
