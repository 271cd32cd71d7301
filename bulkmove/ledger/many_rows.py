"""A statement over many rows at once, whose `{rows}` is a VALUES list."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

# SQLite hands Python's lock back at each step of a statement: a hundred rows in one statement take it once, not
# a hundred times against a busy event loop. At most so many rows, of at most 13 values, fit one statement.
ROWS_A_STATEMENT = 200


def execute_rows(connection: sqlite3.Connection, statement: str, rows: Sequence[tuple[object, ...]]) -> int:
    """Run a statement whose `{rows}` is a VALUES list; how many rows it changed."""
    changed = 0
    for start in range(0, len(rows), ROWS_A_STATEMENT):
        part = rows[start : start + ROWS_A_STATEMENT]
        marks = ",".join(["(" + ",".join("?" * len(part[0])) + ")"] * len(part))
        values = [value for row in part for value in row]
        changed += connection.execute(statement.replace("{rows}", marks), values).rowcount
    return changed
