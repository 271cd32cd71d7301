"""A Transport around another that answers in its place where it is told to, and keeps what was asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from bulkmove.connectors.scripted import ScriptedTransport
from bulkmove.model import Request, Response
from bulkmove.protocols import Transport
from bulkmove.settings import HostSettings, RouteSettings, StreamName

Instead = Callable[[Request], Response | Exception | None]
Change = Callable[[Request, Response], Response]


def emulated(answer: Callable[[Request], Response], **host: Any) -> FaultyTransport:
    """A transport to a host that a function stands for; `host`: its settings, as `options` or `paths`."""
    settings = HostSettings(**{"name": "shop", "api": "emulated", "url": "https://shop.example", **host})
    return FaultyTransport(ScriptedTransport(settings, answer))


def route_to(stream: str, **settings: Any) -> RouteSettings:
    """A route as a connector is opened with, from a stream of the emulated host to itself."""
    name = StreamName("shop", stream)
    return RouteSettings(**{"name": "trial", "source": name, "target": name, "mapper": "none", **settings})


class FaultyTransport:
    """Implements `bulkmove.protocols.Transport`. `requests` holds what was sent, in its order.

    What it answers keeps that contract: a body that can't be decoded is raised as the transport would raise it.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._instead: Instead | None = None
        self._change: Change | None = None
        self.requests: list[Request] = []

    @property
    def host(self) -> HostSettings:
        return self._transport.host

    @property
    def writes(self) -> list[Request]:
        return [request for request in self.requests if request.method not in {"GET", "HEAD"}]

    async def send(self, request: Request) -> Response:
        self.requests.append(request)
        given = self._instead(request) if self._instead is not None else None
        if isinstance(given, Exception):
            raise given
        if given is not None:
            return await self._decoded(request, given)
        response = await self._transport.send(request)
        if self._change is not None:
            response = await self._decoded(request, self._change(request, response))
        return response

    @contextmanager
    def answering(self, instead: Instead) -> Iterator[None]:
        """Answer, or raise, what `instead` gives for a request; None: what the host answers."""
        self._instead = instead
        try:
            yield
        finally:
            self._instead = None

    @contextmanager
    def changing(self, change: Change) -> Iterator[None]:
        """Let the host do what it is asked, and change its answer."""
        self._change = change
        try:
            yield
        finally:
            self._change = None

    async def _decoded(self, request: Request, given: Response) -> Response:
        return await ScriptedTransport(self.host, lambda _: given).send(request)
