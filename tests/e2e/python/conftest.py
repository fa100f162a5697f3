"""One running cloud for all tests of a process; every test has an account of its own.

`UNDERCAST_ENDPOINT` names a cloud that is running already; otherwise the binary is started on a free
port over an empty data folder.
"""

import configparser
import json
import os
import random
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path

import boto3
import pytest
from botocore.config import Config

ROOT = Path(__file__).resolve().parents[3]
# The model of our own service, for boto3.
# Tests share a machine that is never idle.
os.environ.setdefault("UNDERCAST_DARK_LOAD_MAX", "1000")
os.environ.setdefault("UNDERCAST_DARK_IDLE_MIN", "0")
os.environ.setdefault("UNDERCAST_DARK_CPU_SHARE", "200")
os.environ.setdefault("AWS_DATA_PATH", str(ROOT / "sdk/botocore"))
BINARY = Path(os.environ.get("UNDERCAST_BINARY", ROOT / "target/debug/undercast"))


def free_port():
    """Below the range that outgoing connections take theirs from: a cloud that was killed must find its own again."""
    while True:
        port = random.randint(20000, 32000)
        with socket.socket() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                s.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


class Cloud:
    """The binary, started, stopped and killed at will over one data folder."""

    def __init__(self, folder, *args, port=None):
        self.folder = Path(folder)
        self.port = port or free_port()
        self.args = args
        self.process = None
        self.url = f"http://127.0.0.1:{self.port}"

    def start(self):
        command = [str(BINARY), "up", "--data", str(self.folder), "--listen", f"127.0.0.1:{self.port}"]
        libs = ROOT / "runtimes/node/node_modules"
        if libs.exists():
            command += ["--node-libs", str(libs)]
        self.log = open(self.folder.parent / f"{self.folder.name}.log", "ab")
        self.process = subprocess.Popen(command + list(self.args), stderr=self.log, start_new_session=True)
        self.wait()
        return self

    def wait(self):
        deadline = time.monotonic() + 30
        while True:
            try:
                with urllib.request.urlopen(f"{self.url}/_undercast/health", timeout=5) as r:
                    return json.load(r)
            except OSError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"the cloud does not start: {self.read_log()}") from None
                time.sleep(0.01)

    def read_log(self):
        return Path(self.log.name).read_text(errors="replace")[-4000:]

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=30)

    def client(self, service, account="000000000000", region="us-east-1", **more):
        config = Config(
            retries={"max_attempts": 0},
            s3={"addressing_style": "path"},
            inject_host_prefix=False,
            read_timeout=60,
            **more.pop("config", {}),
        )
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name=region,
            aws_access_key_id=more.pop("key", account),
            aws_secret_access_key=more.pop("secret", "secret"),
            config=config,
            **more,
        )


class External(Cloud):
    def __init__(self, url):
        self.url = url.rstrip("/")


ECHOES = []


def pytest_configure(config):
    """The proof of the wire asks a cloud in echo mode for its tests: one for each process that runs
    tests, since an echo answers what it was told last. A second one verifies signatures."""
    runs_tests = hasattr(config, "workerinput") or not config.getoption("numprocesses", None)
    if not runs_tests or "UNDERCAST_ECHO_URL" in os.environ or config.option.collectonly:
        return
    folder = Path(tempfile.mkdtemp(prefix="undercast-echo-"))
    echo = Cloud(folder / "open", "--store", "memory", "--echo").start()
    secure = Cloud(folder / "secure", "--store", "memory", "--echo", "--secure")
    secure.url = secure.url.replace("http:", "https:")
    secure.wait = lambda: wait_for(secure.folder / "root-key")
    secure.start()
    ECHOES.extend([echo, secure])
    keys = configparser.ConfigParser()
    keys.read(secure.folder / "root-key")
    os.environ["UNDERCAST_ECHO_URL"] = echo.url
    os.environ["UNDERCAST_SECURE_URL"] = secure.url
    os.environ["AWS_ACCESS_KEY_ID"] = keys["default"]["aws_access_key_id"]
    os.environ["AWS_SECRET_ACCESS_KEY"] = keys["default"]["aws_secret_access_key"]
    os.environ["AWS_CA_BUNDLE"] = str(secure.folder / "authority/ca.pem")


def pytest_unconfigure():
    for echo in ECHOES:
        echo.kill()


def wait_for(path):
    deadline = time.monotonic() + 30
    while not path.exists():
        assert time.monotonic() < deadline, path
        time.sleep(0.01)


@pytest.fixture(scope="session")
def cloud(tmp_path_factory):
    url = os.environ.get("UNDERCAST_ENDPOINT")
    if url:
        yield External(url)
        return
    cloud = Cloud(tmp_path_factory.mktemp("cloud") / "data").start()
    yield cloud
    assert cloud.stop() == 0, cloud.read_log()


@pytest.fixture
def new_cloud():
    """Makes clouds of one's own: to be killed, or started with other flags."""
    clouds = []

    def make(*args, folder=None):
        folder = folder or Path(tempfile.mkdtemp(prefix="undercast-")) / "data"
        clouds.append(Cloud(folder, *args))
        return clouds[-1]

    yield make
    for cloud in clouds:
        if cloud.process and cloud.process.poll() is None:
            cloud.kill()


@pytest.fixture
def secure_cloud(new_cloud):
    """A cloud that verifies signatures and enforces policies; `client` is that of its root key."""
    cloud = new_cloud("--secure")
    cloud.url = cloud.url.replace("http:", "https:")
    cloud.wait = lambda: wait_for(cloud.folder / "root-key")
    cloud.start()
    keys = configparser.ConfigParser()
    keys.read(cloud.folder / "root-key")
    root = {"key": keys["default"]["aws_access_key_id"], "secret": keys["default"]["aws_secret_access_key"]}
    plain = cloud.client
    cloud.client = lambda service, **more: plain(service, **{**root, "verify": str(cloud.folder / "authority/ca.pem"), **more})
    return cloud


@pytest.fixture
def account():
    return str(random.randint(10**11, 10**12 - 1))


@pytest.fixture
def client(cloud, account):
    """A boto3 client for a service, in the test's own account."""

    def make(service, **more):
        return cloud.client(service, account, **more)

    return make


@pytest.fixture
def error():
    """The code and message that a call is answered with."""
    from botocore.exceptions import ClientError

    def call(operation, **arguments):
        with pytest.raises(ClientError) as caught:
            operation(**arguments)
        answer = caught.value.response["Error"]
        return answer["Code"], answer["Message"]

    return call


@pytest.fixture
def deploy(client):
    """Deploys a template as tools do, through a change set; answers the stack when it is at rest."""
    cloudformation = client("cloudformation")

    def run(name, template, kind="CREATE", **more):
        body = template if isinstance(template, str) else json.dumps(template)
        change_set = cloudformation.create_change_set(
            StackName=name,
            ChangeSetName=f"c{random.randint(0, 10**9)}",
            TemplateBody=body,
            ChangeSetType=kind,
            Capabilities=["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM"],
            **more,
        )
        cloudformation.execute_change_set(ChangeSetName=change_set["Id"])
        return settled(cloudformation, change_set["StackId"])

    return run


@pytest.fixture
def logged(client):
    """Waits for lines of a function's log: they, and the group itself, are written after the answer."""
    logs = client("logs")

    def wait(function, enough, seconds=20):
        deadline = time.monotonic() + seconds
        while True:
            try:
                lines = [e["message"].strip() for e in logs.filter_log_events(logGroupName=f"/aws/lambda/{function}")["events"]]
            except logs.exceptions.ResourceNotFoundException:
                lines = []
            if enough(lines):
                return lines
            assert time.monotonic() < deadline, lines
            time.sleep(0.02)

    return wait


def settled(cloudformation, stack, seconds=60):
    deadline = time.monotonic() + seconds
    while True:
        found = cloudformation.describe_stacks(StackName=stack)["Stacks"][0]
        if not found["StackStatus"].endswith("_IN_PROGRESS"):
            return found
        assert time.monotonic() < deadline, found
        time.sleep(0.02)
