"""The sandbox as an HTTP server: one port, and for each request limit, credentials, fault, answer, delay, in that order.

A write is done when its body has arrived in full, so that writes to one row are done in the order they arrive;
latency and slowness only hold answers back.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from contextlib import suppress
from types import TracebackType
from typing import Self

import anyio
from aiohttp import web

from bulkmove.errors import ConfigError
from bulkmove.sandbox.calls import Answer, Api, Call, html_answer, unknown_url
from bulkmove.sandbox.capacity import Capacity
from bulkmove.sandbox.changes import Changes
from bulkmove.sandbox.control import Control
from bulkmove.sandbox.faults import BEFORE, FaultPlan, Rule, lenient, spoilt, too_many
from bulkmove.sandbox.limits import Limit
from bulkmove.sandbox.list_faults import LIST_FAULTS, LIST_KINDS, ListFaults
from bulkmove.sandbox.moving import Moves
from bulkmove.sandbox.record import ApiRecord
from bulkmove.sandbox.settings import SandboxSettings
from bulkmove.sandbox.world import World, make_world

_PREFIXES = (("/api/v2/", "merchantpro"), ("/external/", "external-order"), ("/api/v1/", "robosize"))
_CONTROL = "/_sandbox/"
# A PATCH may carry hundreds of ids, and a filter a list of them in its query.
_LONGEST_LINE = 64 * 1024


class Sandbox:
    """A running sandbox, as an async context manager. `url` holds once it is entered; data are made at once.

    `async with Sandbox(SandboxSettings(orders=100)) as sandbox: …` serves in the caller's own event loop. Entering
    raises ConfigError where the port is taken.
    """

    def __init__(self, settings: SandboxSettings) -> None:
        self.settings = settings
        self.world: World = make_world(settings, now=time.time)
        self.faults = FaultPlan(settings.faults, seed=settings.seed)
        self.records = {
            name: ApiRecord(_limit(settings, name), _capacity(settings, name)) for name in self.world.apis
        }
        self.url = ""
        changes = Changes(self.world)
        self._moves = Moves(changes)
        self._list_faults = ListFaults()
        self._control = Control(self.world, self.faults, self.records, changes=changes, moves=self._moves)
        self._latency = random.Random(f"latency {settings.seed}")
        self._late: set[asyncio.TimerHandle] = set()
        self._runner: web.ServerRunner | None = None

    async def __aenter__(self) -> Self:
        server = web.Server(
            self._serve, access_log=None, max_line_size=_LONGEST_LINE, max_field_size=_LONGEST_LINE
        )
        self._runner = web.ServerRunner(server, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self.settings.host, self.settings.port, backlog=1024)
        try:
            await site.start()
        except OSError as error:
            await self._runner.cleanup()
            address = f"{self.settings.host}:{self.settings.port}"
            raise ConfigError(f"the sandbox can't listen on {address}: {error.strerror}") from error
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for handle in self._late:
            handle.cancel()
        if self._runner is not None:
            with anyio.move_on_after(2, shield=True):
                await self._runner.cleanup()

    @property
    def ready_line(self) -> dict[str, object]:
        """What `bulkmove sandbox` prints when it accepts connections."""
        return {
            "type": "sandbox",
            "url": self.url,
            "pid": os.getpid(),
            "orders": len(self.world.orders),
            "products": len(self.world.robosize_products),
        }

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        target = request.raw_path
        path = target.partition("?")[0]
        body = await request.content.read() if request.body_exists else b""
        call = Call(request.method, path, target, request.headers, body, origin=self.url)
        if path.startswith(_CONTROL):
            return _response(self._control.answer(call))
        for prefix, name in _PREFIXES:
            if path.startswith(prefix):
                record = self.records[name]
                record.arrived(time.time())
                try:
                    return await self._emulate(request, call, self.world.apis[name], record)
                finally:
                    record.left()
        return _response(unknown_url())

    async def _emulate(
        self, request: web.BaseRequest, call: Call, api: Api, record: ApiRecord
    ) -> web.StreamResponse:
        kind = api.kind(call)
        answer, fault = self._settled(call, api, record, kind)
        delay_s = self._delay_s(fault)
        if answer is None or answer.status != 429:
            delay_s += record.capacity.serve(time.monotonic())
        if delay_s > 0:
            await anyio.sleep(delay_s)
        if answer is None:
            record.answered(call.method, kind, 0)
            if request.transport is not None:
                request.transport.abort()
            # Nothing of it is sent: the connection is gone.
            return web.Response()
        record.answered(call.method, kind, answer.status)
        return await _cut(request, answer) if fault == "cut-body" else _response(answer)

    def _settled(
        self, call: Call, api: Api, record: ApiRecord, kind: str
    ) -> tuple[Answer | None, str | None]:
        """Do the call, or what happens in its place: the answer (None: the connection is to be closed) and the fault."""
        wait_s = record.limit.admit(time.monotonic())
        if wait_s is not None:
            return too_many(api.name, self.settings.limit_wait, wait_s=wait_s, now=time.time()), None
        if len(call.body) > self.settings.max_body_bytes:
            return html_answer(413, "413 Request Entity Too Large", "nginx"), None
        refusal = api.refusal(call)
        if refusal is not None:
            return refusal, None
        if call.method == "GET" and kind in LIST_KINDS:
            self._moves.before_page(api.name, kind)
        rule = self.faults.draw(api.name, call.method, kind)
        return (
            (self._done(call, api, record), None) if rule is None else self._faulty(call, api, record, rule)
        )

    def _faulty(
        self, call: Call, api: Api, record: ApiRecord, rule: Rule
    ) -> tuple[Answer | None, str | None]:
        name = rule.fault.name
        lenient(call, rule)
        if call.leniency is not None:
            answer = self._done(call, api, record)
            if call.leniency_used:
                self.faults.spend(rule, record.faults)
            return answer, None
        self.faults.spend(rule, record.faults)
        if name in LIST_FAULTS:
            self._list_faults.hear(name, call)
            answer = self._done(call, api, record)
            return self._list_faults.tell(name, call, answer, dice=rule.dice, now=time.time()), None
        if name in BEFORE:
            if name == "dropped":
                return None, name
            return self.faults.instead(
                rule.fault, api.name, wait_s=self.settings.wait_seconds, now=time.time()
            ), name
        if name == "applied-late":
            self._do_later(call, api, record)
            return self.faults.next_late_answer(), name
        answer = self._done(call, api, record)
        return (None if name == "dropped-after" else spoilt(name, answer)), name

    def _done(self, call: Call, api: Api, record: ApiRecord) -> Answer:
        answer = api.answer(call)
        record.wrote(answer)
        return answer

    def _do_later(self, call: Call, api: Api, record: ApiRecord) -> None:
        def do() -> None:
            self._late.discard(handle)
            self._done(call, api, record)

        handle = asyncio.get_running_loop().call_later(self.settings.late_seconds, do)
        self._late.add(handle)

    def _delay_s(self, fault: str | None) -> float:
        latency = self.settings.latency
        delay_s = latency.draw(self._latency.random()) if latency.high_s > 0 else 0.0
        return delay_s + (self.settings.slow_seconds if fault == "slow" else 0.0)


def _limit(settings: SandboxSettings, api: str) -> Limit:
    windows = (window for window in settings.rates if window.api in {None, api})
    return Limit(windows, is_sliding=settings.windows == "sliding")


def _capacity(settings: SandboxSettings, api: str) -> Capacity:
    return Capacity(each for each in settings.capacities if each.api in {None, api})


def _response(answer: Answer) -> web.Response:
    headers = {"Content-Type": answer.content_type, **answer.headers}
    return web.Response(body=answer.body, status=answer.status, headers=headers)


async def _cut(request: web.BaseRequest, answer: Answer) -> web.StreamResponse:
    """Announce the whole body, send half of it, and hang up."""
    response = web.StreamResponse(status=answer.status, headers={"Content-Type": answer.content_type})
    response.content_length = len(answer.body)
    with suppress(ConnectionError):  # the client may have gone meanwhile
        await response.prepare(request)
        await response.write(answer.body[: len(answer.body) // 2])
    if request.transport is not None:
        request.transport.close()
    return response
