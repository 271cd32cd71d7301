"""MerchantPro API v2: the orders of a shop.

api.py     the calls in use and the documented names
source.py  the list of orders as a Source
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from bulkmove.connectors.asking import known_stream, revealed
from bulkmove.connectors.merchantpro import api
from bulkmove.connectors.merchantpro.source import OrderSource
from bulkmove.errors import ConfigError
from bulkmove.model import Finding, Operation, Response
from bulkmove.protocols import Connector, Search, Signature, Source, StreamSpec, Target, Transport
from bulkmove.settings import RouteSettings, Secret, Window

_STREAMS = MappingProxyType(
    {
        "orders": StreamSpec(
            name="orders",
            id_field="id",
            can_read=True,
            can_write=False,
            filters=api.FILTERS,
            can_select_fields=True,
        )
    }
)


@dataclass(frozen=True, slots=True)
class MerchantPro:
    """HTTP Basic with key and secret (documented); limits as public clients report them."""

    name: str = "merchantpro"
    credentials: tuple[str, ...] = ("key", "secret")
    windows: tuple[Window, ...] = api.WINDOWS
    streams: Mapping[str, StreamSpec] = field(default_factory=lambda: _STREAMS)
    paths: Mapping[str, str] = field(default_factory=lambda: MappingProxyType(api.PATHS))
    unconfirmed: frozenset[str] = frozenset()
    operations: Mapping[str, Operation] = field(default_factory=lambda: MappingProxyType({}))
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

    def wait_from_body(self, response: Response) -> float | None:
        return api.wait_from_body(response)

    def is_passing(self, response: Response) -> bool:
        return api.is_passing(response)

    def source(self, stream: str, transport: Transport, route: RouteSettings) -> Source:
        known_stream(self.name, stream, self.streams)
        return OrderSource(transport, route)

    def target(self, stream: str, transport: Transport, route: RouteSettings) -> Target:
        del transport
        known_stream(self.name, stream, self.streams)
        raise ConfigError(f"routes.{route.name}: {self.name} {stream} can be read, not written")

    def search(self, stream: str, transport: Transport) -> Search:
        del transport
        raise ConfigError(f"{self.name} {stream} can't be searched")

    async def examine(self, transport: Transport) -> Sequence[Finding]:
        del transport
        return ()


CONNECTOR: Connector = MerchantPro()
