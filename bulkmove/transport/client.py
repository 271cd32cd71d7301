"""One attempt of one request over aiohttp: an answer, or a failure in words that may be shown."""

from __future__ import annotations

import io
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from ipaddress import ip_address
from types import SimpleNamespace
from typing import Any
from urllib.request import getproxies_environment, proxy_bypass

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from bulkmove.errors import ConfigError
from bulkmove.model import Json, Request, Response
from bulkmove.protocols import Signature
from bulkmove.settings import HostSettings
from bulkmove.transport.answers import Answer, Failure, Verdict
from bulkmove.transport.auth import SignedAddress, signed_headers
from bulkmove.transport.tls import tls_failure
from bulkmove.transport.waits import http_date

# Common servers drop idle connections after 5 s. A write on a connection that is just being dropped is in
# doubt, so it is better to leave it first.
KEEP_ALIVE_S = 4.0
LONGEST_CONNECT_S = 10.0
READ_BUFFER_BYTES = 256 * 1024
LARGE_BODY_BYTES = 1024 * 1024
_NO_CONTENT = (204, 205)


class Client:
    """Sends a request once. Follows no redirect, keeps no cookie, resends nothing."""

    def __init__(
        self,
        host: HostSettings,
        session: aiohttp.ClientSession,
        address: SignedAddress,
        wall_clock: Callable[[], float],
    ) -> None:
        self._host = host
        self._session = session
        self._address = address
        self._wall_clock = wall_clock
        self._most_bytes = host.max_response_bytes
        self._last_date: tuple[str, float | None] = ("", None)

    async def send(self, request: Request, mark: object = None) -> Answer:
        """The answer to one attempt. `mark` is handed to `on_sent` when it goes on the wire. Raises only what is a mistake of the caller or the configuration."""
        sent_at = self._wall_clock()
        url = self._address.url_of(request)
        try:
            answer = await self._session.request(
                request.method,
                url,
                data=_payload(request.body),
                headers=_headers_of(request),
                allow_redirects=False,
                trace_request_ctx=mark,
            )
            try:
                body = await self._read(answer)
            finally:
                # Nothing to do after a whole body; after anything less, the connection is of no more use.
                answer.close()
        except (aiohttp.ClientError, OSError) as error:
            failure = failure_of(error)
        else:
            return self._answered(request, answer, body, sent_at)
        if failure is None:
            raise ConfigError(
                f"hosts.{self._host.name}.url, or the proxy in the environment, is no usable address"
            )
        return failure

    def redirect_target(self, request: Request, answer: Response) -> str:
        return self._address.target_of_redirect(request, answer.headers)

    async def _read(self, answer: aiohttp.ClientResponse) -> bytes | None:
        """The whole body; None where it is larger than allowed, whatever its headers said."""
        length = answer.content_length
        if length is not None and length > self._most_bytes:
            return None
        if length is not None and "Content-Encoding" not in answer.headers:
            return await answer.read()
        parts: list[bytes] = []
        size = 0
        while part := await answer.content.readany():
            parts.append(part)
            size += len(part)
            if size > self._most_bytes:
                return None
        return b"".join(parts)

    def _answered(
        self, request: Request, answer: aiohttp.ClientResponse, body: bytes | None, sent_at: float
    ) -> Answer:
        status = answer.status
        if body is None:
            most_mb = self._most_bytes / 1e6
            return Failure(Verdict.UNSETTLED, f"answered {status} with more than {most_mb:g} MB")
        data: Json = None
        failure: str | None = None
        if request.decode is not None and 200 <= status < 300 and status not in _NO_CONTENT:
            try:
                data = request.decode(body)
            except ValueError:  # its text may hold parts of the body
                kind = answer.content_type
                failure = f"answered {status} with a body that can't be used ({kind}, {len(body)} bytes)"
        response = Response(
            status=status,
            headers=answer.headers,
            body=body,
            data=data,
            sent_at=sent_at,
            date=self._date(answer.headers.get("Date")),
            asked=answer.url.path,
        )
        return response if failure is None else Failure(Verdict.UNSETTLED, failure, response)

    def _date(self, text: str | None) -> float | None:
        if text is None:
            return None
        if text != self._last_date[0]:
            self._last_date = (text, http_date(text))
        return self._last_date[1]


def failure_of(error: aiohttp.ClientError | OSError) -> Failure | None:
    """What an exception of aiohttp or the system means; None for an address that can't be used at all.

    Only what happened before a connection stood is surely not applied. Of the exception only the system's own
    error text is shown: the rest may hold the URL with its query.
    """
    if isinstance(error, (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError)):
        return None
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return Failure(Verdict.NOT_APPLIED, "its name was not found (DNS)")
    if isinstance(error, (aiohttp.ClientConnectorCertificateError, aiohttp.ClientConnectorSSLError)):
        return tls_failure(error)
    if isinstance(error, aiohttp.ClientConnectorError):
        who = "the proxy" if isinstance(error, aiohttp.ClientProxyConnectionError) else "it"
        return Failure(Verdict.NOT_APPLIED, f"could not connect to {who} ({_system_text(error)})")
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return Failure(Verdict.NOT_APPLIED, "no connection came about in time")
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return Failure(Verdict.NOT_APPLIED, f"the proxy answered {error.status}")
    if isinstance(error, TimeoutError):
        return Failure(Verdict.UNSETTLED, "no whole answer came in time")
    if isinstance(error, aiohttp.ClientPayloadError):
        return Failure(Verdict.UNSETTLED, "the answer was cut short")
    if isinstance(error, aiohttp.ClientResponseError):
        return Failure(Verdict.UNSETTLED, "the answer was not HTTP")
    return Failure(Verdict.UNSETTLED, f"the connection broke ({_system_text(error)})")


def _system_text(error: BaseException) -> str:
    number = getattr(error, "errno", None)
    return os.strerror(number) if isinstance(number, int) and number > 0 else type(error).__name__


def _payload(body: bytes | None) -> bytes | io.BytesIO | None:
    # Large bytes are written in parts, so that the event loop is not held up.
    return io.BytesIO(body) if body is not None and len(body) >= LARGE_BODY_BYTES else body


def _headers_of(request: Request) -> CIMultiDict[str] | None:
    if request.body is None and not request.headers:
        return None
    headers = CIMultiDict(request.headers)
    if request.body is not None:
        headers.setdefault("Content-Type", "application/json")
    return headers


def proxy_of(url: URL) -> URL | None:
    """The proxy that the environment names for this address, asked once: aiohttp would ask, and read ~/.netrc, each time."""
    proxies = getproxies_environment()
    proxy = proxies.get(url.scheme, proxies.get("all"))
    if not proxy or url.host is None or is_loopback(url.host) or proxy_bypass(f"{url.host}:{url.port}"):
        return None
    try:
        found = URL(proxy if "://" in proxy else f"http://{proxy}")
    except ValueError:
        found = URL()
    if found.scheme not in ("http", "https") or not found.host:
        raise ConfigError("the proxy in the environment is no http or https address")
    return found


def is_loopback(name: str) -> bool:
    """Whether it is this machine, which no proxy could reach."""
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"


def _traces(on_sent: Callable[[Any], None] | None) -> list[aiohttp.TraceConfig]:
    if on_sent is None:
        return []

    async def note(
        session: aiohttp.ClientSession,
        context: SimpleNamespace,
        params: aiohttp.TraceRequestHeadersSentParams,
    ) -> None:
        del session, params
        on_sent(context.trace_request_ctx)

    trace = aiohttp.TraceConfig()
    trace.on_request_headers_sent.append(note)
    return [trace]


@asynccontextmanager
async def open_client(
    host: HostSettings,
    sign: Signature,
    *,
    wall_clock: Callable[[], float],
    on_sent: Callable[[Any], None] | None = None,
) -> AsyncIterator[Client]:
    """A client with its own connections, which are closed with it.

    `on_sent` is told of each request, by its mark, when its connection stands and its headers are written.
    """
    address = SignedAddress(host, sign)
    headers = signed_headers(host, sign)
    connect_s = min(LONGEST_CONNECT_S, host.timeout_s / 2)
    connector = aiohttp.TCPConnector(limit=host.concurrency, keepalive_timeout=KEEP_ALIVE_S)
    async with aiohttp.ClientSession(
        connector=connector,
        headers=headers,
        proxy=proxy_of(address.base),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=host.timeout_s, connect=connect_s),
        read_bufsize=READ_BUFFER_BYTES,
        trace_configs=_traces(on_sent),
    ) as session:
        if hasattr(session, "_retry_connection"):
            # aiohttp resends idempotent requests on a dropped connection by itself, past the gate.
            session._retry_connection = False  # noqa: SLF001  # no public switch; a test watches it
        yield Client(host, session, address, wall_clock)
