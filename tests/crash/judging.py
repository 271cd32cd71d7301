"""Holds a sandbox's own record, and the files, against what they must be: nothing lost, doubled, wrong, or there without a cause.

A list must hold the rows that are expected, and all others of it as they were before. What is expected is told by
scenes.py from the source alone; no code of the mappers, of the ledger or of the connectors has a part in it.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bulkmove.demo.check import ABSENT
from bulkmove.model import State

Row = dict[str, Any]
# The rows of each of a sandbox's lists, as its own record gives them.
World = Mapping[str, Sequence[Row]]
LISTS = ("orders", "external-orders", "robosize-orders", "robosize-products")


@dataclass(frozen=True, slots=True)
class Must:
    """What one list must have become.

    `made`: new rows by what tells them; `changed`: rows that were there, by their id; `gone`: the ids of rows that are
    taken away. `key_of` gives what tells a new row, `shown` a row without what the host adds by itself. `writes`: how
    often each changed row may be written, None where a write may be repeated.
    """

    made: Mapping[str, Row] = field(default_factory=dict)
    changed: Mapping[str, Row] = field(default_factory=dict)
    gone: frozenset[str] = frozenset()
    key_of: Callable[[Row], str | None] = lambda _: None
    shown: Callable[[Row], Row] = lambda row: row
    writes: int | None = None


@dataclass(slots=True)
class Found:
    """What is not as it must be, in words. `unknown`: what the ledger itself says it does not know."""

    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        return not (self.lost or self.doubled or self.wrong or self.unknown)

    def __str__(self) -> str:
        kinds = ("lost", "doubled", "wrong", "unknown")
        told = [
            f"{len(getattr(self, kind))} {kind}: {'; '.join(getattr(self, kind)[:3])}"
            for kind in kinds
            if getattr(self, kind)
        ]
        return ", ".join(told) or "as it must be"


def compare(name: str, must: Must, *, before: Sequence[Row], after: Sequence[Row], found: Found) -> None:
    """One list of the sandbox, every row and every field of it."""
    old = {row_id(row): row for row in before}
    seen: dict[str, int] = defaultdict(int)
    for row in after:
        its_id = row_id(row)
        if its_id in old:
            seen[its_id] += 1
            _compare_old(f"{name} {its_id}", must, old[its_id], row, found)
            continue
        key = must.key_of(row)
        if key is None or key not in must.made:
            found.wrong.append(f"{name}: row {its_id} has no cause")
            continue
        seen[key] += 1
        if seen[key] > 1:
            found.doubled.append(f"{name}: {key} is there again, as row {its_id}")
        if row["_writes"] > 1:
            found.doubled.append(f"{name}: {key}, row {its_id}, was written {row['_writes']} times")
        found.wrong += _differences(f"{name} {key}", must.made[key], must.shown(row))
    found.lost += [f"{name}: {key} was not made" for key in must.made if not seen[key]]
    found.lost += [
        f"{name}: row {its_id}, to be changed, is gone" for its_id in must.changed if not seen[its_id]
    ]
    kept = old.keys() - must.gone - must.changed.keys()
    found.wrong += [
        f"{name}: row {its_id} is gone, and was to be left alone" for its_id in kept if not seen[its_id]
    ]


def _compare_old(name: str, must: Must, old: Row, row: Row, found: Found) -> None:
    its_id = row_id(row)
    if its_id in must.gone:
        found.lost.append(f"{name} was to be taken away")
    elif its_id in must.changed:
        if row["_writes"] == old["_writes"] and must.shown(old) != must.changed[its_id]:
            found.lost.append(f"{name} was not changed")
            return
        if must.writes is not None and row["_writes"] - old["_writes"] > must.writes:
            found.doubled.append(
                f"{name} was written {row['_writes'] - old['_writes']} times, not {must.writes}"
            )
        found.wrong += _differences(name, must.changed[its_id], must.shown(row))
    else:
        found.wrong += _differences(name, old, row)


def row_id(row: Row) -> str:
    return str(row.get("order_id", row.get("id")))


def _differences(name: str, expected: Any, got: Any) -> Iterator[str]:
    """Each place where two JSON values differ; 1, 1.0, "1" and true are four different values."""
    if isinstance(expected, dict) and isinstance(got, dict):
        for inner in [*expected, *(inner for inner in got if inner not in expected)]:
            yield from _differences(f"{name}.{inner}", expected.get(inner, ABSENT), got.get(inner, ABSENT))
    elif isinstance(expected, list) and isinstance(got, list) and len(expected) == len(got):
        for index, (want, have) in enumerate(zip(expected, got, strict=True)):
            yield from _differences(f"{name}[{index}]", want, have)
    elif type(expected) is not type(got) or expected != got:
        yield f"{name}: {expected!r} became {got!r}"


def compare_rows(name: str, expected: Mapping[str, Row], rows: Sequence[Row], found: Found) -> None:
    """The rows of a file, which are known by `id`."""
    seen: dict[str, int] = defaultdict(int)
    for row in rows:
        key = str(row.get("id"))
        seen[key] += 1
        if key not in expected:
            found.wrong.append(f"{name}: row {key} has no cause")
            continue
        if seen[key] > 1:
            found.doubled.append(f"{name}: {key} stands in it again")
        found.wrong += _differences(f"{name} {key}", expected[key], row)
    found.lost += [f"{name}: {key} does not stand in it" for key in expected if not seen[key]]


@dataclass(frozen=True, slots=True)
class Accounts:
    """What the ledger must say in the end: how many records each route has, and which of them are rejected."""

    records: Mapping[str, int]
    rejected: Mapping[str, frozenset[str]] = field(default_factory=dict)
    # Where a target's id is told by its row: by route, the id of the row that each record must be known by.
    target_ids: Callable[[World], Mapping[str, Mapping[str, str]]] = lambda _: {}


def audit(ledger: Path, accounts: Accounts, after: World, found: Found) -> None:
    """The ledger: every record settled once, nothing in doubt, no body kept for nothing, the file whole."""
    if not ledger.exists():
        found.lost.append("there is no ledger")
        return
    with closing(sqlite3.connect(f"{ledger.absolute().as_uri()}?mode=ro", uri=True)) as connection:
        if not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            found.lost.append("the ledger is empty")
            return
        [check] = connection.execute("PRAGMA integrity_check").fetchone()
        if check != "ok":
            found.wrong.append(f"the ledger is damaged: {check}")
        [intents] = connection.execute("SELECT count(*) FROM intents").fetchone()
        if intents:
            found.unknown.append(f"{intents} writes are left in doubt")
        [kept] = connection.execute("SELECT count(*) FROM chunks WHERE open > 0 OR kept = 0").fetchone()
        if kept:
            found.wrong.append(f"{kept} pages of bodies are kept, and nothing of them is open")
        routes: dict[str, int] = dict(connection.execute("SELECT name, id FROM routes").fetchall())
        wanted_ids = accounts.target_ids(after)
        for name, records in accounts.records.items():
            rows = connection.execute(
                "SELECT source_id, state, target_id, cause FROM records WHERE route = ?",
                (routes.get(name),),
            ).fetchall()
            _audit_route(name, rows, records, accounts.rejected.get(name, frozenset()), found)
            _audit_ids(name, rows, wanted_ids.get(name, {}), found)


def _audit_route(
    name: str,
    rows: Sequence[tuple[str, int, str | None, str | None]],
    records: int,
    rejected: frozenset[str],
    found: Found,
) -> None:
    states = {source_id: State(state) for source_id, state, _, _ in rows}
    if len(states) != records:
        found.wrong.append(f"route {name}: the ledger has {len(states)} records, not {records}")
    found.unknown += [f"route {name}: {i} ({cause})" for i, state, _, cause in rows if state == State.UNKNOWN]
    found.lost += [
        f"route {name}: {i} is {s.name.lower()}"
        for i, s in states.items()
        if s in {State.SEEN, State.PENDING}
    ]
    named = {i for i, state in states.items() if state is State.REJECTED}
    if named != rejected:
        causes = {(i, cause) for i, state, _, cause in rows if state == State.REJECTED and i not in rejected}
        found.wrong.append(
            f"route {name}: rejected otherwise than the bad ones: {sorted(causes or rejected - named)[:3]}"
        )


def _audit_ids(
    name: str,
    rows: Sequence[tuple[str, int, str | None, str | None]],
    wanted: Mapping[str, str],
    found: Found,
) -> None:
    known = {source_id: target_id for source_id, state, target_id, _ in rows if state == State.WRITTEN}
    found.wrong += [
        f"route {name}: the ledger knows {i} as row {known[i]}, and it is row {row}"
        for i, row in wanted.items()
        if i in known and known[i] != row
    ]
