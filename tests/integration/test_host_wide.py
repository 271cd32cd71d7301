"""What a host does is told to all who ask it: over real HTTP, against servers that fail, throttle, and come back."""

from __future__ import annotations

import gc
import os
import signal
import socket
import sqlite3
import subprocess
import threading
import time
import tracemalloc
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from aiohttp import web

from bulkmove.errors import BulkmoveError, HostUnavailableError
from bulkmove.model import Request
from bulkmove.protocols import Signature
from bulkmove.sandbox.conditions import RateWindow
from bulkmove.settings import HostSettings, Window
from bulkmove.transport import HostTransport, Timing, open_transport
from tests.integration.moving import COMMAND, Job, Stages

GET = Request("GET", "/orders/", is_repeatable=True)
POST = Request("POST", "/orders/", body=b"{}")
DOWN_S = 1.5
Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def served(answer: Answer, *, port: int = 0) -> AsyncIterator[str]:
    """The address of a server that answers everything so."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def opened(
    url: str, *, windows: Sequence[Window] = (), chance: float = 0.0, **settings: Any
) -> AsyncIterator[HostTransport]:
    host = HostSettings("shop", "none", url, **{"timeout_s": 5.0, **settings})
    timing = Timing(chance=lambda: chance)
    async with open_transport(host, windows=windows, sign=Signature(), timing=timing) as transport:
        yield transport


async def ok(request: web.Request) -> web.Response:
    del request
    return web.json_response({})


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


# --- the circuit ---------------------------------------------------------------------------------------------


async def test_a_host_that_nothing_listens_at_for_a_while_is_probed_and_resumed() -> None:
    port = free_port()
    async with opened(f"http://127.0.0.1:{port}") as transport:
        async with served(ok, port=port):
            await transport.send(GET)
        done: list[int] = []
        all_done = anyio.Event()

        async def one(request: Request) -> None:
            done.append((await transport.send(request)).status)
            if len(done) == 16:
                all_done.set()

        async with anyio.create_task_group() as group:
            for request in [GET, POST] * 8:
                group.start_soon(one, request)
            await anyio.sleep(1.5)
            assert transport.requests <= 1 + 16 + 4, "one probe a rest"
            paused = transport.sample()
            assert paused.paused_s > 0
            assert "could not connect" in (paused.reason or "")
            async with served(ok, port=port):
                await all_done.wait()
    assert done == [200] * 16


async def test_a_host_that_fails_for_seconds_meets_one_request_at_a_time_until_it_serves() -> None:
    began, arrived = time.monotonic(), list[tuple[float, int]]()
    flying = 0

    async def down(request: web.Request) -> web.Response:
        nonlocal flying
        del request
        flying += 1
        arrived.append((time.monotonic() - began, flying))
        await anyio.sleep(0.02)
        flying -= 1
        return web.json_response({}, status=200 if len(arrived) == 1 or arrived[-1][0] > DOWN_S else 502)

    async with served(down) as url, opened(url) as transport:
        await transport.send(GET)
        async with anyio.create_task_group() as group:
            for _ in range(30):
                group.start_soon(transport.send, GET)
        assert transport.sample().paused_s == 0
    probes = [(moment, at_a_time) for moment, at_a_time in arrived if moment > 0.3]
    assert 1 <= sum(1 for moment, _ in probes if moment <= DOWN_S) <= 5
    assert all(at_a_time == 1 for moment, at_a_time in probes if moment <= DOWN_S)
    resumed = [at_a_time for moment, at_a_time in probes if moment > DOWN_S]
    assert len(resumed) == 30
    assert resumed[0] == 1
    assert max(resumed) > 2


async def test_a_host_that_stays_down_is_given_up_and_nobody_waits_any_longer() -> None:
    async def down(request: web.Request) -> web.Response:
        del request
        return web.json_response({}, status=502)

    async with served(down) as url, opened(url, give_up_after_s=1.5) as transport:
        ended: Counter[str] = Counter()

        async def one(request: Request) -> None:
            try:
                await transport.send(request)
            except BulkmoveError as error:
                ended[type(error).__name__] += 1

        began = time.monotonic()
        async with anyio.create_task_group() as group:
            for _ in range(10):
                group.start_soon(one, GET)
        took_s = time.monotonic() - began
        assert ended == {"HostUnavailableError": 10}
        assert 1.5 <= took_s < 20
        with pytest.raises(HostUnavailableError):
            await transport.send(POST)


def test_a_target_that_is_down_for_a_while_costs_nothing_but_time(sandbox: Stages, tmp_path: Path) -> None:
    job = Job(tmp_path, sandbox()).with_orders(batch_size=10)
    job.stage.add_fault("error-502-before", api="external-order")

    def mend() -> None:
        until(lambda: bool(job.stage.stats()["external-order"]["faults"]))
        time.sleep(1.2)
        job.stage.clear_faults()

    mending = threading.Thread(target=mend)
    mending.start()
    ended = job.run()
    mending.join()
    assert ended.code == 0, ended.told
    assert job.stage.stats()["external-order"]["faults"]["error-502-before"] < 40
    job.check_all_equal()


def test_a_target_that_stays_down_ends_its_route_with_5_and_the_others_go_on(
    sandbox: Stages, tmp_path: Path
) -> None:
    job = Job(tmp_path, sandbox()).with_all_routes()
    job.hosts["new"]["give_up_after_s"] = 1
    job.stage.add_fault("error-502-before", api="external-order", methods=["POST"])
    ended = job.run()
    assert ended.code == 5, ended.told
    assert ended.routes["orders"]["written"] == 0
    assert ended.routes["orders"]["rejected"] == ended.routes["orders"]["unknown"] == 0
    assert ended.counts("fitting") == {"read": 300, "written": 300}
    assert ended.routes["products"]["written"] == 200
    job.stage.clear_faults()
    ended = job.run()
    assert ended.code == 0, ended.told
    job.check_all_equal()


def test_a_target_that_serves_readings_and_fails_writes_is_given_up_before_all_is_in_doubt(
    sandbox: Stages, tmp_path: Path
) -> None:
    """Each update looks at its order first: readings are served between any two writes that fail."""
    job = Job(tmp_path, sandbox(orders=120)).with_orders()
    assert job.run().code == 0
    again = Job(tmp_path, job.stage, name="again").with_orders(mapper="mappers.py:more", batch_size=1)
    again.hosts["new"] |= {"give_up_after_s": 1, "concurrency": 4}
    again.with_mapper(
        "from bulkmove.mapping.builtin.external_order import order_to_external_order\n"
        "def more(record, context):\n"
        "    body = order_to_external_order(record, context)\n"
        "    body['promo_code'] = 7\n"
        "    return body\n"
    )
    before = job.stage.count("external-order", "POST upsert")
    job.stage.add_fault("error-500", api="external-order", methods=["POST"])
    ended = again.run()
    assert ended.code == 5, ended.told
    assert ended.counts("orders").keys() == {"read", "pending"}
    assert "serves readings" in ended.stderr
    assert job.stage.count("external-order", "POST upsert") - before < 60
    job.stage.clear_faults()
    ended = again.run()
    assert ended.code == 0, ended.told
    assert ended.counts("orders") == {"read": 120, "written": 120}


# --- the retry budget ----------------------------------------------------------------------------------------


async def test_a_host_that_fails_three_of_ten_gets_a_tenth_more_than_it_was_asked_for() -> None:
    asked = 0

    async def flaky(request: web.Request) -> web.Response:
        nonlocal asked
        del request
        asked += 1
        return web.json_response({}, status=500 if asked % 10 in {2, 5, 8} else 200)

    async with served(flaky) as url, opened(url, concurrency=2) as transport:
        served_ = 0

        async def one() -> None:
            nonlocal served_
            await transport.send(GET)
            served_ += 1

        async with anyio.create_task_group() as group:
            for already in (0, 1000):
                for _ in range(1000):
                    group.start_soon(one)
                await stands_still(lambda: asked)
                wanted = already + 1000
                assert wanted * 1.1 - 1 <= transport.requests <= wanted * 1.1
                assert served_ > 0.65 * wanted, "what is served goes on"
            group.cancel_scope.cancel()


async def stands_still(count: Callable[[], int], *, for_s: float = 0.6) -> None:
    """Returns when the count has not changed for a while."""
    last, since = -1, time.monotonic()
    while time.monotonic() < since + for_s:
        await anyio.sleep(0.05)
        if count() != last:
            last, since = count(), time.monotonic()


# --- the pace ------------------------------------------------------------------------------------------------


async def test_a_host_that_allows_less_than_is_configured_is_not_run_into_again_and_again() -> None:
    recent: deque[float] = deque()
    refused: list[float] = []

    async def strict(request: web.Request) -> web.Response:
        del request
        now = time.monotonic()
        while recent and recent[0] <= now - 1:
            recent.popleft()
        if len(recent) >= 35:
            refused.append(now)
            return web.json_response({}, status=429, headers={"Retry-After": "1"})
        recent.append(now)
        return web.json_response({})

    count = 0
    async with (
        served(strict) as url,
        opened(url, windows=[Window(40, 1.0)]) as transport,
    ):
        with anyio.move_on_after(2.8):
            async with anyio.create_task_group() as group:

                async def work() -> None:
                    nonlocal count
                    while True:
                        await transport.send(GET)
                        count += 1

                for _ in range(16):
                    group.start_soon(work)
        assert 1 <= len(refused) <= 16
        assert refused[-1] - refused[0] < 0.5, "once"
        assert transport.rate_per_s is not None
        assert 32 <= transport.rate_per_s < 35
    assert count > 35 + 32 * 0.5


async def test_a_host_without_a_known_limit_gets_fewer_at_a_time_after_a_429() -> None:
    flying, most = 0, [0, 0]
    is_throttled = False

    async def busy(request: web.Request) -> web.Response:
        nonlocal flying, is_throttled
        del request
        flying += 1
        most[is_throttled] = max(most[is_throttled], flying)
        await anyio.sleep(0.01)
        flying -= 1
        if flying and most[0] >= 12 and not is_throttled:
            is_throttled = True
            most[1] = 0
            return web.json_response({}, status=429, headers={"Retry-After": "1"})
        return web.json_response({})

    async with (
        served(busy) as url,
        opened(url, concurrency=12) as transport,
        anyio.create_task_group() as group,
    ):
        for _ in range(300):
            group.start_soon(transport.send, GET)
    assert most[0] == 12
    assert 3 <= flying + most[1] <= 12
    assert transport.throttled == 1


async def test_a_limit_that_a_host_says_is_spent_is_waited_for_and_no_429_comes() -> None:
    arrived: list[float] = []
    starts_at = time.monotonic()

    async def counting(request: web.Request) -> web.Response:
        del request
        now = time.monotonic()
        window = int((now - starts_at) // 2)
        used = 1 + sum(1 for moment in arrived if int((moment - starts_at) // 2) == window)
        arrived.append(now)
        left_s = 2 - (now - starts_at) % 2
        told = {"RateLimit": f'"two seconds";r={max(0, 10 - used)};t={-(-left_s // 1):.0f}'}
        return web.json_response({}, status=429 if used > 10 else 200, headers=told)

    async with served(counting) as url, opened(url, concurrency=1) as transport:
        async with anyio.create_task_group() as group:
            for _ in range(15):
                group.start_soon(transport.send, GET)
        assert transport.throttled == 0
        assert len(arrived) == 15


# --- memory --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [429, 500])
async def test_memory_stays_flat_under_a_host_that_never_serves(status: int) -> None:
    """Its pauses are as short as a host can ask for, so that as much as possible happens."""
    asked = 0

    async def never(request: web.Request) -> web.Response:
        nonlocal asked
        del request
        asked += 1
        is_served = status == 429 and asked % 5 == 0  # ten pauses in a row would give it up
        return web.json_response(
            {}, status=200 if is_served else status, headers={"RateLimit-Reset": "0.01", "Retry-After": "0"}
        )

    async with (
        served(never) as url,
        opened(url, give_up_after_s=1000, windows=[Window(3600, 3600.0)]) as transport,
        anyio.create_task_group() as group,
    ):

        async def work() -> None:
            while True:
                await transport.send(GET)

        for _ in range(100):
            group.start_soon(work)
        await anyio.sleep(0.3)
        tracemalloc.start()
        await anyio.sleep(0.3)
        gc.collect()
        before, _ = tracemalloc.get_traced_memory()
        await anyio.sleep(1)
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert transport._gate.waiting <= 100
        group.cancel_scope.cancel()
    assert asked > 10
    assert after - before < 100_000


def test_a_target_that_answers_429_for_ever_stops_the_reading_too(sandbox: Stages, tmp_path: Path) -> None:
    job = Job(tmp_path, sandbox(orders=6000, products=10)).with_orders(batch_size=10)
    job.stage.add_fault("too-many-429", api="external-order", methods=["POST"], wait="seconds")
    with running(job):
        until(lambda: job.stage.stats()["external-order"]["too_many"] >= 2)
        pages = job.stage.count("merchantpro")
        until(lambda: job.stage.stats()["external-order"]["too_many"] >= 3)
        assert job.stage.count("merchantpro") == pages < 30
        assert rows(job.ledger, "SELECT count(*) FROM records") < 3000, "most of it was not even read"


@pytest.mark.parametrize(
    ("fault", "api", "methods", "wait_s"),
    [
        ("too-many-429", "external-order", ["POST"], 3600.0),
        ("too-many-429", "external-order", ["GET"], 3600.0),
        ("too-many-429", "robosize", ["PATCH"], 3600.0),
        ("too-many-429", "external-order", ["POST"], 0.0),
        ("error-500", "robosize", ["PATCH"], 0.0),
    ],
)
def test_the_first_signal_ends_a_run_whose_host_wants_an_hour(
    sandbox: Stages, tmp_path: Path, fault: str, api: str, methods: list[str], wait_s: float
) -> None:
    """Nothing is in flight: what was refused or waits for its turn is surely not done, and the next run goes on."""
    job = Job(tmp_path, sandbox(wait_seconds=wait_s)).with_orders().with_products(mode="update")
    job.hosts["sizing"]["give_up_after_s"] = 600
    job.stage.add_fault(fault, api=api, methods=methods, wait="seconds")
    with running(job) as process:
        until(lambda: sum(job.stage.stats()[api]["faults"].values()) > 0)
        process.terminate()
        assert process.wait(15) == 143
    job.stage.clear_faults()
    assert job.run().code == 0
    job.check_all_equal()


@pytest.mark.long
@pytest.mark.timeout(120)
@pytest.mark.parametrize("fault", ["too-many-429", "error-500"])
def test_a_run_against_a_target_that_never_serves_takes_no_more_memory_with_time(
    sandbox: Stages, tmp_path: Path, fault: str
) -> None:
    """The host is given up in the end: 429s after ten pauses, errors after `give_up_after_s`."""
    job = Job(tmp_path, sandbox(orders=20_000, products=10, wait_seconds=4.0)).with_orders(batch_size=10)
    job.hosts["new"]["give_up_after_s"] = 60
    job.stage.add_fault(fault, api="external-order", methods=["POST"])
    with running(job) as process:
        until(lambda: job.stage.count("external-order", "POST upsert") >= 5)
        time.sleep(5)
        resident = [resident_bytes(process.pid)]
        for _ in range(25):
            time.sleep(1)
            resident.append(resident_bytes(process.pid))
    assert max(resident) - resident[0] < 2_000_000


# --- over a restart ------------------------------------------------------------------------------------------


def test_what_a_killed_run_spent_of_a_long_window_is_heeded_by_the_next(
    sandbox: Stages, tmp_path: Path
) -> None:
    limit = RateWindow(12, 3600.0, "merchantpro")
    job = Job(tmp_path, sandbox(orders=3000, rates=(limit,))).with_orders()
    job.hosts["old"] |= {"rate": ["12/h"], "burst": 1}
    with running(job) as process:
        until(lambda: job.stage.count("merchantpro") == 12)
        until(lambda: spent(job.ledger) == 12)
        os.kill(process.pid, signal.SIGKILL)
    with running(job) as process:
        until(
            lambda: (
                rows(job.ledger, "SELECT count(*) FROM runs WHERE id = 2 AND alive_at > started_at + 1") == 1
            )
        )
        assert process.poll() is None, "it waits"
        assert job.stage.count("merchantpro") == 12
        os.kill(process.pid, signal.SIGKILL)
    assert job.stage.stats()["merchantpro"]["too_many"] == 0
    # An hour later it would go on.
    with closing(sqlite3.connect(job.ledger)) as connection, connection:
        connection.execute("UPDATE spent SET at = at - 3700")
    with running(job):
        until(lambda: job.stage.count("merchantpro") > 12)


def test_a_run_that_ends_notes_all_that_it_spent_and_a_host_without_long_windows_nothing(
    sandbox: Stages, tmp_path: Path
) -> None:
    job = Job(tmp_path, sandbox()).with_orders()
    job.hosts["old"]["rate"] = ["1000/s", "60000/day"]
    assert job.run().code == 0
    assert spent(job.ledger) == job.stage.count("merchantpro")
    assert 0 < rows(job.ledger, "SELECT count(*) FROM spent") <= 3
    assert rows(job.ledger, "SELECT count(DISTINCT host) FROM spent") == 1


def test_runs_within_one_grain_of_time_add_up(sandbox: Stages, tmp_path: Path) -> None:
    job = Job(tmp_path, sandbox()).with_orders()
    job.hosts["old"]["rate"] = ["1000/s", "60000/day"]
    for _ in range(3):
        assert job.run("--limit", "50").code == 0
    assert spent(job.ledger) == job.stage.count("merchantpro") > 3


@contextmanager
def running(job: Job) -> Iterator[subprocess.Popen[bytes]]:
    """`bulkmove run FILE` in a process of its own, killed at the end where it still runs."""
    job.write()
    with subprocess.Popen(
        [*COMMAND, "run", str(job.file), "--quiet"],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=job.folder,
    ) as process:  # fmt: skip
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def until(is_so: Callable[[], bool], *, within_s: float = 20.0) -> None:
    deadline = time.monotonic() + within_s
    while not is_so():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.05)


def rows(ledger: Path, question: str) -> int:
    with closing(sqlite3.connect(ledger)) as connection:
        found: int | None = connection.execute(question).fetchone()[0]
    return found or 0


def spent(ledger: Path) -> int:
    return rows(ledger, "SELECT sum(requests) FROM spent") if ledger.exists() else 0


def resident_bytes(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
