"""What a migration is set to: frozen values, made by `bulkmove.config` from `migration.toml` or by hand in code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

Mode = Literal["create", "update", "upsert", "delete"]
Match = Literal["exact", "normalised"]
Load = Literal["whole", "on-demand"]
Missing = Literal["reject", "null", "default"]
Synchronous = Literal["full", "normal"]
Confirm = Literal["all", "sample", "none"]
Sweep = Literal["doubts", "always", "never"]
LONGEST_CONNECT_S = 10.0


class Secret:
    """A credential. Shows itself as `***`; `reveal()` is called only where a request is signed."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return "***"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._value == other._value

    def __hash__(self) -> int:
        return hash(self._value)


@dataclass(frozen=True, slots=True)
class Window:
    """At most `count` requests in any `period_s` seconds."""

    count: int
    period_s: float

    def __str__(self) -> str:
        unit = {1.0: "s", 60.0: "min", 3600.0: "h", 86400.0: "day"}.get(
            self.period_s, f"{self.period_s:.9g}s"
        )
        return f"{self.count}/{unit}"


@dataclass(frozen=True, slots=True)
class DailyRate:
    """The windows that hold at a host from one minute of its day to another; over midnight where `until` is not later."""

    since: int
    until: int
    windows: tuple[Window, ...]

    def __str__(self) -> str:
        return "-".join(f"{minute // 60:02d}:{minute % 60:02d}" for minute in (self.since, self.until))

    def holds_at(self, minute: int) -> bool:
        if self.since < self.until:
            return self.since <= minute < self.until
        return minute >= self.since or minute < self.until


@dataclass(frozen=True, slots=True)
class HostSettings:
    """A named address with one rate budget and one set of credentials.

    `windows` is None where the user gave no `rate`: the connector's published windows hold then. `timeout_s` is for a
    whole request with its answer; `connect_timeout_s` and `first_byte_timeout_s` are parts of it, and follow from it
    where they are None. `ca_file` is PEM: the only authorities that are trusted for this host, where it is given.
    `rate_at`: windows that hold in their place at times of the day, by `timezone`; no two of them at one time.
    `live`: customers depend on it; only a command that says so writes to it.
    """

    name: str
    api: str
    url: str
    credentials: Mapping[str, Secret] = field(default_factory=lambda: MappingProxyType({}))
    windows: tuple[Window, ...] | None = None
    rate_at: tuple[DailyRate, ...] = ()
    burst: int = 1
    concurrency: int = 16
    timeout_s: float = 30.0
    connect_timeout_s: float | None = None
    first_byte_timeout_s: float | None = None
    settle_s: float = 45.0
    give_up_after_s: float = 120.0
    max_response_bytes: int = 64 * 1024 * 1024
    ca_file: Path | None = None
    live: bool = False
    timezone: str | None = None
    paths: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    options: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Seconds until a connection stands, from a request to the first byte of its answer, and for the whole of it."""

    connect_s: float
    first_byte_s: float
    whole_s: float


def deadlines_of(host: HostSettings) -> Deadlines:
    """Where a connection is slow to come about, half of the time is left to the request itself."""
    connect_s, first_byte_s = host.connect_timeout_s, host.first_byte_timeout_s
    return Deadlines(
        connect_s=min(LONGEST_CONNECT_S, host.timeout_s / 2) if connect_s is None else connect_s,
        first_byte_s=host.timeout_s if first_byte_s is None else first_byte_s,
        whole_s=host.timeout_s,
    )


@dataclass(frozen=True, slots=True)
class RejectionLimit:
    """How many records of a route one run may reject before it ends: a number, or a share of those that it handles.

    Exactly one of the two is set; `share` is between 0 and 1.
    """

    count: int | None = None
    share: float | None = None

    def __str__(self) -> str:
        return f"{self.count}" if self.share is None else f"{100 * self.share:g}%"


@dataclass(frozen=True, slots=True)
class StreamName:
    """`host.stream`, as in `old.orders`."""

    host: str
    stream: str

    def __str__(self) -> str:
        return f"{self.host}.{self.stream}"


@dataclass(frozen=True, slots=True)
class RouteSettings:
    """One stream → mapper → one stream. None means: the connector's default.

    `fields` is the mapping that stands in the configuration itself, as it is written there; `mapper` is then
    empty. `skip_when` belongs to `fields`: a condition under which a record is skipped on purpose.
    `check_bodies`: mapped bodies are held against what the target documents before they are sent. `max_rejected`: the
    migration's, unless the route has one of its own. `confirm`: which changes of many rows at once are read back.
    `undo_with`: the fields that a created row gets when it is undone, in place of being deleted.
    `canary`: how many records are written and read back before the rest, 0: none.
    """

    name: str
    source: StreamName
    target: StreamName
    mapper: str
    mode: Mode = "upsert"
    natural_key: str | None = None
    where: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    batch_size: int | None = None
    fields_used: tuple[str, ...] | None = None
    after: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    fields: Mapping[str, Any] | None = None
    skip_when: str | None = None
    check_bodies: bool = True
    max_rejected: RejectionLimit | None = None
    confirm: Confirm = "sample"
    undo_with: Mapping[str, Any] | None = None
    canary: int = 0

    @property
    def is_self_route(self) -> bool:
        """Source and target are the same list: all of it is read and mapped before the first write."""
        return self.source == self.target


@dataclass(frozen=True, slots=True)
class LookupSettings:
    """A table of values that records are looked up in: the rows of a stream, of a file, or what stands inline.

    Exactly one of `stream`, `file` and `inline` is set. `key` and `value` are fields of a row (columns of a CSV
    file): a record's value is looked for in `key`, and becomes `value`. `within`: a further field that has to
    agree, as a settlement's region. `where` are the stream's own filters. `default` counts where `missing` is
    "default".
    """

    name: str
    stream: StreamName | None = None
    file: Path | None = None
    inline: Mapping[str, Any] | None = None
    key: str = "name"
    value: str = "id"
    within: str | None = None
    where: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    match: Match = "exact"
    load: Load = "whole"
    missing: Missing = "reject"
    default: Any = None


@dataclass(frozen=True, slots=True)
class MigrationSettings:
    """A whole migration. Relative paths in it are relative to `directory`, where its file stands.

    `decisions` is the file in which a person says what becomes of values that no look-up resolves; it need not
    be there. `keep_before`: bodies as they were written, and rows as they stood before they were changed, are kept.
    `mask`: names and patterns of source fields whose values are replaced before anything else sees them.
    `delta_overlap_s`: how far before the end of the last pass a delta looks for new records by their dates.
    """

    name: str
    directory: Path
    hosts: Mapping[str, HostSettings]
    routes: Mapping[str, RouteSettings]
    ledger: Path
    file: Path | None = None
    lookups: Mapping[str, LookupSettings] = field(default_factory=lambda: MappingProxyType({}))
    decisions: Path | None = None
    synchronous: Synchronous = "full"
    sweep: Sweep = "doubts"
    keep_before: bool = False
    canary: int = 0
    mask: tuple[str, ...] = ()
    delta_overlap_s: float = 3600.0
    max_rejected: RejectionLimit | None = None
