"""The whole contract: what a connector, a mapper, a ledger, a transport and an observer promise each other."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Protocol, runtime_checkable

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
from bulkmove.events import Event
from bulkmove.model import (
    BatchRule,
    Counts,
    Finding,
    JsonObject,
    Listing,
    Operation,
    Page,
    PageQuery,
    Record,
    Request,
    Response,
    WriteItem,
    WriteResult,
)
from bulkmove.settings import HostSettings, Mode, RouteSettings, Secret, Window


class Transport(Protocol):
    """HTTP to one host, under its one budget.

    `send` takes a slot for every attempt and returns each answer that settles the request: 2xx whose body
    `decode` accepted, 3xx never, and 4xx other than 401, 403, 408, 425, 429. It waits out 429 and pauses, and
    retries what is surely not applied (connection refused, 429). After that:

    - a repeatable request is tried again on time-outs, resets, 5xx and unusable bodies, then raises
      RequestFailedError, or HostUnavailableError where the host serves nothing at all;
    - a request that is not repeatable raises InDoubtError as soon as its fate can't be told.

    Raises CredentialsError on 401 and 403, ConfigError on a redirect. Cancelled at any await, it leaves no
    slot taken.
    """

    @property
    def host(self) -> HostSettings: ...

    async def send(self, request: Request) -> Response: ...


class Source(Protocol):
    """A list that can be read, page by page, in any order.

    `fetch` may be called concurrently and again for the same query. It raises BadAnswerError where the
    answer has not the documented envelope, and what Transport.send raises.
    """

    @property
    def listing(self) -> Listing: ...

    async def fetch(self, query: PageQuery) -> Page: ...


class Target(Protocol):
    """A list that can be written.

    `id_field` names the target's own id in a mapped body and in its rows; it never travels in an update's body.
    `natural_key` is the field by which a written row is found again. `rules` says what one request carries.

    `write` sends the items (all of one action, at most `rules[action].max_items`; for "joined" all of one
    body) in one request, and returns a result for each, in order. It raises InDoubtError where none of them
    is settled. A 400 is not an error: the items that it names are REJECTED, the others HELD. Refused for its size, all
    of a request is TOO_LARGE.

    `comparable` reduces a body or a row to the fields that come back on reading, in one normal form, so that
    a written body equals its row. Fields that are never returned are left out of both.
    """

    @property
    def id_field(self) -> str: ...

    @property
    def natural_key(self) -> str: ...

    @property
    def rules(self) -> Mapping[str, BatchRule]: ...

    @property
    def never_returned(self) -> frozenset[str]: ...

    def list(self) -> Source: ...

    def comparable(self, row: JsonObject) -> JsonObject: ...

    async def write(self, items: Sequence[WriteItem]) -> Sequence[WriteResult]: ...


@runtime_checkable
class StagedTarget(Protocol):
    """What a Target is too whose list comes to be as a whole, or not at all: a file that is renamed when it is complete.

    `open_list` is held while a route works on it. `written`: how many bodies the ledger says are there, `in_doubt`: how
    many more there may be; both 0 where the route begins. It raises ConfigError where something is in the way of a
    beginning, which is what `obstacle` tells, and LedgerError where the list is not what the ledger says.
    `close_list` is called within it when all records are settled, and may be called again for a list that is complete.
    It raises BadAnswerError where the list does not hold `written` rows.
    """

    async def obstacle(self) -> str | None: ...

    def open_list(self, *, written: int, in_doubt: int) -> AbstractAsyncContextManager[None]: ...

    async def close_list(self, written: int) -> None: ...


@runtime_checkable
class FindsById(Protocol):
    """A Source that can be asked for single rows, where its host is documented to bring them by their ids.

    `find` brings those of the rows that the list holds, each once, in any order; `ids` are at most `find_at_once`.
    Raises BadAnswerError where the host brings others, and what `fetch` raises.
    """

    @property
    def find_at_once(self) -> int: ...

    async def find(self, ids: Sequence[str]) -> Sequence[Record]: ...


@runtime_checkable
class ShowsVersions(Protocol):
    """A Source whose list can be read with no more of each row than its id, its key and its version.

    `versions` is that list, filters and all: the cheapest that shows what came, went or changed since.
    """

    def versions(self) -> Source: ...


@runtime_checkable
class WatchesKeys(Protocol):
    """A Target that learns from answers whether its host keeps the natural key of what is created.

    `is_key_kept` None: no answer showed it yet. Unless it is True, a key that the list does not show is no proof that
    its row is not there.
    """

    @property
    def is_key_kept(self) -> bool | None: ...


@runtime_checkable
class SeesDeletions(Protocol):
    """A Target that deletes. `has_deleted`: a row of this route was deleted before, so that its address is right."""

    has_deleted: bool


@runtime_checkable
class LooksFirst(Protocol):
    """A Target that reads a row before it changes it.

    `keep_before`, where it is set, is handed each such row, by its id; the change is sent when it has returned.
    """

    keep_before: KeepRows | None


@runtime_checkable
class RemovesLines(Protocol):
    """A Target whose changes take no line of a row away, which another call of its host does.

    `removes_lines`: lines that a row has beyond those of its body are taken away before the body is written.
    """

    removes_lines: bool


KeepRows = Callable[[Sequence[tuple[str, JsonObject]]], Awaitable[None]]
Derive = Callable[[Record], Sequence[Record]]
Search = Callable[[str], Awaitable[Sequence[JsonObject]]]
ALL_MODES: frozenset[Mode] = frozenset({"create", "update", "upsert"})


@dataclass(frozen=True, slots=True)
class StreamSpec:
    """What a connector says of one stream before anything is opened. `id_field` is the field that a row is known by.

    `modes`: those that a route to it may have. `can_search`: `Connector.search` finds rows by a text.
    `derive`: the stream's rows are made of the rows that its source reads, none or more of each; a row that comes
    again by its id is dropped. `create_body`, `update_body`: TypedDicts that say what a body may hold, where that is
    documented; required fields, enumerations and lengths (`msgspec.Meta`) among it. A field that neither names may be
    anything. `documented_fields`: those that a row which is read may have, in the document's order, as `line_items` and
    `line_items[].quantity`; empty where they are not documented.
    """

    name: str
    id_field: str
    can_read: bool
    can_write: bool
    natural_key: str | None = None
    batch_size: int | None = None
    filters: frozenset[str] | None = None
    can_select_fields: bool = False
    writable_fields: frozenset[str] = frozenset()
    modes: frozenset[Mode] = ALL_MODES
    can_search: bool = False
    derive: Derive | None = None
    create_body: type | None = None
    update_body: type | None = None
    documented_fields: tuple[str, ...] = ()


class Connector(Protocol):
    """One system: what `api = "…"` in a migration names, as an entry point of group `bulkmove.connectors`.

    `credentials` are the names that the host's `credentials` must hold. `windows` are its published limits.
    `paths` are its default paths by name, overridden by `[hosts.X.paths]`; `unconfirmed` names those that no
    document shows. `sign` returns the headers and query parameters that carry the credentials.
    `operations` are all documented calls by name. `options` names what `[hosts.X.options]` may hold, with the values
    that each may have (empty: any), the default first. `is_local`: nothing is sent over HTTP (files).
    """

    @property
    def name(self) -> str: ...

    @property
    def credentials(self) -> tuple[str, ...]: ...

    @property
    def windows(self) -> tuple[Window, ...]: ...

    @property
    def streams(self) -> Mapping[str, StreamSpec]: ...

    @property
    def paths(self) -> Mapping[str, str]: ...

    @property
    def unconfirmed(self) -> frozenset[str]: ...

    @property
    def operations(self) -> Mapping[str, Operation]: ...

    @property
    def options(self) -> Mapping[str, tuple[str, ...]]: ...

    @property
    def is_local(self) -> bool: ...

    def sign(self, credentials: Mapping[str, Secret]) -> Signature: ...

    def headers(self, host: HostSettings) -> Mapping[str, str]:
        """What else each of its requests carries, as the host's options say. Raises ConfigError for an option that is none."""
        ...

    def wait_from_body(self, response: Response) -> float | None:
        """Seconds to wait that a 429's body names, where this API puts them there."""
        ...

    def is_passing(self, response: Response) -> bool:
        """Whether a 4xx of this API is known to pass by itself and may be tried again."""
        ...

    def source(self, stream: str, transport: Transport, route: RouteSettings) -> Source: ...

    def target(self, stream: str, transport: Transport, route: RouteSettings) -> Target: ...

    def search(self, stream: str, transport: Transport) -> Search:
        """Rows of a stream that match a text in the host's own way, which may be more than asked for. `can_search` alone."""
        ...

    async def examine(self, transport: Transport) -> Sequence[Finding]:
        """What read-only calls tell of this host's ways of speaking (its dialect), a Finding a question."""
        ...


@dataclass(frozen=True, slots=True)
class Signature:
    """What a request carries so that the host knows who asks. Never logged, never part of a message."""

    headers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    params: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


class MapContext(Protocol):
    """What a mapper is told beside its record.

    `lookup` reads a table that was loaded at the start: `[lookups.NAME]`, or a CSV file that the option NAME names.
    A key is text or a number; with `within`, it is a pair of the outer value and the key. It raises KeyError for a
    table that is not there. For a key that the table lacks it does what `missing` of the look-up says (None, its
    default, or RejectRecordError), and returns None where it is an option's file. `find` is `lookup` for tables
    that are asked on demand too. `target_id` is the id that a record of another route (named in `after`)
    got on its target, None where it was not written; `target_ids` all of them, where it became several.
    """

    @property
    def route(self) -> str: ...

    @property
    def options(self) -> Mapping[str, Any]: ...

    def lookup(self, name: str, key: object) -> Any: ...

    async def find(self, name: str, key: object) -> Any: ...

    def target_id(self, route: str, source_id: str) -> str | None: ...

    def target_ids(self, route: str, source_id: str) -> tuple[str, ...]: ...


class Ledger(Protocol):
    """The durable record of what happened to every record of a migration.

    Changes take effect in the order in which they are handed over, each in one transaction. Those that
    return at once (`add_page`, `add_keys`, `settle`, `park`, `count_attempt`) are durable before any later
    change is; `open_intent` is durable when it returns. Look-ups see what was handed over, but for `items`, `target_ids`
    and the keys of `add_keys`, which see what is durable. Every method raises LedgerError where the store fails; nothing
    may be sent after that.
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
        """How many bodies were written; a record may have become several."""
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


Mapped = JsonObject | Iterable[JsonObject] | None
Mapper = Callable[[JsonObject, MapContext], Mapped | Awaitable[Mapped]]


class Observer(Protocol):
    """Is told what happens while it happens. Must return at once and must not raise."""

    def on_event(self, event: Event) -> None: ...
