"""The transport over real HTTP, against servers of this machine that misbehave on purpose."""

from __future__ import annotations

import asyncio
import gzip
import time
from collections.abc import Sequence
from pathlib import Path

import anyio
import orjson
import pytest
from aiohttp import web

from bulkmove.errors import (
    ConfigError,
    CredentialsError,
    HostUnavailableError,
    InDoubtError,
    RequestFailedError,
)
from bulkmove.model import Request
from bulkmove.settings import Window
from tests.integration.wire import (
    GET,
    HTTP_OK,
    POST,
    SECRET,
    Hurried,
    RawServer,
    closed_port,
    opened,
    raised,
    served,
    served_raw,
)


async def ok(request: web.Request) -> web.Response:
    return web.json_response({"path": request.path})


# --- what a request looks like, and its answer -------------------------------------------------------------


async def test_a_request_carries_its_signature_and_what_every_request_carries(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine localhost login someone password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    seen: list[web.Request] = []
    bodies: list[bytes] = []

    async def note(request: web.Request) -> web.Response:
        seen.append(request)
        bodies.append(await request.read())
        return web.json_response({}, headers={"Set-Cookie": "session=1; Path=/"})

    async with served(note) as url, opened(f"{url.replace('127.0.0.1', 'localhost')}/shop/") as transport:
        await transport.send(GET)
        await transport.send(POST)
        await transport.send(Request("PUT", "/x", body=b"<x/>", headers={"content-type": "text/xml"}))
    get, post, put = seen
    assert bodies == [b"", POST.body, b"<x/>"]
    assert get.path == "/shop/orders/"
    assert dict(get.query) == {"page": "1", "api_key": f"query-{SECRET}"}
    assert get.headers["API-Token"] == f"header-{SECRET}"
    assert get.headers["User-Agent"].startswith("bulkmove/")
    assert get.headers["Accept-Encoding"] == "gzip"
    assert not {"Authorization", "Cookie", "Content-Type"} & set(get.headers)
    assert post.headers["Content-Type"] == "application/json"
    assert "Cookie" not in post.headers
    assert put.headers.getall("Content-Type") == ["text/xml"]


async def test_an_answer_tells_status_headers_body_data_and_the_hosts_date() -> None:
    async def dated(request: web.Request) -> web.Response:
        del request
        return web.Response(
            body=b'{"id": "1"}', headers={"Date": "Sun, 06 Nov 1994 08:49:37 GMT", "X-A": "b"}
        )

    async with served(dated) as url, opened(url) as transport:
        before = time.time()
        answer = await transport.send(GET)
    assert (answer.status, answer.body, answer.data) == (200, b'{"id": "1"}', {"id": "1"})
    assert answer.date == 784111777.0
    assert answer.headers["x-a"] == "b"
    assert before <= answer.sent_at <= time.time()


@pytest.mark.parametrize("status", [400, 404, 405, 409, 413, 422])
async def test_a_4xx_settles_its_request_and_is_not_decoded(status: int) -> None:
    async def refuse(request: web.Request) -> web.Response:
        del request
        return web.Response(status=status, text="<html>")

    async with served(refuse) as url, opened(url) as transport:
        answer = await transport.send(POST)
        assert (answer.status, answer.body, answer.data) == (status, b"<html>", None)
        assert transport.requests == 1


async def test_an_empty_204_is_an_answer() -> None:
    async def nothing(request: web.Request) -> web.Response:
        del request
        return web.Response(status=204)

    async with served(nothing) as url, opened(url) as transport:
        answer = await transport.send(Request("DELETE", "/orders/1/", decode=orjson.loads))
        assert (answer.status, answer.data) == (204, None)


async def test_gzip_is_unpacked_and_large_bodies_go_out_whole() -> None:
    async def echo(request: web.Request) -> web.Response:
        body = gzip.compress(await request.read())
        return web.Response(body=body, headers={"Content-Encoding": "gzip"})

    large = orjson.dumps(["order"] * 300_000)
    async with served(echo) as url, opened(url) as transport:
        answer = await transport.send(Request("POST", "/orders/", body=large))
    assert answer.body == large


async def test_a_proxy_of_the_environment_is_used_with_its_credentials(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with served_raw([]) as (url, proxy):
        monkeypatch.setenv("http_proxy", url.replace("http://", "http://someone:else@"))
        monkeypatch.delenv("no_proxy", raising=False)
        async with opened("http://shop.invalid") as transport:
            await transport.send(GET)
    assert proxy.heads[0].startswith(b"GET http://shop.invalid/orders/?")
    assert b"Proxy-Authorization: Basic c29tZW9uZTplbHNl" in proxy.heads[0]


# --- rates ---------------------------------------------------------------------------------------------------


def most_in(times: Sequence[float], period_s: float) -> int:
    return max(sum(1 for t in times if start <= t < start + period_s) for start in times)


@pytest.mark.parametrize(
    ("windows", "burst", "least"),
    [
        ([Window(20, 1.0)], 1, 29),
        ([Window(4, 0.5), Window(10, 2.0)], 1, 8),
        ([Window(20, 1.0)], 5, 29),
    ],
    ids=["20/s", "4/0.5s and 10/2s", "20/s in bursts"],
)
async def test_a_server_with_strict_sliding_windows_sees_none_broken(
    windows: list[Window], burst: int, least: int
) -> None:
    seen: list[float] = []
    late_s = 0.0  # the most that the loop, which serves too, came late: so far apart may two be by the server's clock alone

    async def note(request: web.Request) -> web.Response:
        del request
        seen.append(time.monotonic())
        return web.json_response({})

    async with served(note) as url, opened(url, windows=windows, burst=burst) as transport:
        with anyio.move_on_after(1.6):
            async with anyio.create_task_group() as group:

                async def work() -> None:
                    while True:
                        await transport.send(GET)

                async def tick() -> None:
                    nonlocal late_s
                    while True:
                        began = time.monotonic()
                        await anyio.sleep(0.002)
                        late_s = max(late_s, time.monotonic() - began - 0.002)

                group.start_soon(tick)
                for _ in range(16):
                    group.start_soon(work)
    assert len(seen) >= least
    for window in windows:
        assert most_in(seen, window.period_s - late_s) <= window.count


async def test_a_window_counts_from_when_a_request_went_out_not_from_its_answer() -> None:
    seen: list[float] = []

    async def slow(request: web.Request) -> web.Response:
        del request
        seen.append(time.monotonic())
        await anyio.sleep(1)
        return web.json_response({})

    async with (
        served(slow) as url,
        opened(url, windows=[Window(1, 0.3)]) as transport,
        anyio.create_task_group() as group,
    ):
        for _ in range(3):
            group.start_soon(transport.send, GET)
    assert seen[2] - seen[0] < 0.9


async def test_a_retry_pays_for_its_slot() -> None:
    seen: list[float] = []

    async def fail(request: web.Request) -> web.Response:
        del request
        seen.append(time.monotonic())
        return web.json_response({}, status=500 if len(seen) == 1 else 200)

    async with served(fail) as url, opened(url, windows=[Window(1, 0.5)]) as transport:
        await transport.send(GET)
        assert (transport.requests, transport.retries) == (2, 1)
    # The backoff is 0 here, so that only the window is left to wait for; 50 ms are the machine's.
    assert seen[1] - seen[0] >= 0.45


async def test_a_429_holds_all_and_a_sample_says_why() -> None:
    asked = 0

    async def once(request: web.Request) -> web.Response:
        nonlocal asked
        del request
        asked += 1
        return web.json_response({}, status=429 if asked == 1 else 200, headers={"Retry-After": "1"})

    async with served(once) as url, opened(url, windows=[Window(50, 1.0)]) as transport:
        assert transport.latency_s is None
        began = time.monotonic()
        async with anyio.create_task_group() as group:
            group.start_soon(transport.send, POST)
            await anyio.sleep(0.3)
            sample = transport.sample()
            assert 0 < sample.paused_s <= 1
            assert sample.reason is not None
            assert "429" in sample.reason
            assert (sample.host, sample.requests, sample.allowed_per_s) == ("old", 1, 40)
            for _ in range(3):
                group.start_soon(transport.send, GET)
        assert time.monotonic() - began >= 1
        assert asked == 5
        assert (transport.throttled, transport.retries) == (1, 1)
        assert transport.latency_s is not None
        assert 0 < transport.latency_s < 1
        assert transport.rate_per_s == 40
        assert transport.sample().paused_s == 0
        assert transport.sample().used_per_s > 0


# --- answers that are none ------------------------------------------------------------------------------------

CUT = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 900\r\n\r\n[{}, "
CUT_CHUNK = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n[{}, \r\n"
CUT_JSON = b'HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 14\r\n\r\n[{"rrn": "s3cr'
HTML = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 13\r\n\r\n<html></html>"
BAD_GZIP = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 9\r\n\r\nnot gzip!"
NO_HTTP = b"+OK dovecot ready\r\n\r\n"
HEAD_ALONE = b"HTTP/1.1 200 OK\r\nContent-Le"
SERVER_ERROR = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n"
TOO_LONG = b"HTTP/1.1 200 OK\r\nContent-Length: 5002\r\n\r\n[" + b" " * 5000 + b"]"
BOMB_BODY = gzip.compress(b"[" + b" " * 10_000_000 + b"]")
BOMB = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s" % (
    len(BOMB_BODY),
    BOMB_BODY,
)
UNUSABLE = {
    "dropped": None,
    "cut": CUT,
    "cut chunk": CUT_CHUNK,
    "cut JSON": CUT_JSON,
    "HTML": HTML,
    "bad gzip": BAD_GZIP,
    "no HTTP": NO_HTTP,
    "head alone": HEAD_ALONE,
    "502": SERVER_ERROR,
    "too long": TOO_LONG,
    "gzip bomb": BOMB,
}


@pytest.mark.parametrize("answer", UNUSABLE.values(), ids=UNUSABLE.keys())
async def test_a_write_whose_answer_is_unusable_is_in_doubt_and_sent_once(answer: bytes | None) -> None:
    async with served_raw([answer]) as (url, raw), opened(url, max_response_bytes=4000) as transport:
        before = time.time()
        error = await raised(transport, POST)
        assert type(error) is InDoubtError
        assert before <= error.sent_at <= time.time()
        assert len(raw.heads) == transport.requests == 1
        await transport.send(GET)


@pytest.mark.parametrize("answer", UNUSABLE.values(), ids=UNUSABLE.keys())
async def test_a_read_whose_answer_is_unusable_is_asked_again(answer: bytes | None) -> None:
    async with served_raw([answer]) as (url, raw), opened(url, max_response_bytes=4000) as transport:
        assert (await transport.send(GET)).data == {}
        assert len(raw.heads) == transport.requests == 2


async def test_a_gzip_bomb_is_left_before_it_is_unpacked() -> None:
    async def bomb(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"Content-Encoding": "gzip"})
        await answer.prepare(request)
        part = gzip.compress(b" " * 4_000_000)
        for _ in range(2000):
            await answer.write(part)
        return answer

    async with served(bomb) as url, opened(url, max_response_bytes=1_000_000) as transport:
        began = time.monotonic()
        error = await raised(transport, POST)
        assert "more than 1 MB" in str(error)
        assert time.monotonic() - began < 2


async def test_a_kept_alive_connection_that_drops_leaves_a_write_in_doubt_and_not_resent() -> None:
    async with served_raw([HTTP_OK, None]) as (url, raw), opened(url) as transport:
        await transport.send(POST)
        assert type(await raised(transport, POST)) is InDoubtError
        assert len(raw.heads) == transport.requests == 2


async def test_a_kept_alive_connection_that_drops_costs_a_read_a_slot() -> None:
    async with served_raw([HTTP_OK, None, None]) as (url, raw), opened(url) as transport:
        await transport.send(GET)
        await transport.send(GET)
        assert len(raw.heads) == transport.requests == 4


async def test_an_answer_that_does_not_come_in_time_is_in_doubt_for_a_write_and_again_for_a_read() -> None:
    for request in (POST, GET):
        async with served_raw([b""]) as (url, raw), opened(url, timeout_s=0.4) as transport:
            if request is POST:
                assert "no first byte of an answer in 0.4 s" in str(await raised(transport, request))
            else:
                await transport.send(request)
                assert len(raw.heads) == 2


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_never_followed(status: int) -> None:
    asked: list[str] = []

    async def moved(request: web.Request) -> web.Response:
        asked.append(f"{request.method} {request.path}")
        location = f"http://someone:{SECRET}@{request.host}/new/?api_key={SECRET}"
        return web.Response(status=status, headers={"Location": location})

    async with served(moved) as url, opened(url) as transport:
        for request in (POST, GET):
            error = await raised(transport, request)
            assert type(error) is ConfigError
            assert f"{url}/new/" in str(error)
            assert "hosts.old.url" in str(error)
    assert asked == ["POST /orders/", "GET /orders/"]


@pytest.mark.parametrize("status", [401, 403])
async def test_refused_credentials_are_never_tried_again(status: int) -> None:
    async def refuse(request: web.Request) -> web.Response:
        del request
        return web.json_response({"detail": SECRET}, status=status)

    async with served(refuse) as url, opened(url) as transport:
        error = await raised(transport, GET)
        assert type(error) is CredentialsError
        assert "hosts.old.credentials" in str(error)
        assert transport.requests == 1


async def test_a_read_that_keeps_failing_while_others_are_served_is_set_aside() -> None:
    async def poisoned(request: web.Request) -> web.Response:
        return web.json_response({}, status=500 if request.path == "/bad/" else 200)

    async with served(poisoned) as url, opened(url) as transport, anyio.create_task_group() as group:

        async def others() -> None:
            while True:
                await transport.send(GET)

        group.start_soon(others)
        error = await raised(transport, Request("GET", "/bad/", {"page": "1"}, is_repeatable=True))
        group.cancel_scope.cancel()
    assert type(error) is RequestFailedError
    assert "GET /bad/" in str(error)


# --- hosts that are not there ---------------------------------------------------------------------------------


@pytest.mark.parametrize("request_", [GET, POST], ids=["GET", "POST"])
async def test_a_host_that_is_down_at_the_start_is_given_up_after_ten_seconds(request_: Request) -> None:
    timing = Hurried().timing()
    began = timing.clock()
    async with opened(f"http://127.0.0.1:{closed_port()}", timing=timing) as transport:
        error = await raised(transport, request_)
        assert type(error) is HostUnavailableError
        assert "Connection refused" in str(error)
        assert 3 <= transport.requests < 20
    assert 10 <= timing.clock() - began <= 14


async def test_a_name_that_does_not_exist_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    async with opened("http://shop.invalid", timing=Hurried().timing()) as transport:
        assert "DNS" in str(await raised(transport, POST))


async def test_a_host_without_tls_where_https_is_asked_for_was_sent_nothing() -> None:
    asked: list[web.Request] = []

    async def note(request: web.Request) -> web.Response:
        asked.append(request)
        return web.json_response({})

    timing = Hurried().timing()
    async with served(note) as url, opened(url.replace("http:", "https:"), timing=timing) as transport:
        error = await raised(transport, POST)
        assert type(error) is HostUnavailableError
        assert "it answers, but not with TLS: is http:// meant, or another port? Check hosts.old.url" in str(
            error
        )
        assert transport.requests == 1
    assert asked == []


async def test_a_host_that_comes_back_is_written_to() -> None:
    port = closed_port()
    async with opened(f"http://127.0.0.1:{port}") as transport, anyio.create_task_group() as group:
        group.start_soon(transport.send, POST)
        await anyio.sleep(0.3)
        server = await asyncio.start_server(RawServer([]), "127.0.0.1", port)
        assert transport.requests >= 1
    server.close()


# --- cancellation ---------------------------------------------------------------------------------------------


async def test_cancelled_while_sending_no_slot_is_left_taken() -> None:
    async with served_raw([b""]) as (url, raw), opened(url, concurrency=1) as transport:
        with anyio.move_on_after(0.2) as scope:
            await transport.send(POST)
        assert scope.cancelled_caught
        assert len(raw.heads) == 1
        assert transport.sample().in_flight == 0
        with anyio.fail_after(2):
            await transport.send(POST)


async def test_a_decoder_that_breaks_leaves_no_slot_taken() -> None:
    def broken(body: bytes) -> object:
        raise LookupError(len(body))

    async with served(ok) as url, opened(url) as transport:
        with pytest.raises(LookupError):
            await transport.send(Request("GET", "/x", is_repeatable=True, decode=broken))
        assert transport.sample().in_flight == 0
