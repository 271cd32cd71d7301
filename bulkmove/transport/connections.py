"""The connections to one host: how they come about, whom they trust, and which of them may be used again."""

from __future__ import annotations

import ssl
from pathlib import Path

import aiohttp
from aiohttp.client_reqrep import ClientRequest
from aiohttp.connector import Connection
from aiohttp.tracing import Trace
from anyio import to_thread

from bulkmove.errors import ConfigError
from bulkmove.settings import HostSettings

# Common servers drop idle connections after 5 s. A write on a connection that is just being dropped is in
# doubt, so it is better to leave it first.
KEEP_ALIVE_S = 4.0


class Connector(aiohttp.TCPConnector):
    """Never hands out a connection on which something came that nobody asked for: it would pass for the next answer."""

    async def connect(
        self,
        req: ClientRequest,
        traces: list[Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109  # aiohttp's own
    ) -> Connection:
        while True:
            connection = await super().connect(req, traces, timeout)
            protocol = connection.protocol
            if protocol is None or not protocol.should_close:
                return connection
            connection.close()


async def connector_of(host: HostSettings) -> Connector:
    """Raises ConfigError for a `ca_file` that can't be used. Certificates are always verified."""
    trust = True if host.ca_file is None else await to_thread.run_sync(_trusting, host.name, host.ca_file)
    # No limit of its own: the gate's may be changed while a run goes.
    return Connector(limit=0, keepalive_timeout=KEEP_ALIVE_S, ssl=trust)


def _trusting(host: str, ca_file: Path) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except (OSError, ValueError) as error:
        reason = "it holds no certificates in PEM" if isinstance(error, ssl.SSLError) else "it can't be read"
        raise ConfigError(f"hosts.{host}.ca_file: {ca_file}: {reason}") from error
    context.set_alpn_protocols(("http/1.1",))
    return context
