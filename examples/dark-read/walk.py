"""From the old price service to the rewrite, in the dark: finds eight mistakes, fixes them one by one, and lets
the ladder release it.

    python3 examples/dark-read/walk.py            against AWS_ENDPOINT_URL, http://127.0.0.1:4566 by default

Everything here can be done by hand: `undercast deploy`, `undercast dark start|watch|diff|show`, `undercast release`.
"""

import base64
import io
import json
import os
import sys
import time
import urllib.error
import urllib.request
import zipfile
from pathlib import Path

from load import MISTAKES, round_of

HERE = Path(__file__).resolve().parent
ENDPOINT = os.environ.get("AWS_ENDPOINT_URL", "http://127.0.0.1:4566").rstrip("/")
ACCOUNT = os.environ.get("ACCOUNT", "000000000000")


def call(service, operation, **given):
    body = {"service": service, "operation": operation, "input": given, "account": ACCOUNT, "region": "us-east-1"}
    request = urllib.request.Request(f"{ENDPOINT}/_undercast/control/call", json.dumps(body).encode(), {"content-type": "application/json"})
    try:
        with urllib.request.urlopen(request) as response:
            return json.load(response)
    except urllib.error.HTTPError as error:
        raise SystemExit(f"{operation}: {error.read().decode()}") from None


def version(function, fixed):
    """Publishes the rewrite with some of its mistakes fixed."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as z:
        entry = zipfile.ZipInfo("price.mjs")
        entry.external_attr = 0o644 << 16
        z.writestr(entry, (HERE / "new/price.mjs").read_text())
    variables = call("lambda", "GetFunctionConfiguration", FunctionName=function)["Environment"]["Variables"]
    variables["FIXED"] = ",".join(fixed)
    call("lambda", "UpdateFunctionConfiguration", FunctionName=function, Environment={"Variables": variables})
    call("lambda", "UpdateFunctionCode", FunctionName=function, ZipFile=base64.b64encode(archive.getvalue()).decode())
    return call("lambda", "PublishVersion", FunctionName=function)["Version"]


def start(name, function, number):
    arn = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:{function}"
    # One at a time, so that a crash shows as what it is and nothing rests.
    limits = {"TimeBudgetMs": 5000, "ConcurrencyMax": 1, "WaitingMax": 500}
    rules = {"Slower": {"Factor": 3, "AtLeastMs": 500}}
    call("release", "StartDarkRun", Name=name, Target={"FunctionArn": f"{arn}:live"}, Candidate={"FunctionArn": f"{arn}:{number}"}, Limits=limits, Rules=rules)


def kinds(name, wanted):
    """Waits until all that was asked for has been compared, and lists what differs."""
    deadline = time.monotonic() + 120
    while True:
        summary = call("release", "DescribeDarkRun", Name=name)["DarkRun"]["Summary"]
        if summary["Executed"] + sum(summary["Shed"].values()) >= wanted:
            return summary, call("release", "ListDifferences", Name=name)["Differences"]
        assert time.monotonic() < deadline, summary
        time.sleep(0.1)


def main(stack="dark-read"):
    outputs = {o["OutputKey"]: o["OutputValue"] for o in call("cloudformation", "DescribeStacks", StackName=stack)["Stacks"][0]["Outputs"]}
    function, url = outputs["Function"], f"{ENDPOINT}/_aws/execute-api/{outputs['ApiId']}"
    round_of(url)
    fixed = []
    for attempt in range(len(MISTAKES) + 1):
        name = f"rewrite-{attempt}"
        number = version(function, fixed)
        start(name, function, number)
        # The first round starts processes, whose time tells nothing.
        for _ in range(2):
            round_of(url)
        summary, found = kinds(name, 22)
        print(f"\nversion {number}, {len(fixed)} of {len(MISTAKES)} mistakes fixed: {summary['Matched']} of {summary['Executed']} pairs match")
        for kind in found:
            print(f"  {kind['Count']:>3}  {kind['Class']:<14} {kind['Description']}")
        call("release", "StopDarkRun", Name=name)
        if attempt < len(MISTAKES):
            fixed.append(MISTAKES[attempt])
    assert not found and summary["Matched"] == summary["Executed"], found

    print(f"\nversion {number} climbs the ladder")
    steps = [
        {"Kind": "Dark", "Share": 1.0, "Gates": {"SampleMin": 20, "MatchRateMin": 1.0, "ExecutedShareMin": 0.9}},
        {"Kind": "Canary", "Share": 0.2, "Gates": {"SampleMin": 5, "ErrorRateMax": 0.0}},
        {"Kind": "Everybody", "Gates": {"SampleMin": 10, "ErrorRateMax": 0.0}},
    ]
    call("release", "StartRelease", Name="rewrite", FunctionName=function, Alias="live", ToVersion=number, Steps=steps)
    shown = None
    while True:
        release = call("release", "DescribeRelease", Name="rewrite")["Release"]
        if (release["State"], release["StepIndex"]) != shown:
            shown = (release["State"], release["StepIndex"])
            print(f"  {release['State'].lower():<12} step {release['StepIndex'] + 1} of 3: {steps[release['StepIndex']]['Kind']}")
        if release["State"] != "RUNNING":
            break
        round_of(url)
    assert release["State"] == "PROMOTED", release


if __name__ == "__main__":
    main(*sys.argv[1:])
