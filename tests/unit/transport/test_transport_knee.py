"""A host whose rate nobody states: how fast it may be asked is found, held, and found again where it changes."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkmove.connectors.discover import connector
from bulkmove.model import Request, Response
from bulkmove.pipeline.opening import open_host
from bulkmove.settings import HostSettings, Secret, Window
from bulkmove.transport import Timing
from bulkmove.transport.answers import Answer
from bulkmove.transport.gate import Gate
from bulkmove.transport.knee import START_PER_S, Found, Knee, kind_of
from bulkmove.transport.knee.room import MOST_KINDS, RoomSearch
from tests.unit.transport.knee_host import Capacity, Watched, used_to_the_full
from tests.unit.transport.scripted_host import GET, OK

RunVirtually = Callable[[Coroutine[Any, Any, None]], None]
Use = Callable[..., Watched]


@pytest.fixture
def use(run_virtually: RunVirtually, virtual_timing: Timing) -> Use:
    """Asks a host through some phases for all that the gate lets out."""

    def used(phases: Sequence[tuple[float, Capacity]], **limits: Any) -> Watched:
        found: list[Watched] = []

        async def ask() -> None:
            found.append(await used_to_the_full(phases, virtual_timing, **limits))

        run_virtually(ask())
        return found[0]

    return used


def least_share(seen: Watched, since: float, until: float, *, of: float, over_s: float = 5.0) -> float:
    """The least that any stretch of so many seconds came to."""
    begins = range(int(since), int(until - over_s) + 1)
    return min(seen.host.per_s(at, at + over_s) for at in begins) / of


def percentile(latencies: list[float], share: float) -> float:
    return sorted(latencies)[int(share * (len(latencies) - 1))]


@pytest.mark.parametrize(("latency_s", "sigma"), [(0.02, 0.0), (0.1, 0.3), (0.2, 0.0)])
def test_where_latency_climbs_the_knee_is_found_in_seconds_and_held_without_a_long_queue(
    use: Use, latency_s: float, sigma: float
) -> None:
    seen = use([(60, Capacity(works_per_s=40, latency_s=latency_s, sigma=sigma))])
    assert seen.host.per_s(5, 60) >= 0.95 * 40
    assert least_share(seen, 5, 60, of=40) >= 0.9
    alone_s = latency_s + 1 / 40
    assert percentile(seen.host.between(10, 60), 0.5) <= 2.2 * alone_s
    assert not seen.host.refused
    found = seen.knee.found()
    assert found is not None
    assert found.told_by == "latency"
    assert 36 <= found.per_s <= 42


@pytest.mark.parametrize("latency_s", [0.02, 0.1])
def test_where_a_429_comes_the_rate_below_it_is_found_with_few_of_them(use: Use, latency_s: float) -> None:
    seen = use([(120, Capacity(allows=50, latency_s=latency_s))])
    assert seen.host.per_s(20, 120) >= 0.9 * 50
    assert least_share(seen, 20, 120, of=50) >= 0.7, "a look for more costs a pause of a second"
    assert len(seen.host.refused) <= 16, "of 5,400 requests"
    found = seen.knee.found()
    assert found is not None
    assert found.told_by == "429"
    assert 45 <= found.per_s <= 50
    assert found.rate in {f"{whole}/s" for whole in range(45, 51)}


def test_a_host_whose_latency_tells_is_followed_down_and_up_within_seconds(use: Use) -> None:
    capacities = [Capacity(works_per_s=works) for works in (50, 15, 80)]
    seen = use([(40, capacity) for capacity in capacities])
    for began, capacity in zip((0, 40, 80), capacities, strict=True):
        assert seen.host.per_s(began + 5, began + 40) >= 0.95 * capacity.works_per_s
        assert least_share(seen, began + 5, began + 40, of=capacity.works_per_s) >= 0.9
    assert percentile(seen.host.between(50, 80), 0.5) <= 0.2, "not as many at once as before"


def test_a_host_that_answers_429_is_followed_down_at_once_and_up_at_the_next_look(use: Use) -> None:
    seen = use([(60, Capacity(allows=50)), (60, Capacity(allows=15)), (120, Capacity(allows=80))])
    for began, found_s, end, allows in ((0, 15, 60, 50), (60, 20, 120, 15), (120, 60, 240, 80)):
        assert seen.host.per_s(began + found_s, end) >= 0.9 * allows
        assert seen.host.refused_between(began, end) <= 12


def test_after_a_pause_it_goes_on_near_what_was_good_and_not_from_the_start(use: Use) -> None:
    usual = Capacity(allows=80, latency_s=0.05)
    seen = use([(60, usual), (0.5, Capacity(allows=0, retry_after="20")), (40, usual)])
    back = min(at for at, _ in seen.host.served if at > 60.5)
    assert 79 < back < 84
    assert seen.host.per_s(back + 1, back + 6) >= 0.85 * 80
    assert seen.host.per_s(back + 1, back + 3) > 5 * START_PER_S


def test_after_an_outage_it_goes_on_with_a_share_of_what_was_good(use: Use) -> None:
    usual = Capacity(works_per_s=50, latency_s=0.05)
    seen = use([(40, usual), (15, Capacity(is_down=True)), (40, usual)])
    back = min(at for at, _ in seen.host.served if at > 55)
    assert seen.host.per_s(back + 4, back + 30) >= 0.95 * 50


def test_a_host_that_became_slower_for_good_is_not_throttled_to_nothing(use: Use) -> None:
    seen = use([(30, Capacity(latency_s=0.05)), (60, Capacity(latency_s=0.4))])
    assert seen.host.per_s(45, 90) >= 0.9 * 16 / 0.4


def test_latencies_that_differ_much_are_not_taken_for_a_queue(use: Use) -> None:
    seen = use([(60, Capacity(latency_s=0.1, sigma=0.9))], seed=3)
    mean_s = 0.1 * math.exp(0.9**2 / 2)
    assert seen.host.per_s(20, 60) >= 0.85 * 16 / mean_s


def test_a_limit_by_the_minute_is_found_as_the_rate_that_it_comes_to(use: Use) -> None:
    seen = use([(900, Capacity(allows=80, period_s=60, retry_after="30"))])
    found = seen.knee.found()
    assert found is not None
    assert 1.1 <= found.per_s <= 80 / 60
    assert found.rate.endswith("/min")
    assert len(seen.host.refused) <= 10
    assert seen.host.per_s(240, 900) >= 0.9 * 80 / 60


@pytest.mark.parametrize("seconds", [150, 250])
def test_a_host_that_latency_holds_above_its_limit_is_told_with_its_429s(use: Use, seconds: float) -> None:
    limited = Capacity(works_per_s=5, allows=250, period_s=60, latency_s=0.05, retry_after="60")
    seen = use([(seconds, limited)])
    found = seen.knee.found()
    assert found is not None
    assert found.told_by == "429" or found.refusals == len(seen.host.refused) > 0
    assert found.told_by != "429" or found.per_s <= 250 / 60


def test_429s_of_a_limit_that_is_far_above_what_latency_allows_by_now_are_no_sign_of_a_lower_one(
    use: Use,
) -> None:
    quick, slow = Capacity(allows=20, latency_s=0.05), Capacity(works_per_s=4, latency_s=0.05)
    seen = use([(60, quick), (400, slow)])
    found = seen.knee.found()
    assert seen.host.refused
    assert found is not None
    assert (found.told_by, found.refusals) == ("latency", 0)


def test_where_nothing_went_well_at_the_whole_rate_before_a_429_no_rate_of_nothing_is_told() -> None:
    """One after the other, a second each, its room full until the 429 and not after it."""
    knee, now = Knee(most_at_once=16), 0.0
    while knee.found() is None:
        now += knee.wait_s(now)
        knee.take(now, in_flight=knee.room)
        now += 1.0
        knee.answered("GET /x", 200, sent_at=now - 1.0, now=now)
    knee.throttled(now)
    for _ in range(50):
        now += 0.5
        knee.take(now, in_flight=0)
        knee.answered("GET /x", 200, sent_at=now, now=now + 0.4)
    found = knee.found()
    assert found is not None
    assert found.per_s > 0.5
    assert found.refusals == 1


def test_where_a_429_names_no_time_its_long_pauses_are_few(use: Use) -> None:
    seen = use([(600, Capacity(allows=20, retry_after=None))])
    assert len(seen.host.refused) <= 4
    assert seen.host.per_s(200, 600) >= 0.9 * 20


def test_a_503_beside_answers_that_are_served_is_a_limit_in_other_words(use: Use) -> None:
    seen = use([(120, Capacity(allows=50, retry_after=None, refuses_with=503))])
    assert len(seen.host.refused) <= 8, "what becomes of a write is open after it"
    assert seen.host.per_s(20, 120) >= 0.9 * 50


def test_never_more_at_once_and_never_faster_than_is_set(use: Use) -> None:
    seen = use([(20, Capacity(latency_s=0.1))], most_at_once=3)
    assert seen.gate.peak == 3
    assert seen.host.per_s(10, 20) >= 0.9 * 30
    seen = use([(20, Capacity())], most_per_s=START_PER_S)
    assert 0.95 * START_PER_S <= seen.host.per_s(5, 20) <= 1.05 * START_PER_S


def test_a_rate_that_is_stated_holds_and_nothing_is_looked_for(run_virtually: RunVirtually) -> None:
    async def scenario() -> None:
        clock = asyncio.get_running_loop().time
        gate = Gate((), burst=1, concurrency=16, clock=clock, knee=Knee(most_at_once=16))
        assert gate.rate_per_s == START_PER_S
        gate.set_limits((Window(4, 1.0),), concurrency=2)
        assert gate.seeking is None
        assert gate.rate_per_s == 4
        gate.set_limits((), concurrency=2)
        assert gate.rate_per_s == START_PER_S
        assert gate.seeking is not None
        assert gate.seeking.room <= 2

    run_virtually(scenario())


class Willing:
    """A client to a host that serves whatever comes, at once."""

    def __init__(self) -> None:
        self.asked = 0

    async def send(self, request: Request, mark: object = None) -> Answer:
        del request, mark
        self.asked += 1
        await anyio.sleep(0.02)
        return OK

    def redirect_target(self, request: Request, answer: Response) -> str:
        del request, answer
        return ""


@pytest.mark.parametrize(("is_live", "least", "most"), [(False, 1000, 10_000), (True, 95, 103)])
def test_of_a_live_host_no_more_is_asked_than_what_every_host_is_begun_with(
    run_virtually: RunVirtually, virtual_timing: Timing, *, is_live: bool, least: int, most: int
) -> None:
    host = HostSettings("new", "external-order", "http://127.0.0.1:9", {"token": Secret("t")}, live=is_live)
    client = Willing()

    @asynccontextmanager
    async def connected(*given: Any, **named: Any) -> AsyncIterator[Willing]:
        del given, named
        yield client

    async def scenario() -> None:
        async with open_host(
            host, connector(host.api), connect=connected, timing=virtual_timing
        ) as transport:

            async def ask() -> None:
                while True:
                    await transport.send(GET)

            with anyio.move_on_after(10):
                async with anyio.create_task_group() as tasks:
                    for _ in range(20):
                        tasks.start_soon(ask)

    run_virtually(scenario())
    assert least <= client.asked <= most


def test_a_host_that_is_never_full_is_told_without_a_limit(use: Use) -> None:
    seen = use([(4, Capacity(latency_s=0.01))], callers=2)
    found = seen.knee.found()
    assert found is not None
    assert found.told_by is None


def test_before_anything_was_used_nothing_is_found() -> None:
    assert Knee(most_at_once=4).found() is None


@pytest.mark.parametrize(
    ("per_s", "rate"), [(18.9, "18/s"), (5.0, "5/s"), (4.99, "299/min"), (1.3, "78/min"), (0.001, "1/min")]
)
def test_what_was_found_is_written_as_a_rate_of_the_configuration(per_s: float, rate: str) -> None:
    assert Found(per_s, 1, "429").rate == rate


def test_requests_of_one_kind_are_told_by_method_and_path_without_ids() -> None:
    assert kind_of(Request("GET", "/api/v2/orders/95750870.3")) == kind_of(Request("GET", "/api/v2/orders/7"))
    assert kind_of(Request("GET", "/orders")) != kind_of(Request("POST", "/orders"))
    assert kind_of(Request("GET", "/orders")) != kind_of(Request("GET", "/products"))
    assert kind_of(Request("GET", "/orders/7")) != kind_of(Request("GET", "/orders"))


def test_kinds_of_different_latency_are_each_held_against_their_own() -> None:
    room = RoomSearch(16)
    now = 0.0
    for number in range(400):
        room.take(room.room)
        slow = number >= 200
        now += 0.05
        room.answered("slow" if slow else "quick", sent_at=now - (1.0 if slow else 0.05), now=now)
    assert room.room == 16
    assert room.load < 1.1


def test_a_503_while_the_room_is_full_takes_a_third_of_it_once_for_those_in_flight_together() -> None:
    knee = Knee(most_at_once=16)
    now = 0.0
    for _ in range(200):
        knee.take(now, in_flight=knee.room)
        now += 0.01
        knee.answered("GET", 200, sent_at=now - 0.05, now=now)
    assert knee.room == 16
    for _ in range(10):
        knee.answered("GET", 503, sent_at=now - 0.05, now=now)
    assert knee.room == 11


def test_what_fails_at_once_tells_nothing_of_how_long_work_takes_and_a_time_out_does() -> None:
    rooms = []
    for took_s in (0.001, 30.0):
        knee = Knee(most_at_once=16)
        now = 0.0
        for number in range(300):
            knee.take(now, in_flight=knee.room)
            now += 0.02
            if number < 200:
                knee.answered("GET", 200, sent_at=now - 0.05, now=now)
            else:
                knee.answered("GET", None, sent_at=max(now - took_s, 4.0), now=now)
        rooms.append(knee.room)
    assert rooms[0] == 16
    assert rooms[1] < 8


def test_memory_does_not_grow_with_the_kinds_of_requests() -> None:
    room = RoomSearch(4)
    for number in range(1000):
        room.take(1)
        room.answered(f"GET {number}", sent_at=float(number), now=number + 0.1)
    assert len(room._kinds) <= MOST_KINDS + 1


@given(
    st.lists(
        st.tuples(
            st.sampled_from(("take", "answer", "lost", "503", "429", "rest", "limit")), st.floats(0.0, 40.0)
        ),
        max_size=200,
    )
)
def test_whatever_comes_rate_and_room_stay_in_their_bounds(events: list[tuple[str, float]]) -> None:
    knee, now, most = Knee(most_at_once=8, most_per_s=500.0), 0.0, 8
    for what, seconds in events:
        now += seconds
        match what:
            case "take":
                knee.take(now, in_flight=knee.room)
            case "429":
                knee.throttled(now)
            case "rest":
                knee.rest_until(now, now + seconds)
            case "limit":
                most = 1 + int(seconds)
                knee.limit(most)
            case _:
                status = {"answer": 200, "503": 503}.get(what)
                knee.answered("GET", status, sent_at=now - seconds, now=now)
        assert 1 <= knee.room <= most
        assert 0 < knee.rate_per_s <= 500 or knee.found() is not None
        assert 0 <= knee.wait_s(now) < math.inf
