"""What was let out to hosts lately, so that a window of an hour or a day is heeded over a restart.

A row a grain of time: `at` is its end in epoch seconds. `host` names the place that counts, an address and an account.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

Grains = Mapping[int, int]


def load(connection: sqlite3.Connection) -> dict[str, dict[int, int]]:
    """How many requests each place got, by grain."""
    found: dict[str, dict[int, int]] = {}
    for host, at, requests in connection.execute("SELECT host, at, requests FROM spent ORDER BY host, at"):
        found.setdefault(host, {})[at] = requests
    return found


def save(connection: sqlite3.Connection, host: str, grains: Grains) -> None:
    """Put down how many there are of each grain by now; a grain that is there already is replaced."""
    connection.executemany(
        "INSERT INTO spent (host, at, requests) VALUES (?, ?, ?)"
        " ON CONFLICT (host, at) DO UPDATE SET requests = excluded.requests",
        [(host, at, requests) for at, requests in grains.items()],
    )


def forget(connection: sqlite3.Connection, host: str, before: float) -> None:
    """Drop the grains that ended before; no window of the host goes back so far."""
    connection.execute("DELETE FROM spent WHERE host = ? AND at < ?", (host, before))
