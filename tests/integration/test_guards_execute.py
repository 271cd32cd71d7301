"""A live host is written to only where a person said so; without that a command is a dry run, and says it."""

from __future__ import annotations

import anyio
import pytest

from bulkmove.config import load_migration
from bulkmove.cutover.undo import undo_migration
from bulkmove.cutover.verify import repair_migration
from bulkmove.errors import ConfigError
from bulkmove.events import Event, Note
from bulkmove.pipeline.migration import open_migration
from tests.integration.moving import Job, invoke


def live(job: Job) -> Job:
    job.with_orders()
    job.hosts["new"]["live"] = True
    return job


def test_a_run_on_a_live_host_is_a_dry_run_that_says_what_to_add(job: Job) -> None:
    ended = live(job).run()
    assert (
        "note: this is a dry run: new is live (live = true), so that nothing is written without --execute"
        in (ended.stderr)
    )
    assert job.stage.written() == 0
    assert not job.ledger.exists()
    assert ended.code == 0
    assert ended.counts("orders")["written"] == len(job.stage.orders)
    assert any("dry run" in note for note in ended.notes)


def test_with_execute_it_is_written_and_the_next_dry_run_leaves_the_ledger_alone(job: Job) -> None:
    assert live(job).run("--execute").code == 0
    job.check_all_equal()
    before, requests = job.ledger.read_bytes(), job.stage.written()
    assert job.run().code in {0, 3}
    assert (job.ledger.read_bytes(), job.stage.written()) == (before, requests)


def test_a_live_source_asks_for_nothing(job: Job) -> None:
    job.with_orders().hosts["old"]["live"] = True
    assert job.run().code == 0
    job.check_all_equal()


def test_a_route_to_a_host_that_is_not_live_needs_no_execute(job: Job) -> None:
    live(job).with_fitting()
    assert job.run("--route", "fitting").code == 0
    assert job.stage.rows("robosize-orders")
    assert not job.stage.rows("external-orders")


@pytest.mark.parametrize("command", ["run", "retry", "delta", "repair", "undo"])
def test_execute_and_dry_run_exclude_each_other(job: Job, command: str) -> None:
    ended = live(job).run("--execute", "--dry-run", command=command)
    assert ended.code == 2
    assert "exclude each other" in ended.stderr
    assert ended.summary["routes"] == {}


def test_another_name_of_a_live_address_is_live_too(job: Job) -> None:
    live(job)
    job.hosts["shadow"] = {**job.hosts["new"], "live": False}
    job.routes["orders"]["target"] = "shadow.orders"
    ended = job.run()
    assert (ended.code, "shadow is live" in ended.stderr, job.stage.written()) == (0, True, 0)


def test_a_call_that_writes_to_a_live_host_takes_execute(job: Job) -> None:
    job.with_fitting()
    assert job.run("--limit", "1").code == 0
    (row,) = job.stage.rows("robosize-orders")
    job.hosts["sizing"]["live"] = True
    file = str(job.write())
    call = ("call", file, "sizing", "delete-order", "--param", f"id={row['id']}", "--yes")
    refused = invoke(*call)
    assert (refused.code, "takes --execute" in refused.stderr) == (2, True)
    assert job.stage.rows("robosize-orders") == [row]
    assert invoke("call", file, "sizing", "list-orders").code == 0
    assert invoke(*call, "--execute").code == 0
    assert job.stage.rows("robosize-orders") == []


def test_the_librarys_other_writers_ask_for_execute_too(job: Job) -> None:
    job.with_fitting()
    assert job.run().code == 0
    assert job.run(command="verify").code == 0
    job.stage.change(list="orders", update={str(job.stage.orders[3]["id"]): {"total_amount": "1.23"}})
    job.hosts["sizing"]["live"] = True
    settings = load_migration(job.write())
    written = job.stage.written()

    async def work() -> None:
        async with open_migration(settings) as migration:
            done = await migration.delta()
            assert done.summary.exit_code == 0
            with pytest.raises(ConfigError, match="live"):
                await migration.delete_departed()
        with pytest.raises(ConfigError, match="live"):
            await undo_migration(settings)
        with pytest.raises(ConfigError, match="live"):
            await repair_migration(settings)

    try:
        anyio.run(work)
        assert job.stage.written() == written
    finally:
        old = {"total_amount": job.stage.orders[3]["total_amount"]}
        job.stage.change(list="orders", update={str(job.stage.orders[3]["id"]): old})


def test_fresh_does_not_put_the_ledger_aside_for_a_dry_run(job: Job) -> None:
    assert live(job).run("--execute", "--limit", "2").code == 0
    before = job.ledger.read_bytes()
    ended = job.run("--fresh", "--yes")
    assert (ended.code, job.ledger.read_bytes()) == (2, before)
    assert "--fresh needs --execute" in ended.stderr


def test_a_retry_on_a_live_host_says_what_it_would_do_and_does_nothing(job: Job) -> None:
    text = "def half(r, c):\n    if str(r['id'])[-1] in '13579': raise RejectRecordError('odd')\n    return None\n"
    job.with_mapper(text).with_orders(mapper="mappers.py:half", options={})
    job.hosts["new"]["live"] = True
    assert job.run("--execute").code == 3
    requests, before = job.stage.total(), job.ledger.read_bytes()
    for arguments in ((), ("--dry-run",)):
        ended = job.run(*arguments, command="retry")
        assert ended.code == 3, "they are rejected still"
        assert any(note.startswith("route orders: not done: ") for note in ended.notes), ended.notes
        assert ("without --execute" in ended.stderr) is not bool(arguments)
    assert job.stage.total() == requests
    assert job.ledger.read_bytes() == before
    job.with_mapper(text.replace("raise RejectRecordError('odd')", "return None"))
    assert job.run("--execute", command="retry").code == 0


def test_code_does_not_write_to_a_live_host_by_accident(job: Job) -> None:
    live(job).write()

    class Heard:
        def __init__(self) -> None:
            self.notes: list[str] = []

        def on_event(self, event: Event) -> None:
            if isinstance(event, Note):
                self.notes.append(event.text)

    async def main() -> tuple[int, int]:
        async with open_migration(job.file) as migration:
            held = await migration.run(heard)
            written = job.stage.written()
            await migration.run(execute=True)
            return written, held.routes["orders"].written

    heard = Heard()
    written, would_be = anyio.run(main)
    assert (written, would_be) == (0, len(job.stage.orders))
    assert any("--execute" in note for note in heard.notes)
    job.check_all_equal()


def test_masked_records_never_go_to_a_live_host(job: Job) -> None:
    live(job).top["mask"] = ["customer_email"]
    ended = job.run("--execute")
    assert ended.code == 2
    assert "mask: new is live" in ended.stderr
    assert job.stage.total() == 0
    assert job.run().code == 0, "a dry run of it is a rehearsal"

    async def by_code() -> None:
        async with open_migration(job.file) as migration:
            with pytest.raises(ConfigError, match="mask"):
                await migration.run(execute=True)

    anyio.run(by_code)
