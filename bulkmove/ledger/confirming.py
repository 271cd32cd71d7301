"""Changes of many rows at once, until each row was seen to hold its own: functions of a connection inside a transaction.

Equal changes share one body. Of several changes of a row the last one counts.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from bulkmove.entries import Joined, Kept, Member, Settled, Unconfirmed
from bulkmove.ledger import tallies
from bulkmove.ledger.chunks import pack
from bulkmove.ledger.questions import in_slices
from bulkmove.model import State

_A_SLICE = 500
_NOTE = """
INSERT INTO unconfirmed (route, target_id, source_id, body, request) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (route, target_id) DO UPDATE
SET source_id = excluded.source_id, body = excluded.body, request = excluded.request, shows = NULL,
    resent = iif(source_id = excluded.source_id AND body = excluded.body, resent, 0)
"""
# What was settled otherwise since is nobody's to confirm.
_WRITTEN = f"""
SELECT u.target_id, u.source_id, u.body, j.body, u.resent, u.shows
FROM unconfirmed AS u JOIN joined AS j ON j.request = u.request
JOIN records AS r ON r.route = u.route AND r.source_id = u.source_id AND r.body = u.body
WHERE u.route = ? AND r.state = {State.WRITTEN.value}
"""  # noqa: S608  a number of a state only


def note(
    connection: sqlite3.Connection, *, route: int, settled: Sequence[Settled], joined: Joined, request: int
) -> None:
    """Keep the change of those that were written, with their outcomes, until it is confirmed."""
    rows = [
        (route, s.target_id, s.member.source_id, s.member.part, request)
        for s in settled
        if s.state is State.WRITTEN
    ]
    if rows:
        if joined.is_divided:
            # No request's own: a number that none has.
            (request,) = connection.execute(
                "SELECT min(0, coalesce(min(request), 0)) - 1 FROM joined"
            ).fetchone()
            rows = [(*row[:4], request) for row in rows]
        connection.execute(
            "INSERT OR REPLACE INTO joined (request, route, body, unseen) VALUES (?, ?, ?, ?)",
            (request, route, joined.body, joined.unseen),
        )
        connection.executemany(_NOTE, rows)


def count(connection: sqlite3.Connection, route: int) -> int:
    found: int = connection.execute("SELECT count(*) FROM unconfirmed WHERE route = ?", (route,)).fetchone()[
        0
    ]
    return found


def unseen(connection: sqlite3.Connection, route: int) -> list[tuple[str, int]]:
    """Fields that never come back, as they stand together in a change, and how many changes hold them."""
    return connection.execute(
        "SELECT j.unseen, count(*) FROM unconfirmed AS u JOIN joined AS j ON j.request = u.request"
        " WHERE u.route = ? AND j.unseen <> '' GROUP BY j.unseen ORDER BY 2 DESC",
        (route,),
    ).fetchall()


def of_rows(connection: sqlite3.Connection, route: int, target_ids: Sequence[str]) -> list[Unconfirmed]:
    """The changes of these rows that are not confirmed."""
    found: list[Unconfirmed] = []
    for part in in_slices(target_ids):
        marks = ",".join("?" * len(part))
        found += [
            Unconfirmed(*row)
            for row in connection.execute(f"{_WRITTEN} AND u.target_id IN ({marks})", (route, *part))
        ]
    return found


def confirm(connection: sqlite3.Connection, *, route: int, target_ids: Sequence[str]) -> None:
    connection.executemany(
        "DELETE FROM unconfirmed WHERE route = ? AND target_id = ?", [(route, each) for each in target_ids]
    )


def note_shown(connection: sqlite3.Connection, *, route: int, shown: Sequence[tuple[str, str]]) -> None:
    """What rows showed in place of what was written to them, by row."""
    connection.executemany(
        "UPDATE unconfirmed SET shows = ? WHERE route = ? AND target_id = ?",
        [(text, route, target_id) for target_id, text in shown],
    )


def following(connection: sqlite3.Connection, route: int, after: str) -> list[Unconfirmed]:
    """The next changes that are not confirmed, in the order of their rows' ids, behind `after`."""
    return [
        Unconfirmed(*row)
        for row in connection.execute(
            f"{_WRITTEN} AND u.target_id > ? ORDER BY u.target_id LIMIT {_A_SLICE}", (route, after)
        )
    ]


def reopen(
    connection: sqlite3.Connection, *, route: int, run: int, changes: Sequence[Unconfirmed], chunk: int
) -> None:
    """Put written changes among what `run` is to send, each with its body, as page `chunk`."""
    connection.executemany(
        f"UPDATE records SET state = {State.PENDING.value}, chunk = ?, run = ? WHERE route = ? AND source_id = ? AND body = ?",  # noqa: S608  a number of a state only
        [(chunk, run, route, each.source_id, each.part) for each in changes],
    )
    tallies.move(connection, route=route, by={State.WRITTEN: -len(changes), State.PENDING: len(changes)})
    connection.execute(
        "INSERT INTO chunks (id, route, is_raw, open, kept, bodies) VALUES (?, ?, 0, ?, 0, ?)",
        (
            chunk,
            route,
            len(changes),
            pack(Kept(each.source_id, each.part, each.target_id, None, each.body) for each in changes),
        ),
    )
    connection.executemany(
        "UPDATE unconfirmed SET resent = resent + 1, shows = NULL WHERE route = ? AND target_id = ?",
        [(route, each.target_id) for each in changes],
    )


def end(connection: sqlite3.Connection, *, route: int) -> None:
    """Nothing of the route is to be confirmed any more; the bodies are erased."""
    connection.execute("DELETE FROM unconfirmed WHERE route = ?", (route,))
    connection.execute("DELETE FROM joined WHERE route = ?", (route,))


def members(changes: Sequence[Unconfirmed], chunk: int) -> list[Member]:
    return [Member(each.source_id, each.part, chunk) for each in changes]
