"""A migration of the sandbox's orders, and a ledger of it with as many records as one likes, in the state a run leaves.

The records are put down with the ledger's own functions, so that what is measured on it is what a real run finds.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import orjson

from benchmarks import migration_texts as texts
from bulkmove.entries import Entry, Intent, Member
from bulkmove.ledger import claiming, putting, sending
from bulkmove.ledger.file import connect
from bulkmove.model import State

PAGE = 100
IN_FLIGHT = 40
BODY = orjson.dumps({"rrn": "1", "shop": 2, "order_items": [{"product": 1, "quantity": 1}] * 3})


def write_migration(folder: Path, url: str, *, name: str) -> Path:
    """A migration.toml of one route, without a limit of its own; its ledger is `NAME.ledger.db` beside it."""
    file = folder / "migration.toml"
    old, new = (
        texts.host("old", url, rate=texts.NO_LIMIT),
        texts.host("new", url, rate=texts.NO_LIMIT, settle_s=31),
    )
    file.write_text(texts.migration(name, old, new, texts.orders()), encoding="utf-8")
    return file


def fill(path: Path, *, records: int, state: State, is_in_flight: bool = False) -> None:
    """Put so many records of one state into the one route of a ledger that a run began.

    `is_in_flight`: some batches beside them were sent, and nothing is known of their fate.
    """
    with closing(connect(path, synchronous="off")) as connection:
        (chunk,) = connection.execute("SELECT coalesce(max(id), 0) FROM pages").fetchone()
        connection.execute("BEGIN")
        for entries in _pages(records, state):
            chunk += 1
            _put(connection, chunk, entries)
        for number in range(IN_FLIGHT if is_in_flight else 0):
            chunk += 1
            entries = [_entry(f"f{number}-{place}", State.PENDING) for place in range(PAGE)]
            _put(connection, chunk, entries)
            members = [Member(entry.source_id, 0, chunk) for entry in entries]
            intent = Intent(id=1_000_000 + number, sent_at=time.time(), members=members)
            sending.save_intent(connection, intent=intent, route=1, run=1, is_parked=False)
        connection.execute("COMMIT")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _pages(records: int, state: State) -> Iterator[list[Entry]]:
    for start in range(0, records, PAGE):
        yield [_entry(f"x{number:08}", state) for number in range(start, min(start + PAGE, records))]


def _entry(name: str, state: State) -> Entry:
    is_open = state is State.PENDING
    return Entry(
        source_id=name,
        part=0,
        state=state,
        body=BODY if is_open else None,
        target_id=None if is_open else name[1:],
        key=name,
        digest=b"0123456789abcdef",
        version="2024-01-01T00:00:00+02:00",
    )


def _put(connection: sqlite3.Connection, chunk: int, entries: list[Entry]) -> None:
    putting.insert_entries(connection, route=1, run=1, chunk=chunk, entries=entries, is_raw=False)
    putting.note_page(
        connection, route=1, run=1, page=chunk, put_at=time.time(), records=len(entries), was=None
    )
    claiming.claim_keys(connection, list_id=1, route="orders", entries=entries)
