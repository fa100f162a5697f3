"""AWS's own runtime client for Python (PyPI: awslambdaric) in place of ours: as the bootstrap of a `provided`
function, and behind a wrapper script on a managed runtime."""

import io
import json
import sys
import zipfile
from importlib.metadata import files, requires
from pathlib import Path

import pytest

APP = """
import json, os

def handler(event, context):
    print("heard", event.get("x"))
    if event.get("fail"):
        raise KeyError("x")
    if event.get("big"):
        return "x" * event["big"]
    return {
        "event": event,
        "id": context.aws_request_id,
        "arn": context.invoked_function_arn,
        "left": context.get_remaining_time_in_millis(),
        "memory": context.memory_limit_in_mb,
        "pid": os.getpid(),
    }
"""


MINOR = f"python3.{sys.version_info.minor}"
# Functions see /usr of the machine; the client's compiled part is made for one version of Python.
SYSTEM = next((path for path in (f"/usr/bin/{MINOR}", f"/usr/local/bin/{MINOR}") if Path(path).exists()), None)


def package():
    """The client and what it needs, with the scripts that start it."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as zip:
        for name in ["awslambdaric", "simplejson", "snapshot-restore-py"]:
            for file in files(name):
                if ".dist-info" not in str(file) and not str(file).startswith("..") and file.suffix != ".pyc":
                    zip.write(file.locate(), str(file))
        script = '#!/bin/sh\nexport PYTHONPATH="$LAMBDA_TASK_ROOT"\nexec {} -m awslambdaric "$_HANDLER"\n'
        for name, text in [("app.py", APP), ("bootstrap", script.format(SYSTEM)), ("wrap.sh", script.format("$1"))]:
            entry = zipfile.ZipInfo(name)
            entry.external_attr = 0o100755 << 16
            zip.writestr(entry, text)
    return out.getvalue()


@pytest.mark.skipif(sys.platform != "linux", reason="there is a wheel for Linux alone")
@pytest.mark.parametrize("runtime", [pytest.param("provided.al2023", marks=pytest.mark.skipif(not SYSTEM, reason=f"there is no {MINOR} below /usr")), MINOR])
def test_awss_own_runtime_client_works_unchanged(client, logged, runtime):
    assert any(need.startswith("simplejson") for need in requires("awslambdaric"))
    lam = client("lambda")
    lam.create_function(FunctionName="ric", Runtime=runtime, Environment={"Variables": {} if runtime.startswith("provided") else {"AWS_LAMBDA_EXEC_WRAPPER": "/var/task/wrap.sh"}}, Handler="app.handler", Role="arn:aws:iam::000000000000:role/r", Timeout=20, MemorySize=256, Code={"ZipFile": package()})

    def invoke(event):
        answer = lam.invoke(FunctionName="ric", Payload=json.dumps(event))
        return answer, json.loads(answer["Payload"].read())

    first, told = invoke({"x": "é"})
    assert "FunctionError" not in first, told
    assert told["event"] == {"x": "é"} and told["arn"].endswith(":function:ric") and told["memory"] == "256"
    assert 0 < told["left"] <= 20_000
    again = invoke({"x": 2})[1]
    # The same process, another request.
    assert again["pid"] == told["pid"] and again["id"] != told["id"]
    failed, error = invoke({"fail": 1})
    assert failed["FunctionError"] == "Unhandled" and error["errorType"] == "KeyError" and error["stackTrace"], error
    assert len(invoke({"big": 1_000_000})[1]) == 1_000_000
    logged("ric", lambda lines: "heard é" in lines)
