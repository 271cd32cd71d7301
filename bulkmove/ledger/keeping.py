"""What was written, and what stood there before: kept for what compares with it later, and for the way back.

Functions of a connection; those that change something, inside a transaction. What was written last counts; of what
stood there before, the first.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence

from bulkmove.entries import Member, Settled
from bulkmove.exact import decode_json, encode_json
from bulkmove.ledger import tallies
from bulkmove.ledger.chunks import compressed, decompressed, unpack
from bulkmove.ledger.questions import WIDTH, in_slices
from bulkmove.model import JsonObject, State

_MARKS = ",".join("?" * WIDTH)
_WRITTEN = f"SELECT source_id, body, fields FROM written WHERE route = ? AND source_id IN ({_MARKS})"  # noqa: S608  marks only
_CREATED = (
    f"SELECT source_id, body FROM records WHERE route = ? AND is_created = 1 AND source_id IN ({_MARKS})"  # noqa: S608  marks only
)
_BEFORES = f"SELECT target_id, image FROM befores WHERE route = ? AND target_id IN ({_MARKS})"  # noqa: S608  marks only
_KEPT = f"SELECT target_id FROM befores WHERE route = ? AND target_id IN ({_MARKS})"  # noqa: S608  marks only
_KEEP = "INSERT OR REPLACE INTO written (route, source_id, body, fields) VALUES (?, ?, ?, ?)"
_FROM_ROWS_READ = f"""
INSERT OR IGNORE INTO befores (route, target_id, image)
SELECT ?, target_id, image FROM rows_read WHERE list = ? AND target_id IN ({_MARKS})
"""  # noqa: S608  marks only


def keep_written(connection: sqlite3.Connection, *, route: int, settled: Sequence[Settled]) -> None:
    """Keep the bodies that are settled as written here, before their pages are closed."""
    written = [each for each in settled if each.state is State.WRITTEN]
    missing = [each for each in written if each.encoded is None]
    bodies = _from_pages(connection, missing) if missing else {}
    rows = []
    for each in written:
        name = (each.member.source_id, each.member.part)
        encoded = bodies[name] if each.encoded is None else each.encoded
        rows.append((route, *name, compressed(encoded)))
    connection.executemany(_KEEP, rows)


def keep_piece(
    connection: sqlite3.Connection, *, route: int, members: Sequence[Member], encoded: bytes
) -> None:
    """Keep fields that were written of these bodies, whatever becomes of the rest, over those that are kept."""
    kept = written_bodies(connection, route=route, source_ids=list({m.source_id for m in members}))
    alone, piece = compressed(encoded), decode_json(encoded)
    rows = []
    for member in members:
        before = kept.get((member.source_id, member.part))
        fields = alone if before is None else compressed(encode_json({**before, **piece}))
        rows.append((route, member.source_id, member.part, fields))
    connection.executemany(_KEEP, rows)


def _from_pages(connection: sqlite3.Connection, settled: Sequence[Settled]) -> dict[tuple[str, int], bytes]:
    """Bodies that whoever settled them did not hold any more, each page unpacked once."""
    found: dict[tuple[str, int], bytes] = {}
    for chunk in {each.member.chunk for each in settled}:
        (blob,) = connection.execute("SELECT bodies FROM chunks WHERE id = ?", (chunk,)).fetchone()
        found.update({(kept.source_id, kept.part): kept.body for kept in unpack(blob)})
    return found


def written_bodies(
    connection: sqlite3.Connection, *, route: int, source_ids: Sequence[str]
) -> dict[tuple[str, int], JsonObject]:
    """The fields that were last written of these records, by source id and part; absent where they were not kept."""
    return {
        (source_id, part): decode_json(decompressed(blob))
        for some in in_slices(source_ids)
        for source_id, part, blob in connection.execute(_WRITTEN, (route, *some))
    }


def created_rows(
    connection: sqlite3.Connection, *, route: int, source_ids: Sequence[str]
) -> set[tuple[str, int]]:
    """Those of the records' bodies that made their row."""
    return {
        (source_id, part)
        for some in in_slices(source_ids)
        for source_id, part in connection.execute(_CREATED, (route, *some))
    }


def begin_keeping(connection: sqlite3.Connection, *, route: int, is_own_list: bool, rows: bool) -> bool:
    """Whether `rows` that the route changes are kept as they stood: not where it has written before without that."""
    if is_own_list:
        connection.execute("UPDATE routes SET is_own_list = 1 WHERE id = ? AND is_own_list = 0", (route,))
    if not rows:
        return False
    (keeps,) = connection.execute("SELECT keeps_before FROM routes WHERE id = ?", (route,)).fetchone()
    if not keeps and not tallies.bodies(connection, route)[State.WRITTEN]:
        connection.execute("UPDATE routes SET keeps_before = 1 WHERE id = ?", (route,))
        return True
    return bool(keeps)


def keep_before(connection: sqlite3.Connection, *, route: int, rows: Iterable[tuple[str, bytes]]) -> None:
    """Keep rows, by their ids, as they stand before the route changes them; what was kept of one before stays."""
    connection.executemany(
        "INSERT OR IGNORE INTO befores (route, target_id, image) VALUES (?, ?, ?)",
        [(route, target_id, compressed(image)) for target_id, image in rows],
    )


def befores(
    connection: sqlite3.Connection, *, route: int, target_ids: Sequence[str]
) -> dict[str, JsonObject]:
    """These rows as they stood before the route first changed them; absent where that was not kept."""
    return {
        target_id: decode_json(decompressed(image))
        for some in in_slices(target_ids)
        for target_id, image in connection.execute(_BEFORES, (route, *some))
        if image
    }


def without_before(
    connection: sqlite3.Connection, *, route: int, changed: Mapping[str, tuple[str, int]]
) -> list[str]:
    """Those of the rows, by their ids, that nothing is kept of; not those that the body which changes them made."""
    kept: set[str] = set()
    for some in in_slices(list(changed)):
        kept.update(row[0] for row in connection.execute(_KEPT, (route, *some)))
    missing = {target_id: name for target_id, name in changed.items() if target_id not in kept}
    made = created_rows(
        connection, route=route, source_ids=list({source_id for source_id, _ in missing.values()})
    )
    return [target_id for target_id, name in missing.items() if name not in made]


# Lists whose host brings no single row.


def keep_rows(connection: sqlite3.Connection, *, list_id: int, rows: Iterable[tuple[str, bytes]]) -> None:
    connection.executemany(
        "INSERT OR IGNORE INTO rows_read (list, target_id, image) VALUES (?, ?, ?)",
        [(list_id, target_id, compressed(image)) for target_id, image in rows],
    )


def drop_rows(connection: sqlite3.Connection, *, list_id: int) -> None:
    """Forget a reading of the list, one that did not come to its end or one that is not needed any more."""
    connection.execute("UPDATE lists SET has_rows = 0 WHERE id = ?", (list_id,))
    connection.execute("DELETE FROM rows_read WHERE list = ?", (list_id,))


def drop_unneeded(connection: sqlite3.Connection) -> None:
    """All routes are finished: rows that none of them changed are forgotten."""
    if connection.execute("SELECT 1 FROM routes WHERE is_finished = 0 LIMIT 1").fetchone() is None:
        connection.execute("UPDATE lists SET has_rows = 0 WHERE has_rows = 1")
        connection.execute("DELETE FROM rows_read")


def close_rows(connection: sqlite3.Connection, *, list_id: int) -> None:
    """The list was read whole."""
    connection.execute("UPDATE lists SET has_rows = 1 WHERE id = ?", (list_id,))


def has_rows(connection: sqlite3.Connection, list_id: int) -> bool:
    (found,) = connection.execute("SELECT has_rows FROM lists WHERE id = ?", (list_id,)).fetchone()
    return bool(found)


def take_from_rows(
    connection: sqlite3.Connection, *, route: int, list_id: int, target_ids: Sequence[str]
) -> None:
    """Keep rows that are about to be changed as the reading of their list showed them."""
    for some in in_slices(target_ids):
        connection.execute(_FROM_ROWS_READ, (route, list_id, *some))
