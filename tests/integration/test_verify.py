"""Targets held against their sources on a real sandbox: each kind of planted difference is found, and nothing else."""

from __future__ import annotations

import copy
import json
import os
import signal
import sqlite3
import stat
import subprocess
import time
from collections import Counter
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import anyio
import pytest

from bulkmove.config import load_migration
from bulkmove.cutover.verify import verify_migration
from bulkmove.cutover.verify.verifying import working_file
from bulkmove.events import Event, RecordsRead
from tests.integration.moving import COMMAND, Ended, Job, Row, Stage, Stages, invoke

ORDERS = 120
FOREIGN = {"store_id": "theirs-1", "data": {"total_amount": "1.00"}}


@pytest.fixture
def job(sandbox: Stages, tmp_path: Path) -> Job:
    return Job(tmp_path, sandbox(orders=ORDERS, products=80))


def verify(job: Job, *arguments: str) -> Ended:
    return job.run(*arguments, command="verify")


def repair(job: Job, *arguments: str) -> Ended:
    return job.run(*arguments, command="repair")


def found(job: Job, route: str) -> dict[str, dict[str, Any]]:
    """The lines of a route's differences, by source id, by the row of what is extra."""
    lines = (job.folder / f"{job.name}.verify" / f"{route}.differences.jsonl").read_text(encoding="utf-8")
    rows = [json.loads(line) for line in lines.splitlines()]
    return {row.get("source_id") or row["row"]: row for row in rows} if rows else {}


def combined(job: Job, route: str) -> Counter[str]:
    text = (job.folder / f"{job.name}.verify" / f"{route}.combined").read_text(encoding="utf-8")
    return Counter(line[0] for line in text.splitlines())


def differing(ended: Ended, route: str) -> dict[str, int]:
    """The counts of a route that are not zero."""
    names = ("missing", "extra", "different", "doubled", "stale", "new", "error")
    return {name: count for name in names if (count := ended.summary["routes"][route][name])}


class Fitting:
    """The sizing service's orders, and ways to spoil them behind everybody's back."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.rows = stage.rows("robosize-orders")

    def spoil(self, place: int, **data: Any) -> str:
        row = self.rows[place]
        changed = copy.deepcopy(row["data"]) | data
        self.stage.change(list="robosize-orders", update={str(row["id"]): {"data": changed}})
        return str(row["store_id"])

    def data(self, place: int) -> Row:
        found: Row = copy.deepcopy(self.rows[place]["data"])
        return found


def with_diacritic(data: Row) -> str:
    """A field of an order whose text has a letter that is no ASCII; empty where there is none."""
    texts = (name for name, value in data.items() if isinstance(value, str) and not value.isascii())
    return next(texts, "")


def plant(fitting: Fitting) -> dict[str, tuple[str, list[str]]]:
    """Spoil rows in every way there is; what shall be found, by source id or row: the outcome, and the fields."""
    stage, rows = fitting.stage, fitting.rows
    planted: dict[str, tuple[str, list[str]]] = {}
    amount = float(fitting.data(1)["total_amount"])
    as_text = isinstance(fitting.data(1)["total_amount"], str)
    wrong: Any = f"{amount + 0.01:.2f}" if as_text else round(amount + 0.01, 2)
    planted[fitting.spoil(1, total_amount=wrong)] = ("different", ["data.total_amount"])
    date = fitting.data(3)["date_created"]
    later = f"{date[:11]}{(int(date[11:13]) + 1) % 24:02d}{date[13:]}"
    planted[fitting.spoil(3, date_created=later)] = ("different", ["data.date_created"])
    place = next(n for n in range(20, len(rows)) if with_diacritic(fitting.data(n)))
    name = with_diacritic(fitting.data(place))
    lost = fitting.data(place)[name].encode("ascii", "replace").decode()
    planted[fitting.spoil(place, **{name: lost})] = ("different", [f"data.{name}"])
    lines = fitting.data(5)["line_items"]
    lines[0]["quantity"] = 99
    planted[fitting.spoil(5, line_items=lines)] = ("different", ["data.line_items[0].quantity"])
    one, other = rows[7], rows[9]
    for row, key in ((one, other["store_id"]), (other, one["store_id"])):
        stage.change(list="robosize-orders", update={str(row["id"]): {"store_id": key}})
        planted[str(row["store_id"])] = ("different", ["store_id"])
    stage.change(list="robosize-orders", delete=[str(rows[11]["id"])])
    planted[str(rows[11]["store_id"])] = ("missing", [])
    twice = {"store_id": rows[13]["store_id"], "data": rows[13]["data"]}
    stage.change(list="robosize-orders", insert=[twice])
    planted[str(rows[13]["store_id"])] = ("doubled", [])
    (extra,) = stage.change(list="robosize-orders", insert=[{"store_id": "999", "data": {}}])["inserted"]
    planted[str(extra)] = ("extra", [])
    return planted


def test_each_planted_difference_is_found_and_nothing_else_and_repair_mends_exactly_those(
    sandbox: Stages, tmp_path: Path
) -> None:
    stage = sandbox(orders=ORDERS, products=80)
    stage.change(list="robosize-orders", insert=[FOREIGN])
    job = Job(tmp_path, stage).with_fitting(options={"data": "all"})
    assert job.run().code == 0
    before = stage.rows("robosize-orders")
    fitting = Fitting(stage)
    fitting.rows = [row for row in before if row["store_id"] != FOREIGN["store_id"]]
    planted = plant(fitting)

    ended = verify(job)
    assert ended.code == 4, ended.told
    assert {
        name: (line["outcome"], line.get("fields", [])) for name, line in found(job, "fitting").items()
    } == planted
    assert combined(job, "fitting") == {"=": ORDERS - 8, "*": 6, "-": 1, "!": 1, "+": 1}

    mended = repair(job)
    assert mended.code == 4, mended.told
    assert mended.counts("fitting") == {"read": ORDERS, "written": ORDERS}
    assert stage.stats()["robosize"]["requests"]["PATCH order"] == {"200": 6}
    after_repair = verify(job)
    assert differing(after_repair, "fitting") == {"doubled": 1, "extra": 1}
    deleted = repair(job, "--deletions", "--yes")
    assert stage.stats()["robosize"]["requests"]["DELETE order"] == {"204": 1}
    assert "this migration did not make" in deleted.told
    left = verify(job)
    assert differing(left, "fitting") == {"extra": 1}, left.told

    now = {row["store_id"]: (row["id"], row["data"]) for row in stage.rows("robosize-orders")}
    assert now.pop("999")[1] == {}
    missing = rows_by_key(before)[fitting.rows[11]["store_id"]]
    assert now.pop(fitting.rows[11]["store_id"])[1] == missing[1]
    was = rows_by_key(before)
    del was[fitting.rows[11]["store_id"]]
    assert now == was
    assert job.run().code == 0


@pytest.mark.long
def test_nothing_is_found_among_two_thousand_rows_that_nobody_touched(
    sandbox: Stages, tmp_path: Path
) -> None:
    stage = sandbox(orders=2000)
    stage.change(list="robosize-orders", insert=[FOREIGN])
    job = Job(tmp_path, stage).with_fitting(options={"data": "all"}).with_orders()
    assert job.run().code == 0
    clean = verify(job)
    assert clean.code == 0, clean.told
    assert clean.summary["routes"]["fitting"]["equal"] == clean.summary["routes"]["orders"]["equal"] == 2000
    assert clean.summary["routes"]["fitting"]["foreign"] == 1
    assert combined(job, "fitting") == {"=": 2000}


def rows_by_key(rows: list[Row]) -> dict[str, tuple[Any, Any]]:
    return {row["store_id"]: (row["id"], row["data"]) for row in rows}


def test_differences_of_lines_keys_and_rows_are_found_on_a_list_of_another_api(job: Job) -> None:
    job.with_orders()
    assert job.run().code == 0
    rows = job.stage.rows("external-orders")
    lines = copy.deepcopy(rows[0]["order_items"])
    lines[0]["quantity"] += 1
    change = {"list": "external-orders"}
    job.stage.change(**change, update={str(rows[0]["order_id"]): {"order_items": lines}})
    for row, key in ((rows[1], rows[2]["rrn"]), (rows[2], rows[1]["rrn"])):
        job.stage.change(**change, update={str(row["order_id"]): {"rrn": key}})
    job.stage.change(**change, delete=[str(rows[3]["order_id"])])
    job.stage.change(**change, insert=[{name: rows[4][name] for name in ("rrn", "shop", "order_items")}])

    ended = verify(job)
    assert ended.code == 4
    assert differing(ended, "orders") == {"missing": 1, "different": 3, "doubled": 1}, ended.told
    told = found(job, "orders")
    assert told[rows[1]["rrn"]]["fields"] == told[rows[2]["rrn"]]["fields"] == ["rrn"]
    assert all("quantity" in path for path in told[rows[0]["rrn"]]["fields"])
    totals = {line["name"]: line for line in ended.lines if line["type"] == "total"}
    assert totals["records"]["is_equal"], "one is missing, one is doubled"
    assert not totals["order_items[].quantity"]["is_equal"]

    mended = repair(job)
    assert "rows are deleted with --deletions alone" in mended.told
    assert differing(verify(job), "orders") == {"doubled": 1}
    assert repair(job, "--deletions", "--yes").code == 4
    doubles = [row for row in job.stage.rows("external-orders") if row["rrn"] == rows[4]["rrn"]]
    assert len(doubles) == 2, "this API deletes nothing, and nothing was taken away"


def test_totals_are_exact_and_by_status(job: Job) -> None:
    job.with_fitting()
    assert job.run().code == 0
    ended = verify(job)
    totals = {line["name"]: line for line in ended.lines if line["type"] == "total"}
    assert all(total["is_equal"] for total in totals.values())
    amounts = [Decimal(str(order["total_amount"])) for order in job.stage.orders]
    assert Decimal(totals["data.total_amount"]["source"]) == sum(amounts)
    paid = [order for order in job.stage.orders if order["payment_status"] == "paid"]
    assert totals["data.payment_status = paid"]["source"] == str(len(paid))
    by_status = totals["data.total_amount where data.payment_status = paid"]["target"]
    assert Decimal(by_status) == sum(Decimal(str(order["total_amount"])) for order in paid)
    not_comparable = next(line for line in ended.lines if line["type"] == "verified")["not_comparable"]
    assert "device_id: no row shows it" in not_comparable


def test_what_the_source_changed_since_is_stale_and_what_it_lost_is_extra(job: Job) -> None:
    job.with_fitting()
    assert job.run().code == 0
    changed, gone = job.stage.orders[4], job.stage.orders[6]
    kept_date = changed["total_amount"]
    job.stage.change(
        list="orders", update={str(changed["id"]): {"total_amount": "1.23"}}, delete=[str(gone["id"])]
    )
    try:
        ended = verify(job)
        assert ended.code == 4
        assert differing(ended, "fitting") == {"stale": 1, "extra": 1}, ended.told
        told = found(job, "fitting")
        assert told[str(changed["id"])]["outcome"] == "stale"
        assert "data.total_amount" in told[str(changed["id"])]["fields"]
        mended = repair(job)
        assert mended.code == 4
        assert job.stage.count("robosize", "PATCH order") == 0, "what delta brings over is not repair's work"
        left = repair(job, "--deletions", "--yes")
        assert (left.code, "bulkmove delta" in left.told) == (4, True), (
            "delta asks the source before it deletes"
        )
        assert str(gone["id"]) in {row["store_id"] for row in job.stage.rows("robosize-orders")}
        assert job.run("--deletions", "--yes", command="delta").code == 0
        keys = {row["store_id"] for row in job.stage.rows("robosize-orders")}
        assert str(gone["id"]) not in keys
        assert len(keys) == len(job.stage.orders) - 1
        assert verify(job).code == 0
    finally:
        job.stage.change(list="orders", update={str(changed["id"]): {"total_amount": kept_date}})
        job.stage.change(list="orders", insert=[gone])


def test_a_row_whose_record_delta_found_gone_is_told_and_no_difference(job: Job) -> None:
    """Where an API deletes nothing, it stays for good, and must not stand in the way of a go."""
    job.with_fitting().with_orders()
    assert job.run().code == 0
    gone = job.stage.orders[6]
    job.stage.change(list="orders", delete=[str(gone["id"])])
    try:
        assert job.run(command="delta").code == 0
        ended = verify(job)
        assert ended.code == 0, ended.told
        for name in ("orders", "fitting"):
            assert differing(ended, name) == {}
            assert ended.lines[-1]["routes"][name]["gone"] == 1
    finally:
        job.stage.change(list="orders", insert=[gone])


def test_rejected_and_skipped_records_are_not_looked_for(job: Job) -> None:
    text = """
from bulkmove.mapping.builtin.robosize_order import order_to_robosize_order

def order(record, context):
    number = int(float(record['id']))
    if number % 41 == 0:
        raise RejectRecordError('a test order', cause='test-order')
    return None if number % 43 == 0 else order_to_robosize_order(record, context)
"""
    job.with_mapper(text).with_fitting(mapper="mappers.py:order")
    assert job.run().code == 3
    ended = verify(job)
    assert ended.code == 0, ended.told
    line = next(line for line in ended.lines if line["type"] == "verified")
    assert set(line["expected_absent"]) == {"rejected", "skipped"}
    rejected = next(str(o["id"]) for o in job.stage.orders if int(float(o["id"])) % 41 == 0)
    job.with_mapper(text.replace("% 41", "% 9999999"))
    job.stage.change(list="robosize-orders", insert=[{"store_id": rejected, "data": {}}])
    there = verify(job)
    assert there.summary["routes"]["fitting"]["there_all_the_same"] == 1, there.told
    assert f"{rejected}: not written, by the ledger, and there all the same" in there.told


def test_a_self_route_is_held_against_what_was_written(job: Job) -> None:
    job.with_products()
    assert job.run().code == 0
    assert verify(job).code == 0
    row = job.stage.rows("robosize-products")[8]
    job.stage.change(list="robosize-products", update={str(row["id"]): {"store_id": "moved"}})
    ended = verify(job)
    assert differing(ended, "products") == {"different": 1}, ended.told
    assert found(job, "products")[str(row["id"])]["fields"] == ["store_id"]
    assert repair(job).code == 0
    assert verify(job).code == 0
    assert job.stage.rows("robosize-products")[8]["store_id"] == row["store_id"]


def test_of_rows_that_were_as_they_should_be_only_their_being_there_is_looked_for(job: Job) -> None:
    text = """
def relink(record, context):
    suffix = '-new' if int(record['id'], 36) % 2 else ''
    return {'id': record['id'], 'store_id': record['store_id'] + suffix}
"""
    job.with_mapper(text).with_products(mapper="mappers.py:relink")
    done = job.run()
    unchanged, written = done.counts("products")["unchanged"], done.counts("products")["written"]
    ended = verify(job)
    assert ended.code == 0, ended.told
    assert ended.summary["routes"]["products"]["not_kept"] == unchanged > 0
    assert ended.summary["routes"]["products"]["equal"] == written > 0
    assert all(line["is_equal"] for line in ended.lines if line["type"] == "total")
    same = next(row for row in job.stage.rows("robosize-products") if not row["store_id"].endswith("-new"))
    job.stage.change(list="robosize-products", delete=[str(same["id"])])
    assert differing(verify(job), "products") == {"missing": 1}
    left = repair(job)
    assert left.code == 4
    assert "left as they are" in left.told


def test_a_sample_says_what_it_lets_one_say_and_the_same_seed_takes_the_same_records(job: Job) -> None:
    job.with_fitting()
    assert job.run().code == 0
    job.stage.change(
        list="robosize-orders", update={str(r["id"]): {"data": {}} for r in Fitting(job.stage).rows[:30]}
    )
    before = job.stage.count("merchantpro")
    first = verify(job, "--sample", "20%", "--seed", "7")
    assert first.summary["is_sample"]
    seen = found(job, "fitting")
    line = next(line for line in first.lines if line["type"] == "verified")
    assert line["source"] == 24
    assert f"{len(seen)} of 24 differ" in line["confidence"]
    assert f"of {ORDERS} do" in line["confidence"]
    assert "sizing.orders can't be asked by ids" in first.told
    assert job.stage.count("merchantpro") - before == 1, "the source was asked by ids"
    again = verify(job, "--sample", "24", "--seed", "7")
    assert again.code == first.code
    assert found(job, "fitting") == seen
    verify(job, "--sample", "24", "--seed", "8")
    assert found(job, "fitting").keys() != seen.keys()
    mended = repair(job)
    assert mended.code == 0, mended.told
    assert job.stage.count("robosize", "PATCH order") == len(found(job, "fitting"))


def test_mismatch_files_are_private_and_hold_values_only_where_they_were_asked_for(job: Job) -> None:
    job.with_fitting(options={"data": "all"})
    assert job.run().code == 0
    fitting = Fitting(job.stage)
    spoilt = fitting.spoil(2, customer_email="planted@example.com")
    out = job.folder / "found"
    assert verify(job, "--out", str(out)).code == 4
    assert stat.S_IMODE(out.stat().st_mode) == 0o700
    for path in out.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert "planted@example.com" not in path.read_text(encoding="utf-8")
    assert (out / "fitting.differ").read_text(encoding="utf-8") == f"{spoilt}\n"
    assert not (out / "fitting.extra").exists()
    assert b"planted@example.com" not in job.ledger.read_bytes()
    assert verify(job, "--values").code == 4
    assert found(job, "fitting")[spoilt]["values"][0][1] == '"planted@example.com"'
    assert not working_file(job.ledger).exists()


class StopAfter:
    """An observer that ends the verification after so many pages."""

    def __init__(self, pages: int) -> None:
        self.stop = anyio.Event()
        self.left = pages

    def on_event(self, event: Event) -> None:
        if isinstance(event, RecordsRead):
            self.left -= 1
            if self.left == 0:
                self.stop.set()


def test_a_verification_that_was_stopped_goes_on_where_it_was(job: Job) -> None:
    job.with_fitting()
    assert job.run().code == 0
    Fitting(job.stage).spoil(100, total_amount="0.01")
    before = job.stage.count("merchantpro", "GET list")
    whole = verify(job)
    every = job.stage.count("merchantpro", "GET list") - before
    settings = load_migration(job.file)
    observer = StopAfter(1)
    stopped = anyio.run(lambda: verify_migration(settings, observer=observer, stop=observer.stop))
    assert stopped.exit_code == 130
    assert stat.S_IMODE(working_file(job.ledger).stat().st_mode) == 0o600
    read = job.stage.count("robosize", "GET orders")
    before = job.stage.count("merchantpro", "GET list")
    resumed = verify(job)
    assert "goes on with a verification that was cut off" in resumed.told
    assert job.stage.count("robosize", "GET orders") == read, "the target was not read again"
    assert job.stage.count("merchantpro", "GET list") - before < every
    assert resumed.summary == whole.summary
    assert [line for line in resumed.lines if line["type"] == "total"] == [
        line for line in whole.lines if line["type"] == "total"
    ]


def test_a_verification_that_was_killed_comes_to_the_same_result(job: Job) -> None:
    job.with_fitting(options={"data": "all"})
    assert job.run().code == 0
    plant(Fitting(job.stage))
    whole = verify(job)
    files = {path.name: path.read_text() for path in (job.folder / f"{job.name}.verify").iterdir()}
    job.hosts["old"]["rate"] = "8/s"
    job.hosts["old"]["burst"] = 1
    job.write()
    process = subprocess.Popen(
        [*COMMAND, "verify", str(job.file), "--json"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 30
        while not has_compared(working_file(job.ledger)):
            assert process.poll() is None
            assert time.monotonic() < deadline
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    del job.hosts["old"]["rate"]
    job.hosts["old"]["rate"] = "1000/s"
    resumed = verify(job)
    assert "goes on with a verification" in resumed.told
    assert resumed.summary == whole.summary
    assert {path.name: path.read_text() for path in (job.folder / f"{job.name}.verify").iterdir()} == files


def has_compared(path: Path) -> bool:
    if not path.exists():
        return False
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
            return connection.execute("SELECT 1 FROM compared LIMIT 1").fetchone() is not None
    except sqlite3.Error:
        return False


def test_a_repair_that_was_cut_off_goes_on(job: Job) -> None:
    job.with_fitting()
    assert job.run().code == 0
    fitting = Fitting(job.stage)
    spoilt = [fitting.spoil(place, total_amount="0.01") for place in range(40)]
    job.stage.change(list="robosize-orders", delete=[str(fitting.rows[50]["id"])])
    assert differing(verify(job), "fitting") == {"different": 40, "missing": 1}
    job.stage.add_fault("error-500", api="robosize", methods=["PATCH"])
    job.hosts["sizing"]["give_up_after_s"] = 0.3
    job.hosts["sizing"]["settle_s"] = 0.1
    cut = repair(job)
    assert cut.code == 5, cut.told
    job.stage.clear_faults()
    done = repair(job)
    assert done.code == 0, done.told
    again = repair(job)
    assert again.code == 0
    ended = verify(job)
    assert ended.code == 0, ended.told
    assert len(spoilt) == 40


def test_a_repair_that_was_killed_makes_no_row_twice(job: Job) -> None:
    job.with_fitting()
    assert job.run().code == 0
    fitting = Fitting(job.stage)
    for place in range(20):
        fitting.spoil(place, total_amount="0.01")
    job.stage.change(list="robosize-orders", delete=[str(row["id"]) for row in fitting.rows[20:60]])
    assert differing(verify(job), "fitting") == {"different": 20, "missing": 40}
    job.hosts["sizing"] |= {"rate": "50/s", "burst": 1, "settle_s": 0.1, "timeout_s": 1}
    job.write()
    before = job.stage.count("robosize", "POST orders")
    process = subprocess.Popen(
        [*COMMAND, "repair", str(job.file)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 30
        while job.stage.count("robosize", "POST orders") < before + 10:
            assert process.poll() is None
            assert time.monotonic() < deadline
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    job.hosts["sizing"] |= {"rate": "100000/s", "burst": 1000}
    done = repair(job)
    assert done.code == 0, done.told
    assert repair(job).code == 0
    ended = verify(job)
    assert ended.code == 0, ended.told
    assert ended.summary["routes"]["fitting"]["target"] == ORDERS


def test_a_row_that_somebody_made_again_meanwhile_is_not_made_twice(job: Job) -> None:
    job.with_fitting()
    assert job.run().code == 0
    row = Fitting(job.stage).rows[3]
    job.stage.change(list="robosize-orders", delete=[str(row["id"])])
    assert differing(verify(job), "fitting") == {"missing": 1}
    job.stage.change(list="robosize-orders", insert=[{"store_id": row["store_id"], "data": row["data"]}])
    before = job.stage.count("robosize", "POST orders")
    assert repair(job).code == 0
    assert job.stage.count("robosize", "POST orders") == before
    assert verify(job).code == 0


def test_a_host_that_fails_ends_it_with_5_and_the_next_goes_on(job: Job) -> None:
    job.with_fitting()
    assert job.run().code == 0
    job.hosts["old"]["give_up_after_s"] = 0.2
    job.stage.add_fault("error-500", api="merchantpro", methods=["GET"])
    failed = verify(job)
    assert failed.code == 5
    assert failed.summary == {"type": "verify-summary", "exit": 5, "is_sample": False, "routes": {}}
    job.stage.clear_faults()
    read = job.stage.count("robosize", "GET orders")
    assert verify(job).code == 0
    assert job.stage.count("robosize", "GET orders") == read, "the target was not read again"


def test_bodies_of_one_record_are_compared_one_by_one(job: Job) -> None:
    text = """
from bulkmove.mapping.builtin.robosize_order import order_to_robosize_order

def both(record, context):
    body = order_to_robosize_order(record, context)
    return [body | {'store_id': body['store_id'] + end} for end in ENDS]
"""
    job.with_mapper(text + "ENDS = ['-a', '-b']\n").with_fitting(mapper="mappers.py:both")
    assert job.run().code == 0
    clean = verify(job)
    assert clean.code == 0, clean.told
    assert clean.summary["routes"]["fitting"]["equal"] == 2 * ORDERS
    row = next(row for row in job.stage.rows("robosize-orders") if row["store_id"].endswith("-b"))
    job.stage.change(list="robosize-orders", delete=[str(row["id"])])
    assert differing(verify(job), "fitting") == {"missing": 1}
    lines = (job.folder / "job.verify" / "fitting.combined").read_text(encoding="utf-8").splitlines()
    assert f"- {row['store_id'].removesuffix('-b')}#2" in lines
    assert repair(job).code == 0
    assert verify(job).code == 0


def test_nothing_is_written_to_a_live_host_without_execute(job: Job) -> None:
    job.with_fitting()
    job.run()
    Fitting(job.stage).spoil(1, total_amount="0.01")
    job.hosts["sizing"]["live"] = True
    assert verify(job).code == 4
    held = repair(job)
    assert "dry run: sizing is live" in held.told
    assert job.stage.count("robosize", "PATCH order") == 0
    assert repair(job, "--execute").code == 0
    assert job.stage.count("robosize", "PATCH order") == 1


def test_a_file_is_held_against_its_source_row_by_row(job: Job) -> None:
    (job.folder / "there").mkdir()
    job.hosts["disk"] = {"api": "files", "url": str(job.folder / "there")}
    job.routes["stage"] = {
        "source": "old.orders",
        "target": "disk.orders",
        "mapper": "mappers.py:as_it_is",
    }
    job.with_mapper("def as_it_is(record, context):\n    return record\n")
    done = job.run()
    assert done.code == 0, done.told
    assert verify(job).code == 0
    (path,) = [each for each in (job.folder / "there").iterdir() if each.name.startswith("orders.")]
    lines = path.read_bytes().splitlines()
    spoilt = json.loads(lines[3])
    spoilt["total_amount"] = "0.01"
    path.write_bytes(b"\n".join([*lines[:2], json.dumps(spoilt).encode(), *lines[4:], lines[5]]) + b"\n")
    ended = verify(job)
    assert differing(ended, "stage") == {"missing": 1, "different": 1, "doubled": 1}, ended.told
    left = repair(job)
    assert left.code == 4
    assert "can't be changed in its place" in left.told


def test_a_merchantpro_shop_as_the_target_shows_a_shifted_hour_and_a_lost_letter(job: Job) -> None:
    (job.folder / "here").mkdir()
    orders = [
        {
            "id": str(number),
            "channel_ref_id": f"moved-{number}",
            "date_created": "2024-03-05T10:20:30+02:00",
            "customer_email": "a@example.com",
            "billing_name": "Ștefan Țăruș",
            "line_items": [{"product_id": 1, "quantity": 1, "unit_price_gross": "10.50"}],
        }
        for number in range(1, 41)
    ]
    lines = "\n".join(json.dumps(order) for order in orders)
    (job.folder / "here" / "orders.jsonl").write_text(lines + "\n", encoding="utf-8")
    job.hosts["disk"] = {"api": "files", "url": str(job.folder / "here")}
    job.with_mapper("def back(record, context):\n    return {k: v for k, v in record.items() if k != 'id'}\n")
    job.routes["back"] = {
        "source": "disk.orders",
        "target": "old.orders",
        "mapper": "mappers.py:back",
        "check_bodies": False,
    }
    try:
        done = job.run()
        assert done.code == 0, done.told
        clean = verify(job)
        assert clean.code == 0, clean.told
        rows = {
            r["channel_ref_id"]: str(r["id"])
            for r in job.stage.rows("orders")
            if str(r.get("channel_ref_id", "")).startswith("moved-")
        }
        hour = {"date_created": "2024-03-05T11:20:30+02:00"}
        letter = {"billing_name": "Stefan Țăruș"}
        job.stage.change(list="orders", update={rows["moved-3"]: hour, rows["moved-5"]: letter})
        ended = verify(job)
        told = found(job, "back")
        assert {name: line["fields"] for name, line in told.items()} == {
            "3": ["date_created"],
            "5": ["billing_name"],
        }, ended.told
        assert repair(job).code == 0
        assert verify(job).code == 0
    finally:
        mine = [
            r["id"] for r in job.stage.rows("orders") if str(r.get("channel_ref_id", "")).startswith("moved-")
        ]
        job.stage.change(list="orders", delete=[str(each) for each in mine])


def test_what_there_is_nothing_to_do_with_is_said(job: Job) -> None:
    job.with_fitting()
    assert verify(job).code == 2
    assert repair(job).code == 2
    assert job.run().code == 0
    unverified = repair(job)
    assert unverified.code == 2
    assert "nothing was verified yet" in unverified.told
    bad = verify(job, "--sample", "some")
    assert bad.code == 2
    assert bad.summary["type"] == "verify-summary"
    assert "--sample 0: must be at least 1" in verify(job, "--sample", "0").stderr
    assert invoke("verify", str(job.file), "--json", "--nonsense").summary == {
        "type": "verify-summary",
        "exit": 2,
        "is_sample": False,
        "routes": {},
    }


@pytest.mark.parametrize("limit", ["100"])
def test_what_was_not_moved_yet_is_new(job: Job, limit: str) -> None:
    job.with_fitting()
    job.run("--limit", limit)
    ended = verify(job)
    assert ended.code == 4
    assert differing(ended, "fitting") == {"new": ORDERS - 100}, ended.told
    assert "is not finished" in ended.told
