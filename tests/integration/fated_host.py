"""The hosts of the three APIs over rows in memory, on a real socket: they do what they are asked, and answer as they are told."""

from __future__ import annotations

import asyncio
import enum
import socket
import struct
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson

Row = dict[str, Any]
EXTERNAL, ORDERS, PRODUCTS, SHOP = (
    "/external/external-order/", "/api/v1/business/order/", "/api/v1/product/", "/api/v2/orders",
)  # fmt: skip
MADE_AT = "2024-05-01T10:00:00+00:00"
PLACES = (EXTERNAL, ORDERS, PRODUCTS, SHOP)


@dataclass(frozen=True, slots=True)
class Write:
    """A request that writes: the numbers of the records that it carries, and its size."""

    method: str
    path: str
    body: Any
    numbers: tuple[int, ...]
    size: int


class Mute(enum.Enum):
    """In place of an answer."""

    SILENCE = "nothing comes"
    RESET = "the connection breaks"


Said = bytes | Mute


@dataclass(frozen=True, slots=True)
class Spoilt:
    """How a write goes wrong: which of its records are done all the same, and what is said, given the rows of the answer."""

    say: Callable[[Write, list[Row]], Said]
    does: Callable[[int], bool] = lambda _: False


def http(status: int, body: Any = b"", **headers: str) -> bytes:
    """An answer; `body` as JSON, or as it is where it is bytes."""
    encoded = body if isinstance(body, bytes) else orjson.dumps(body)
    lines = [f"HTTP/1.1 {status} X", "Content-Type: application/json", f"Content-Length: {len(encoded)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + encoded


def number_of(text: Any) -> int:
    """The record that a key as k3, or an id as 3, stands for."""
    return int(str(text).removeprefix("k"))


@dataclass
class FatedHost:
    """`rows` by path of their list, by id. `spoil` is asked of each write; `writes` are those that came, and `on_write`
    and `on_read` are told of each request as it comes.

    An update of external orders adds the lines that carry no id, or replaces all where `replaces`. Of the first
    `unread` bodies nothing is taken from the wire.
    """

    rows: dict[str, dict[str, Row]] = field(default_factory=lambda: {place: {} for place in PLACES})
    spoil: Callable[[Write], Spoilt | None] = lambda _: None
    on_write: Callable[[Write], None] = lambda _: None
    on_read: Callable[[str], None] = lambda _: None
    replaces: bool = False
    unread: int = 0
    writes: list[Write] = field(default_factory=list)
    reads: int = 0
    url: str = ""
    _server: asyncio.Server | None = None
    _open: set[asyncio.StreamWriter] = field(default_factory=set)
    _made: int = 100

    # What is asked and done.

    def answer(self, method: str, target: str, body: bytes) -> Said:
        url = urlsplit(target)
        if method == "GET":
            self.reads += 1
            self.on_read(url.path)
            return self._shown(url.path, {name: each[-1] for name, each in parse_qs(url.query).items()})
        write = _write_of(method, target, body)
        self.writes.append(write)
        self.on_write(write)
        spoilt = self.spoil(write)
        if spoilt is None:
            return self._said(write, self._done(write, lambda _: True))
        return spoilt.say(write, self._done(write, spoilt.does))

    def do_late(self, write: Write) -> None:
        """What was given up answering is done after all."""
        self._done(write, lambda _: True)

    def _shown(self, path: str, query: dict[str, str]) -> bytes:
        place = next(each for each in self.rows if path.startswith(each))
        rows = list(self.rows[place].values())
        if path != place:
            row = self.rows[place].get(path.removeprefix(place).strip("/"))
            return http(200, row) if row is not None else http(404, {"detail": "Not found."})
        if place == SHOP:
            return http(200, _shop_page(rows, query))
        limit = int(query.get("limit") or query["page_size"])
        start = int(query.get("offset", (int(query.get("page", 1)) - 1) * limit))
        page = {"count": len(rows), "next": None, "previous": None, "results": rows[start : start + limit]}
        return http(200, page)

    def _done(self, write: Write, does: Callable[[int], bool]) -> list[Row]:
        """Do what is asked for these records; the rows that they are now."""
        if write.path.startswith(EXTERNAL):
            pairs = zip(write.body, write.numbers, strict=True)
            return [self._put_external(dict(body)) for body, number in pairs if does(number)]
        place = next(each for each in self.rows if write.path.startswith(each))
        held = self.rows[place]
        if place != PRODUCTS and not all(map(does, write.numbers)):
            return []
        if place == PRODUCTS:
            for name in filter(does, write.numbers):
                held[str(name)].update({key: value for key, value in write.body.items() if key != "products"})
            return []
        if write.method == "POST":
            body = {key: value for key, value in write.body.items() if key != "device_id"}
            return [self._made_row(place, body | ({"date_created": MADE_AT} if place == SHOP else {}))]
        row_id, *rest = write.path.removeprefix(place).strip("/").split("/")
        if write.method == "DELETE":
            return [held.pop(row_id)] if row_id in held else []
        held[row_id].update({"shipping_status": rest[0]} if rest else write.body)
        return [held[row_id]]

    def _made_row(self, place: str, body: Row) -> Row:
        self._made += 1
        name = "order_id" if place == EXTERNAL else "id"
        row = {name: self._made, **body}
        self.rows[place][str(self._made)] = row
        return row

    def _put_external(self, body: Row) -> Row:
        lines = body.pop("order_items", None)
        row = self.rows[EXTERNAL].get(str(body.pop("order_id", ""))) or self._made_row(EXTERNAL, {})
        row.update(body)
        if lines is not None:
            old = {} if self.replaces else {line["order_id"]: line for line in row.get("order_items", [])}
            for line in lines:
                self._made += 1
                line_id = line.get("order_id", self._made)
                old[line_id] = {**line, "order_id": line_id}
            row["order_items"] = list(old.values())
        return row

    def _said(self, write: Write, rows: list[Row]) -> bytes:
        if write.path.startswith(EXTERNAL):
            return http(200, rows)
        if write.path.startswith(PRODUCTS):
            return http(200, {"message": "Products updated"})
        if write.method == "DELETE" and not rows:
            return http(404, {"detail": "Not found."})
        is_quiet = write.method == "DELETE" or not write.body
        return http(200, {"ok": True} if is_quiet else rows[0])

    # On the wire.

    async def come(self) -> None:
        """Listen, at the address of before where there was one."""
        port = int(self.url.rpartition(":")[2]) if self.url else 0
        self._server = await asyncio.start_server(self._talk, "127.0.0.1", port)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def leave(self) -> None:
        """Refuse connections from now on, and drop those that are open."""
        if self._server is not None:
            self._server.close()
        for each in list(self._open):
            each.close()
        await asyncio.sleep(0.01)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            while await self._exchange(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._open.discard(writer)
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request and its answer; whether the connection is good for another."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        method, target, _ = head.split("\r\n", 1)[0].split(" ")
        length = next(
            (int(line[15:]) for line in head.split("\r\n") if line.lower().startswith("content-length:")), 0
        )
        if length and self.unread:
            self.unread -= 1
            self.on_write(Write(method, target, None, (), length))
            await asyncio.sleep(60)
        said = self.answer(method, target, await reader.readexactly(length))
        if said is Mute.SILENCE:
            await asyncio.sleep(60)
        if not isinstance(said, bytes):
            _reset(writer)
            return False
        writer.write(said)
        await writer.drain()
        # An answer that is shorter than it says is one that was cut.
        told, _, shown = said.partition(b"\r\n\r\n")
        return f"Content-Length: {len(shown)}\r".encode() in told + b"\r"


def _reset(writer: asyncio.StreamWriter) -> None:
    found: socket.socket = writer.get_extra_info("socket")
    found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def _write_of(method: str, target: str, body: bytes) -> Write:
    path = urlsplit(target).path
    parsed = orjson.loads(body) if body else None
    return Write(method, path, parsed, tuple(_numbers(path, parsed)), len(body))


def _numbers(path: str, body: Any) -> Iterable[int]:
    if path.startswith(EXTERNAL):
        return [number_of(each.get("order_id") or each["rrn"]) for each in body]
    if path.startswith(PRODUCTS):
        return [number_of(each) for each in body["products"]]
    named = path.removeprefix(ORDERS).removeprefix(SHOP).strip("/").split("/")[0]
    return [number_of(named or body.get("store_id") or body["channel_ref_id"])]


def _shop_page(rows: Sequence[Row], query: dict[str, str]) -> Row:
    start, limit = int(query.get("start", 0)), int(query.get("limit", 100))
    low, high = _moment(query.get("created_after"), 0.0), _moment(query.get("created_before"), 1e12)
    found = [row for row in rows if low <= _moment(row["date_created"], 0.0) <= high]
    count = {"total": len(found), "current": 1, "start": start, "limit": limit}
    return {"data": found[start : start + limit], "meta": {"count": count, "links": {"next": None}}}


def _moment(text: str | None, otherwise: float) -> float:
    return otherwise if text is None else datetime.fromisoformat(text).timestamp()


@asynccontextmanager
async def fated_host(**settings: Any) -> AsyncIterator[FatedHost]:
    host = FatedHost(**settings)
    await host.come()
    try:
        yield host
    finally:
        await host.leave()
