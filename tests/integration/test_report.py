"""`bulkmove report` of real runs: its numbers are the ledger's and the host's, and no credential stands in it."""

from __future__ import annotations

import re
import sqlite3
import stat
import subprocess
import sys
import time
from contextlib import closing
from html.parser import HTMLParser
from pathlib import Path

import anyio
import pytest

from bulkmove import open_migration
from bulkmove.config import load_migration
from bulkmove.events import Event, RecordsSettled
from bulkmove.report.page.facts import Facts
from bulkmove.report.page.gathering import gather
from tests.integration.canaries import found_in
from tests.integration.moving import COMMAND, Job, Stages

REJECTING = """
def orders(record, context):
    from bulkmove.mapping.builtin.external_order import order_to_external_order
    if int(str(record["id"]).partition(".")[0]) % 7 == 0:
        raise RejectRecordError("mail ana.pop@exemplu.ro", cause="a<b>")
    return order_to_external_order(record, context)
"""


class Texts(HTMLParser):
    """All that a reader sees."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []
        self.feed(page)
        self.text = " ".join(" ".join(self.found).split())

    def handle_data(self, data: str) -> None:
        self.found.append(data)


def report(job: Job, *arguments: str) -> str:
    """The page as it is written."""
    path = job.folder / "report.html"
    ended = job.run("--out", str(path), *arguments, command="report")
    assert ended.code == 0, ended.told
    return path.read_text("utf-8")


def facts(job: Job, now: float = 2e9) -> Facts:
    return gather(load_migration(job.write()), now=now)


def test_the_sums_are_the_ledgers_and_the_page_is_private(job: Job) -> None:
    job.with_mapper(REJECTING).with_orders(mapper="mappers.py:orders").with_fitting()
    assert job.run().code == 3
    counts = job.run(command="status").routes
    text = Texts(report(job)).text
    for name, target in (("orders", "new.orders"), ("fitting", "sizing.orders")):
        shown = " ".join(f"{counts[name][each]:,}" for each in counts[name])
        assert f"{name} old.orders → {target} {shown} ✓ yes" in text
    assert counts["orders"]["rejected"] > 0
    total = sum(each["written"] for each in counts.values())
    rejected = counts["orders"]["rejected"]
    assert f"600 of 600 orders accounted for: {total} written, {rejected} rejected. Not verified." in text
    assert "a<b>" in text
    assert stat.S_IMODE((job.folder / "report.html").stat().st_mode) == 0o600


def test_no_credential_and_no_value_of_a_record_stands_in_it(job: Job) -> None:
    job.with_mapper(REJECTING).with_orders(mapper="mappers.py:orders")
    secret = "Kq8Fq2Lw0sVx-jD6u"  # a canary
    job.hosts["old"]["credentials"]["secret"] = "demo-secret"
    job.routes["orders"]["options"]["note"] = secret
    job.hosts["sizing"]["credentials"] = {"api_key": secret}
    assert job.run().code == 3
    page = report(job)
    assert "note = &quot;***&quot;" in page
    assert found_in(page.encode()) == set()
    for secret in ("demo-key", "demo-secret", "demo-token"):
        assert secret not in page
    assert "exemplu.ro" not in page


def test_what_was_noted_as_it_went_is_what_the_hosts_counted(job: Job) -> None:
    job.stage.add_fault("too-many-429", api="merchantpro", times=2, wait="seconds")
    job.with_orders().with_fitting()
    assert job.run().code == 0
    found = facts(job)
    stats = job.stage.stats()
    hosts = {host.name: host for host in found.hosts}
    assert hosts["old"].requests == stats["merchantpro"]["total"]
    assert hosts["new"].requests == stats["external-order"]["total"]
    assert hosts["sizing"].requests == stats["robosize"]["total"]
    assert hosts["old"].throttled == hosts["old"].retries == 2
    assert {rest.reason for rest in hosts["old"].rests} == {"it asked to wait (429)"}
    assert 0 < hosts["old"].rested_s < 30
    for host in hosts.values():
        assert sum(sum(span.latencies.values()) for span in host.spans) == host.requests
        assert 0 < (host.latency_s(0.5) or 0) <= (host.latency_s(1) or 0) < 30
    for route in found.routes:
        assert sum(span.written for span in route.spans) == route.counts.written == 300
    (run,) = found.runs
    assert (run.kind, run.end, run.settled) == ("run", "ended", 600)
    assert run.requests == sum(host.requests for host in hosts.values())


class SomeSettled:
    """Says when records were settled twice: by then the first of them are durable."""

    def __init__(self) -> None:
        self.seen = anyio.Event()
        self.left = 2

    def on_event(self, event: Event) -> None:
        if isinstance(event, RecordsSettled):
            self.left -= 1
            if not self.left:
                self.seen.set()


async def test_it_is_made_beside_a_run_that_goes_and_changes_nothing_of_it(job: Job) -> None:
    job.with_orders(batch_size=50)
    job.hosts["new"] |= {"rate": "4/s", "burst": 1}
    some, found = SomeSettled(), list[Facts]()
    file = await anyio.to_thread.run_sync(job.write)

    async def look() -> None:
        await some.seen.wait()
        found.append(await anyio.to_thread.run_sync(facts, job))

    async with open_migration(file) as migration, anyio.create_task_group() as tasks:
        tasks.start_soon(look)
        summary = await migration.run(some)
    assert summary.exit_code == 0
    assert found[0].is_going
    assert [run.end for run in found[0].runs] == ["going"]
    assert 0 < found[0].total.written < 300
    assert all(route.adds_up for route in found[0].routes)


def test_a_run_that_was_killed_is_told_as_cut_off_and_the_next_goes_on(job: Job) -> None:
    job.with_orders()
    job.run("--limit", "100")
    with closing(sqlite3.connect(job.ledger)) as database:
        database.execute("UPDATE runs SET ended_at = NULL, exit_code = NULL")
        database.commit()
    text = Texts(report(job)).text
    assert "Not finished: orders. The last run was cut off; bulkmove run goes on where it stopped." in text
    job.run()
    found = facts(job)
    assert [run.end for run in found.runs] == ["cut off", "ended"]
    assert sum(span.written for route in found.routes for span in route.spans) == 300


def test_a_retry_has_its_place_in_the_story(job: Job) -> None:
    job.with_mapper(REJECTING).with_orders(mapper="mappers.py:orders")
    job.run()
    job.with_mapper(REJECTING.replace("% 7 == 0", "< 0"))
    assert job.run(command="retry").code == 0
    found = facts(job)
    assert [run.kind for run in found.runs] == ["run", "retry"]
    (route,) = found.routes
    assert sum(span.written for span in route.spans) == 300
    assert sum(span.rejected for span in route.spans) == 0


def test_json_tells_the_same_numbers_and_writes_no_page(job: Job) -> None:
    job.with_mapper(REJECTING).with_orders(mapper="mappers.py:orders")
    job.run()
    counts = job.run(command="status").routes["orders"]
    (told,) = job.run(command="report").lines
    assert told["type"] == "report"
    assert {name: told["routes"]["orders"][name] for name in counts} == counts == told["totals"]
    assert told["routes"]["orders"]["causes"][0]["records"] == counts["rejected"]
    assert told["verdict"]["level"] == "look"
    assert sum(row["written"] for row in told["routes"]["orders"]["course"]) == counts["written"]
    assert list(job.folder.glob("*.html")) == []


def test_before_the_first_run_it_says_so(job: Job) -> None:
    job.with_orders()
    text = Texts(report(job)).text
    assert "Not begun Nothing was read or written yet" in text
    assert not job.ledger.exists()


def test_a_dry_run_leaves_no_trace(job: Job) -> None:
    job.with_orders()
    job.run("--dry-run")
    assert not facts(job).is_begun


def test_without_matplotlib_the_extra_is_named_and_json_works(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    job.with_orders()
    for name in [name for name in sys.modules if name.startswith("bulkmove.report.page")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    ended = job.run("--out", str(job.folder / "report.html"), command="report")
    assert ended.code == 2
    assert "pip install 'bulkmove[report]'" in ended.stderr
    assert job.run(command="report").lines[0]["type"] == "report"


def test_a_file_that_is_no_report_is_not_written_over(job: Job) -> None:
    job.with_orders()
    path = job.folder / "report.html"
    path.write_text("mine")
    ended = job.run("--out", str(path), command="report")
    assert ended.code == 2
    assert re.search(r"report\.html: is there already, and is no report", ended.stderr)
    assert path.read_text() == "mine"
    path.unlink()
    assert "<!DOCTYPE html>" in report(job)
    assert "<!DOCTYPE html>" in report(job)


def test_a_place_that_cannot_be_written_is_named(job: Job, tmp_path: Path) -> None:
    job.with_orders()
    ended = job.run("--out", str(tmp_path / "none" / "report.html"), command="report")
    assert ended.code == 2
    assert "can't be written" in ended.stderr


def test_directories_as_hosts_have_no_course_of_their_own(sandbox: Stages, tmp_path: Path) -> None:
    job = Job(tmp_path, sandbox())
    job.with_orders(mapper="as-it-is", target="out.orders", options={})
    job.hosts["out"] = {"api": "files", "url": "out"}
    ended = job.run()
    assert ended.code == 0, ended.told
    hosts = {host.name: host for host in facts(job).hosts}
    assert hosts["out"].spans == ()
    assert hosts["old"].requests > 0


def _rows_noted(ledger: Path) -> int:
    try:
        with closing(sqlite3.connect(f"file:{ledger}?mode=ro", uri=True)) as database:
            (rows,) = database.execute("SELECT count(*) FROM host_history").fetchone()
            return int(rows)
    except sqlite3.OperationalError:
        return 0  # there is no ledger yet


def test_what_was_noted_before_a_kill_is_told_after_it(job: Job) -> None:
    job.with_orders()
    job.hosts["old"] |= {"rate": "2/s", "burst": 1}
    command = [*COMMAND, "run", str(job.write()), "--quiet"]
    with subprocess.Popen(command, cwd=job.folder, stderr=subprocess.DEVNULL) as process:
        until = time.monotonic() + 30
        while not _rows_noted(job.ledger) and time.monotonic() < until:
            time.sleep(0.05)
        process.kill()
    found = facts(job)
    (run,) = found.runs
    assert (run.end, run.exit_code) == ("cut off", None)
    assert run.seconds < 10
    assert run.requests > 0
    assert "cut off; last sign of life" in Texts(report(job)).text
