"""What left the source while it was read is named: in the run's notes, in the ledger, by `status`; never guessed."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import orjson
import pytest

from bulkmove.sandbox.list_faults import is_hidden
from tests.integration.moving import Job, Stage, Stages, stage

ROWS = 300
NONE = "def none(record, context):\n    return None\n"
PAGES_OF_60 = {
    "orders": 5,
    "products": ROWS,
    "targets_existing": ROWS,
    "external_max_size": 60,
    "robosize_max_limit": 60,
}


def asked(job: Job, question: str) -> list[Any]:
    with closing(sqlite3.connect(job.ledger)) as ledger:
        return ledger.execute(question).fetchall()


def gone(job: Job) -> set[str]:
    return {row[0] for row in asked(job, "SELECT source_id FROM gone WHERE run > 0")}


def external(folder: Path, sandbox: Stages) -> Job:
    job = Job(folder, sandbox(**PAGES_OF_60)).with_mapper(NONE)
    job.routes["orders"] = {"source": "new.orders", "target": "sizing.orders", "mapper": "mappers.py:none"}
    return job


def products(folder: Path, sandbox: Stages) -> Job:
    """A list that is source and target."""
    job = Job(folder, sandbox(**PAGES_OF_60)).with_products(mapper="mappers.py:none")
    return job.with_mapper(
        "def none(record, context):\n    return {'id': record['id'], 'name': 'x'} if record['id'].endswith('7') else None\n"
    )


def noted(job: Job) -> list[str]:
    """What `status` tells beside the numbers."""
    lines = job.run(command="status").lines
    assert lines[-1]["type"] == "summary"
    return [line["text"] for line in lines[:-1]]


def test_rows_deleted_behind_the_reader_are_named(tmp_path: Path, sandbox: Stages) -> None:
    job = external(tmp_path, sandbox)
    ids = [str(row["order_id"]) for row in job.stage.rows("external-orders")]
    early = ids[3:9]
    job.stage.add_move(list="external-orders", after=4, change={"delete": early})
    ended = job.run()
    assert ended.code == 0, ended.told
    assert gone(job) == set(early)
    (note,) = ended.notes
    shown = ", ".join(sorted(early)[:5])
    assert note == (
        f"route orders: 6 records left new.orders ({shown} and 1 more) after they were read; they move as they were"
    )
    assert noted(job) == [f"route orders: 6 records left new.orders ({shown} and 1 more) while it was read"]
    assert job.run().code == 0, "a run that finds nothing to do says no more of it"


def test_rows_deleted_before_the_reader_came_are_not_told_of(tmp_path: Path, sandbox: Stages) -> None:
    job = external(tmp_path, sandbox)
    job.hosts["new"]["concurrency"] = 1
    last = [str(row["order_id"]) for row in job.stage.rows("external-orders")][-5:]
    job.stage.add_move(list="external-orders", after=1, change={"delete": last})
    ended = job.run()
    assert ended.code == 0, ended.told
    assert ended.notes == noted(job) == []
    assert not gone(job)


def test_rows_deleted_between_two_runs_are_named(tmp_path: Path, sandbox: Stages) -> None:
    job = external(tmp_path, sandbox)
    assert job.run("--limit", "100").code == 0
    read = sorted(row[0] for row in asked(job, "SELECT source_id FROM records"))
    assert len(read) == 100
    job.stage.change(list="external-orders", delete=read[:3])
    assert noted(job) == [], "nobody looked yet"
    ended = job.run()
    assert ended.code == 0, ended.told
    assert gone(job) == set(read[:3])
    assert f"3 records left new.orders ({', '.join(read[:3])}) after they were read" in ended.notes[0]


def test_rows_that_go_before_they_are_mapped_are_skipped_and_named(tmp_path: Path, sandbox: Stages) -> None:
    job = products(tmp_path, sandbox)
    ids = [str(row["id"]) for row in job.stage.products]
    job.stage.add_move(list="robosize-products", after=6, change={"delete": ids[10:12]})
    ended = job.run()
    assert ended.code == 0, ended.told
    assert gone(job) == set(ids[10:12])
    assert "before they were mapped; they are skipped, cause gone-at-source" in ended.notes[0]
    assert ended.counts("products")["read"] == ROWS
    assert {
        row[0] for row in asked(job, "SELECT source_id FROM records WHERE cause = 'gone-at-source'")
    } == set(ids[10:12])


def test_a_reading_begun_anew_names_what_the_first_one_saw(tmp_path: Path, sandbox: Stages) -> None:
    job = products(tmp_path, sandbox)
    job.stage.add_move(list="robosize-products", each=3, kinds=["insert"])
    ended = job.run()
    assert ended.code == 5, "it never came to rest"
    job.stage.clear_moves()
    ids = [str(row["id"]) for row in job.stage.products]
    job.stage.change(list="robosize-products", delete=ids[20:24])
    ended = job.run()
    assert ended.code == 0, ended.told
    assert gone(job) == set(ids[20:24])
    counts = ended.counts("products")
    assert counts["read"] == len(job.stage.rows("robosize-products")) + 4
    assert f"4 records left sizing.products ({', '.join(ids[20:24])})" in ended.notes[0]
    assert noted(job)


@pytest.mark.parametrize("between", ["nothing", "four rows less"])
def test_a_file_that_lost_rows_between_two_runs_is_told(
    tmp_path: Path, sandbox: Stages, between: str
) -> None:
    is_begun = between != "nothing"
    job = Job(tmp_path, sandbox()).with_mapper(NONE)
    (tmp_path / "in").mkdir()
    file = tmp_path / "in" / "orders.jsonl"
    job.hosts["disk"] = {"api": "files", "url": str(tmp_path / "in")}
    job.routes["orders"] = {"source": "disk.orders", "target": "sizing.orders", "mapper": "mappers.py:none"}
    rows = [{"id": str(number)} for number in range(700)]
    file.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
    if is_begun:
        assert job.run("--limit", "500").code == 0
        file.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows[4:]))
    ended = job.run()
    assert ended.code == 0, ended.told
    assert ended.counts("orders") == {"read": 700, "skipped": 700}
    assert gone(job) == ({"0", "1", "2", "3"} if is_begun else set())
    assert len(ended.notes) == int(is_begun)


@pytest.fixture(scope="module")
def shop() -> Iterator[Stage]:
    """Orders that are read along their dates, in eight pages."""
    with stage(orders=800, products=5) as made:
        yield made


def orders(folder: Path, shop: Stage) -> Job:
    shop.clean()
    job = Job(folder, shop).with_mapper(NONE)
    job.hosts["old"]["concurrency"] = 1
    job.routes["orders"] = {"source": "old.orders", "target": "sizing.orders", "mapper": "mappers.py:none"}
    return job


def by_date(shop: Stage) -> list[str]:
    return [str(row["id"]) for row in shop.rows("orders")]


def test_orders_deleted_behind_the_reader_are_named(shop: Stage, tmp_path: Path) -> None:
    job = orders(tmp_path, shop)
    ids = by_date(shop)
    lost = [ids[10], ids[11], ids[250]]
    shop.add_move(list="orders", after=9, change={"delete": [*lost, ids[-1]]})
    ended = job.run()
    assert ended.code == 0, ended.told
    assert gone(job) == set(lost)
    assert ended.notes == [
        f"route orders: 3 records left old.orders ({', '.join(sorted(lost))}) after they were read; they move as they were"
    ]
    assert len(noted(job)) == 1


def test_an_order_that_comes_behind_the_reader_is_read_too(shop: Stage, tmp_path: Path) -> None:
    job = orders(tmp_path, shop)
    rows = shop.rows("orders")
    dates = [{"date_created": rows[5]["date_created"]}, {"date_created": rows[200]["date_created"]}]
    moved = str(rows[-3]["id"])
    shop.add_move(list="orders", after=9, change={"insert": dates})
    shop.add_move(
        list="orders",
        after=12,
        change={"update": {str(rows[500]["id"]): {"date_created": rows[300]["date_created"]}}},
    )
    ended = job.run()
    assert ended.code == 0, ended.told
    read = {row[0] for row in asked(job, "SELECT source_id FROM records")}
    assert read == set(by_date(shop))
    assert moved in read
    assert not gone(job), "an order that is dated anew is still there"
    assert any(
        "2 records of old.orders came, or were dated anew, where it was read already" in note
        for note in ended.notes
    )


def test_orders_that_are_counted_and_not_shown_are_told(shop: Stage, tmp_path: Path) -> None:
    job = orders(tmp_path, shop)
    shop.add_fault("hidden-rows", api="merchantpro")
    hidden = [row for row in shop.rows("orders") if is_hidden(row)]
    ended = job.run()
    assert ended.code == 0, ended.told
    assert ended.counts("orders")["read"] == len(by_date(shop)) - len(hidden)
    assert any(" that it does not show; they can't be read" in note for note in ended.notes)
    assert not gone(job)


def test_what_a_resume_did_not_read_itself_is_not_guessed_at(shop: Stage, tmp_path: Path) -> None:
    job = orders(tmp_path, shop)
    assert job.run("--limit", "300").code == 0
    ids = by_date(shop)
    shop.change(list="orders", delete=ids[5:8])
    shop.add_move(list="orders", after=4, change={"delete": [ids[450], ids[451]]})
    ended = job.run()
    assert ended.code == 0, ended.told
    assert gone(job) == {ids[450], ids[451]}


def test_a_quiet_list_takes_one_request_to_compare(shop: Stage, tmp_path: Path) -> None:
    job = orders(tmp_path, shop)
    ended = job.run()
    assert ended.code == 0, ended.told
    assert ended.notes == []
    pages = -(-len(by_date(shop)) // 100)
    assert shop.count("merchantpro") <= pages + 9
