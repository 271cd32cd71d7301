"""A Transport without a network, for the tests of a connector: it answers what it is told to, and keeps what was asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import orjson

from bulkmove.errors import InDoubtError, RequestFailedError
from bulkmove.model import Json, Request, Response
from bulkmove.settings import HostSettings

_NO_CONTENT = (204, 205)


def answer(status: int = 200, body: Any = None, *, date: float | None = None) -> Response:
    """An answer with `body` as JSON, or as it is where it is bytes already."""
    encoded = body if isinstance(body, bytes) else orjson.dumps(body)
    return Response(status=status, headers=_NO_HEADERS, body=encoded, data=None, sent_at=1000.0, date=date)


_NO_HEADERS: Mapping[str, str] = MappingProxyType({})


class ScriptedTransport:
    """Keeps the promises of `protocols.Transport` that a connector sees; never waits and never tries again.

    `script` makes the answer to each request; `requests` holds them in the order of their sending.
    """

    def __init__(self, host: HostSettings, script: Callable[[Request], Response]) -> None:
        self._host = host
        self._script = script
        self.requests: list[Request] = []

    @property
    def host(self) -> HostSettings:
        return self._host

    async def send(self, request: Request) -> Response:
        """Raises what Transport.send raises where an answer is no JSON; other errors are the script's to raise."""
        self.requests.append(request)
        given = self._script(request)
        return Response(
            status=given.status,
            headers=given.headers,
            body=given.body,
            data=self._decoded(request, given),
            sent_at=given.sent_at,
            date=given.date,
        )

    def _decoded(self, request: Request, given: Response) -> Json:
        if request.decode is None or not given.is_success or given.status in _NO_CONTENT:
            return None
        try:
            return request.decode(given.body)
        except ValueError as error:
            message = (
                f"{self._host.name}: {request.method} {request.path} answered with a body that can't be used"
            )
            if request.is_repeatable:
                raise RequestFailedError(message) from error
            raise InDoubtError(message, sent_at=given.sent_at) from error
