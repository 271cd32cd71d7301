"""The external-order API of an ECOM.md shop: its orders, read and written.

api.py      the calls in use, names, and the forms of a body
source.py   the list of orders as a Source
answers.py  what an answer says of each order that was sent
target.py   creates and updates
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from bulkmove.connectors.asking import known_stream, revealed
from bulkmove.connectors.external_order import api
from bulkmove.connectors.external_order.source import OrderSource, route_filters
from bulkmove.connectors.external_order.target import OrderTarget
from bulkmove.errors import ConfigError
from bulkmove.model import Finding, Operation, Response
from bulkmove.protocols import Connector, Search, Signature, Source, StreamSpec, Target, Transport
from bulkmove.settings import RouteSettings, Secret, Window

_STREAMS = MappingProxyType(
    {
        "orders": StreamSpec(
            name="orders",
            id_field=api.ID,
            can_read=True,
            can_write=True,
            natural_key=api.NATURAL_KEY,
            batch_size=api.ARRAY_LENGTH,
            filters=api.FILTERS,
            writable_fields=api.WRITABLE_FIELDS,
        )
    }
)


@dataclass(frozen=True, slots=True)
class ExternalOrder:
    """The document shows the header `API-Token` on orders and `token` on reference lists; both are sent.

    No limit is published: 10/s.
    """

    name: str = "external-order"
    credentials: tuple[str, ...] = ("token",)
    windows: tuple[Window, ...] = (Window(10, 1.0),)
    streams: Mapping[str, StreamSpec] = field(default_factory=lambda: _STREAMS)
    paths: Mapping[str, str] = field(default_factory=lambda: MappingProxyType(api.PATHS))
    unconfirmed: frozenset[str] = api.UNCONFIRMED
    operations: Mapping[str, Operation] = field(default_factory=lambda: MappingProxyType({}))
    options: Mapping[str, tuple[str, ...]] = field(
        default_factory=lambda: MappingProxyType({"items_on_update": ("append", "replace")})
    )
    is_local: bool = False

    def sign(self, credentials: Mapping[str, Secret]) -> Signature:
        token = revealed(credentials, "token", api=self.name)
        return Signature(headers={"API-Token": token, "token": token})

    def wait_from_body(self, response: Response) -> float | None:
        del response
        return None

    def is_passing(self, response: Response) -> bool:
        del response
        return False

    def source(self, stream: str, transport: Transport, route: RouteSettings) -> Source:
        known_stream(self.name, stream, self.streams)
        return OrderSource(transport, route_filters(transport, route))

    def target(self, stream: str, transport: Transport, route: RouteSettings) -> Target:
        known_stream(self.name, stream, self.streams)
        return OrderTarget(transport, route)

    def search(self, stream: str, transport: Transport) -> Search:
        del transport
        raise ConfigError(f"{self.name} {stream} can't be searched")

    async def examine(self, transport: Transport) -> Sequence[Finding]:
        del transport
        return ()


CONNECTOR: Connector = ExternalOrder()
