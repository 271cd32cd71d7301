"""The circuit of a host: opened by failures in a row, probed by one request, closed by what is served."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import anyio
import pytest

from bulkmove.errors import BulkmoveError, HostUnavailableError, InDoubtError, RequestFailedError
from bulkmove.model import Request
from bulkmove.settings import Window
from bulkmove.transport.answers import Answer
from bulkmove.transport.timing import Timing
from tests.unit.transport.scripted_host import GET, OK, POST, Rig, Scripted, answer

RunVirtually = Callable[[Coroutine[Any, Any, None]], None]
DOWN = answer(502)
SPENT = answer(200, RateLimit_Remaining="0", RateLimit_Reset="30")


def post(number: int) -> Request:
    return Request("POST", "/orders", body=b"%d" % number)


def patch(number: int) -> Request:
    return Request("PATCH", f"/orders/{number}", body=b"{}", is_repeatable=True)


class DownFor(Scripted):
    """Fails for the first `seconds`, and then serves."""

    def __init__(self, seconds: float) -> None:
        super().__init__(itertools.repeat(OK))
        self._seconds = seconds
        self.most_at_a_time = 0
        self._flying = 0

    async def send(self, request: Request, mark: object = None) -> Answer:
        self._flying += 1
        self.most_at_a_time = max(self.most_at_a_time, self._flying)
        await super().send(request, mark)
        self._flying -= 1
        return DOWN if self.times[-1] < self._seconds else OK


class Divided(Scripted):
    """Serves whatever reads, and fails whatever writes unless `serves` says otherwise."""

    def __init__(self, serves: Callable[[Request], bool] = lambda _: False) -> None:
        super().__init__(itertools.repeat(OK))
        self._serves = serves

    async def send(self, request: Request, mark: object = None) -> Answer:
        await super().send(request, mark)
        return OK if request.method == "GET" or self._serves(request) else DOWN

    def asked_to_write(self) -> list[float]:
        return [moment for moment, method in self.asked if method != "GET"]


async def until_given_up(rig: Rig, requests: Iterator[Request]) -> BulkmoveError:
    """One write after another until the host is given up, while its lists are read."""

    async def read() -> None:
        while True:
            await rig.send(GET)
            await anyio.sleep(0.3)

    given_up: BulkmoveError | None = None
    async with anyio.create_task_group() as group:
        group.start_soon(read)
        for request in itertools.islice(requests, 1000):
            await anyio.sleep(0.1)
            try:
                await rig.send(request)
            except HostUnavailableError as error:
                given_up = error
                break
            except (InDoubtError, RequestFailedError):
                continue
        group.cancel_scope.cancel()
    assert given_up is not None
    return given_up


def test_a_host_that_is_down_is_probed_by_one_request_at_a_time_and_resumed(
    run_virtually: RunVirtually, virtual_timing: Timing
) -> None:
    async def scenario() -> None:
        host = DownFor(20.0)
        rig = Rig(host, virtual_timing)
        async with anyio.create_task_group() as group:
            for _ in range(40):
                group.start_soon(rig.send, GET)
        while_down = [moment for moment in host.times if 0.1 < moment < 20]
        assert while_down, "it was probed"
        assert all(after - before > 0.3 for before, after in itertools.pairwise(while_down)), "one at a time"
        back = [moment for moment in host.times if moment >= 20]
        assert len(back) == 40
        assert sum(1 for moment in back if moment < back[0] + 0.009) == 1, "one was served before others went"
        assert (rig.gate.in_flight, rig.gate.waiting) == (0, 0)

    run_virtually(scenario())


def test_a_probe_that_finds_the_host_still_down_makes_it_rest_for_longer(
    run_virtually: RunVirtually, virtual_timing: Timing
) -> None:
    async def scenario() -> None:
        host = DownFor(25.0)
        rig = Rig(host, virtual_timing)
        async with anyio.create_task_group() as group:
            for _ in range(10):
                group.start_soon(rig.send, GET)
        probes = [moment for moment in host.times if 0.1 < moment < 25]
        gaps = [after - before for before, after in itertools.pairwise(probes)]
        assert gaps == sorted(gaps)
        assert gaps[-1] > 4 * gaps[0]

    run_virtually(scenario())


def test_a_host_that_serves_readings_and_fails_every_write_is_given_up_for_writes(
    run_virtually: RunVirtually, virtual_timing: Timing
) -> None:
    async def scenario() -> None:
        for make in (post, patch):
            host = Divided()
            rig = Rig(host, virtual_timing)
            began = asyncio.get_running_loop().time() - 1000
            error = await until_given_up(rig, map(make, itertools.count()))
            took_s = asyncio.get_running_loop().time() - 1000 - began
            assert "serves readings, but" in str(error)
            assert 120 <= took_s < 240
            assert len(host.asked_to_write()) < 40, "and it is not flooded meanwhile"
            assert (await rig.send(GET)).status == 200, "readings go on"

    run_virtually(scenario())


def test_the_rests_between_failing_writes_grow_although_readings_are_served(
    run_virtually: RunVirtually, virtual_timing: Timing
) -> None:
    async def scenario() -> None:
        host = Divided()
        rig = Rig(host, virtual_timing)
        await until_given_up(rig, map(post, itertools.count()))
        times = host.asked_to_write()
        gaps = [after - before for before, after in itertools.pairwise(times)][1:7]
        assert gaps == sorted(gaps)
        assert gaps[-1] > 10

    run_virtually(scenario())


def test_a_few_bad_records_tried_again_at_the_end_are_not_taken_for_a_host_that_is_down(
    run_virtually: RunVirtually, virtual_timing: Timing
) -> None:
    async def scenario() -> None:
        bad = [post(number) for number in range(8)]
        host = Divided(lambda request: request not in bad)
        rig = Rig(host, virtual_timing)
        for number in range(30):
            if number % 3 == 0 and number // 3 < len(bad):
                await rig.raised(bad[number // 3])
            await rig.send(post(100 + number))
        for _ in range(10):
            for request in bad:
                await rig.send(GET)
                assert type(await rig.raised(request)) is InDoubtError
                await anyio.sleep(45)

    run_virtually(scenario())


def test_a_write_that_is_served_ends_the_streak(run_virtually: RunVirtually, virtual_timing: Timing) -> None:
    async def scenario() -> None:
        host = Divided(lambda request: request.body == b"0")
        rig = Rig(host, virtual_timing)
        for number in range(1, 30):
            await rig.send(GET)
            assert type(await rig.raised(post(number))) is InDoubtError
            await anyio.sleep(30)
            if number % 4 == 0:
                await rig.send(post(0))

    run_virtually(scenario())


def test_several_429s_that_come_together_lower_the_rate_once(
    run_virtually: RunVirtually, virtual_timing: Timing
) -> None:
    async def scenario() -> None:
        host = Scripted([*[answer(429, Retry_After="5")] * 8, *[OK] * 8])
        rig = Rig(host, virtual_timing, windows=(Window(100, 1.0),), burst=8)
        async with anyio.create_task_group() as group:
            for _ in range(8):
                group.start_soon(rig.send, POST)
            await anyio.sleep(1)
            assert rig.gate.rate_per_s == 80
        assert rig.gate.rate_per_s == pytest.approx(80, abs=1)

    run_virtually(scenario())


def test_a_probe_that_meets_a_429_again_tells_nothing_of_the_rate(
    run_virtually: RunVirtually, virtual_timing: Timing
) -> None:
    async def scenario() -> None:
        told = answer(429, Retry_After="5")
        host = Scripted([told, told, told, OK, told, OK])
        rig = Rig(host, virtual_timing, windows=(Window(100, 1.0),))
        await rig.send(GET)
        assert rig.gate.rate_per_s == 80
        await rig.send(GET)
        assert rig.gate.rate_per_s == 40, "this one came after something was served"

    run_virtually(scenario())


def test_an_answer_that_says_that_its_limit_is_spent_holds_the_host_until_it_starts_anew(
    run_virtually: RunVirtually, virtual_timing: Timing
) -> None:
    async def scenario() -> None:
        rig = Rig(Scripted([SPENT, *[OK] * 5]), virtual_timing)
        await rig.send(GET)
        assert rig.gate.paused()[1] == "its limit is spent, as it says"
        async with anyio.create_task_group() as group:
            for _ in range(5):
                group.start_soon(rig.send, POST)
        assert rig.client.times[1:] == pytest.approx([30.01] * 5, abs=0.01)

    run_virtually(scenario())


@pytest.mark.parametrize(
    "headers",
    [
        {"RateLimit_Remaining": "1", "RateLimit_Reset": "30"},
        {"RateLimit_Remaining": "0"},
        {"RateLimit_Reset": "30"},
        {"RateLimit_Remaining": "none", "RateLimit_Reset": "30"},
        {"RateLimit_Remaining": "0", "RateLimit_Reset": "never"},
    ],
)
def test_any_other_hint_holds_nobody(
    run_virtually: RunVirtually, virtual_timing: Timing, headers: dict[str, str]
) -> None:
    async def scenario() -> None:
        rig = Rig(Scripted([answer(200, **headers), OK]), virtual_timing)
        await rig.send(GET)
        await rig.send(GET)
        assert rig.client.times[1] < 0.1

    run_virtually(scenario())


def test_a_limit_of_a_second_is_left_to_the_windows_where_there_are_some(
    run_virtually: RunVirtually, virtual_timing: Timing
) -> None:
    async def scenario() -> None:
        told = answer(200, RateLimit_Remaining="0", RateLimit_Reset="1")
        kept = Rig(Scripted([told, OK]), virtual_timing, windows=(Window(4, 1.0),))
        unknown = Rig(Scripted([told, OK]), virtual_timing)
        for rig, least_s in ((kept, 0.2), (unknown, 1.0)):
            await rig.send(GET)
            await rig.send(GET)
            first, second = rig.client.times
            assert least_s <= second - first < least_s + 0.1

    run_virtually(scenario())


def test_a_host_that_always_says_that_its_limit_is_spent_is_believed_once(
    run_virtually: RunVirtually, virtual_timing: Timing
) -> None:
    async def scenario() -> None:
        rig = Rig(Scripted([*[SPENT] * 20, answer(200, RateLimit_Remaining="9"), SPENT, OK]), virtual_timing)
        for _ in range(21):
            await rig.send(GET)
        assert 30 < rig.client.times[-1] < 31
        await rig.send(GET)
        await rig.send(GET)
        assert rig.client.times[-1] > 60, "until it said that there is room"

    run_virtually(scenario())


def test_what_a_429_says_goes_before_its_hints(run_virtually: RunVirtually, virtual_timing: Timing) -> None:
    async def scenario() -> None:
        told = answer(429, Retry_After="5", RateLimit_Remaining="0", RateLimit_Reset="300")
        rig = Rig(Scripted([told, OK]), virtual_timing)
        await rig.send(POST)
        assert rig.client.times[1] == pytest.approx(5, abs=0.1)

    run_virtually(scenario())


def test_the_resend_of_a_429_is_counted_and_waits_for_its_pause_alone(
    run_virtually: RunVirtually, virtual_timing: Timing
) -> None:
    async def scenario() -> None:
        told = answer(429, Retry_After="3")
        rig = Rig(Scripted([told, OK, told, OK]), virtual_timing)
        before = rig.budget.left
        await rig.send(GET)
        assert rig.budget.left == before - 1
        while rig.budget.left:
            rig.budget.charge()
        await rig.send(POST)
        assert rig.client.times[3] - rig.client.times[2] == pytest.approx(3, abs=0.1)

    run_virtually(scenario())


def test_a_retry_beyond_the_budget_waits_and_goes_in_the_end(
    run_virtually: RunVirtually, virtual_timing: Timing
) -> None:
    async def scenario() -> None:
        rig = Rig(Scripted([OK, DOWN, OK]), virtual_timing)
        while rig.budget.left:
            rig.budget.charge()
        await rig.send(GET)
        await rig.send(GET)
        first, second = rig.client.times[1:]
        assert 30 <= second - first <= 30.5

    run_virtually(scenario())


def test_a_retry_beyond_the_budget_goes_as_soon_as_others_have_earned_it(
    run_virtually: RunVirtually, virtual_timing: Timing
) -> None:
    async def scenario() -> None:
        rig = Rig(Scripted([DOWN, *[OK] * 600]), virtual_timing)
        while rig.budget.left:
            rig.budget.charge()

        async def others() -> None:
            await anyio.sleep(1)
            for _ in range(510):
                await rig.send(GET)

        async with anyio.create_task_group() as group:
            group.start_soon(rig.send, GET)
            group.start_soon(others)
        assert 1 + 510 * 0.01 <= rig.client.times[-1] < 7

    run_virtually(scenario())


def test_a_spent_budget_does_not_keep_a_host_from_being_given_up_in_time(
    run_virtually: RunVirtually, virtual_timing: Timing
) -> None:
    async def scenario() -> None:
        rig = Rig(Scripted([OK, *[DOWN] * 500]), virtual_timing)
        while rig.budget.left:
            rig.budget.charge()
        await rig.send(GET)
        async with anyio.create_task_group() as group:
            for _ in range(20):
                group.start_soon(rig.raised_any, GET)
        assert 120 <= rig.client.times[-1] < 200

    run_virtually(scenario())
