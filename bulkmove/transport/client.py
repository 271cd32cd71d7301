"""One attempt of one request over aiohttp: an answer, or a failure in words that may be shown."""

from __future__ import annotations

import asyncio
import io
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import aiohttp
import anyio
from multidict import CIMultiDict, CIMultiDictProxy

from bulkmove.errors import ConfigError
from bulkmove.model import Json, Request, Response
from bulkmove.protocols import Signature
from bulkmove.settings import HostSettings, deadlines_of
from bulkmove.transport.answers import Answer, Failure, Verdict
from bulkmove.transport.auth import USER_AGENT, SignedAddress, signed_headers
from bulkmove.transport.bodies import UnusableBodyError, whole_body
from bulkmove.transport.connections import connector_of
from bulkmove.transport.failing import Stage, failure_of, no_first_byte, proxy_failure, told
from bulkmove.transport.hiding import hiding
from bulkmove.transport.proxies import proxy_of
from bulkmove.transport.waits import http_date

READ_BUFFER_BYTES = 256 * 1024
LARGE_BODY_BYTES = 1024 * 1024
_NO_CONTENT = (204, 205)
_TYPE = re.compile(r"[a-z]{1,20}/[a-z0-9.+-]{1,60}")
# What these mean hangs on no body, so that a bad one must not hide them: a 401 is never tried again.
_MEANT_BY_STATUS = (401, 403, 429)


Turn = Callable[[Any], Awaitable[None]]


class _Attempt:
    """One request on its way: its mark, what it waits for, how far it came, and the scope that ends when no answer begins."""

    __slots__ = ("mark", "scope", "stage", "turn")

    def __init__(self, mark: object, scope: anyio.CancelScope | None, turn: Turn | None) -> None:
        self.mark = mark
        self.scope = scope
        self.turn = turn
        self.stage = Stage.CONNECTING


class Client:
    """Sends a request once. Follows no redirect, keeps no cookie, resends nothing."""

    def __init__(
        self,
        host: HostSettings,
        session: aiohttp.ClientSession,
        *,
        address: SignedAddress,
        headers: CIMultiDict[str],
        hide: Callable[[bytes], bytes],
        wall_clock: Callable[[], float],
    ) -> None:
        self._host = host
        self._session = session
        self._address = address
        self._headers = headers
        self._hide = hide
        self._wall_clock = wall_clock
        self._most_bytes = host.max_response_bytes
        self._deadlines = deadlines_of(host)
        self._is_first_byte_awaited = self._deadlines.first_byte_s < self._deadlines.whole_s
        self._last_date: tuple[str, float | None] = ("", None)
        self._turn: Turn | None = None

    def stand_in_line(self, turn: Turn) -> None:
        """`turn` is awaited for each request, by its mark, when its connection stands."""
        self._turn = turn

    async def send(self, request: Request, mark: object = None) -> Answer:
        """The answer to one attempt. `mark` is handed to `on_sent` when it goes on the wire. Raises only what is a mistake of the caller or the configuration."""
        sent_at = self._wall_clock()
        answer = await self._headed(request, mark)
        if isinstance(answer, Failure):
            return answer
        try:
            body = await self._body(answer)
        finally:
            # Nothing to do after a whole body; after anything less, the connection is of no more use.
            answer.close()
        return self._answered(request, answer, body, sent_at)

    def redirect_target(self, request: Request, answer: Response) -> str:
        return self._address.target_of_redirect(request, answer.headers)

    async def _headed(self, request: Request, mark: object) -> aiohttp.ClientResponse | Failure:
        """The answer, as soon as its head is there."""
        scope = anyio.CancelScope() if self._is_first_byte_awaited else None
        attempt = _Attempt(mark, scope, self._turn)
        sending = self._session.request(
            request.method,
            self._address.url_of(request),
            data=_payload(request.body),
            headers=self._headers_of(request),
            allow_redirects=False,
            trace_request_ctx=attempt,
        )
        try:
            if scope is None:
                return await sending
            with scope:
                return await sending
            failure: Failure | None = no_first_byte(self._deadlines)
        except (aiohttp.ClientError, OSError) as error:
            failure = failure_of(error, attempt.stage, self._deadlines)
        if failure is None:
            raise ConfigError(
                f"hosts.{self._host.name}.url, or the proxy in the environment, is no usable address"
            )
        return failure

    async def _body(self, answer: aiohttp.ClientResponse) -> bytes | str:
        """The whole body, or why there is none."""
        try:
            return await whole_body(answer, self._most_bytes)
        except UnusableBodyError as error:
            return f"answered {answer.status} {error}"
        except (aiohttp.ClientError, OSError) as error:
            return told(error, Stage.ANSWERED, self._deadlines)

    def _answered(
        self, request: Request, answer: aiohttp.ClientResponse, body: bytes | str, sent_at: float
    ) -> Answer:
        status = answer.status
        if status == 407:
            return proxy_failure(status)
        data: Json = None
        failure: str | None = None
        is_success = 200 <= status < 300
        if isinstance(body, bytes) and not (is_success and request.method == "GET"):
            # Its words come into messages and the ledger. What is read of a list is data: it does not, and stays as it is.
            body = self._hide(body)
        if isinstance(body, str):
            failure = None if _is_meant_by_status(status) else body
            body = b""
        elif request.decode is not None and is_success and status not in _NO_CONTENT:
            try:
                data = request.decode(body)
            except ValueError:  # its text may hold parts of the body
                kind = shown_type(answer.content_type)
                failure = f"answered {status} with a body that can't be used ({kind}, {len(body)} bytes)"
        response = Response(
            status=status,
            headers=_readable(answer),
            body=body,
            data=data,
            sent_at=sent_at,
            date=self._date(answer.headers.get("Date")),
            asked=answer.url.path,
        )
        return response if failure is None else Failure(Verdict.UNSETTLED, failure, response)

    def _headers_of(self, request: Request) -> CIMultiDict[str]:
        if request.body is None and not request.headers:
            return self._headers
        headers = self._headers.copy()
        headers.update(request.headers)
        if request.body is not None:
            headers.setdefault("Content-Type", "application/json")
        return headers

    def _date(self, text: str | None) -> float | None:
        if text is None:
            return None
        if text != self._last_date[0]:
            self._last_date = (text, http_date(text))
        return self._last_date[1]


def _readable(answer: aiohttp.ClientResponse) -> CIMultiDictProxy[str]:
    """The headers. Bytes that are no text, which aiohttp keeps as half characters, could be neither kept nor shown."""
    if all(value.isascii() for _, value in answer.raw_headers):
        return answer.headers
    pairs = [(name, value.encode("utf-8", "replace").decode()) for name, value in answer.headers.items()]
    return CIMultiDictProxy(CIMultiDict(pairs))


def shown_type(content_type: str) -> str:
    """What an answer says that its body is, where that is a type and not whatever else a host may write there."""
    return content_type if _TYPE.fullmatch(content_type) else "of no known type"


def _is_meant_by_status(status: int) -> bool:
    return status in _MEANT_BY_STATUS or 300 <= status < 400


def _payload(body: bytes | None) -> bytes | io.BytesIO | None:
    # Large bytes are written in parts, so that the event loop is not held up.
    return io.BytesIO(body) if body is not None and len(body) >= LARGE_BODY_BYTES else body


def _trace(on_sent: Callable[[Any], None] | None, first_byte_s: float) -> aiohttp.TraceConfig:
    """Holds each attempt, when its connection stands, until its turn, and tells when it is written."""

    async def note(
        session: aiohttp.ClientSession,
        context: SimpleNamespace,
        params: aiohttp.TraceRequestHeadersSentParams,
    ) -> None:
        del session, params
        attempt: _Attempt = context.trace_request_ctx
        if attempt.turn is not None:
            await attempt.turn(attempt.mark)
        attempt.stage = Stage.SENT
        if attempt.scope is not None:
            attempt.scope.deadline = anyio.current_time() + first_byte_s
        if on_sent is not None:
            # Its first bytes are handed to the system at the end of this turn of the loop, those of a body of the next.
            loop = asyncio.get_running_loop()
            loop.call_soon(loop.call_soon, on_sent, attempt.mark)

    trace = aiohttp.TraceConfig()
    trace.on_request_headers_sent.append(note)
    return trace


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
    # Not the session's: aiohttp shows those to a proxy, unencrypted, when it asks for a tunnel.
    shown_to_proxies = {"User-Agent": USER_AGENT}
    proxy = proxy_of(address.base)
    deadlines = deadlines_of(host)
    async with aiohttp.ClientSession(
        connector=await connector_of(host),
        headers=shown_to_proxies,
        proxy=proxy,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=deadlines.whole_s, connect=deadlines.connect_s),
        read_bufsize=READ_BUFFER_BYTES,
        auto_decompress=False,
        trace_configs=[_trace(on_sent, deadlines.first_byte_s)],
    ) as session:
        if hasattr(session, "_retry_connection"):
            # aiohttp resends idempotent requests on a dropped connection by itself, past the gate.
            session._retry_connection = False  # noqa: SLF001  # no public switch; a test watches it
        yield Client(
            host, session, address=address, headers=headers, hide=hiding(sign), wall_clock=wall_clock
        )
