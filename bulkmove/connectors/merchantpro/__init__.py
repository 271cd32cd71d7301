"""MerchantPro API v2: a shop's orders, read, written and processed, and its products, read.

names.py        paths, filters, statuses, limits · types.py  what goes in and comes out
operations.py   a description of each call · api.py  a typed method for each
answers.py      what answers say · forms.py  the forms that compare
source.py       the list of orders as a Source
products.py     the list of products, and the products that orders name
orders.py       writing and deleting orders · processing.py  marking them
examine.py      what a look at a shop tells
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import get_type_hints

from bulkmove.connectors.asking import known_filters, known_stream, revealed
from bulkmove.connectors.merchantpro import answers, names
from bulkmove.connectors.merchantpro.examine import examine_shop
from bulkmove.connectors.merchantpro.operations import OPERATIONS
from bulkmove.connectors.merchantpro.orders import order_target
from bulkmove.connectors.merchantpro.processing import ProcessingTarget
from bulkmove.connectors.merchantpro.products import FIELDS_OF_ORDERED, ProductSource, ordered_products
from bulkmove.connectors.merchantpro.source import OrderSource, wanted_orders
from bulkmove.connectors.merchantpro.types import LineItem, Order, OrderBody, ProcessingBody
from bulkmove.errors import ConfigError
from bulkmove.model import Finding, Operation, Response
from bulkmove.protocols import ALL_MODES, Connector, Search, Signature, Source, StreamSpec, Target, Transport
from bulkmove.settings import HostSettings, RouteSettings, Secret, Window

_STREAMS = MappingProxyType(
    {
        "orders": StreamSpec(
            name="orders",
            id_field=names.ID,
            can_read=True,
            can_write=True,
            natural_key=names.NATURAL_KEY,
            batch_size=1,
            filters=names.FILTERS,
            can_select_fields=True,
            always_sent=frozenset({names.ID, "date_created", "date_modified", "line_items"}),
            writable_fields=names.WRITABLE_FIELDS,
            modes=ALL_MODES | {"delete"},
            create_body=OrderBody,
            update_body=OrderBody,
            documented_fields=(
                *get_type_hints(Order),
                *(f"line_items[].{name}" for name in get_type_hints(LineItem)),
            ),
        ),
        "processing": StreamSpec(
            name="processing",
            id_field=names.ID,
            can_read=False,
            can_write=True,
            natural_key=names.ID,
            batch_size=1,
            writable_fields=frozenset({names.ID, "handler"}),
            modes=frozenset({"update"}),
            update_body=ProcessingBody,
        ),
        "products": StreamSpec(
            name="products", id_field=names.ID, can_read=True, can_write=False, filters=frozenset()
        ),
        "ordered-products": StreamSpec(
            name="ordered-products",
            id_field=names.ID,
            can_read=True,
            can_write=False,
            filters=names.FILTERS,
            derive=ordered_products,
        ),
    }
)


@dataclass(frozen=True, slots=True)
class MerchantPro:
    """HTTP Basic with key and secret (documented); limits as public clients report them."""

    name: str = "merchantpro"
    credentials: tuple[str, ...] = ("key", "secret")
    windows: tuple[Window, ...] = names.WINDOWS
    streams: Mapping[str, StreamSpec] = field(default_factory=lambda: _STREAMS)
    paths: Mapping[str, str] = field(default_factory=lambda: names.PATHS)
    unconfirmed: frozenset[str] = names.UNCONFIRMED
    operations: Mapping[str, Operation] = field(default_factory=lambda: OPERATIONS)
    options: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
    is_local: bool = False

    def sign(self, credentials: Mapping[str, Secret]) -> Signature:
        key = revealed(credentials, "key", api=self.name)
        secret = revealed(credentials, "secret", api=self.name)
        if ":" in key:
            raise ConfigError(
                "credentials.key of a MerchantPro host holds a colon, which HTTP Basic can't carry"
            )
        encoded = base64.b64encode(f"{key}:{secret}".encode()).decode("ascii")
        return Signature(headers={"Authorization": f"Basic {encoded}"})

    def headers(self, host: HostSettings) -> Mapping[str, str]:
        del host
        return names.HEADERS

    def wait_from_body(self, response: Response) -> float | None:
        return answers.wait_from_body(response)

    def is_passing(self, response: Response) -> bool:
        return answers.is_passing(response)

    def source(self, stream: str, transport: Transport, route: RouteSettings) -> Source:
        known_stream(self.name, stream, self.streams)
        if stream == "products":
            known_filters(route, frozenset())
            return ProductSource(transport)
        if not self.streams[stream].can_read:
            raise ConfigError(f"routes.{route.name}: {self.name} {stream} can be written, not read")
        fields = FIELDS_OF_ORDERED if stream == "ordered-products" else route.fields_used
        return OrderSource(transport, wanted_orders(transport.host, route, fields_used=fields))

    def target(self, stream: str, transport: Transport, route: RouteSettings) -> Target:
        known_stream(self.name, stream, self.streams)
        if stream == "orders":
            return order_target(transport, route)
        if stream == "processing":
            return ProcessingTarget(transport, route)
        raise ConfigError(f"routes.{route.name}: {self.name} {stream} can be read, not written")

    def search(self, stream: str, transport: Transport) -> Search:
        del transport
        raise ConfigError(f"{self.name} {stream} can't be searched")

    async def examine(self, transport: Transport) -> Sequence[Finding]:
        return await examine_shop(transport)


CONNECTOR: Connector = MerchantPro()
