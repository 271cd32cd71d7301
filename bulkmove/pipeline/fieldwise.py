"""What updates would change, field by field: the rows that are there held against the bodies that would be written."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from bulkmove.entries import Entry, TargetKey
from bulkmove.errors import BadAnswerError, ConfigError, RetryableError, UnprovenError
from bulkmove.events import Note, Phase
from bulkmove.exact import decode_json, encode_json
from bulkmove.load.matching import (
    Body,
    as_text,
    field_hashes,
    fields_unlike_hashes,
    fields_unlike_row,
)
from bulkmove.model import Json, JsonObject, Record, State
from bulkmove.pipeline.job import RouteJob
from bulkmove.pipeline.whole import find_all, read_list
from bulkmove.protocols import FindsById

# Rows of a target's list that are kept while it is read, so that some of those that differ can be shown: twice as
# many at most, spread over the list by a hash of their keys.
MOST_ROWS_KEPT = 1000
_LONGEST_ROW = 32 * 1024
# Records that are shown of each field, and in all of a route.
MOST_SHOWN, MOST_SHOWN_IN_ALL = 2, 60
_HASHES = 2**32


class Difference(NamedTuple):
    """One field of one row that would change. `there` is what the row shows now; not known where `is_known` is False."""

    source_id: str
    target_id: str
    field: str
    there: Json
    would: Json
    is_known: bool = True


class FieldChange(NamedTuple):
    """A field that would change, and in how many rows. Not `is_shown`: the target never shows it, so that it may be the same."""

    field: str
    rows: int
    is_shown: bool = True


@dataclass(slots=True)
class RowChanges:
    """What a route's updates would change.

    `equal`: updates that would change nothing; `absent`: those that name a row that the list does not hold;
    `uncompared`: those that were held against nothing.
    """

    fields: Counter[str] = field(default_factory=Counter)
    unseen: Counter[str] = field(default_factory=Counter)
    shown: list[Difference] = field(default_factory=list)
    equal: int = 0
    absent: int = 0
    uncompared: int = 0
    _told: Counter[str] = field(default_factory=Counter)

    def changes(self) -> tuple[FieldChange, ...]:
        """By field, those of most rows first."""
        found = [FieldChange(name, rows) for name, rows in self.fields.items()]
        found += [FieldChange(name, rows, is_shown=False) for name, rows in self.unseen.items()]
        return tuple(sorted(found, key=lambda each: (not each.is_shown, -each.rows, each.field)))

    def note(self, names: Sequence[str], unseen: Sequence[str]) -> None:
        self.fields.update(names)
        self.unseen.update(unseen)
        self.equal += not names and not unseen

    def wants(self, names: Sequence[str]) -> list[str]:
        """Those of the fields of which more are to be shown."""
        if len(self.shown) >= MOST_SHOWN_IN_ALL:
            return []
        return [name for name in names if self._told[name] < MOST_SHOWN]

    def show(self, name: str, difference: Difference) -> None:
        self._told[name] += 1
        self.shown.append(difference)


class KeptRows:
    """Some rows of a list, by their keys: as many of each part of it, however long it is."""

    def __init__(self, most: int = MOST_ROWS_KEPT) -> None:
        self._most = most
        self._below = _HASHES
        self._rows: dict[str, bytes] = {}

    def wants(self, key: str) -> bool:
        return _hash(key) < self._below

    def keep(self, key: str, row: JsonObject) -> None:
        try:
            encoded = encode_json(row)
        except (TypeError, ValueError):
            return  # JSON can't carry it: no body equals it
        if len(encoded) > _LONGEST_ROW:
            return
        self._rows[key] = encoded
        if len(self._rows) > 2 * self._most:
            self._below //= 2
            self._rows = {each: kept for each, kept in self._rows.items() if self.wants(each)}

    def of(self, key: str | None) -> JsonObject | None:
        encoded = None if key is None else self._rows.get(key)
        return None if encoded is None else decode_json(encoded)


def _hash(key: str) -> int:
    return zlib.crc32(key.encode(errors="surrogatepass"))


class Update(NamedTuple):
    """A body that would change a row, and by what the row is found among those that were kept."""

    body: Body
    target_id: str
    key: str


@dataclass(slots=True)
class Comparison:
    """All that is compared of a plan's routes.

    `add_list` makes room in the plan's ledger for the rows of one more list. `reads`: a list is read for the comparison
    where bodies name their rows by id.
    """

    add_list: Callable[[str], Awaitable[None]]
    reads: bool = True
    routes: dict[str, RowChanges] = field(default_factory=dict)
    _kept: dict[str, KeptRows] = field(default_factory=dict)
    _lists_by_id: dict[str, bool] = field(default_factory=dict)

    def of(self, route: str) -> RowChanges:
        return self.routes.setdefault(route, RowChanges())

    def keep(self, target_list: str, job: RouteJob, keyed: Sequence[tuple[str, JsonObject]]) -> None:
        """Rows of a list as it is read, by what they are known by in it."""
        kept = self._kept.setdefault(target_list, KeptRows())
        for key, row in keyed:
            if kept.wants(key):
                kept.keep(key, _comparable(job, row))

    async def hold(
        self,
        job: RouteJob,
        updates: Sequence[Update],
        *,
        known: Mapping[str, TargetKey],
        target_list: str,
    ) -> None:
        """Hold updates against rows of a list whose fields' hashes are known."""
        changes = self.of(job.name)
        for update in updates:
            hashes = known[update.key].fields
            if hashes is None:
                changes.uncompared += 1
                continue
            written = decode_json(update.body.encoded)
            names = fields_unlike_hashes(job.target, written, hashes)
            changes.note(names, _unseen(job, written))
            if wanted := changes.wants(names):
                kept = self._kept.get(target_list)
                row = None if kept is None else kept.of(update.key)
                if row is None:
                    row = await _ask(job, update.target_id)
                self._show(job, update, written=written, row=row, names=wanted)

    def hold_row(self, job: RouteJob, update: Update, row: JsonObject) -> None:
        """Hold an update against its row, as it was read."""
        changes = self.of(job.name)
        written = decode_json(update.body.encoded)
        names = fields_unlike_row(job.target, written, row)
        changes.note(names, _unseen(job, written))
        if wanted := changes.wants(names):
            self._show(job, update, written=written, row=_comparable(job, row), names=wanted)

    def _show(
        self,
        job: RouteJob,
        update: Update,
        *,
        written: JsonObject,
        row: JsonObject | None,
        names: Sequence[str],
    ) -> None:
        would = job.target.comparable(written)
        source_id, target_id = update.body.source_id, update.target_id
        changes = self.of(job.name)
        for name in names:
            if row is None:
                changes.show(name, Difference(source_id, target_id, name, None, would[name], is_known=False))
            else:
                place, there, becomes = apart(name, row.get(name), would[name])
                changes.show(name, Difference(source_id, target_id, place, there, becomes))

    async def hold_by_id(self, job: RouteJob, updates: Sequence[Update]) -> None:
        """Hold updates that name their rows themselves against the list, which is read for it."""
        changes = self.of(job.name)
        target_list = f"{job.target_list.name} by {job.rules.id_field}"
        if not self.reads or not await self._has_rows(job, target_list):
            changes.uncompared += len(updates)
            return
        known = await job.ledger.find_keys(target_list, [update.key for update in updates])
        there = [update for update in updates if update.key in known]
        changes.absent += len(updates) - len(there)
        await self.hold(job, there, known=known, target_list=target_list)

    async def _has_rows(self, job: RouteJob, target_list: str) -> bool:
        """Whether the list could be read whole, by the ids of its rows; it is read once for all routes."""
        if target_list not in self._lists_by_id:
            self._lists_by_id[target_list] = await self._read(job, target_list)
        return self._lists_by_id[target_list]

    async def _read(self, job: RouteJob, target_list: str) -> bool:
        async def sink(records: Sequence[Record]) -> None:
            rows = [(row_id, r.data) for r in records if (row_id := as_text(r.data.get(job.rules.id_field)))]
            self.keep(target_list, job, rows)
            keys = [
                TargetKey(key=each, target_id=each, rows=1, fields=field_hashes(job.target, row), owner=None)
                for each, row in rows
            ]
            if keys:
                await job.ledger.add_keys(target_list, keys)

        job.emit(Phase(job.name, "reading the target's rows, to compare them"))
        await self.add_list(target_list)
        try:
            unread = await read_list(job.target.list(), sink, readers=job.listers)
            await job.ledger.close_keys(target_list)  # which returns when all of them can be found
        except (UnprovenError, BadAnswerError, RetryableError, ConfigError) as error:
            job.emit(Note(f"route {job.name}: not compared with {job.settings.target}: {error}", job.name))
            return False
        finally:
            job.emit(Phase(job.name, ""))
        return not unread


def _comparable(job: RouteJob, row: JsonObject) -> JsonObject:
    try:
        return job.target.comparable(row)
    except RecursionError:
        return {}


def _unseen(job: RouteJob, written: JsonObject) -> list[str]:
    return sorted(written.keys() & job.target.never_returned)


async def _ask(job: RouteJob, target_id: str) -> JsonObject | None:
    """A row that was not kept, where its host can be asked for it."""
    rows = job.target.list()
    if not isinstance(rows, FindsById):
        return None
    record = (await find_all(rows, [target_id])).get(target_id)
    return None if record is None else _comparable(job, record.data)


def apart(place: str, there: Json, would: Json) -> tuple[str, Json, Json]:
    """The first place within two values at which they differ, and what stands there in each."""
    if isinstance(there, dict) and isinstance(would, dict):
        for name, value in would.items():
            if name not in there or there[name] != value:
                return apart(f"{place}.{name}", there.get(name), value)
    elif isinstance(there, list) and isinstance(would, list) and len(there) == len(would):
        for number, (old, new) in enumerate(zip(there, would, strict=True)):
            if old != new:
                return apart(f"{place}[{number}]", old, new)
    return place, there, would


def updates_in(bodies: Sequence[Body], entries: Sequence[Entry]) -> tuple[list[Update], list[Update]]:
    """Those of the bodies that would change a row: found by their key, and naming the row by its id."""
    by_key: list[Update] = []
    by_id: list[Update] = []
    for body, entry in zip(bodies, entries, strict=True):
        if entry.state is not State.PENDING or entry.target_id is None:
            continue
        if body.target_id is not None:
            by_id.append(Update(body, body.target_id, body.target_id))
        elif body.key is not None:
            by_key.append(Update(body, entry.target_id, body.key))
    return by_key, by_id
