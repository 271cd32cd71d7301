"""A shop's orders read along their dates while its host lies and its list moves: all that stood is read, or it is named."""

from __future__ import annotations

import os
import re
import sqlite3
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from bulkmove.sandbox.list_faults import CLOCK_OFF_S, is_hidden
from tests.integration.moving import COMMAND, Ended, Job, Stage, stage

ORDERS = 900


@pytest.fixture(scope="module")
def shop() -> Iterator[Stage]:
    """Nine pages, no second of which holds more than a few orders; ids such as 95750870.3 are among them."""
    with stage(orders=ORDERS, products=20) as made:
        yield made


@pytest.fixture(scope="module")
def crowded() -> Iterator[Stage]:
    """One second holds 150 to 250 orders, in another order each time."""
    with stage(orders=1000, products=20) as made:
        yield made


def reading(folder: Path, at: Stage, **host: Any) -> Job:
    """Reads all orders. Nothing is written: what is read stands in the ledger."""
    job = Job(folder, at).with_mapper("def none(record, context):\n    return None\n")
    job.routes["orders"] = {"source": "old.orders", "target": "sizing.orders", "mapper": "mappers.py:none"}
    job.hosts["old"].update(host)
    return job


def dated(rows: list[dict[str, Any]]) -> dict[str, str]:
    return {str(row["id"]): row["date_created"] for row in rows}


def ids_read(job: Job) -> set[str]:
    with closing(sqlite3.connect(job.ledger)) as ledger:
        return {row[0] for row in ledger.execute("SELECT source_id FROM records")}


def stood(before: Mapping[str, str], after: Mapping[str, str]) -> set[str]:
    """The orders that were there, with one date, from start to end."""
    return {order_id for order_id, date in before.items() if after.get(order_id) == date}


@dataclass(frozen=True)
class Case:
    """`named`: what an end with 5 says, where that is an end that may be; `must_end`: it has to be that one."""

    name: str
    fault: str | None = None
    share: float = 1.0
    moves: Mapping[str, Any] | None = None
    named: str | None = None
    must_end: bool = False
    host: Mapping[str, Any] = field(default_factory=dict)


ONE_READER = {"concurrency": 1}
UNSORTED = "not sorted by the list's key"
UNFILTERED = "the filter by date takes no effect"
CASES = [
    Case("at rest"),
    Case("inserts", moves={"each": 3, "kinds": ["insert"]}),
    Case("deletions", moves={"each": 6, "kinds": ["delete"]}),
    Case("deletions one reader", moves={"each": 6, "kinds": ["delete"]}, host=ONE_READER),
    Case("rows dated anew", moves={"each": 4, "kinds": ["redate"]}),
    Case("rows touched", moves={"each": 20, "kinds": ["touch"]}),
    Case("all moves", moves={"each": 5}),
    Case("all moves for a while", moves={"each": 10, "until": 12}),
    Case("all moves one reader", moves={"each": 5}, host=ONE_READER),
    Case("count too high", "count-high"),
    Case("count too low", "count-low"),
    Case("count changing", "count-odd"),
    Case("no count", "count-none"),
    Case("ends early", "ends-early"),
    Case("pages cut short", "clamped-page"),
    Case("pages cut short now and then", "clamped-page", 0.5),
    Case("rows dropped in every page", "dropped-rows", named="rows left out|leaves out a row"),
    Case("rows dropped now and then", "dropped-rows", 0.4),
    Case("rows never shown", "hidden-rows"),
    Case("rows doubled", "doubled-rows"),
    Case("ignored offset", "ignored-offset"),
    Case("ignored filter", "ignored-filter", named=UNFILTERED, must_end=True),
    Case("ignored sort", "ignored-sort", named=UNSORTED, must_end=True),
    Case("pages in no order", "unsorted-page", named=UNSORTED, must_end=True),
    Case("a page in no order now and then", "unsorted-page", 0.2, named=UNSORTED),
    Case("the same page for ever", "same-page", named=UNFILTERED, must_end=True),
    Case("empty pages now and then", "empty-page", 0.3),
    Case("empty pages for ever", "empty-page", named="pages came back empty", must_end=True),
    Case("next null everywhere", "next-null"),
    Case("next null now and then", "next-null", 0.5),
    Case("no next", "next-none"),
    Case("the clock of the host ahead", "date-ahead"),
    Case("the clock of the host behind", "date-behind"),
    Case("no date", "date-none"),
]
DISAGREED = r"second \d+ \(since 1970\) holds a page of rows or more"
CROWDED_CASES = [
    Case("at rest"),
    Case("moves for a while", moves={"each": 5, "until": 20}),
    Case("moves for ever", moves={"each": 5}, named=DISAGREED),
    Case("count too high", "count-high", named=DISAGREED),
    Case("no count", "count-none"),
    Case("pages cut short", "clamped-page"),
    Case("rows dropped now and then", "dropped-rows", 0.3, named=DISAGREED + "|rows left out"),
    Case("rows never shown", "hidden-rows", named=DISAGREED),
    Case("ignored offset", "ignored-offset", named="offsets take no effect in second", must_end=True),
    Case("next null everywhere", "next-null"),
    Case("ends early", "ends-early", named=DISAGREED),
]


def by_name(case: Case) -> str:
    return case.name.replace(" ", "-")


@pytest.mark.parametrize("case", CASES, ids=by_name)
def test_what_stood_throughout_is_read_or_the_list_is_named(case: Case, shop: Stage, tmp_path: Path) -> None:
    _run(case, shop, tmp_path)


@pytest.mark.parametrize("case", CROWDED_CASES, ids=by_name)
def test_a_second_of_hundreds_of_orders_is_read_or_named(case: Case, crowded: Stage, tmp_path: Path) -> None:
    _run(case, crowded, tmp_path)


def _run(case: Case, at: Stage, folder: Path) -> None:
    before = restored(at)
    if case.fault is not None:
        at.add_fault(case.fault, share=case.share, api="merchantpro")
    if case.moves is not None:
        at.add_move(list="orders", **case.moves)
    job = reading(folder, at, **case.host)
    ended = job.run()
    at.clear_moves()
    rows = at.rows("orders")
    hidden = {str(row["id"]) for row in rows if is_hidden(row)} if case.fault == "hidden-rows" else set()
    _judge(case, ended, stood(before, dated(rows)) - hidden, job)


def _judge(case: Case, ended: Ended, wanted: set[str], job: Job) -> None:
    if ended.code == 5:
        assert case.named is not None, ended.told
        assert re.search(f"route orders: reading old.orders: .*({case.named})", ended.told), ended.told
        return
    assert ended.code == 0, ended.told
    assert not case.must_end, ended.told
    missing = wanted - ids_read(job)
    assert not missing, (
        f"{len(missing)} of {len(wanted)} orders that stood were not read: {sorted(missing)[:5]}"
    )


def restored(shop: Stage) -> dict[str, str]:
    """Put back what was deleted or dated anew, so that each case begins with the same list: its ids and dates."""
    shop.clean()
    before, now = dated(shop.orders), dated(shop.rows("orders"))
    shop.change(
        list="orders",
        insert=[
            {"id": row["id"], "date_created": row["date_created"]}
            for row in shop.orders
            if str(row["id"]) not in now
        ],
        update={
            order_id: {"date_created": before[order_id]}
            for order_id, date in now.items()
            if order_id in before and date != before[order_id]
        },
    )
    return before


def at_date(epoch_s: float) -> str:
    return datetime.fromtimestamp(epoch_s, UTC).isoformat(timespec="seconds")


def test_a_host_whose_clock_is_behind_its_orders_loses_none(shop: Stage, tmp_path: Path) -> None:
    before = restored(shop)
    now = time.time()
    dates = [at_date(now - CLOCK_OFF_S + ahead_s) for ahead_s in (-3600, 3600, 7200)]
    made = shop.change(list="orders", insert=[{"date_created": date} for date in dates])["inserted"]
    shop.add_fault("date-behind", api="merchantpro")
    job = reading(tmp_path, shop)
    ended = job.run()
    assert ended.code == 0, ended.told
    assert ids_read(job) == {*before, *map(str, made)}
    assert any("one of them is off" in note for note in ended.notes)
    assert any("are dated up to" in note and "they are read too" in note for note in ended.notes)


def test_orders_dated_ahead_are_read_and_told(shop: Stage, tmp_path: Path) -> None:
    before = restored(shop)
    ahead = [{"date_created": date} for date in ("2031-05-05T10:00:00+03:00", "2099-12-31T23:59:59+02:00")]
    made = shop.change(list="orders", insert=ahead)["inserted"]
    job = reading(tmp_path, shop)
    ended = job.run()
    assert ended.code == 0, ended.told
    assert ids_read(job) == {*before, *map(str, made)}
    assert any("are dated up to 2099-12-31 21:59:59 UTC" in note for note in ended.notes)


@pytest.mark.parametrize("off_s", [-9 * 3600, 9 * 3600])
def test_a_machine_whose_clock_is_off_reads_all_there_is(shop: Stage, tmp_path: Path, off_s: int) -> None:
    before = restored(shop)
    now = time.time()
    made = shop.change(list="orders", insert=[{"date_created": at_date(now - 7200)}])["inserted"]
    (tmp_path / "sitecustomize.py").write_text(
        f"import time\nreal = time.time\ntime.time = lambda: real() + {off_s}\n", encoding="utf-8"
    )
    job = reading(tmp_path, shop)
    done = subprocess.run(
        [*COMMAND, "run", str(job.write())],
        capture_output=True,
        check=False,
        text=True,
        timeout=50,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "one of them is off" in done.stdout + done.stderr
    assert ids_read(job) == {*before, *map(str, made)}


# Both sides of the hour that comes twice, 2023-10-29 03:00 to 04:00 in Bucharest, and of the one that does not come.
TURNS = [1_698_536_400 + 600 * step for step in range(-12, 18)] + [
    1_679_788_800 + 600 * step for step in range(-6, 6)
]


@pytest.mark.parametrize("dates", ["zoned", "naive"])
def test_orders_of_the_hours_when_clocks_change_are_read_or_named(dates: str, tmp_path: Path) -> None:
    with stage(orders=120, products=5, dates=dates) as at:
        texts = [_shop_text(second, dates) for second in TURNS]
        at.change(list="orders", insert=[{"date_created": text} for text in texts])
        wanted = set(dated(at.rows("orders")))
        for readers in (1, 4):
            folder = tmp_path / str(readers)
            folder.mkdir()
            job = reading(folder, at, timezone="Europe/Bucharest", concurrency=readers)
            ended = job.run()
            if ended.code == 5:
                assert dates == "naive", ended.told
                assert re.search("not sorted|takes no effect", ended.told), ended.told
                continue
            assert ended.code == 0, ended.told
            assert ids_read(job) == wanted


def _shop_text(second: int, dates: str) -> str:
    moment = datetime.fromtimestamp(second, ZoneInfo("Europe/Bucharest"))
    if dates == "utc":
        return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return moment.isoformat() if dates == "zoned" else moment.replace(tzinfo=None).isoformat()


def test_a_restart_with_deletions_and_inserts_in_between_loses_nothing(shop: Stage, tmp_path: Path) -> None:
    before = restored(shop)
    job = reading(tmp_path, shop, concurrency=2)
    ids = [order_id for order_id, _ in sorted(before.items(), key=lambda item: item[1])]
    assert job.run("--limit", "250").code == 0
    read = ids_read(job)
    behind, ahead = sorted(read)[:40], [order_id for order_id in ids if order_id not in read][::7]
    dates = [before[order_id] for order_id in (*ids[3:6], *ids[-6:-3])]
    shop.change(list="orders", delete=[*behind, *ahead], insert=[{"date_created": date} for date in dates])
    assert job.run("--limit", "200").code == 0
    shop.change(list="orders", delete=sorted(ids_read(job) - read)[:30])
    ended = job.run()
    assert ended.code == 0, ended.told
    assert stood(before, dated(shop.rows("orders"))) <= ids_read(job)
    assert not set(ahead) & ids_read(job)
