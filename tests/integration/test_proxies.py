"""The proxy that the environment names: what it is asked, what it is told, and whose fault its failures are."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import anyio
import pytest
import trustme
from aiohttp import web
from anyio.abc import SocketAttribute, SocketStream

from bulkmove.errors import ConfigError, HostUnavailableError, InDoubtError
from bulkmove.transport import HostTransport
from tests.integration.wire import GET, POST, SECRET, Hurried, closed_port, opened, raised

SHOP = "shop.invalid"
PROXY_SECRET = "pr0xypass"
SPELLINGS = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


class Proxy:
    """Forwards to one address whatever is asked for; `answers` come first, one a connection (None: it hangs up, b"": it hangs)."""

    def __init__(self, port: int, answers: list[bytes | None]) -> None:
        self._port = port
        self._answers = answers
        self.url = ""
        self.heads: list[bytes] = []

    async def __call__(self, near: SocketStream) -> None:
        async with near:
            with suppress(anyio.EndOfStream, anyio.BrokenResourceError):
                head = await near.receive()
                self.heads.append(head)
                if not self._answers:
                    await self._forward(head, near)
                elif answer := self._answers.pop(0):
                    await near.send(answer)
                elif answer is not None:
                    await near.receive()

    async def _forward(self, head: bytes, near: SocketStream) -> None:
        async with (
            await anyio.connect_tcp("127.0.0.1", self._port) as far,
            anyio.create_task_group() as group,
        ):
            if head.startswith(b"CONNECT "):
                await near.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
            else:
                await far.send(head)
            group.start_soon(_pipe, near, far, group.cancel_scope)
            await _pipe(far, near, group.cancel_scope)


async def _pipe(one: SocketStream, other: SocketStream, until: anyio.CancelScope) -> None:
    with suppress(anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
        while True:
            await other.send(await one.receive())
    until.cancel()


@asynccontextmanager
async def proxied(
    *answers: bytes | None, tls: ssl.SSLContext | None = None
) -> AsyncIterator[tuple[Proxy, list[str]]]:
    """A proxy, and the requests that the host behind it got."""
    asked: list[str] = []

    async def note(request: web.Request) -> web.Response:
        asked.append(f"{request.method} {request.headers['Host']}")
        assert "Proxy-Authorization" not in request.headers or tls is None
        return web.json_response({})

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", note)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
    proxy = Proxy(runner.addresses[0][1], list(answers))
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = listener.extra(SocketAttribute.local_port)  # noqa: S610  # no query
    proxy.url = f"http://me:{PROXY_SECRET}@127.0.0.1:{port}"
    try:
        async with listener, anyio.create_task_group() as group:
            group.start_soon(listener.serve, proxy)
            yield proxy, asked
            group.cancel_scope.cancel()
    finally:
        await runner.cleanup()


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SPELLINGS:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> Path:
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return path


@pytest.fixture
def tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(SHOP).configure_cert(context)
    return context


def shop(scheme: str = "http", **settings: Any) -> Any:
    return opened(f"{scheme}://{SHOP}", timing=Hurried().timing(), **settings)


async def failing(transport: HostTransport) -> BaseException:
    """What a write ends with; it shows neither the host's credentials nor the proxy's."""
    error = await raised(transport, POST)
    assert PROXY_SECRET not in str(error)
    assert "me:" not in str(error)
    return error


@pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"])
async def test_plain_requests_go_to_the_proxy_whole(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with proxied() as (proxy, asked):
        monkeypatch.setenv(name, proxy.url)
        async with shop() as transport:
            await transport.send(GET)
    assert proxy.heads[0].startswith(f"GET http://{SHOP}/orders/?".encode())
    assert b"Proxy-Authorization: Basic " in proxy.heads[0]
    assert asked == [f"GET {SHOP}"]


@pytest.mark.parametrize("name", ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"])
async def test_over_tls_the_proxy_learns_the_hosts_name_alone(
    name: str, monkeypatch: pytest.MonkeyPatch, tls: ssl.SSLContext, ca_file: Path
) -> None:
    async with proxied(tls=tls) as (proxy, asked):
        monkeypatch.setenv(name, proxy.url)
        async with shop("https", ca_file=ca_file) as transport:
            await transport.send(GET)
            await transport.send(POST)
    (head,) = proxy.heads
    assert head.startswith(f"CONNECT {SHOP}:443 HTTP/1.1".encode())
    assert b"Proxy-Authorization: Basic " in head
    assert SECRET.encode() not in head
    assert asked == [f"GET {SHOP}", f"POST {SHOP}"]


async def test_the_hosts_certificate_is_verified_through_the_proxy_too(
    monkeypatch: pytest.MonkeyPatch, tls: ssl.SSLContext
) -> None:
    async with proxied(tls=tls) as (proxy, asked):
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        async with shop("https") as transport:
            assert "its certificate is not trusted" in str(await failing(transport))
            assert transport.requests == 1
    assert asked == []


@pytest.mark.parametrize("excepted", [".invalid", f"example.com, {SHOP}"])
async def test_no_proxy_names_what_is_asked_directly(excepted: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with proxied() as (proxy, _):
        monkeypatch.setenv("ALL_PROXY", proxy.url)
        monkeypatch.setenv("NO_PROXY", excepted)
        async with shop() as transport:
            assert "DNS" in str(await failing(transport))
    assert proxy.heads == []


NEEDS_CREDENTIALS = (
    b'HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm="x"\r\n'
    b"Content-Length: 0\r\nConnection: close\r\n\r\n"
)
BAD_GATEWAY = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_proxy_that_refuses_its_credentials_is_asked_once_and_rejects_no_record(
    scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with proxied(NEEDS_CREDENTIALS) as (proxy, asked):
        monkeypatch.setenv("ALL_PROXY", proxy.url)
        async with shop(scheme) as transport:
            error = await failing(transport)
            assert transport.requests == 1
    assert type(error) is HostUnavailableError
    assert "the proxy refused the credentials that the environment gives it (407)" in str(error)
    assert "hosts.old.url" not in str(error)
    assert asked == []


@pytest.mark.parametrize(
    "answer",
    [BAD_GATEWAY, b"220 ftp ready\r\n\r\n", None],
    ids=["502", "no HTTP", "hangs up"],
)
async def test_what_fails_at_the_proxy_before_the_tunnel_stands_was_surely_not_applied(
    answer: bytes | None, monkeypatch: pytest.MonkeyPatch, tls: ssl.SSLContext, ca_file: Path
) -> None:
    async with proxied(answer, tls=tls) as (proxy, asked):
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        async with shop("https", ca_file=ca_file) as transport:
            await transport.send(POST)
            assert transport.requests == 2
    assert asked == [f"POST {SHOP}"]


async def test_a_tunnel_that_does_not_come_about_passes_the_deadline_of_connections(
    monkeypatch: pytest.MonkeyPatch, tls: ssl.SSLContext, ca_file: Path
) -> None:
    async with proxied(b"", tls=tls) as (proxy, asked):
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        async with shop("https", ca_file=ca_file, connect_timeout_s=0.3) as transport:
            await transport.send(POST)
            assert transport.requests == 2
    assert asked == [f"POST {SHOP}"]


async def test_a_502_for_a_plain_request_may_be_the_hosts_and_leaves_a_write_in_doubt(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with proxied(BAD_GATEWAY) as (proxy, _):
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        async with shop() as transport:
            assert type(await failing(transport)) is InDoubtError


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_proxy_that_is_down_is_said_to_be_the_proxy(
    scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALL_PROXY", f"http://me:{PROXY_SECRET}@127.0.0.1:{closed_port()}")
    async with shop(scheme) as transport:
        error = await failing(transport)
    assert type(error) is HostUnavailableError
    assert "could not connect to the proxy (Connection refused)" in str(error)


@pytest.mark.parametrize(
    "proxy", [f"socks5://me:{PROXY_SECRET}@127.0.0.1:1080", f"http://me:{PROXY_SECRET}@:x"]
)
async def test_a_proxy_that_is_none_is_a_configuration_error(
    proxy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", proxy)
    with pytest.raises(
        ConfigError, match="the proxy in the environment is no http or https address"
    ) as caught:
        async with shop():
            pass
    assert PROXY_SECRET not in str(caught.value)
    assert caught.value.__context__ is None
