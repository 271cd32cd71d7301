"""A source whose records are masked before anything else sees them, and what is told of a mask that meant nothing."""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from difflib import get_close_matches
from functools import partial

from bulkmove.ledger import SqliteLedger, masking
from bulkmove.ledger.looking import looked_at
from bulkmove.mapping.masking import Mask
from bulkmove.model import Listing, Page, PageQuery, Record
from bulkmove.pipeline.plan import MigrationPlan
from bulkmove.protocols import Derive, FindsById, Source
from bulkmove.settings import MigrationSettings

NoteUsed = Callable[[Sequence[str]], Awaitable[None]]


async def mask_of(settings: MigrationSettings, ledger: SqliteLedger) -> Mask | None:
    """The migration's mask, None where nothing is masked. A throw-away ledger uses the key of the migration's own.

    The key is durable when this returns, so that equal values stay equal from run to run.
    """
    if not settings.mask:
        return None
    key = await ledger.ask(masking.key_of)
    if key is None:
        key = masking.new_key()
        if ledger.path != settings.ledger:
            with looked_at(settings.ledger) as connection:
                key = mask_key(connection)
        await ledger.change(partial(masking.save_key, key=key))
    return Mask(settings.mask, key)


def mask_beside(settings: MigrationSettings, connection: sqlite3.Connection | None) -> Mask | None:
    """The mask for who only looks at the ledger, or has none."""
    return Mask(settings.mask, mask_key(connection)) if settings.mask else None


def mask_key(connection: sqlite3.Connection | None) -> bytes:
    found = None if connection is None else masking.key_of(connection)
    return masking.new_key() if found is None else found


def noting_in(ledger: SqliteLedger) -> NoteUsed:
    """Notes in the ledger which patterns were of use: a run that goes on later may not meet their fields again."""

    async def note(patterns: Sequence[str]) -> None:
        await ledger.change(partial(masking.note_used, patterns=patterns))

    return note


def masked(
    source: Source, derive: Derive | None, mask: Mask | None, note: NoteUsed | None = None
) -> tuple[Source, Derive | None]:
    """The source, and what makes its rows, so that nobody sees what the mask hides. `note`: see `noting_in`.

    Of a derived stream the rows that are made are masked: the names of its fields are theirs.
    """
    if mask is None:
        return source, derive
    if derive is not None:
        return source, _masked_derive(derive, mask)
    seen = MaskedSource(source, mask, note)
    return (MaskedFinding(source, seen) if isinstance(source, FindsById) else seen), None


def _masked_derive(derive: Derive, mask: Mask) -> Derive:
    def derived(record: Record) -> Sequence[Record]:
        return [mask.record(row) for row in derive(record)]

    return derived


class MaskedSource:
    """Implements `bulkmove.protocols.Source` around another."""

    def __init__(self, source: Source, mask: Mask, note: NoteUsed | None) -> None:
        self._source = source
        self._mask = mask
        self._note = note
        self._noted: set[str] = set()

    @property
    def listing(self) -> Listing:
        return self._source.listing

    async def fetch(self, query: PageQuery) -> Page:
        page = await self._source.fetch(query)
        return replace(page, records=await self.hide(page.records))

    async def hide(self, records: Sequence[Record]) -> list[Record]:
        masked = [self._mask.record(record) for record in records]
        if self._note is not None and (new := self._mask.used - self._noted):
            self._noted |= new
            await self._note(sorted(new))
        return masked


class MaskedFinding:
    """Implements `bulkmove.protocols.Source` and `FindsById` around a source that does both."""

    def __init__(self, source: FindsById, masked: MaskedSource) -> None:
        self._source = source
        self._masked = masked

    @property
    def listing(self) -> Listing:
        return self._masked.listing

    @property
    def find_at_once(self) -> int:
        return self._source.find_at_once

    async def fetch(self, query: PageQuery) -> Page:
        return await self._masked.fetch(query)

    async def find(self, ids: Sequence[str]) -> Sequence[Record]:
        return await self._masked.hide(await self._source.find(ids))


async def unused_patterns(plan: MigrationPlan, ledger: SqliteLedger, mask: Mask) -> list[str]:
    """A sentence for each pattern that no field was found for, in this run or an earlier one."""
    await ledger.change(partial(masking.note_used, patterns=sorted(mask.used)))
    found = await ledger.ask(masking.used)
    names = sorted({name for route in plan.routes.values() for name in route.source.documented_fields})
    return [_unused(pattern, names) for pattern in mask.patterns if pattern not in found]


def _unused(pattern: str, names: Sequence[str]) -> str:
    close = get_close_matches(pattern, names, n=1)
    meant = f"; did you mean {close[0]!r}?" if close else ""
    return f"mask: {pattern!r} matched no field of the records that were read, so that nothing is hidden by it{meant}"
