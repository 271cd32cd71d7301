"""Routes that were undone: their ledger says what was written, and nothing is written by it again."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from datetime import datetime

from bulkmove.errors import LedgerRefusedError
from bulkmove.ledger import SqliteLedger, undone


async def refuse_undone(ledger: SqliteLedger, routes: Iterable[str]) -> None:
    """Raises LedgerRefusedError where one of the routes was undone as a whole."""
    known = await ledger.ask(undone.undone_routes)
    if found := [name for name in routes if name in known]:
        was = "was" if len(found) == 1 else "were"
        raise LedgerRefusedError(
            f"{' and '.join(found)} {was} undone on {_day(known[found[0]])}, and nothing is written by this ledger again:"
            " run --fresh begins anew; --route runs other routes"
        )


def undone_notes(connection: sqlite3.Connection) -> Iterator[str]:
    """What a person is told of routes that were undone, or begun to be."""
    for name, at in undone.undone_routes(connection).items():
        count = undone.undone_records(connection, name=name)
        left = undone.not_undone(connection, name=name)
        rest = f", {left:,} left as they are" if left else ""
        yield f"route {name}: undone on {_day(at)}: {count:,} records are counted as skipped (undone){rest}"


def _day(at: float) -> str:
    return datetime.fromtimestamp(at).astimezone().strftime("%Y-%m-%d %H:%M")
