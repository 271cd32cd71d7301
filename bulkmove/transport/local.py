"""What stands in for a transport where nothing is sent: a host that is a directory of this machine."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NoReturn

from bulkmove.errors import ConfigError
from bulkmove.model import Request, Response
from bulkmove.settings import HostSettings
from bulkmove.transport.gate import Gate
from bulkmove.transport.opening import HostTransport, layered, never_passing, says_nothing
from bulkmove.transport.retry import RetryRules
from bulkmove.transport.spent import Spending
from bulkmove.transport.timing import Timing


@asynccontextmanager
async def open_local(host: HostSettings) -> AsyncIterator[HostTransport]:
    """The transport of a host without a network: no limit, no latency, no requests. `send` raises ConfigError."""
    timing = Timing()
    yield layered(
        host,
        _Nowhere(host.name),
        gate=Gate((), burst=host.burst, concurrency=host.concurrency, clock=timing.clock),
        spending=Spending(()),
        rules=RetryRules(says_nothing, never_passing, 0.0),
        timing=timing,
        without_secrets=str,
    )


class _Nowhere:
    def __init__(self, host: str) -> None:
        self._host = host

    async def send(self, request: Request, mark: object = None) -> NoReturn:
        del mark
        raise ConfigError(
            f"host {self._host} is a directory: nothing answers {request.method} {request.path}"
        )

    def redirect_target(self, request: Request, answer: Response) -> str:
        """Never asked: nothing answers."""
        del request, answer
        return ""
