"""Trials of the connectors that come with the package: over real HTTP against emulated hosts, or in a directory."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from bulkmove.connectors.discover import connector
from bulkmove.connectors.files import CONNECTOR as FILES
from bulkmove.connectors.scripted import ScriptedTransport, answer
from bulkmove.model import JsonObject
from bulkmove.protocols import Connector, Source, StagedTarget, Target, Transport
from bulkmove.sandbox.process import SandboxRecord
from bulkmove.sandbox.server import Sandbox
from bulkmove.sandbox.settings import SandboxSettings
from bulkmove.settings import HostSettings, RouteSettings, Secret, StreamName
from bulkmove.testing import DeletionTrial, FaultyTransport, SourceTrial, StagedTrial, TargetTrial
from bulkmove.transport import open_transport

CREDENTIALS = {
    "merchantpro": {"key": Secret("demo-key"), "secret": Secret("demo-secret")},
    "external-order": {"token": Secret("demo-token")},
    "robosize": {"api_key": Secret("demo-api-key")},
}
T0 = 1_700_000_000


@dataclass
class Opened:
    """One list of an emulated host: its connector, on a transport that can be told to fail."""

    connector: Connector
    stream: str
    transport: FaultyTransport
    record: SandboxRecord
    sandbox: Sandbox

    def source(self, **settings: Any) -> Source:
        return self.connector.source(self.stream, self.transport, self._route(settings))

    def target(self, **settings: Any) -> Target:
        return self.connector.target(self.stream, self.transport, self._route(settings))

    def _route(self, settings: Mapping[str, Any]) -> RouteSettings:
        name = StreamName(self.connector.name, self.stream)
        return RouteSettings(**{"name": "r", "source": name, "target": name, "mapper": "m", **settings})


@asynccontextmanager
async def opened(
    api: str, stream: str, *, host: Mapping[str, Any] | None = None, **settings: Any
) -> AsyncIterator[Opened]:
    found = connector(api)
    async with (
        Sandbox(SandboxSettings(**{"orders": 40, "products": 30, **settings})) as sandbox,
        SandboxRecord(sandbox.url) as record,
    ):
        at = HostSettings(
            **{"name": api, "api": api, "url": sandbox.url, "credentials": CREDENTIALS[api], **(host or {})}
        )
        async with open_transport(
            at,
            windows=(),
            sign=found.sign(at.credentials),
            wait_from_body=found.wait_from_body,
            is_passing=found.is_passing,
        ) as transport:
            yield Opened(found, stream, FaultyTransport(transport), record, sandbox)


SourceOpener = Callable[[], AbstractAsyncContextManager[SourceTrial]]
TargetOpener = Callable[[], AbstractAsyncContextManager[TargetTrial]]
DeletionOpener = Callable[[], AbstractAsyncContextManager[DeletionTrial]]


@asynccontextmanager
async def merchantpro_orders() -> AsyncIterator[SourceTrial]:
    async with opened("merchantpro", "orders") as at:
        rows = await at.record.rows("orders")
        delivered = [str(row["id"]) for row in rows if row["shipping_status"] == "delivered"]
        yield SourceTrial(
            at.source(),
            [str(row["id"]) for row in rows],
            narrowed=(at.source(where={"shipping_status": "delivered"}), delivered),
            transport=at.transport,
        )


@asynccontextmanager
async def merchantpro_orders_of_a_time() -> AsyncIterator[SourceTrial]:
    """The filters of a route may be dates; and the bounds that the host takes are exclusive here."""
    async with opened("merchantpro", "orders", created_after="exclusive", stable_ties=True) as at:
        rows = await at.record.rows("orders")
        low, high = rows[10]["date_created"], rows[30]["date_created"]
        between = [str(row["id"]) for row in rows if low <= row["date_created"] <= high]
        yield SourceTrial(
            at.source(),
            [str(row["id"]) for row in rows],
            narrowed=(at.source(where={"created_after": low, "created_before": high}), between),
            transport=at.transport,
        )


@asynccontextmanager
async def merchantpro_products() -> AsyncIterator[SourceTrial]:
    async with opened("merchantpro", "products", products=50) as at:
        ids = [str(product.old_id) for product in at.sandbox.world.catalogue.shown]
        yield SourceTrial(at.source(), ids, transport=at.transport)


def external_orders(**settings: Any) -> SourceOpener:
    """`host` are options of the host, as the others are of the sandbox."""
    host = settings.pop("host", None)

    @asynccontextmanager
    async def opener() -> AsyncIterator[SourceTrial]:
        async with opened("external-order", "orders", targets_existing=40, host=host, **settings) as at:
            rows = await at.record.rows("external-orders")
            after = int(sorted(row["_created_at"] for row in rows)[20])
            late = [str(row["order_id"]) for row in rows if row["_created_at"] >= after]
            narrowed = (at.source(where={"created_after": str(after)}), late)
            yield SourceTrial(
                at.source(),
                [str(row["order_id"]) for row in rows],
                narrowed=narrowed if settings.get("external_created_after") != "ignored" else None,
                transport=at.transport,
            )

    return opener


@asynccontextmanager
async def external_products() -> AsyncIterator[SourceTrial]:
    async with opened("external-order", "products") as at:
        products = at.sandbox.world.catalogue.products
        sought = products[3].sku or products[3].name
        found = [str(each.new_id) for each in products if sought in {each.sku, each.name}]
        yield SourceTrial(
            at.source(),
            [str(product.new_id) for product in products],
            narrowed=(at.source(where={"search": sought}), found),
            transport=at.transport,
        )


def robosize_list(stream: str) -> SourceOpener:
    @asynccontextmanager
    async def opener() -> AsyncIterator[SourceTrial]:
        async with opened("robosize", stream, targets_existing=40) as at:
            rows = await at.record.rows(f"robosize-{stream}")
            yield SourceTrial(at.source(), [str(row["id"]) for row in rows], transport=at.transport)

    return opener


# Files


@contextmanager
def directory() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="bulkmove-conformance-") as path:
        yield Path(path)


def files_at(path: Path, **options: Any) -> tuple[Transport, RouteSettings]:
    name = StreamName("files", "orders")
    host = HostSettings(name="files", api="files", url=str(path), options=options)
    return ScriptedTransport(host, lambda _: answer(500)), RouteSettings(
        name="r", source=name, target=name, mapper="m"
    )


@asynccontextmanager
async def file_of_rows() -> AsyncIterator[SourceTrial]:
    with directory() as path:
        rows = [{"id": f"row-{number}", "value": number} for number in range(45)]
        (path / "orders.jsonl").write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
        transport, route = files_at(path)
        yield SourceTrial(FILES.source("orders", transport, route), [str(row["id"]) for row in rows])


def file_target(**options: Any) -> TargetOpener:
    @asynccontextmanager
    async def opener() -> AsyncIterator[TargetTrial]:
        with directory() as path:
            transport, route = files_at(path, **options)
            target = FILES.target("orders", transport, route)
            if not isinstance(target, StagedTarget):
                raise TypeError("a file is a list that comes to be as a whole")
            async with target.open_list(written=0, in_doubt=0):
                yield TargetTrial(
                    target,
                    [
                        {"id": f"row-{number}", "name": f"Ș „{number}”", "value": number}
                        for number in range(6)
                    ],
                    bad={"id": "bad", "name": "a\0b"} if options.get("format") == "csv" else None,
                )

    return opener


def staged_file(**options: Any) -> Callable[[], AbstractAsyncContextManager[StagedTrial]]:
    @asynccontextmanager
    async def opener() -> AsyncIterator[StagedTrial]:
        with directory() as path:
            transport, route = files_at(path, **options)

            def anew() -> tuple[Target, StagedTarget]:
                target = FILES.target("orders", transport, route)
                if not isinstance(target, StagedTarget):
                    raise TypeError("a file is a list that comes to be as a whole")
                return target, target

            yield StagedTrial(
                anew,
                [{"id": f"row-{number}", "value": number} for number in range(5)],
                is_there=lambda: any(not each.name.startswith(".") for each in path.iterdir()),
            )

    return opener


# Targets


def _mp_order(number: int) -> JsonObject:
    return {
        "channel_ref_id": f"our-{number}",
        "customer_email": f"customer-{number}@shop.example",
        "payment_status": "awaiting",
        "note": f"note {number}",
        "line_items": [{"product_id": str(number + 1), "quantity": 1 + number, "price": "12.50"}],
    }


@asynccontextmanager
async def merchantpro_target() -> AsyncIterator[TargetTrial]:
    async with opened("merchantpro", "orders", orders=10) as at:
        yield TargetTrial(
            at.target(),
            [_mp_order(number) for number in range(6)],
            change=lambda row: {"note": f"changed from {row.get('note')}"},
            bad={**_mp_order(99), "line_items": "a secret of the customer"},
            transport=at.transport,
        )


@asynccontextmanager
async def merchantpro_processing() -> AsyncIterator[TargetTrial]:
    async with opened("merchantpro", "processing", orders=10) as at:
        yield TargetTrial(
            at.target(mode="update"),
            change=lambda row: {
                "handler": "returned" if row["shipping_status"] != "returned" else "cancelled"
            },
            transport=at.transport,
        )


def _external_order(number: int) -> JsonObject:
    return {
        "rrn": f"our-{number}",
        "shop": 2,
        "order_items": [
            {"product": number + 1, "quantity": 1, "order_status": "new", "loyalty_price": 12.5},
            {"product": number + 2, "quantity": 2, "order_status": "done"},
        ],
        "address": {"address_ru": f"str. {number}", "zip_code": "MD-2001"},
    }


def external_target(updates: str, *, host: Mapping[str, Any] | None = None, **settings: Any) -> TargetOpener:
    @asynccontextmanager
    async def opener() -> AsyncIterator[TargetTrial]:
        async with opened(
            "external-order", "orders", items_on_update=updates, host=host, targets_existing=3, **settings
        ) as at:
            yield TargetTrial(
                at.target(options={"items_on_update": updates}),
                [_external_order(number) for number in range(8)],
                change=lambda row: {
                    "address": {"address_ru": f"changed from {(row.get('address') or {}).get('address_ru')}"}
                },
                bad={**_external_order(99), "rrn": "a secret of the customer" * 20},
                transport=at.transport,
            )

    return opener


@asynccontextmanager
async def robosize_orders_target() -> AsyncIterator[TargetTrial]:
    async with opened("robosize", "orders", targets_existing=3) as at:
        yield TargetTrial(
            at.target(),
            [
                {"store_id": f"our-{number}", "device_id": f"device-{number}", "data": {"n": number, "x": {}}}
                for number in range(6)
            ],
            change=lambda row: {"data": {"was": row["data"]}},
            bad={"store_id": "our-9", "device_id": "device-9", "data": "no object of the customer"},
            transport=at.transport,
        )


@asynccontextmanager
async def robosize_products_target() -> AsyncIterator[TargetTrial]:
    async with opened("robosize", "products") as at:
        yield TargetTrial(
            at.target(),
            [
                {
                    "name": f"product {number}",
                    "store_id": f"our-{number}",
                    "tags": ["dress", f"tag-{number}"],
                    "image_url": f"https://img.example/{number}.png",
                    "type": "dress",
                }
                for number in range(6)
            ],
            change=lambda _: {"name": "changed", "tags": ["other"]},
            bad={"store_id": "a secret of the shop", "tags": ["dress"]},
            transport=at.transport,
        )


def deletions(api: str, stream: str) -> DeletionOpener:
    @asynccontextmanager
    async def opener() -> AsyncIterator[DeletionTrial]:
        async with opened(api, stream, targets_existing=10) as at:
            name = {"merchantpro": "orders", "robosize": f"robosize-{stream}"}[api]
            ids = [str(row["id"]) for row in await at.record.rows(name)]
            yield DeletionTrial(at.target(mode="delete"), ids, at.transport)

    return opener
