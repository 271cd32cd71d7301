"""HTTP to one host, as connectors see it."""

from __future__ import annotations

from typing import Protocol

from bulkmove.model import (
    Request,
    Response,
)
from bulkmove.settings import HostSettings


class Transport(Protocol):
    """HTTP to one host, under its one budget.

    `send` takes a slot for every attempt and returns each answer that settles the request: 2xx whose body
    `decode` accepted, 3xx never, and 4xx other than 401, 403, 408, 425, 429. It waits out 429 and pauses, and
    retries what is surely not applied (connection refused, 429). After that:

    - a repeatable request is tried again on time-outs, resets, 5xx and unusable bodies, then raises
      RequestFailedError, or HostUnavailableError where the host serves nothing at all;
    - a request that is not repeatable raises InDoubtError as soon as its fate can't be told.

    Raises CredentialsError on 401 and 403, ConfigError on a redirect. Cancelled at any await, it leaves no
    slot taken.
    """

    @property
    def host(self) -> HostSettings: ...

    async def send(self, request: Request) -> Response: ...
