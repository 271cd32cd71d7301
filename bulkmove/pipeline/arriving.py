"""What is new of a page: the rows that the ledger does not hold, and why those that can't be mapped are rejected.

Where the stream is a derived one, the page's records are what its rows are made of.
"""

from __future__ import annotations

from collections.abc import Sequence

from bulkmove.entries import Entry
from bulkmove.exact import name_of_content
from bulkmove.model import Record, State
from bulkmove.pipeline.job import RouteJob
from bulkmove.protocols import Derive

_LONGEST_MESSAGE = 4000


async def new_records(job: RouteJob, records: Sequence[Record]) -> tuple[list[Record], list[Entry]]:
    """The records that the ledger does not hold, each once, and entries for new ones that can't be mapped."""
    underived: list[Entry] = []
    if job.derive is not None:
        records, underived = _derived(job.derive, records)
    by_id: dict[str, Record] = {}
    for record in records:
        by_id.setdefault(record.id if record.id is not None else name_of_content(record.data), record)
    if not by_id and not underived:
        return [], []
    known = await job.ledger.known(job.name, [*by_id, *(entry.source_id for entry in underived)])
    fresh = {source_id: record for source_id, record in by_id.items() if source_id not in known}
    keyless = [
        _unmappable(source_id, record)
        for source_id, record in fresh.items()
        if record.id is None or record.fault is not None
    ]
    new = [record for record in fresh.values() if record.id is not None and record.fault is None]
    return new, keyless + [entry for entry in underived if entry.source_id not in known]


def _unmappable(source_id: str, record: Record) -> Entry:
    cause, message = "no-id", "the source record has no id; it is named by the hash of its bytes"
    if record.fault is not None:
        cause, message = "bad-row", record.fault
    return Entry(source_id=source_id, part=0, state=State.REJECTED, cause=cause, message=message)


def _derived(derive: Derive, records: Sequence[Record]) -> tuple[list[Record], list[Entry]]:
    """The rows that the records hold, and entries for records that tell none, named by the hash of their bytes."""
    rows: list[Record] = []
    entries: dict[str, Entry] = {}
    for record in records:
        try:
            rows += [record] if record.fault is not None else derive(record)
        except Exception as error:  # noqa: BLE001  one odd record costs one record
            name = name_of_content(record.data)
            said = f"its rows can't be told from record {record.id}: {type(error).__name__}: {error}"
            entries[name] = Entry(
                source_id=name,
                part=0,
                state=State.REJECTED,
                cause="not-derived",
                message=storable(said)[:_LONGEST_MESSAGE],
            )
    return rows, list(entries.values())


def storable(text: str) -> str:
    """The text with what no database keeps (lone surrogates, which JSON can name) spelled out."""
    return text.encode("utf-8", "backslashreplace").decode()
