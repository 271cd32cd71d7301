"""A statement over many rows at once, whose `{rows}` is a table of values."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from functools import lru_cache

# SQLite hands Python's lock back at each step of a statement: a hundred rows in one statement take it once, not
# a hundred times against a busy event loop. At most so many rows, of at most 13 values, fit one statement.
ROWS_A_STATEMENT = 200


def execute_rows(connection: sqlite3.Connection, statement: str, rows: Sequence[tuple[object, ...]]) -> int:
    """Run a statement whose `{rows}` is a table with the columns c1, c2, …; how many rows it changed.

    Every value that is bound costs as much as the step it goes into. Of a page's rows most columns hold one value
    (the route, the run, NULL): where that is one object, it is bound once.
    """
    changed = 0
    for start in range(0, len(rows), ROWS_A_STATEMENT):
        part = rows[start : start + ROWS_A_STATEMENT]
        columns = list(zip(*part, strict=True))
        # One object, not one value: 1 and 1.0 are equal, and stored as they are.
        is_shared = tuple(c[0] is c[-1] and len(set(map(id, c))) == 1 for c in columns)
        if all(is_shared):  # a table of values has a column at least
            is_shared = (False, *is_shared[1:])
        shared = [column[0] for column, same in zip(columns, is_shared, strict=True) if same]
        own = zip(*(column for column, same in zip(columns, is_shared, strict=True) if not same), strict=True)
        text = statement.replace("{rows}", _table(is_shared, len(part)))
        changed += connection.execute(text, [*shared, *(value for row in own for value in row)]).rowcount
    return changed


@lru_cache(maxsize=256)
def _table(is_shared: tuple[bool, ...], rows: int) -> str:
    """A SELECT of so many rows: the shared columns are parameters that come first, the others are bound row by row."""
    own = 0
    names: list[str] = []
    for number, same in enumerate(is_shared, start=1):
        own += not same
        names.append(f"? AS c{number}" if same else f"column{own} AS c{number}")
    marks = "(" + ",".join("?" * own) + ")"
    return f"SELECT {', '.join(names)} FROM (VALUES {','.join([marks] * rows)})"  # noqa: S608  marks and our own names
