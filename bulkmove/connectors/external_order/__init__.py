"""The external-order API of an ECOM.md shop: its orders, read and written, and what they point to.

api.py         every documented call, typed
names.py       paths, fields, filters, sizes
types.py       what goes in and comes out
operations.py  each call, described once
dialect.py     how one host spells and pages
forms.py       what of an order is compared, and the ids that an update takes up
streams.py     what can be listed and written
source.py      a list as a Source
references.py  stores, regions, settlements, sectors, products, promo codes
answers.py     what an answer says of each order that was sent
target.py      creates and updates of orders; updates.py reads them first
items.py       deletions of their lines
examine.py     read-only calls that tell a host's dialect; signs.py: what their pages show
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from bulkmove.connectors.asking import known_stream, revealed
from bulkmove.connectors.external_order import dialect, names
from bulkmove.connectors.external_order.examine import examine
from bulkmove.connectors.external_order.items import item_target
from bulkmove.connectors.external_order.operations import OPERATIONS
from bulkmove.connectors.external_order.references import LISTS, product_search, reference_source
from bulkmove.connectors.external_order.source import order_source
from bulkmove.connectors.external_order.streams import ORDER_ITEMS, STREAMS
from bulkmove.connectors.external_order.target import ITEMS_ON_UPDATE, OrderTarget
from bulkmove.errors import ConfigError
from bulkmove.model import Finding, Operation, Response
from bulkmove.protocols import Connector, Search, Signature, Source, StreamSpec, Target, Transport
from bulkmove.settings import HostSettings, RouteSettings, Secret, Window


@dataclass(frozen=True, slots=True)
class ExternalOrder:
    """The document shows the header `API-Token` on orders and `token` on reference lists; both are sent.

    No limit is published: 10/s.
    """

    name: str = "external-order"
    credentials: tuple[str, ...] = ("token",)
    windows: tuple[Window, ...] = ()  # none is published
    streams: Mapping[str, StreamSpec] = field(default_factory=lambda: STREAMS)
    paths: Mapping[str, str] = field(default_factory=lambda: MappingProxyType(names.PATHS))
    unconfirmed: frozenset[str] = names.UNCONFIRMED
    operations: Mapping[str, Operation] = field(default_factory=lambda: OPERATIONS)
    options: Mapping[str, tuple[str, ...]] = field(
        default_factory=lambda: MappingProxyType({**dialect.OPTIONS, "items_on_update": ITEMS_ON_UPDATE})
    )
    is_local: bool = False

    def sign(self, credentials: Mapping[str, Secret]) -> Signature:
        token = revealed(credentials, "token", api=self.name)
        return Signature(headers={"API-Token": token, "token": token})

    def headers(self, host: HostSettings) -> Mapping[str, str]:
        return dialect.headers_for(host)

    def wait_from_body(self, response: Response) -> float | None:
        del response
        return None

    def is_passing(self, response: Response) -> bool:
        del response
        return False

    def source(self, stream: str, transport: Transport, route: RouteSettings) -> Source:
        known_stream(self.name, stream, self.streams)
        if not self.streams[stream].can_read:
            raise ConfigError(f"{self.name} {stream} can't be read")
        if stream in LISTS:
            return reference_source(stream, transport, route)
        return order_source(transport, route)

    def target(self, stream: str, transport: Transport, route: RouteSettings) -> Target:
        known_stream(self.name, stream, self.streams)
        if not self.streams[stream].can_write:
            raise ConfigError(f"{self.name} {stream} can't be written")
        if stream == ORDER_ITEMS:
            return item_target(transport, route)
        return OrderTarget(transport, route)

    def search(self, stream: str, transport: Transport) -> Search:
        """Products alone, by id, code or name."""
        known_stream(self.name, stream, self.streams)
        if not self.streams[stream].can_search:
            raise ConfigError(f"{self.name} {stream} can't be searched")
        return product_search(transport)

    async def examine(self, transport: Transport) -> Sequence[Finding]:
        return await examine(transport)


CONNECTOR: Connector = ExternalOrder()
