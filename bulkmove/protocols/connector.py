"""One system: its streams, its calls, and how it is spoken to."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Protocol

from bulkmove.model import (
    Finding,
    JsonObject,
    Operation,
    Record,
    Response,
)
from bulkmove.protocols.source import Source
from bulkmove.protocols.target import (
    Target,
)
from bulkmove.protocols.transport import Transport
from bulkmove.settings import HostSettings, Mode, RouteSettings, Secret, Window

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
    anything. `always_sent`: the fields that come whichever are asked for. `documented_fields`: those that a row which is read may have, in the document's order, as `line_items` and
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
    always_sent: frozenset[str] = frozenset()
    writable_fields: frozenset[str] = frozenset()
    modes: frozenset[Mode] = ALL_MODES
    can_search: bool = False
    derive: Derive | None = None
    create_body: type | None = None
    update_body: type | None = None
    documented_fields: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Signature:
    """What a request carries so that the host knows who asks. Never logged, never part of a message."""

    headers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    params: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


class Connector(Protocol):
    """One system: what `api = "…"` in a migration names, as an entry point of group `bulkmove.connectors`.

    `credentials` are the names that the host's `credentials` must hold. `windows` are its published limits,
    none where it publishes none.
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
