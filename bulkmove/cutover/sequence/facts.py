"""What the ledger tells of a cutover: its steps, what deltas found, what was verified, how long things took."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from bulkmove.ledger import undone
from bulkmove.ledger.milestones import Milestone, last_write_began, milestones

# What most hosts hand out at a time: enough to foresee how long a list takes.
_ROWS_A_REQUEST = 100


@dataclass(frozen=True, slots=True)
class Facts:
    """`verified`: the last whole verification, else the last one, as the ledger keeps it; None where there is none.

    `rows`: how many records each route read, and wrote or found as they should be. `gone`: how many records left each
    route's source, as deltas found; `undone`: how many an undo took back.
    """

    done: tuple[Milestone, ...] = ()
    written_at: float = 0.0
    verified: Mapping[str, Any] | None = None
    verify_s: float | None = None
    rows: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    gone: Mapping[str, int] = field(default_factory=dict)
    undone: int = 0

    def requests(self, hosts: Mapping[str, tuple[str, str]]) -> dict[str, int]:
        """About how many requests a whole verification makes, by host; `hosts`: each route's source and target."""
        found: dict[str, int] = {}
        for route, (read, there) in self.rows.items():
            for host, count in zip(hosts.get(route, ()), (read, there), strict=False):
                found[host] = found.get(host, 0) + -(-count // _ROWS_A_REQUEST)
        return found


def facts_of(connection: sqlite3.Connection | None) -> Facts:
    if connection is None:
        return Facts()
    verified = _last_verification(connection)
    seconds = connection.execute(
        "SELECT ended_at - started_at FROM verifications WHERE is_sample = 0 AND ended_at IS NOT NULL"
        " AND exit_code IN (0, 3, 4) ORDER BY id DESC LIMIT 1"
    ).fetchone()
    return Facts(
        done=tuple(milestones(connection)),
        written_at=last_write_began(connection),
        verified=verified,
        verify_s=None if seconds is None else seconds[0],
        rows={name: (read, there) for name, read, there in connection.execute(_ROWS)},
        gone=dict(
            connection.execute(
                "SELECT r.name, count(*) FROM departed d JOIN routes r ON r.id = d.route GROUP BY r.id"
            ).fetchall()
        ),
        undone=connection.execute(
            "SELECT count(*) FROM records WHERE state = 0 AND cause = ?", (undone.CAUSE,)
        ).fetchone()[0],
    )


_ROWS = """
SELECT r.name, coalesce(sum(t.bodies), 0), coalesce(sum(t.bodies) FILTER (WHERE t.state IN (1, 2)), 0)
FROM routes r LEFT JOIN tallies t ON t.route = r.id GROUP BY r.id
"""


def found_by_last_delta(connection: sqlite3.Connection) -> int:
    """How many records the last delta found new, changed or gone, over all routes."""
    found: int | None = connection.execute(
        "SELECT sum(new + changed + gone) FROM passes WHERE run = (SELECT max(id) FROM runs WHERE kind = 'delta')"
    ).fetchone()[0]
    return found or 0


def _last_verification(connection: sqlite3.Connection) -> dict[str, Any] | None:
    row = connection.execute(
        "SELECT started_at, exit_code, is_sample, result FROM verifications WHERE ended_at IS NOT NULL ORDER BY id DESC LIMIT 1"
    ).fetchone()
    if row is None:
        return None
    started_at, exit_code, is_sample, result = row
    return {
        "started_at": started_at,
        "exit_code": exit_code,
        "is_sample": is_sample,
        "result": orjson.loads(result or "{}"),
    }
