"""A delta is killed at its n-th I/O boundary, and what comes after it goes on: none lost, none doubled, none wrong."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.crash.boundaries import Deed
from tests.crash.delta_forks import Forks, forks
from tests.integration.moving import Job, Stage, by, stage, without_writes

# How many points of each kind are struck; all of them with BULKMOVE_DELTA_POINTS=1000.
_POINTS = int(os.environ.get("BULKMOVE_DELTA_POINTS", "5"))
_TERMINATED = 128 + signal.SIGTERM
pytestmark = pytest.mark.timeout(60 + 5 * _POINTS)
_STATUSES = ("paid", "refunded", "awaiting", "failed")


@pytest.fixture(scope="module")
def shop() -> Iterator[Stage]:
    with stage(orders=24, products=20) as running:
        yield running


@pytest.fixture
def command(tmp_path: Path) -> Iterator[Forks]:
    with forks(tmp_path) as running:
        yield running


def _dated(ago_s: float) -> dict[str, Any]:
    return {"date_created": datetime.fromtimestamp(time.time() - ago_s, UTC).isoformat(timespec="seconds")}


def _begin(job: Job, command: Forks) -> None:
    """A migration that was run to its end, of a shop that has its targets empty."""
    job.stage.clean()
    here = {str(row["id"]) for row in job.stage.rows("orders")}
    job.stage.change(insert=[row for row in without_writes(job.stage.orders) if str(row["id"]) not in here])
    for file in job.folder.glob("*.ledger.db*"):
        file.unlink()
    job.write()
    done = command.run("run", "migration.toml", "--quiet")
    assert done.code == 0, done.said


def _move_orders(shop: Stage, turn: int) -> str:
    """New ones, some of them dated back; changed ones; one that is gone. Returns the id of that one."""
    rows = shop.rows("orders")
    ids = [str(row["id"]) for row in rows]
    status = _STATUSES[turn % len(_STATUSES)]
    changed = {each: {"payment_status": status, "shipping_status": "returned"} for each in ids[2:14:3]}
    shop.change(
        insert=[_dated(60), _dated(90), _dated(86_400 * 3)], update=changed, touch=[ids[1]], delete=[ids[0]]
    )
    return ids[0]


def _spread(most: int) -> list[int]:
    """So many points of a command of `most` boundaries, evenly."""
    count = min(_POINTS, most)
    return sorted({1 + (most - 1) * number // max(1, count - 1) for number in range(count)})


def _strike(command: Forks, number: int, turn: int) -> None:
    """Kill a delta at a boundary, or every third time ask it to end there."""
    deed: Deed = "terminate" if turn % 3 == 2 else "kill"
    struck = command.run("delta", "migration.toml", "--quiet", number=number, deed=deed)
    assert struck.code in {0, _TERMINATED, -signal.SIGKILL}, struck.said


def _go_on(command: Forks, first: str) -> None:
    """What a person does after a crash: the same again, or a run, until all is done."""
    done = command.run(first, "migration.toml", "--quiet")
    assert done.code == 0, done.said
    if first != "delta":
        done = command.run("delta", "migration.toml", "--quiet")
        assert done.code == 0, done.said


def _check_orders(job: Job, gone: str) -> None:
    """Each order is at the target once, field by field; the one that is gone is as it was."""
    sources = {str(row["id"]) for row in job.stage.rows("orders")}
    rows = by(without_writes(job.stage.rows("external-orders")), "rrn")
    assert rows.keys() == sources | {gone}
    left = rows.pop(gone)
    job.stage.change(list="external-orders", delete=[str(left["order_id"])])
    job.check_all_equal()


def test_a_delta_of_orders_is_killed_at_any_point(shop: Stage, tmp_path: Path, command: Forks) -> None:
    job = Job(tmp_path, shop).with_orders(batch_size=3)
    _begin(job, command)
    gone = _move_orders(shop, 0)
    whole = command.run("delta", "migration.toml", "--quiet")
    assert whole.code == 0, whole.said
    _check_orders(job, gone)
    for turn, number in enumerate(_spread(len(whole.passed)), start=1):
        print("point", number, "of", len(whole.passed))  # noqa: T201  shown where a point fails
        _begin(job, command)
        gone = _move_orders(shop, turn)
        _strike(command, number, turn)
        _go_on(command, ("delta", "run")[turn % 2])
        _check_orders(job, gone)


def test_a_delta_of_a_self_route_is_killed_at_any_point(shop: Stage, tmp_path: Path, command: Forks) -> None:
    job = Job(tmp_path, shop).with_products()
    _begin(job, command)
    was = by(without_writes(shop.products), "id")
    for number in [0, *_spread(_length_of_products(job, command, was))]:
        _begin(job, command)
        _move_products(shop, was)
        _strike(command, number, number)
        _go_on(command, ("delta", "run")[number % 2])
        _check_products(shop, was)


def _length_of_products(job: Job, command: Forks, was: dict[str, Any]) -> int:
    _move_products(job.stage, was)
    whole = command.run("delta", "migration.toml", "--quiet")
    assert whole.code == 0, whole.said
    _check_products(job.stage, was)
    return len(whole.passed)


def _move_products(shop: Stage, was: dict[str, Any]) -> None:
    """Some put back to the old shop's numbers by somebody, one new, one gone."""
    ids = list(was)
    back = {each: {"store_id": was[each]["store_id"]} for each in ids[:6]}
    fresh = {**was[ids[0]], "id": 9_000_001}
    shop.change(list="robosize-products", update=back, insert=[fresh], delete=[ids[-1]])


def _check_products(shop: Stage, was: dict[str, Any]) -> None:
    numbers = shop.ids()
    rows = by(without_writes(shop.rows("robosize-products")), "id")
    expected = {**{each: was[each] for each in list(was)[:-1]}, "9000001": was[next(iter(was))]}
    assert rows.keys() == expected.keys()
    for each, row in expected.items():
        old = str(row["store_id"])
        assert str(rows[each]["store_id"]) == str(numbers.get(old, old)), f"product {each}"


def test_deletions_are_killed_at_any_point(shop: Stage, tmp_path: Path, command: Forks) -> None:
    job = Job(tmp_path, shop).with_fitting()
    arguments = ("delta", "migration.toml", "--quiet", "--deletions", "--yes")
    _begin(job, command)
    shop.change(delete=_some(shop))
    whole = command.run(*arguments)
    assert whole.code == 0, whole.said
    _check_fitting(shop)
    first = next(place for place, name in enumerate(whole.passed, start=1) if name.startswith("DELETE"))
    for turn, number in enumerate(_spread(len(whole.passed) - first + 1)):
        _begin(job, command)
        shop.change(delete=_some(shop))
        deed: Deed = "terminate" if turn % 3 == 2 else "kill"
        struck = command.run(*arguments, number=first + number - 1, deed=deed)
        assert struck.code in {0, _TERMINATED, -signal.SIGKILL}, struck.said
        done = command.run(*arguments)
        assert done.code == 0, done.said
        _check_fitting(shop)
        sent = shop.count("robosize")
        done = command.run("delta", "migration.toml", "--quiet")
        assert done.code == 0, done.said
        assert shop.count("robosize") == sent, "nothing is left to be done"


def _some(shop: Stage) -> list[str]:
    return [str(order["id"]) for order in shop.orders][3:9]


def _check_fitting(shop: Stage) -> None:
    rows = by(shop.rows("robosize-orders"), "store_id")
    assert rows.keys() == {str(row["id"]) for row in shop.rows("orders")}
