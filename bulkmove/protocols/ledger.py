"""The durable record of a migration, and what is asked of it list by list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from bulkmove.entries import (
    Entry,
    Intent,
    Item,
    Joined,
    Kept,
    ListState,
    Member,
    Refusal,
    RouteProgress,
    Sent,
    Settled,
    Span,
    TargetKey,
    Unconfirmed,
)
from bulkmove.model import (
    Counts,
    JsonObject,
)


class Ledger(Protocol):
    """The durable record of what happened to every record of a migration.

    Changes take effect in the order in which they are handed over, each in one transaction. Those that
    return at once (`add_page`, `settle`, `park`, `count_attempt`) are durable before any later change is;
    `open_intent` and `add_keys` are durable when they return. Look-ups see what was handed over, but for `items` and
    `target_ids`, which see what is durable. Every method raises LedgerError where the store fails; nothing may be sent
    after that.
    """

    async def progress(self, route: str) -> RouteProgress: ...

    async def mark(
        self,
        route: str,
        *,
        cutoff: int | None = None,
        expected: int | None = None,
        is_read: bool | None = None,
        is_finished: bool | None = None,
    ) -> None:
        """Note a step of the route; what is None stays as it is."""
        ...

    async def counts(self, route: str) -> Counts: ...

    async def written(self, route: str) -> int:
        """How many bodies were written; a record may have become several. What it counts is durable when it returns."""
        ...

    async def check_balance(self, route: str, *, whole: bool) -> None:
        """Raise LedgerError where what was put down does not add up.

        `whole`: record by record, else as far as that takes no time, on a ledger of any size.
        """
        ...

    async def save_spans(self, route: str, spans: Sequence[Span]) -> None:
        """Add spans, or shorten those that are there; how far they are read comes with `add_page` alone."""
        ...

    async def known(self, route: str, ids: Sequence[str]) -> set[str]:
        """Those of the source ids that were put down."""
        ...

    def reserve_chunk(self) -> int:
        """The number of the next page; numbers rise in the order in which pages are mapped."""
        ...

    async def add_page(
        self,
        route: str,
        entries: Sequence[Entry],
        *,
        chunk: int,
        span: Span | None = None,
        target_list: str | None = None,
        is_raw: bool = False,
        was_raw_chunk: int | None = None,
    ) -> None:
        """Put down a page: its bodies, the keys they claim on `target_list`, and how far its span is read.

        `is_raw`: the bodies are rows as they were read, to be mapped later. `was_raw_chunk`: the entries map
        the rows of that chunk, and replace them.
        """
        ...

    async def drop_seen(self, route: str) -> None:
        """Forget the rows, kept as they were read, of a reading that did not come to its end, but for their names."""
        ...

    async def skip_gone(self, route: str) -> int:
        """Skip the rows that `drop_seen` forgot and that did not come again, cause `gone-at-source`; how many."""
        ...

    async def forget_gone(self, route: str) -> None:
        """Forget which records left the source, as an earlier reading named them."""
        ...

    async def note_gone(self, route: str, ids: Sequence[str]) -> None:
        """Name records that left the source while it was read. Returns at once."""
        ...

    async def gone_at_source(self, route: str, most: int) -> tuple[int, list[str]]:
        """How many records left the source while it was read, and the first so many of their ids."""
        ...

    async def read_ids(self, route: str, after: str, most: int) -> list[str]:
        """Source ids that were put down, in their order, behind `after`; rows that have no id of their own left out."""
        ...

    async def next_raw(self, route: str, after: int) -> tuple[int, list[Kept]] | None:
        """The next chunk of rows kept as they were read."""
        ...

    async def list_state(self, target_list: str) -> ListState: ...

    async def add_keys(self, target_list: str, keys: Sequence[TargetKey]) -> None: ...

    async def drop_keys(self, target_list: str) -> None:
        """Forget a reading of the list that did not come to its end."""
        ...

    async def close_keys(self, target_list: str) -> None:
        """The list was read whole; from here on its keys are never read anew."""
        ...

    async def find_keys(self, target_list: str, keys: Sequence[str]) -> dict[str, TargetKey]: ...

    async def set_atomic(self, target_list: str, *, is_atomic: bool) -> None: ...

    async def set_max_bytes(self, target_list: str, max_bytes: int) -> None:
        """Note the most bytes that are sent to the list in one request, as its host refused more."""
        ...

    async def next_pending(self, route: str, after: int) -> tuple[int, list[Item]] | None:
        """The next chunk with mapped bodies that have no outcome."""
        ...

    async def items(self, route: str, members: Sequence[Member]) -> list[Item]: ...

    async def open_intent(self, route: str, members: Sequence[Member]) -> int: ...

    async def make_durable(self, members: Sequence[Member]) -> None:
        """Return when these bodies are: also what needs no intent is not sent before."""
        ...

    def reserve_request(self) -> int:
        """The number of a write request that needs no intent; an intent's number is its request's."""
        ...

    async def settle(
        self,
        route: str,
        settled: Sequence[Settled],
        *,
        intent: int | None = None,
        sent: Sent | None = None,
        joined: Joined | None = None,
    ) -> None:
        """Note outcomes and close the intent; its members without an outcome are free to go again.

        `sent`: the request that was answered so. `joined`: the change that it made of all that is written, which is
        kept until it is confirmed (`unconfirmed`).
        """
        ...

    async def park(
        self,
        route: str,
        doubtful: Sequence[Member],
        *,
        intent: int,
        sent_at: float,
        settled: Sequence[Settled] = (),
        refusal: Refusal | None = None,
        sent: Sent | None = None,
    ) -> None:
        """Note outcomes, and keep the intent for the members whose fate the answer did not tell."""
        ...

    async def count_attempt(self, route: str, members: Sequence[Member], *, sent: Sent | None = None) -> None:
        """A repeatable write of these bodies failed; they stay pending."""
        ...

    async def note_piece(self, route: str, members: Sequence[Member], *, sent: Sent, encoded: bytes) -> None:
        """The request wrote some fields of these bodies, which stay pending: others carry the rest. Returns at once."""
        ...

    async def intents(self, route: str) -> list[Intent]:
        """What is in doubt: parked by this run, or left open by one that ended."""
        ...

    async def revive_unknown(self, route: str) -> int:
        """Put what ended unknown in doubt again; how many bodies."""
        ...

    def target_ids(self, route: str, source_id: str) -> tuple[str, ...]: ...

    def sweep(self, route: str, target_list: str) -> KeySweep: ...

    def unconfirmed(self, route: str) -> UnconfirmedChanges: ...

    def befores(self, route: str, target_list: str) -> Befores: ...


class KeySweep(Protocol):
    """The rows of a list that show a key which a route created a row with, counted by key in bounded memory.

    Between `begin` and `end` the list is read whole, its rows handed to `note`; a sweep that was interrupted begins anew.
    """

    async def is_due(self) -> bool:
        """Whether a write of the route was ever in doubt, or a record of it is doubled."""
        ...

    async def has_doubled(self) -> bool: ...

    async def has_created(self) -> bool: ...

    async def reopen(self) -> None:
        """A finished route with doubled records is unfinished again."""
        ...

    async def begin(self) -> None: ...

    async def note(self, rows: Sequence[tuple[str, str]]) -> None:
        """Rows of the list: the key that each shows, and what it is known by."""
        ...

    async def end(self, key_field: str) -> Mapping[str, int]:
        """How many bodies became unknown, by cause: doubled, or found-late; and how many are "single again".

        Doubled bodies whose key no row shows any more become rejected, cause none-left.
        """
        ...


class UnconfirmedChanges(Protocol):
    """What one route changed in many rows at once, and was not seen in each of them yet."""

    async def count(self) -> int: ...

    async def unseen(self) -> Sequence[tuple[str, int]]:
        """Fields that never come back, and in how many of the changes they are."""
        ...

    async def of_rows(self, target_ids: Sequence[str]) -> Sequence[Unconfirmed]: ...

    async def confirm(self, target_ids: Sequence[str]) -> None: ...

    async def note_shown(self, shown: Sequence[tuple[str, str]]) -> None:
        """What rows, by id, showed in place of what was written to them."""
        ...

    async def following(self, after: str) -> Sequence[Unconfirmed]:
        """The next of them in the order of their rows' ids, behind `after`; none at the end."""
        ...

    async def reopen(self, changes: Sequence[Unconfirmed]) -> Sequence[Member]:
        """Written no longer, they are pending: to be sent again, or settled in another way."""
        ...

    async def end(self) -> None:
        """All that is left counts as written; what was kept is erased."""
        ...


class Befores(Protocol):
    """Rows as they stood before the route first changed them; what was kept of one first, stays. All is durable.

    Where a host brings no single row, the list is read whole, between `begin_list` and `end_list`, its rows handed to
    `note_list`; `take_from_list` keeps those that are about to be changed.
    """

    async def missing(self, changed: Mapping[str, tuple[str, int]]) -> Sequence[str]:
        """Those of the rows, by their ids, that nothing is kept of. Not those that the body which changes them made."""
        ...

    async def keep(self, rows: Sequence[tuple[str, JsonObject]]) -> None: ...

    async def has_list(self) -> bool: ...

    async def begin_list(self) -> None: ...

    async def note_list(self, rows: Sequence[tuple[str, JsonObject]]) -> None: ...

    async def end_list(self) -> None: ...

    async def take_from_list(self, target_ids: Sequence[str]) -> None: ...
