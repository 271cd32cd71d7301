"""Robosize's business API: orders and products, read and written.

operations.py  the eight documented calls · types.py  what goes in and comes out · api.py  each as a typed method
forms.py       the fields of rows, and the forms that compare
source.py      either list as a Source
orders.py      writing orders · products.py  writing products · deletions.py  deleting either
answers.py     what the answers to writes say
examine.py     what read-only calls tell of a host
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from bulkmove.connectors.asking import known_filters, known_stream, revealed
from bulkmove.connectors.robosize.deletions import delete_target
from bulkmove.connectors.robosize.examine import findings_of
from bulkmove.connectors.robosize.forms import (
    ID,
    IDS_IN_ONE_PATCH,
    NATURAL_KEY,
    ORDER_FIELDS,
    PRODUCT_FIELDS,
)
from bulkmove.connectors.robosize.operations import HEADERS, OPERATIONS, PATHS
from bulkmove.connectors.robosize.orders import OrderTarget
from bulkmove.connectors.robosize.products import ProductTarget
from bulkmove.connectors.robosize.source import ListSource
from bulkmove.connectors.robosize.types import NewOrder, NewProduct, OrderChange, ProductChange
from bulkmove.errors import ConfigError
from bulkmove.model import Finding, Operation, Response
from bulkmove.protocols import (
    ALL_MODES,
    Connector,
    Search,
    Signature,
    Source,
    StreamSpec,
    Target,
    Transport,
)
from bulkmove.settings import HostSettings, Mode, RouteSettings, Secret, Window

_MODES: frozenset[Mode] = ALL_MODES | {"delete"}
_STREAMS = MappingProxyType(
    {
        "orders": StreamSpec(
            name="orders",
            id_field=ID,
            can_read=True,
            can_write=True,
            natural_key=NATURAL_KEY,
            batch_size=1,
            filters=frozenset(),
            writable_fields=ORDER_FIELDS,
            modes=_MODES,
            create_body=NewOrder,
            update_body=OrderChange,
        ),
        "products": StreamSpec(
            name="products",
            id_field=ID,
            can_read=True,
            can_write=True,
            natural_key=NATURAL_KEY,
            batch_size=IDS_IN_ONE_PATCH,
            filters=frozenset(),
            writable_fields=PRODUCT_FIELDS,
            modes=_MODES,
            create_body=NewProduct,
            update_body=ProductChange,
        ),
    }
)


@dataclass(frozen=True, slots=True)
class Robosize:
    """The key travels as `api_key` in the query (documented). No limit is published: 10/s."""

    name: str = "robosize"
    credentials: tuple[str, ...] = ("api_key",)
    windows: tuple[Window, ...] = ()  # none is published
    streams: Mapping[str, StreamSpec] = field(default_factory=lambda: _STREAMS)
    paths: Mapping[str, str] = field(default_factory=lambda: PATHS)
    unconfirmed: frozenset[str] = frozenset()
    operations: Mapping[str, Operation] = field(default_factory=lambda: OPERATIONS)
    options: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
    is_local: bool = False

    def sign(self, credentials: Mapping[str, Secret]) -> Signature:
        return Signature(params={"api_key": revealed(credentials, "api_key", api=self.name)})

    def headers(self, host: HostSettings) -> Mapping[str, str]:
        del host
        return HEADERS

    def wait_from_body(self, response: Response) -> float | None:
        del response
        return None

    def is_passing(self, response: Response) -> bool:
        del response
        return False

    def source(self, stream: str, transport: Transport, route: RouteSettings) -> Source:
        known_stream(self.name, stream, self.streams)
        known_filters(route, frozenset())
        return ListSource(transport, stream)

    def target(self, stream: str, transport: Transport, route: RouteSettings) -> Target:
        known_stream(self.name, stream, self.streams)
        if route.mode == "delete":
            return delete_target(stream, transport, route)
        return OrderTarget(transport, route) if stream == "orders" else ProductTarget(transport, route)

    def search(self, stream: str, transport: Transport) -> Search:
        del transport
        raise ConfigError(f"{self.name} {stream} can't be searched")

    async def examine(self, transport: Transport) -> Sequence[Finding]:
        return await findings_of(transport)


CONNECTOR: Connector = Robosize()
