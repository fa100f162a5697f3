"""What `kill -9` cannot show: that an answer stands on a sync. The operating system is the witness
(strace), and the disk fails, fills up, and forgets.
"""

import os
import re
import shutil
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from botocore.exceptions import BotoCoreError, ClientError

WRITES = 25
SYNCS = "fsync,fdatasync,sync_file_range"


@contextmanager
def traced(cloud, *arguments):
    """strace on a cloud that runs; skips where it is missing or not allowed."""
    if not shutil.which("strace"):
        pytest.skip("there is no strace")
    trace = Path(tempfile.mkdtemp()) / "trace"
    command = ["strace", "-f", "-y", "-s", "1200", "-o", str(trace), *arguments, "-p", str(cloud.process.pid)]
    strace = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    first = strace.stderr.readline()
    if "attached" not in first:
        strace.wait()
        pytest.skip(f"strace cannot attach: {first.strip()}")
    os.set_blocking(strace.stderr.fileno(), False)
    time.sleep(0.3)
    try:
        yield trace
    finally:
        strace.terminate()
        strace.wait()


def steps(trace, folder):
    """What happened, in order: ("sync", path) when a sync is done, ("ack", what) when an answer is sent."""
    pending = {}
    for line in trace.read_text(errors="replace").splitlines():
        thread, _, rest = line.partition(" ")
        rest = rest.strip()
        called = re.match(r"f(?:data)?sync\(\d+<([^>]*)>", rest)
        if called and "unfinished" in rest:
            pending[thread] = called[1]
        elif called and rest.endswith("= 0"):
            yield "sync", os.path.relpath(called[1], folder)
        elif re.match(r"<\.\.\. f(?:data)?sync resumed>", rest) and rest.endswith("= 0"):
            yield "sync", os.path.relpath(pending.pop(thread), folder)
        elif re.match(r"(write|writev|sendto|sendmsg)\(", rest) and "HTTP/1.1 200 OK" in rest:
            yield "ack", "message" if "MD5OfMessageBody" in rest else "object" if "etag: " in rest.lower() else "other"


def syncs_before_answers(cloud):
    """For each message and each object that was acknowledged: the syncs since the answer before."""
    sqs, s3 = cloud.client("sqs"), cloud.client("s3")
    queue = sqs.create_queue(QueueName="q")["QueueUrl"]
    s3.create_bucket(Bucket="objects")
    calls = f"trace={SYNCS},write,writev,sendto,sendmsg"
    with traced(cloud, "-e", calls) as trace:
        for n in range(WRITES):
            sqs.send_message(QueueUrl=queue, MessageBody=f"m{n}")
        for n in range(WRITES):
            # Above 64 KiB: a blob. No two are the same.
            s3.put_object(Bucket="objects", Key=f"k{n}", Body=os.urandom(100_000))
    found, since = {"message": [], "object": [], "other": []}, []
    for what, name in steps(trace, cloud.folder):
        if what == "sync":
            since.append(name)
        else:
            found[name].append(since)
            since = []
    assert len(found["message"]) == WRITES and len(found["object"]) == WRITES, {k: len(v) for k, v in found.items()}
    return found


def rows(syncs):
    return [name for name in syncs if name.startswith("store/") and not name.startswith("store/blobs")]


def blobs(syncs):
    return [name for name in syncs if name.startswith("store/blobs/")]


@pytest.mark.xdist_group("crash")
def test_every_answer_follows_the_syncs_that_it_stands_on(new_cloud):
    found = syncs_before_answers(new_cloud().start())
    assert all(rows(syncs) for syncs in found["message"] + found["object"])
    for syncs in found["object"]:
        # First the blob and the folder that names it, then the row that names the blob.
        names = [name for name in syncs if name in blobs(syncs) or name in rows(syncs)]
        assert len(set(blobs(syncs))) >= 2, syncs
        last_blob = max(n for n, name in enumerate(names) if name in blobs(syncs))
        assert any(name in rows(syncs) for name in names[last_blob + 1 :]), names


@pytest.mark.xdist_group("crash")
def test_the_witness_notices_when_nothing_is_synced(new_cloud):
    found = syncs_before_answers(new_cloud("--durability", "none").start())
    assert sum(not rows(syncs) for syncs in found["message"]) > WRITES * 0.8, found
    assert sum(not blobs(syncs) for syncs in found["object"]) > WRITES * 0.8, found


def fill(cloud, writes=10_000):
    """Writes messages and objects until one is refused; answers what was acknowledged and the refusal."""
    sqs, s3 = cloud.client("sqs"), cloud.client("s3")
    messages, objects = [], {}
    for n in range(writes):
        try:
            body = os.urandom(20_000).hex()
            sqs.send_message(QueueUrl="q", MessageBody=body)
            messages.append(body)
            objects[f"k{n}"] = os.urandom(100_000)
            s3.put_object(Bucket="objects", Key=f"k{n}", Body=objects[f"k{n}"])
        except (ClientError, BotoCoreError) as refused:
            if len(objects) == len(messages) and objects:
                objects.pop(f"k{n}", None)
            return messages, objects, refused
    pytest.fail("nothing was ever refused")


def check(cloud, messages, objects):
    """Everything that was acknowledged is there."""
    sqs, s3 = cloud.client("sqs"), cloud.client("s3")
    for key, content in objects.items():
        assert s3.get_object(Bucket="objects", Key=key)["Body"].read() == content, key
    missing = set(messages)
    for _ in range(10 * len(messages) + 10):
        if not missing:
            return
        got = sqs.receive_message(QueueUrl="q", MaxNumberOfMessages=10, VisibilityTimeout=600).get("Messages", [])
        missing -= {message["Body"] for message in got}
    assert not missing, f"{len(missing)} of {len(messages)} messages are lost"


def refuses(cloud):
    """Whether a small write is refused with a server error."""
    try:
        cloud.client("sqs").send_message(QueueUrl="q", MessageBody="later")
        return False
    except ClientError as error:
        return error.response["ResponseMetadata"]["HTTPStatusCode"] >= 500
    except BotoCoreError:
        return True


def set_up(cloud):
    cloud.client("sqs").create_queue(QueueName="q")
    cloud.client("s3").create_bucket(Bucket="objects")


@pytest.fixture
def small_disk():
    """A file system of its own and how to give it room."""
    folder = Path(tempfile.mkdtemp(prefix="undercast-disk-"))
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", str(folder)], capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
    yield folder, lambda: subprocess.run(["mount", "-o", "remount,size=400m", str(folder)], check=True)
    subprocess.run(["umount", "-l", str(folder)], check=False)


@pytest.mark.xdist_group("crash")
def test_a_full_disk_stops_acknowledging_and_loses_nothing(new_cloud, small_disk):
    folder, grow = small_disk
    cloud = new_cloud(folder=folder / "data").start()
    set_up(cloud)
    messages, objects, refused = fill(cloud)
    assert len(messages) > 10, refused
    if isinstance(refused, ClientError):
        assert refused.response["ResponseMetadata"]["HTTPStatusCode"] >= 500, refused.response
    # A blob has no room before a row has none: rows go on until they have none either.
    until = time.monotonic() + 60
    while not refuses(cloud) and time.monotonic() < until:
        try:
            body = os.urandom(20_000).hex()
            cloud.client("sqs").send_message(QueueUrl="q", MessageBody=body)
            messages.append(body)
        except (ClientError, BotoCoreError):
            pass
    grow()
    assert refuses(cloud), "it goes on as if nothing had happened"
    cloud.kill()
    cloud.start()
    check(cloud, messages, objects)
    assert not refuses(cloud)
    assert cloud.stop() == 0


@pytest.mark.xdist_group("crash")
def test_a_failed_sync_stops_acknowledging_for_good(new_cloud):
    cloud = new_cloud().start()
    set_up(cloud)
    sqs = cloud.client("sqs")
    before = [f"m{n}" for n in range(20)]
    for body in before:
        sqs.send_message(QueueUrl="q", MessageBody=body)
    with traced(cloud, "-e", f"trace={SYNCS}", "-e", f"inject={SYNCS}:error=EIO"):
        assert refuses(cloud)
    # The disk is well again, and nobody knows what is on it.
    assert refuses(cloud) and refuses(cloud)
    with pytest.raises((ClientError, BotoCoreError)):
        cloud.client("s3").put_object(Bucket="objects", Key="k", Body=b"x" * 100_000)
    cloud.kill()
    cloud.start()
    check(cloud, before, {})
    assert not refuses(cloud)
