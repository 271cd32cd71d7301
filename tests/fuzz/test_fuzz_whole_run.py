"""Whole runs over odd rows, at the source and on the target: each row ends in an outcome, and costs no other row its own."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.fuzz.odd_hosts import ORDER
from tests.fuzz.odd_json import (
    DEPTHS,
    NUMBERS,
    TEXTS,
    Text,
    deep,
    doubled,
    places,
    replaced,
    without,
    written,
)
from tests.integration.moving import Row, invoke, toml
from tests.integration.odd_host import Answer, odd_host, shop

ROWS = 90
_ODD: tuple[Any, ...] = (
    *map(Text, NUMBERS), *TEXTS, None, True, [], {}, [[]], [None], {"": None}, {"\ud800": 1}, {"a": {"b": [1, "\udfff"]}},
    *(deep(depth, "[") for depth in DEPTHS[:3]), *(deep(depth, "{") for depth in DEPTHS[:3]),
)  # fmt: skip
# By them the list is read: what a host does with them costs the list, and is told.
_SHOWN_BY = ("date_created",)


def odd_rows(chance: random.Random) -> list[str]:
    """Orders with one thing broken in each; some can't be named, and some are no orders at all."""
    rows = []
    for number in range(ROWS):
        order = {**ORDER, "id": str(number), "date_created": _date(number)}
        at = chance.choice([place for place in places(order)[1:] if place[0] not in _SHOWN_BY])
        odd = chance.choice([each for each in _ODD if at != ("id",) or each != "0"])  # another order's id
        match number % 4:
            case 0:
                spoilt = without(order, at)
            case 1:
                spoilt = doubled(order, at, odd)
            case _:
                spoilt = replaced(order, at, odd)
        rows.append(written(spoilt))
    return rows


def _date(number: int) -> str:
    return (datetime(2024, 1, 1, tzinfo=UTC) + timedelta(minutes=number)).isoformat()


def sizing(rows: list[str], created: list[bytes]) -> Any:
    """A Robosize whose list of orders holds odd rows, and takes whatever is created."""

    def answer(method: str, _target: str, body: bytes) -> Answer:
        if method == "GET":
            listed = ",".join(rows)
            return (
                200,
                {},
                f'{{"count":{len(rows)},"next":null,"previous":null,"results":[{listed}]}}'.encode(),
            )
        created.append(body)
        return 201, {}, f'{{"id":"new-{len(created)}"}}'.encode()

    return answer


def migration(folder: Path, *, old: str, new: str) -> Path:
    (folder / "out").mkdir()
    hosts: dict[str, Row] = {
        "old": {
            "api": "merchantpro",
            "url": old,
            "credentials": {"key": "demo-key", "secret": "demo-secret"},
        },
        "sizing": {"api": "robosize", "url": new, "credentials": {"api_key": "demo-api-key"}},
        "disk": {"api": "files", "url": "out"},
    }
    routes: dict[str, Row] = {
        "fitting": {
            "source": "old.orders",
            "target": "sizing.orders",
            "mapper": "merchantpro-to-robosize-order",
        },
        "backup": {"source": "old.orders", "target": "disk.orders", "mapper": "as-it-is", "mode": "create"},
    }
    lines = ['name = "odd"']
    for section, tables in (("hosts", hosts), ("routes", routes)):
        for name, table in tables.items():
            more = (
                {"rate": "100000/s", "burst": 1000} if table.get("api") in {"merchantpro", "robosize"} else {}
            )
            lines += [
                f"[{section}.{name}]",
                *(f"{key} = {toml(value)}" for key, value in {**table, **more}.items()),
            ]
    file = folder / "migration.toml"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


def check_run(folder: Path, seed: int) -> None:
    chance = random.Random(seed)
    rows = odd_rows(chance)
    dates = [_date(number) for number in range(ROWS)]
    there = [
        written({"id": str(n), "store_id": chance.choice(_ODD), "data": {"a": chance.choice(_ODD)}})
        for n in range(20)
    ]
    created: list[bytes] = []
    with odd_host(shop(rows, dates)) as old, odd_host(sizing(there, created)) as new:
        file = migration(folder, old=old.url, new=new.url)
        ended = invoke("run", str(file), "--json", "-v")
        told = invoke("failures", str(file), "--json")
    assert ended.code in {0, 3}, ended.told
    assert "Traceback" not in ended.stderr
    for counts in ended.routes.values():
        assert counts["read"] == ROWS, ended.told
        assert counts["read"] == sum(count for name, count in counts.items() if name != "read")
        assert counts["pending"] == counts["unknown"] == 0
    assert len(created) == ended.routes["fitting"]["written"]
    assert len(told.lines) == sum(counts["rejected"] for counts in ended.routes.values())
    again = invoke("run", str(file), "--json")
    assert again.routes == ended.routes


@pytest.mark.parametrize("seed", range(2))
def test_every_odd_row_ends_in_an_outcome_of_its_own(seed: int, tmp_path: Path) -> None:
    check_run(tmp_path, seed)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(2, 60))
def test_every_odd_row_of_many_runs_ends_in_an_outcome_of_its_own(seed: int, tmp_path: Path) -> None:
    check_run(tmp_path, seed)
