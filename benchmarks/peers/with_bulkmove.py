"""The job by bulkmove as a library, all guarantees on: ledger with FULL synchronisation, intents, proven reading."""

from __future__ import annotations

import tempfile
from pathlib import Path

import anyio

from benchmarks import migration_texts as texts
from benchmarks.peers.job import Job, do
from bulkmove.pipeline.migration import open_migration


async def with_bulkmove(job: Job) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "migration.toml"
        asked = {"rate": f"{job.rate}/s" if job.rate else texts.NO_LIMIT, "concurrency": job.in_flight}
        old, new = texts.host("old", job.url, **asked), texts.host("new", job.url, **asked)
        file.write_text(texts.migration("peers", old, new, texts.orders()), encoding="utf-8")
        async with open_migration(file) as migration:
            summary = await migration.run()
    if summary.exit_code:
        raise SystemExit(f"the run ended with {summary.exit_code}: {summary.notes}")


if __name__ == "__main__":
    do(lambda job: anyio.run(with_bulkmove, job, backend_options={"use_uvloop": True}))
