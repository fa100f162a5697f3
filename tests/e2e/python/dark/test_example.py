"""The walk through `examples/dark-read`, as a reader takes it; and the command line's own view of it."""

import json
import os
import subprocess

import pytest
from conftest import BINARY, ROOT

EXAMPLE = ROOT / "examples/dark-read"


def run(cloud, account, *arguments, check=True):
    command = [BINARY, *arguments, "--endpoint", cloud.url, "--account", account]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert not check or done.returncode == 0, done.stderr
    return done


# As long as the walk may take, and a little more.
@pytest.mark.timeout(300)
def test_eight_mistakes_are_found_fixed_and_the_rewrite_is_released(cloud, account):
    run(cloud, account, "deploy", str(EXAMPLE / "template.yaml"), "--stack", "dark-read")
    walk = subprocess.run(
        ["python3", str(EXAMPLE / "walk.py")],
        env={**os.environ, "AWS_ENDPOINT_URL": cloud.url, "ACCOUNT": account},
        capture_output=True,
        text=True,
        timeout=280,
    )
    print(walk.stdout)
    assert walk.returncode == 0, walk.stdout + walk.stderr
    first, last = walk.stdout.split("\n\n")[0], walk.stdout.split("\n\n")[-2]
    for found in ("KeyOrder", "NullForMissing", "Rounding", "TimeZone", "Slower", "Threw", "Crashed", "/by"):
        assert found in first, found
    assert "8 of 8 mistakes fixed: 22 of 22 pairs match" in last
    assert "promoted" in walk.stdout

    # What the command line says of it.
    watch = run(cloud, account, "dark", "watch", "rewrite-0", "--once").stdout
    assert "seen 22" in watch and "match" in watch
    rows = json.loads(run(cloud, account, "dark", "diff", "rewrite-0", "--json").stdout)
    by_class = {row["Class"]: row for row in rows}
    shown = run(cloud, account, "dark", "show", "rewrite-0", by_class["Rounding"]["Id"]).stdout
    assert "primary" in shown and "123.165" in shown
    replayed = run(cloud, account, "dark", "replay", "rewrite-0", by_class["Rounding"]["Id"], check=False)
    assert replayed.returncode == 1 and "differs" in replayed.stdout
    better = run(cloud, account, "dark", "replay", "rewrite-0", by_class["Rounding"]["Id"], "--candidate", "dark-read-price:10")
    assert "matches" in better.stdout
    assert "PROMOTED" in run(cloud, account, "release", "status", "rewrite").stdout
    names = [r["Name"] for r in json.loads(run(cloud, account, "dark", "ls", "--json").stdout)]
    assert names == sorted([f"rewrite-{n}" for n in range(9)] + ["rewrite"])
