"""The first records of a route are written, read back and asked about before the rest."""

from __future__ import annotations

import os
import pty
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import anyio
import orjson
import pytest

from bulkmove.pipeline.checked import Checked
from bulkmove.pipeline.migration import open_migration
from tests.integration.canaries import Answer, Asked, _forwarded, misbehaving
from tests.integration.moving import COMMAND, LONGEST_RUN_S, Ended, Job


@pytest.fixture
def small(job: Job) -> Job:
    job.top["canary"] = 5
    return job.with_orders()


def canaries(ended: Ended) -> list[dict[str, Any]]:
    return [line for line in ended.lines if line["type"] == "canary"]


def kept(job: Job) -> tuple[list[str], int]:
    """The state of each canary, and how many bodies are kept for them."""
    with closing(sqlite3.connect(job.ledger)) as ledger:
        states = [state for (state,) in ledger.execute("SELECT state FROM canaries ORDER BY route")]
        return states, ledger.execute("SELECT count(*) FROM canary_bodies").fetchone()[0]


def test_where_nobody_can_be_asked_the_run_stops_at_its_canary_and_goes_on_with_yes(small: Job) -> None:
    ended = small.run()
    assert ended.code == 0
    assert ended.counts("orders") == {"read": 5, "written": 5}
    assert len(small.stage.rows("external-orders")) == 5
    assert any(
        note.startswith("stopped at the canary: 5 records stand on new.orders as they were sent")
        and "--yes" in note
        for note in ended.notes
    ), ended.notes
    assert kept(small) == (["open"], 5)
    again = small.run()
    assert again.counts("orders") == {"read": 5, "written": 5}, (
        "it is looked at again, and nothing else is written"
    )
    assert len(canaries(again)) == 5
    assert small.run("--yes").code == 0
    small.check_all_equal()
    assert kept(small) == (["passed"], 0)


def test_the_rest_follows_at_once_with_yes_and_costs_few_requests_more(small: Job) -> None:
    assert small.run("--yes").code == 0
    small.check_all_equal()
    with_canary = small.stage.total()
    small.stage.clean()
    small.ledger.unlink()
    del small.top["canary"]
    assert small.run().code == 0
    # A page is read twice, a batch is split, and the target's list is read back.
    assert with_canary - small.stage.total() <= 6


def test_each_record_is_shown_field_by_field_as_it_was_sent_and_as_it_stands(small: Job) -> None:
    ended = small.run()
    lines = canaries(ended)
    assert len(lines) == 5
    rows = {str(row["rrn"]): row for row in small.stage.rows("external-orders")}
    for line in lines:
        assert (line["route"], line["target"], line["outcome"]) == ("orders", "new.orders", "stands")
        shown = {field["field"]: field for field in line["fields"]}
        row = rows[shown["rrn"]["sent"]]
        assert str(row["order_id"] if "order_id" in row else row["id"]) == line["target_id"]
        assert {field["is"] for field in line["fields"]} <= {"equal", "unseen"}
        assert any(name.startswith("order_items[0].") for name in shown)
    plain = small.process("--progress", "never")
    assert "canary of route orders, on new.orders" in plain.stdout
    assert "= as it was sent" in plain.stdout


@contextmanager
def altered(job: Job, change: Callable[[dict[str, Any]], None]) -> Iterator[None]:
    """The new host shows its rows with a change."""

    def show(asked: Asked) -> Answer | None:
        if asked.method != "GET":
            return None
        found = _forwarded(behind, asked)
        status, headers, body = found
        data = orjson.loads(body)
        if not isinstance(data, dict):
            return found
        for row in next((value for value in data.values() if isinstance(value, list)), []):
            change(row)
        return status, headers, orjson.dumps(data)

    behind = job.stage.url.partition("//")[2]
    with misbehaving(job.stage.url, show) as url:
        job.hosts["new"]["url"] = url
        yield
    job.hosts["new"]["url"] = job.stage.url


def test_a_row_that_shows_something_else_ends_the_run_and_nothing_more_is_written(small: Job) -> None:
    small.hosts["new"]["settle_s"] = 0.1

    is_altered = True

    def elsewhere(row: dict[str, Any]) -> None:
        if is_altered:
            row["address"] = {**row["address"], "zip_code": "000000"}

    small.with_fitting(after=["orders"])
    with altered(small, elsewhere):
        ended = small.run("--yes")
        assert ended.code == 4
        assert len(small.stage.rows("external-orders")) == 5
        assert not small.stage.rows("robosize-orders")
        assert "address.zip_code differs" in ended.stderr
        assert "000000" not in ended.stderr, "values are data, not messages"
        line = canaries(ended)[0]
        wrong = [field for field in line["fields"] if field["is"] == "different"]
        assert [(field["field"], field["shows"]) for field in wrong] == [("address.zip_code", "000000")]
        assert kept(small)[0] == ["failed"]
        assert small.run("--yes").code == 4, "it is looked at once more"
        assert len(small.stage.rows("external-orders")) == 5
        is_altered = False  # the rows are as they were sent after all
        assert small.run("--yes").code == 0
        small.check_all_equal()


def test_canary_0_does_without_one_that_failed_and_forgets_what_it_sent(small: Job) -> None:
    small.hosts["new"]["settle_s"] = 0.1
    with altered(small, lambda row: row.update(address=None)):
        assert small.run("--yes").code == 4
        small.routes["orders"]["canary"] = 0
        assert small.run().code == 0
    assert kept(small) == ([], 0)
    assert len(small.stage.rows("external-orders")) == len(small.stage.orders)


def test_a_route_has_a_canary_of_its_own_size_and_all_canaries_go_first(job: Job) -> None:
    job.with_all_routes()
    job.top["canary"] = 3
    job.routes["fitting"]["canary"] = 7
    ended = job.run()
    assert ended.code == 0
    assert [len(job.stage.rows(name)) for name in ("external-orders", "robosize-orders")] == [3, 7]
    assert sum("_writes" in row and bool(row["_writes"]) for row in job.stage.rows("robosize-products")) <= 3
    assert ended.counts("products")["written"] == 3
    (note,) = [note for note in ended.notes if note.startswith("stopped at the canary")]
    for said in ("3 records stand on new.orders", "7 records stand on sizing.orders", "sizing.products"):
        assert said in note
    assert job.run("--yes").code == 0
    job.check_all_equal()


def test_a_route_that_comes_after_another_has_its_canary_when_it_starts(job: Job) -> None:
    job.with_orders().with_fitting(after=["orders"])
    job.routes["fitting"]["canary"] = 4
    ended = job.run()
    assert ended.code == 0
    assert len(job.stage.rows("external-orders")) == len(job.stage.orders)
    assert len(job.stage.rows("robosize-orders")) == 4
    assert job.run("--yes").code == 0
    job.check_all_equal()


def test_a_migration_that_was_begun_without_a_canary_gets_none(small: Job) -> None:
    del small.top["canary"]
    assert small.run("--limit", "2").code == 0
    small.top["canary"] = 5
    assert small.run().code == 0
    small.check_all_equal()
    assert kept(small) == ([], 0)


def test_a_limit_below_the_canary_leaves_it_open(small: Job) -> None:
    for written in (2, 4):
        ended = small.run("--limit", "2")
        assert (ended.code, ended.counts("orders")["written"], canaries(ended)) == (0, written, [])
    ended = small.run("--limit", "2")
    assert len(canaries(ended)) == 5
    assert ended.counts("orders")["written"] == 5


def test_a_list_that_is_no_longer_than_the_canary_asks_nothing(job: Job) -> None:
    job.with_orders(canary=1000)
    ended = job.run()
    assert ended.code == 0
    assert not [note for note in ended.notes if "canary" in note]
    assert len(canaries(ended)) == len(job.stage.orders)
    job.check_all_equal()


def test_records_that_need_no_write_are_no_canary(small: Job) -> None:
    text = "def some(r, c):\n    if str(r['id'])[-1] != '7': return None\n    return {'store_id': str(r['id']), 'device_id': 'd', 'data': {}}\n"
    small.with_mapper(text).routes.clear()
    small.with_fitting(mapper="mappers.py:some")
    ended = small.run()
    assert len(small.stage.rows("robosize-orders")) == ended.counts("fitting")["written"] == 5
    wanted = sum(str(row["id"])[-1] == "7" for row in small.stage.orders)
    assert small.run("--yes").code == 0
    assert len(small.stage.rows("robosize-orders")) == wanted


def test_a_canary_that_is_rejected_as_a_whole_fails(small: Job) -> None:
    text = "def bad(r, c):\n    return {'rrn': str(r['id']), 'shop': 'no shop', 'order_items': []}\n"
    small.with_mapper(text).routes["orders"] |= {
        "mapper": "mappers.py:bad",
        "options": {},
        "check_bodies": False,
    }
    ended = small.run("--yes")
    assert ended.code == 4
    assert "none of the first records of route orders was written to new.orders: rejected" in ended.stderr
    assert ended.counts("orders") == {"read": 5, "rejected": 5}


def test_a_dry_run_and_a_plan_have_no_canary(small: Job) -> None:
    ended = small.run("--dry-run")
    assert (ended.code, canaries(ended)) == (0, [])
    assert ended.counts("orders")["written"] == len(small.stage.orders)
    assert small.run(command="plan").code == 0


def test_rows_that_were_to_be_deleted_are_looked_for(job: Job) -> None:
    assert job.with_fitting().run().code == 0
    job.name = "away"
    job.with_mapper("def away(r, c):\n    return {'store_id': str(r['id'])}\n")
    job.routes["fitting"] |= {"mapper": "mappers.py:away", "mode": "delete", "canary": 4}
    ended = job.run()
    assert ended.code == 0, ended.stderr
    assert any("4 records are gone from sizing.orders" in note for note in ended.notes)
    assert len(job.stage.rows("robosize-orders")) == len(job.stage.orders) - 4
    assert job.run("--yes").code == 0
    assert not job.stage.rows("robosize-orders")


@contextmanager
def going(job: Job, **streams: Any) -> Iterator[subprocess.Popen[bytes]]:
    job.write()
    with subprocess.Popen(
        [*COMMAND, "run", str(job.file), "--json"],
        stdout=subprocess.PIPE,
        cwd=job.folder,
        env={**os.environ, "TERM": "xterm"},
        **{"stderr": subprocess.PIPE, "stdin": subprocess.DEVNULL, **streams},
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def until(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + LONGEST_RUN_S
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_killed_in_its_canary_the_next_run_goes_on_with_the_same_records(small: Job) -> None:
    small.hosts["new"] |= {"rate": "4/s", "burst": 1, "settle_s": 0.3}
    small.routes["orders"]["batch_size"] = 1
    with going(small) as process:
        until(lambda: len(small.stage.rows("external-orders")) >= 2)
        os.kill(process.pid, signal.SIGKILL)
    assert len(small.stage.rows("external-orders")) < 5
    small.hosts["new"] |= {"rate": "100000/s", "burst": 1000}
    ended = small.run()
    assert ended.code == 0
    assert len(canaries(ended)) == len(small.stage.rows("external-orders")) == 5
    assert {line["outcome"] for line in canaries(ended)} == {"stands"}
    assert small.run("--yes").code == 0
    small.check_all_equal()


@contextmanager
def terminal(job: Job, *, is_whole: bool = False) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A run with a person at its keyboard; `is_whole`: who sees bars, too."""
    keyboard, end = pty.openpty()
    streams = {"stdin": end, "stderr": end} if is_whole else {"stdin": end}
    try:
        with going(job, **streams) as process:
            os.close(end)
            yield process, keyboard
    finally:
        os.close(keyboard)


def said_until(process: subprocess.Popen[bytes], text: bytes) -> bytes:
    assert process.stderr is not None
    said = b""
    while text not in said:
        new = os.read(process.stderr.fileno(), 4096)
        assert new, said
        said += new
    return said


@pytest.mark.parametrize(
    ("answer", "is_all"), [(b"y\n", True), (b"what\ny\n", True), (b"\n", False), (b"n\n", False)]
)
def test_a_person_is_asked_before_the_rest(small: Job, answer: bytes, *, is_all: bool) -> None:
    with terminal(small) as (process, keyboard):
        said_until(process, b"5 records stand on new.orders as they were sent. Go on with the rest? [y/N]: ")
        assert len(small.stage.rows("external-orders")) == 5
        os.write(keyboard, answer)
        process.communicate(timeout=LONGEST_RUN_S)
        assert process.returncode == 0
    assert len(small.stage.rows("external-orders")) == (len(small.stage.orders) if is_all else 5)


def test_bars_are_out_of_the_way_of_the_question(small: Job) -> None:
    with terminal(small, is_whole=True) as (process, keyboard):
        shown = b""
        while b"[y/N]: " not in shown:
            shown += os.read(keyboard, 4096)
        os.write(keyboard, b"y\n")
        while process.poll() is None:
            try:
                shown += os.read(keyboard, 4096)
            except OSError:  # the other end is closed
                break
        process.communicate(timeout=LONGEST_RUN_S)
        assert process.returncode == 0
    small.check_all_equal()


def test_a_signal_at_the_question_stops_the_run_with_nothing_else_written(small: Job) -> None:
    with terminal(small) as (process, _):
        said_until(process, b"[y/N]: ")
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=LONGEST_RUN_S)
        assert process.returncode == 130
    assert len(small.stage.rows("external-orders")) == 5
    assert kept(small) == (["open"], 5)
    assert small.run("--yes").code == 0
    small.check_all_equal()


def test_code_is_shown_the_canary_and_asked(small: Job) -> None:
    small.write()

    class Watch:
        def __init__(self, *, answer: bool) -> None:
            self.shown: list[Checked] = []
            self.asked: list[str] = []
            self.answer = answer

        def show(self, checked: Checked) -> None:
            self.shown.append(checked)

        async def ask(self, question: str) -> bool:
            self.asked.append(question)
            return self.answer

    async def main(watch: Watch | None) -> int:
        async with open_migration(small.file) as migration:
            return (await migration.run(canary=watch)).routes["orders"].written

    assert anyio.run(main, None) == 5
    no, yes = Watch(answer=False), Watch(answer=True)
    assert anyio.run(main, no) == 5
    assert anyio.run(main, yes) == len(small.stage.orders)
    for watch in (no, yes):
        assert [len(checked.records) for checked in watch.shown] == [5]
        assert watch.asked == ["5 records stand on new.orders as they were sent. Go on with the rest?"]


def test_purge_erases_what_a_failed_canary_sent(small: Job) -> None:
    small.hosts["new"]["settle_s"] = 0.1
    with altered(small, lambda row: row.update(address=None)):
        assert small.run("--yes").code == 4
        assert kept(small) == (["failed"], 5)
        assert small.run("--yes", command="purge").code == 0
        assert kept(small) == (["failed"], 0)
        ended = small.run("--yes")
        assert ended.code == 4
        assert "purged" in ended.stderr
