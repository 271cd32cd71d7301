"""The job by bulkmove as a library, all guarantees on: ledger with FULL synchronisation, intents, proven reading."""

from __future__ import annotations

import tempfile
from pathlib import Path

import anyio

from benchmarks.peers.job import KEY, SECRET, TOKEN, Job, do
from bulkmove.pipeline.migration import open_migration

_MIGRATION = """
name = "peers"
[hosts.old]
api = "merchantpro"
url = "{url}"
credentials = {{ key = "{key}", secret = "{secret}" }}
rate = "{rate}/s"
concurrency = {in_flight}
[hosts.new]
api = "external-order"
url = "{url}"
credentials = {{ token = "{token}" }}
rate = "{rate}/s"
concurrency = {in_flight}
[routes.orders]
source = "old.orders"
target = "new.orders"
mapper = "merchantpro-to-external-order"
options = {{ shop = 2 }}
"""
_UNLIMITED = 1_000_000


async def with_bulkmove(job: Job) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "migration.toml"
        file.write_text(
            _MIGRATION.format(
                url=job.url,
                key=KEY,
                secret=SECRET,
                token=TOKEN,
                rate=job.rate or _UNLIMITED,
                in_flight=job.in_flight,
            ),
            encoding="utf-8",
        )
        async with open_migration(file) as migration:
            summary = await migration.run()
    if summary.exit_code:
        raise SystemExit(f"the run ended with {summary.exit_code}: {summary.notes}")


if __name__ == "__main__":
    do(lambda job: anyio.run(with_bulkmove, job, backend_options={"use_uvloop": True}))
