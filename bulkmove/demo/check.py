"""Holds what the sandbox's targets hold against its source: nothing lost, doubled, changed, or there without a cause.

What each row must be stands in expected.py. No code of the mappers, of the ledger or of the connectors is used
in either, so that a mistake there is seen here.

Comparison is exact. Numbers are as JSON decodes them, and 1, 1.0, "1" and true are four different values; text
is the same to the code point, so that ș (U+0219), ş (U+015F) and s + U+0326 differ; the order of a list counts,
that of an object's names does not. What the target adds by itself (its row ids and times of creation) is left out.
"""

from __future__ import annotations

import enum
import sqlite3
import zlib
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import orjson

from bulkmove.demo.expected import ExternalOrders, RobosizeOrders, RobosizeProducts, Rules, without
from bulkmove.model import JsonObject, State

__all__ = [
    "ABSENT", "Absent", "Check", "Comparison", "ExternalOrders", "RobosizeOrders", "RobosizeProducts", "Rules",
    "Wrong", "check_rows", "check_sandbox", "ledger_outcomes", "sandbox_pages",
]  # fmt: skip

_PAGE = 5_000


class Absent(enum.Enum):
    """Stands where one side has no such field."""

    ABSENT = "absent"


ABSENT = Absent.ABSENT


@dataclass(frozen=True, slots=True)
class Wrong:
    """One field of one row that is not what it must be. `field` is a path: `order_items[1].quantity`."""

    source_id: str
    field: str
    expected: Any
    got: Any


@dataclass(frozen=True, slots=True)
class Check:
    """What the comparison of one route found. Ids are those of the source; of rows that have none, `row N`.

    Each of `source` records is in exactly one of: `found` (a row or more are there), `lost`, `left_out` (not
    there and rightly so: it can't be carried over, or the ledger calls it rejected or skipped), `unknown`
    (not there, and the ledger says that it does not know). Where rows are changed and not made, "there" means
    changed. `extra` are rows without a cause: no source
    record is theirs, or one that must not be there.
    """

    route: str
    source: int
    found: int
    lost: tuple[str, ...]
    doubled: tuple[str, ...]
    wrong: tuple[Wrong, ...]
    extra: tuple[str, ...]
    left_out: tuple[str, ...]
    unknown: tuple[str, ...]

    @property
    def is_good(self) -> bool:
        return not (self.lost or self.doubled or self.wrong or self.extra)

    def __str__(self) -> str:
        text = (
            f"{self.route}: {self.source} source records, {self.found} found, {len(self.lost)} lost,"
            f" {len(self.doubled)} doubled, {len(self.wrong)} wrong, {len(self.extra)} extra,"
            f" {len(self.left_out)} left out, {len(self.unknown)} unknown"
        )
        examples = [f"lost {i}" for i in self.lost[:3]] + [f"doubled {i}" for i in self.doubled[:3]]
        examples += [f"{w.source_id} {w.field}: {w.expected!r} became {w.got!r}" for w in self.wrong[:3]]
        examples += [f"extra {i}" for i in self.extra[:3]]
        return "; ".join([text, *examples])


@dataclass(slots=True)
class Comparison:
    """Compares one route in bounded pieces: all target rows first, then all source records, then `result`.

    Target rows are kept compressed (some 0.6 KB each), source records not at all. `outcomes` is what the
    ledger says of records by id, see `ledger_outcomes`. A target row with `_writes` 0 was there before the
    migration, so that it is no extra.
    """

    route: str
    rules: Rules
    outcomes: Mapping[str, State] = field(default_factory=dict)
    _rows: dict[str, list[bytes]] = field(default_factory=dict)
    _counts: Counter[str] = field(default_factory=Counter)
    _lists: dict[str, list[str]] = field(
        default_factory=lambda: {name: [] for name in ("lost", "doubled", "extra", "left_out", "unknown")}
    )
    _wrong: list[Wrong] = field(default_factory=list)

    def add_target(self, rows: Iterable[JsonObject]) -> None:
        for row in rows:
            key = self.rules.key_of(row)
            if key is None:
                if row.get("_writes") != 0:
                    self._lists["extra"].append(_row_name(row))
                continue
            self._rows.setdefault(key, []).append(zlib.compress(orjson.dumps(row), 1))

    def add_source(self, records: Iterable[JsonObject]) -> None:
        for record in records:
            source_id = self.rules.source_id(record)
            rows = [orjson.loads(zlib.decompress(r)) for r in self._rows.pop(self.rules.key(source_id), ())]
            self._counts["source"] += 1
            self._counts["found"] += self._compare(source_id, record, rows)

    def _compare(self, source_id: str, record: JsonObject, rows: Sequence[JsonObject]) -> bool:
        """File one record under what became of it; whether it counts as found."""
        outcome = self.outcomes.get(source_id)
        expected = self.rules.expected(record)
        must_not = expected is None or outcome in {State.REJECTED, State.SKIPPED}
        if must_not and self.rules.is_self_route:
            # It must not be changed: the row is there as it was.
            expected = self.rules.shown(record)
        elif must_not:
            is_there = any(row.get("_writes") != 0 for row in rows)
            self._lists["extra" if is_there else "left_out"].append(source_id)
            return is_there
        if not rows:
            self._lists["unknown" if outcome is State.UNKNOWN else "lost"].append(source_id)
            return False
        if len(rows) > 1:
            self._lists["doubled"].append(source_id)
        if outcome is State.UNKNOWN and self._is_as_before(record, rows):
            self._lists["unknown"].append(source_id)
            return False
        for row in rows:
            differences = list(_differences(expected, self.rules.shown(row), ""))
            self._wrong += [Wrong(source_id, path, want, got) for path, want, got in differences]
        if must_not:
            self._lists["left_out"].append(source_id)
        return not must_not

    def _is_as_before(self, record: JsonObject, rows: Sequence[JsonObject]) -> bool:
        return self.rules.is_self_route and not any(
            True for row in rows for _ in _differences(self.rules.shown(record), self.rules.shown(row), "")
        )

    def result(self) -> Check:
        for packed in self._rows.values():
            rows = [orjson.loads(zlib.decompress(row)) for row in packed]
            self._lists["extra"] += [_row_name(row) for row in rows if row.get("_writes") != 0]
        self._rows.clear()
        lists = {name: tuple(ids) for name, ids in self._lists.items()}
        return Check(
            route=self.route,
            source=self._counts["source"],
            found=self._counts["found"],
            wrong=tuple(self._wrong),
            **lists,
        )


def _row_name(row: JsonObject) -> str:
    return f"row {row.get('order_id', row.get('id'))}"


def _differences(expected: Any, got: Any, path: str) -> Iterator[tuple[str, Any, Any]]:
    """Each place where two JSON values differ, as deep as it can be named."""
    if isinstance(expected, dict) and isinstance(got, dict):
        for name in [*expected, *(name for name in got if name not in expected)]:
            inner = f"{path}.{name}" if path else name
            yield from _differences(expected.get(name, ABSENT), got.get(name, ABSENT), inner)
    elif isinstance(expected, list) and isinstance(got, list) and len(expected) == len(got):
        for index, (want, have) in enumerate(zip(expected, got, strict=True)):
            yield from _differences(want, have, f"{path}[{index}]")
    elif type(expected) is not type(got) or expected != got:
        yield path, expected, got


def check_rows(
    route: str,
    rules: Rules,
    *,
    source: Iterable[JsonObject],
    target: Iterable[JsonObject],
    outcomes: Mapping[str, State] | None = None,
) -> Check:
    """Compare rows at hand. On a self-route `source` are the rows as they were before the migration."""
    comparison = Comparison(route, rules, outcomes or {})
    comparison.add_target(target)
    comparison.add_source(source)
    return comparison.result()


async def check_sandbox(
    url: str,
    routes: Mapping[str, Rules],
    *,
    products_before: Iterable[JsonObject] = (),
    ledger: Path | None = None,
) -> dict[str, Check]:
    """Compare the routes on what a sandbox itself recorded, a page at a time; nothing passes through its APIs.

    `products_before`: the Robosize products as its record gave them before the migration. `ledger`: what it
    says of single records is heeded, see `Check`. Raises aiohttp.ClientError where the sandbox does not answer.
    """
    outcomes = ledger_outcomes(ledger) if ledger is not None else {}
    checks: dict[str, Check] = {}
    for name, rules in routes.items():
        comparison = Comparison(name, rules, outcomes.get(name, {}))
        async for page in sandbox_pages(url, _target_list(rules)):
            comparison.add_target(page)
        if rules.is_self_route:
            comparison.add_source(products_before)
        else:
            async for page in sandbox_pages(url, "orders"):
                comparison.add_source(without(record, "_writes") for record in page)
        checks[name] = comparison.result()
    return checks


def _target_list(rules: Rules) -> str:
    if isinstance(rules, ExternalOrders):
        return "external-orders"
    return "robosize-products" if rules.is_self_route else "robosize-orders"


async def sandbox_pages(url: str, name: str) -> AsyncIterator[list[JsonObject]]:
    """The rows of one of a sandbox's lists as it recorded them, with `_writes`, a page at a time."""
    async with aiohttp.ClientSession(raise_for_status=True) as session:
        offset = 0
        while True:
            query = {"offset": str(offset), "limit": str(_PAGE)}
            async with session.get(f"{url.rstrip('/')}/_sandbox/{name}", params=query) as response:
                page = orjson.loads(await response.read())
            if page["rows"]:
                yield page["rows"]
            offset += len(page["rows"])
            if not page["rows"] or offset >= page["total"]:
                return


def ledger_outcomes(ledger: Path) -> dict[str, dict[str, State]]:
    """By route and source id, what a ledger says of the records that it does not call written or unchanged."""
    uri = f"{ledger.absolute().as_uri()}?mode=ro"
    with closing(sqlite3.connect(uri, uri=True)) as connection:
        rows = connection.execute(
            "SELECT t.name, r.source_id, max(r.state) AS worst FROM records r JOIN routes t ON t.id = r.route"
            " GROUP BY r.route, r.source_id HAVING worst NOT IN (?, ?)",
            (int(State.UNCHANGED), int(State.WRITTEN)),
        )
        outcomes: dict[str, dict[str, State]] = {}
        for route, source_id, state in rows:
            outcomes.setdefault(route, {})[source_id] = State(state)
    return outcomes
