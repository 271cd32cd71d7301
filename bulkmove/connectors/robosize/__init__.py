"""Robosize's business API: orders and products, read and written.

api.py       paths, fields, and the forms that compare
source.py    either list as a Source
orders.py    writing orders · products.py  writing products
answers.py   what the answers to writes say
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from bulkmove.connectors.asking import known_filters, known_stream, paths_of, revealed
from bulkmove.connectors.robosize import api
from bulkmove.connectors.robosize.orders import OrderTarget
from bulkmove.connectors.robosize.products import ProductTarget
from bulkmove.connectors.robosize.source import ListSource
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
            batch_size=1,
            filters=frozenset(),
            writable_fields=api.ORDER_FIELDS,
        ),
        "products": StreamSpec(
            name="products",
            id_field=api.ID,
            can_read=True,
            can_write=True,
            natural_key=api.NATURAL_KEY,
            batch_size=api.IDS_IN_ONE_PATCH,
            filters=frozenset(),
            writable_fields=api.PRODUCT_FIELDS,
        ),
    }
)


@dataclass(frozen=True, slots=True)
class Robosize:
    """The key travels as `api_key` in the query (documented). No limit is published: 10/s."""

    name: str = "robosize"
    credentials: tuple[str, ...] = ("api_key",)
    windows: tuple[Window, ...] = (Window(10, 1.0),)
    streams: Mapping[str, StreamSpec] = field(default_factory=lambda: _STREAMS)
    paths: Mapping[str, str] = field(default_factory=lambda: MappingProxyType(api.PATHS))
    unconfirmed: frozenset[str] = frozenset()
    operations: Mapping[str, Operation] = field(default_factory=lambda: MappingProxyType({}))
    options: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
    is_local: bool = False

    def sign(self, credentials: Mapping[str, Secret]) -> Signature:
        return Signature(params={"api_key": revealed(credentials, "api_key", api=self.name)})

    def wait_from_body(self, response: Response) -> float | None:
        del response
        return None

    def is_passing(self, response: Response) -> bool:
        del response
        return False

    def source(self, stream: str, transport: Transport, route: RouteSettings) -> Source:
        known_stream(self.name, stream, self.streams)
        known_filters(route, frozenset())
        return ListSource(transport, paths_of(transport.host, api.PATHS)[stream])

    def target(self, stream: str, transport: Transport, route: RouteSettings) -> Target:
        known_stream(self.name, stream, self.streams)
        return OrderTarget(transport, route) if stream == "orders" else ProductTarget(transport, route)

    def search(self, stream: str, transport: Transport) -> Search:
        del transport
        raise ConfigError(f"{self.name} {stream} can't be searched")

    async def examine(self, transport: Transport) -> Sequence[Finding]:
        del transport
        return ()


CONNECTOR: Connector = Robosize()
