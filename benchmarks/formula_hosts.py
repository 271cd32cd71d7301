"""A shop of as many orders as one likes, and a target for them, within this process: rows made by formula, none kept.

Everything between is the real thing: connectors, transport, mapper, loader and ledger. Only the wire is not there.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import anyio.lowlevel
import orjson

from bulkmove.model import Json, Request, Response
from bulkmove.protocols import Signature
from bulkmove.settings import HostSettings
from bulkmove.transport.answers import Answer
from bulkmove.transport.opening import HostClient

# One order every three seconds: ten million are a year.
_EVERY_S = 3
_FIRST_ORDER_AT = int(datetime(2015, 1, 1, tzinfo=UTC).timestamp())
_ORDER = (
    '{"id":"%d","date_created":"%s","date_modified":"%s","shipping_status":"delivered","payment_status":"paid",'
    '"customer_id":%d,"customer_email":"customer%d@example.ro","shipping_address":"Str. Lungă %d",'
    '"shipping_postal_code":"077190","total":%d.50,"currency":"RON",'
    '"line_items":[{"product_id":%d,"quantity":1},{"product_id":%d,"quantity":2}]}'
)


class Orders:
    """The old shop: its order number n was made `n * _EVERY_S` seconds after the first."""

    def __init__(self, count: int) -> None:
        self._count = count

    def answer(self, request: Request) -> bytes:
        params = request.params
        first, last = self._span(params.get("created_after"), params.get("created_before"))
        total = max(0, last - first)
        start, limit = int(params["start"]), int(params["limit"])
        begin = first + start
        rows = ",".join(_order(number) for number in range(begin, min(begin + limit, last)))
        following = '"/api/v2/orders?next"' if start + limit < total else "null"
        meta = (
            f'{{"count":{{"total":{total},"start":{start},"limit":{limit}}},"links":{{"next":{following}}}}}'
        )
        return f'{{"data":[{rows}],"meta":{meta}}}'.encode()

    def _span(self, after: str | None, before: str | None) -> tuple[int, int]:
        """The first order behind `after`, and the first that is not before `before`; both bounds excluded."""
        first = 0 if after is None else (_second(after) - _FIRST_ORDER_AT) // _EVERY_S + 1
        last = self._count if before is None else -((_FIRST_ORDER_AT - _second(before)) // _EVERY_S)
        return max(0, first), min(self._count, last)


class Written:
    """The new shop: empty for who asks before the first write, and afterwards it numbers what it is sent."""

    def __init__(self) -> None:
        self.count = 0

    def answer(self, request: Request) -> bytes:
        if request.method == "GET":
            return b'{"count":0,"next":null,"previous":null,"results":[]}'
        items = orjson.loads(request.body or b"[]")
        rows = [{**item, "order_id": self.count + place} for place, item in enumerate(items, 1)]
        self.count += len(items)
        return orjson.dumps(rows)


def _order(number: int) -> str:
    made = datetime.fromtimestamp(_FIRST_ORDER_AT + number * _EVERY_S, UTC).isoformat()
    customer = number % 200_000
    return _ORDER % (
        number + 1, made, made, customer, customer, number % 300, number % 900, number % 5000 + 1, number % 7000 + 1,
    )  # fmt: skip


def _second(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp())


class _Client:
    """Implements `bulkmove.transport.opening.HostClient`."""

    def __init__(
        self, host: Orders | Written, wall_clock: Callable[[], float], on_sent: Callable[[Any], None] | None
    ) -> None:
        self._host = host
        self._wall_clock = wall_clock
        self._on_sent = on_sent

    async def send(self, request: Request, mark: object = None) -> Answer:
        sent_at = self._wall_clock()
        if self._on_sent is not None:
            self._on_sent(mark)
        await anyio.lowlevel.checkpoint()
        body = self._host.answer(request)
        data: Json = None if request.decode is None else request.decode(body)
        status = 200 if request.method == "GET" else 201
        return Response(status, {}, body, data, sent_at, float(int(time.time())), asked=request.path)

    def redirect_target(self, request: Request, answer: Response) -> str:
        del request, answer
        return ""


def connecting(
    hosts: Mapping[str, Orders | Written],
) -> Callable[..., Any]:
    """An `OpenClient` that leads to hosts of this process, by their names."""

    @asynccontextmanager
    async def connect(
        host: HostSettings,
        sign: Signature,
        *,
        wall_clock: Callable[[], float],
        on_sent: Callable[[Any], None] | None = None,
        turn: Callable[[Any], Awaitable[None]] | None = None,
    ) -> AsyncIterator[HostClient]:
        del sign, turn
        yield _Client(hosts[host.name], wall_clock, on_sent)

    return connect
