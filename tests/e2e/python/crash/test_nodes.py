"""Two nodes on one PostgreSQL database, which `UNDERCAST_STORE` names: one of them reads a stream, the other one
goes on when it dies."""

import os
import tempfile
from pathlib import Path

import pytest

from conftest import Cloud
from lambda_.test_streams import Shop, records

STORE = os.environ.get("UNDERCAST_STORE", "")


@pytest.mark.skipif(not STORE.startswith("postgres"), reason="needs a PostgreSQL database, named by UNDERCAST_STORE")
@pytest.mark.timeout(240)
def test_one_node_reads_a_stream_and_another_takes_over():
    folder = Path(tempfile.mkdtemp(prefix="undercast-nodes-"))
    first = Cloud(folder / "a", "--store", STORE).start()
    # They share what is kept beside the database, too.
    (folder / "b").mkdir()
    (folder / "b/blobs").symlink_to(folder / "a/blobs")
    second = Cloud(folder / "b", "--store", STORE).start()
    account = "111122223333"
    try:
        shop = Shop(lambda service: first.client(service, account), account)
        shop.function()
        shop.map(BatchSize=1)
        for n in range(40):
            shop.put(f"k{n % 7}", n)
        shop.until(lambda events: len(records(events)) >= 40, 60)
        assert sorted(n for batch in shop.numbers() for n in batch) == list(range(40))
        first.kill()
        shop.dynamodb, shop.logs = second.client("dynamodb", account), second.client("logs", account)
        for n in range(40, 60):
            shop.put(f"k{n % 7}", n)
        shop.until(lambda events: {r["dynamodb"]["NewImage"]["n"]["N"] for r in records(events)} == {str(n) for n in range(60)}, 90)
    finally:
        for cloud in (first, second):
            if cloud.process.poll() is None:
                cloud.kill()
