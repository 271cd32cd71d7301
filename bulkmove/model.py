"""The frozen values that travel between the stages."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

Json = Any
JsonObject = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Request:
    """One call of a host.

    `path` is relative to the host's address and holds no query. `is_repeatable`: sending it twice has the
    effect of sending it once (a GET, a PATCH of absolute values, a DELETE); only such a request is sent
    again after a lost answer. `decode` turns the bytes of a 2xx answer into what the connector wants (it raises
    ValueError for what is cut short or not JSON); None leaves `Response.data` None.
    """

    method: str
    path: str
    params: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    is_repeatable: bool = False
    decode: Callable[[bytes], Json] | None = None


@dataclass(frozen=True, slots=True)
class Response:
    """An answer that settles its request. `date` is the host's `Date`, epoch seconds; `data` the decoded 2xx body.

    `asked`: the whole path that was asked for, that of the host's address in front; empty where nobody noted it.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    data: Json
    sent_at: float
    date: float | None
    asked: str = ""

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300


Reading = Literal["keyset", "passes", "once"]


@dataclass(frozen=True, slots=True)
class Listing:
    """How a list can be read, as its connector states it.

    `reading`: "keyset" where the host sorts by a key and filters on it (`after`, `before` of a PageQuery take
    effect); "passes" where only offsets exist; "once" where nothing can move while it is read (a file): its pages are
    read one after the other, each once. `page_limit`: the most rows worth asking for in one page.
    `can_overlap`: any offset can be asked for; False where pages are numbered, so that an offset has to be a
    multiple of the limit. `page_limit` rows of the host may be clamped to fewer without a word. `first_key`,
    `last_key`: on a keyset list, the keys that the user's own filters ask for, both included; rows outside
    are not wanted even where the host sends them.
    """

    reading: Reading
    page_limit: int
    can_overlap: bool = True
    first_key: int | None = None
    last_key: int | None = None


@dataclass(frozen=True, slots=True)
class PageQuery:
    """Which slice of a list to fetch.

    `after`, `before`: epoch seconds. Every row with after < key < before must come; rows at either bound
    may or may not, as the host has it. Rows come in ascending order of their key on a keyset list.
    """

    limit: int
    offset: int = 0
    after: int | None = None
    before: int | None = None


class Record(NamedTuple):
    """One row of a source, as it came.

    `id` is opaque text, None where the row has none. `key` is what the list is sorted by, in whole epoch
    seconds; None where the row shows none. `version` is the row's own mark of its last change, as text. `fault`: why
    the row can't be read, where it can't; it is rejected by itself, and `data` shows what is there.
    """

    id: str | None
    key: int | None
    version: str | None
    data: JsonObject
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """What one GET of a list brought.

    `total` is the host's count of all rows that match, where it tells one; it plans, and proves nothing.
    `has_next`: whether the host says that more follows, None where it doesn't say.
    """

    records: Sequence[Record]
    total: int | None
    has_next: bool | None
    date: float | None = None


@dataclass(frozen=True, slots=True)
class Parameter:
    """What an operation is told beside its body: a part of its path, or a parameter of its query."""

    name: str
    summary: str = ""
    is_in_path: bool = False
    is_required: bool = False
    choices: tuple[str, ...] = ()


BodyKind = Literal["none", "object", "array"]


@dataclass(frozen=True, slots=True)
class Operation:
    """One documented call of an API.

    `path` is the name of its path in `Connector.paths`; whether that is confirmed, `Connector.unconfirmed` says.
    `is_repeatable`: sending it twice has the effect of sending it once.
    """

    name: str
    summary: str
    method: str
    path: str
    parameters: tuple[Parameter, ...] = ()
    body: BodyKind = "none"
    is_repeatable: bool = False

    @property
    def is_write(self) -> bool:
        return self.method != "GET"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a look at a host, by read-only calls, tells of one question.

    `verdict`: "good" and "bad" are seen, "note" is worth knowing, "assumed" could not be seen. `setting` is the
    line of `[hosts.X]` that makes it certain or mends it, where there is one.
    """

    question: str
    verdict: Literal["good", "bad", "note", "assumed"]
    text: str
    setting: str | None = None


Action = Literal["create", "update"]
Shape = Literal["single", "array", "joined"]


@dataclass(frozen=True, slots=True)
class BatchRule:
    """What one write request carries: one body, an array of bodies, or one change for many ids ("joined").

    `is_repeatable`: the same request twice has the effect of once, so that it needs no intent. `looks_first`: each item
    costs a request of its own before it, in which its row is looked at.
    """

    shape: Shape
    max_items: int = 1
    is_repeatable: bool = False
    looks_first: bool = False


class WriteItem(NamedTuple):
    """One body to write. `target_id` is set exactly for updates; the id field is not in `body`.

    `encoded` is `body` as JSON bytes. `attempts`: sends of it before this one that nothing settled.
    """

    target_id: str | None
    body: JsonObject
    encoded: bytes
    attempts: int = 0


class Verdict(enum.Enum):
    """What an answer says of one item of a write."""

    WRITTEN = "written"
    UNCHANGED = "unchanged"  # the target held these values already; nothing was sent for it
    REJECTED = "rejected"  # the host names this item as bad; it is not written
    HELD = "held"  # refused along with its batch, for another item's sake or for none that is named
    TOO_LARGE = "too large"  # the whole request was refused for its size, before anything was done
    DOUBT = "doubt"  # the answer does not tell


class WriteResult(NamedTuple):
    """A Verdict with what belongs to it: the target's id of what was written, or cause and message.

    The cause of HELD is "named" where the host names others as bad, "unnamed" where it names none.
    """

    verdict: Verdict
    target_id: str | None = None
    cause: str | None = None
    message: str | None = None


class State(enum.IntEnum):
    """What became of one body, in the order of how grave it is: a record of several bodies counts by its worst."""

    SKIPPED = 0
    UNCHANGED = 1
    WRITTEN = 2
    SEEN = 3  # kept as it was read, not mapped yet (a self-route reads its whole list first)
    PENDING = 4  # mapped, its body kept, no outcome yet
    REJECTED = 5
    UNKNOWN = 6


OPEN_STATES = (State.SEEN, State.PENDING)


@dataclass(frozen=True, slots=True)
class Counts:
    """Source records by what became of them. `pending`: seen, no outcome yet."""

    written: int = 0
    unchanged: int = 0
    skipped: int = 0
    rejected: int = 0
    unknown: int = 0
    pending: int = 0

    @property
    def read(self) -> int:
        return self.written + self.unchanged + self.skipped + self.rejected + self.unknown + self.pending

    def as_dict(self) -> dict[str, int]:
        return {
            "read": self.read,
            "written": self.written,
            "unchanged": self.unchanged,
            "skipped": self.skipped,
            "rejected": self.rejected,
            "unknown": self.unknown,
            "pending": self.pending,
        }


@dataclass(frozen=True, slots=True)
class Failure:
    """One record that was rejected, or whose fate is unknown."""

    route: str
    source_id: str
    outcome: str
    cause: str
    message: str


@dataclass(frozen=True, slots=True)
class Summary:
    """How a run ended, or how far a migration is.

    `exit_code` None: a run is still going. `notes` name what a person should know. `finished`: the routes that
    have nothing left to do; `undone`: those that an undo of the whole route was begun of.
    """

    exit_code: int | None
    routes: Mapping[str, Counts]
    notes: tuple[str, ...] = ()
    finished: frozenset[str] = frozenset()
    undone: frozenset[str] = frozenset()

    @property
    def is_complete(self) -> bool:
        """Whether it went through its routes, with rejections or without."""
        return self.exit_code in {0, 3}
