"""The steps of a cutover, noted one behind another: what a person or the program did, when, and what it came to."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from bulkmove import clock
from bulkmove.ledger.file import connect, explained, locked, migrate


class Milestone(NamedTuple):
    """One step as it was noted. Times are epoch seconds; `ended_at` None: it was cut off. `told`: what it came to."""

    step: str
    began_at: float
    ended_at: float | None
    exit_code: int | None
    told: Mapping[str, Any]

    @property
    def seconds(self) -> float:
        return 0.0 if self.ended_at is None else max(0.0, self.ended_at - self.began_at)


def milestones(connection: sqlite3.Connection) -> list[Milestone]:
    """All steps in the order in which they were begun."""
    rows = connection.execute("SELECT step, began_at, ended_at, exit_code, told FROM cutover ORDER BY id")
    return [
        Milestone(step, began_at, ended_at, exit_code, orjson.loads(told) if told else {})
        for step, began_at, ended_at, exit_code, told in rows
    ]


def last_write_began(connection: sqlite3.Connection) -> float:
    """When the last run, retry, delta or repair began (epoch seconds); 0 where there was none."""
    found: float | None = connection.execute("SELECT max(started_at) FROM runs").fetchone()[0]
    return found or 0.0


def begin(ledger: Path, step: str) -> int:
    """Note that a step begins; its number. Raises LedgerLockedError while a run is going, and LedgerError."""
    return _write(
        ledger, "INSERT INTO cutover (step, began_at) VALUES (?, ?) RETURNING id", (step, clock.now())
    )


def end(ledger: Path, number: int, *, exit_code: int, told: Mapping[str, Any]) -> None:
    """Note what a step came to. Raises what `begin` raises."""
    row = (clock.now(), exit_code, orjson.dumps(dict(told)).decode(), number)
    _write(ledger, "UPDATE cutover SET ended_at = ?, exit_code = ?, told = ? WHERE id = ? RETURNING id", row)


def _write(ledger: Path, statement: str, values: tuple[object, ...]) -> int:
    try:
        with locked(ledger), closing(connect(ledger)) as connection:
            migrate(connection, ledger)
            with connection:
                number: int = connection.execute(statement, values).fetchone()[0]
            return number
    except sqlite3.Error as error:
        raise explained(ledger, error) from error
