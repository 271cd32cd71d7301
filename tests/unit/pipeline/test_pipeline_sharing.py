"""Routes that share one reading of their source: each has all rows, once, however the other fares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest

from bulkmove.entries import Item, RouteProgress, Span
from bulkmove.errors import HostUnavailableError
from bulkmove.events import Event, RecordsSettled
from bulkmove.model import JsonObject, Listing, WriteItem, WriteResult
from bulkmove.pipeline import shared_reading
from bulkmove.pipeline.for_all import merged
from bulkmove.pipeline.intake import take
from bulkmove.pipeline.shared_reading import Sharing
from bulkmove.protocols import MapContext
from tests.doubles import ARRAY, Shop, Trap, apply_all
from tests.trial import Trial, copy_key

COUNT = 45


def shops(reading: Any = "keyset", **targets: Shop) -> dict[str, Shop]:
    rows = [{"key": f"k{n:03}", "value": n, "at": 1000 + n} for n in range(1, COUNT + 1)]
    old = Shop.of(rows, listing=Listing(reading, 10))
    return {"old": old, "new": Shop(rules=ARRAY), "other": Shop(rules=ARRAY), **targets}


def both(directory: Path, places: dict[str, Shop], **other: Any) -> Trial:
    return Trial(directory, places).route("first").route("second", **{"target": "other", **other})


def has_all(shop: Shop) -> bool:
    return shop.values("key") == [f"k{n:03}" for n in range(1, COUNT + 1)]


async def alone(directory: Path, reading: Any = "keyset") -> int:
    """How often the list is asked for by one route."""
    places = shops(reading)
    assert (await Trial(directory / "alone", places).route("first").run()).exit_code == 0
    return places["old"].fetches


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path) -> None:
    (tmp_path / "alone").mkdir()


async def test_the_list_is_read_once_for_both(tmp_path: Path) -> None:
    places = shops()
    trial = both(tmp_path, places)
    assert (await trial.run()).exit_code == 0
    assert has_all(places["new"])
    assert has_all(places["other"])
    assert len(trial.mapped) == len(set(trial.mapped)) == 2 * COUNT
    assert places["old"].fetches == await alone(tmp_path)


@pytest.mark.parametrize(("reading", "other"), [("passes", {}), ("keyset", {"after": ("first",)})])
async def test_what_is_no_list_of_dates_or_begins_later_is_read_by_each(
    tmp_path: Path, reading: Any, other: dict[str, Any]
) -> None:
    places = shops(reading)
    assert (await both(tmp_path, places, **other).run()).exit_code == 0
    assert has_all(places["other"])
    assert places["old"].fetches == 2 * await alone(tmp_path, reading)


async def test_a_limit_is_each_routes_own(tmp_path: Path) -> None:
    places = shops()
    trial = both(tmp_path, places)
    await trial.run(limit=7)
    assert len(places["new"].rows) == len(places["other"].rows) == 7
    assert (await trial.run()).exit_code == 0
    assert len(trial.mapped) == len(set(trial.mapped)) == 2 * COUNT
    assert has_all(places["other"])


async def test_stopped_once_the_reading_came_to_its_end_a_route_has_not_read_what_it_did_not_put_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All pages but the first wait to be put down when the run is stopped."""
    stop = anyio.Event()

    def close(sharing: Sharing) -> None:
        stop.set()
        closing(sharing)

    async def take_later(*page: Any) -> list[Item]:
        await stop.wait()
        return await take(*page)

    closing = Sharing._close
    places = shops()
    trial = both(tmp_path, places)
    with monkeypatch.context() as patched, anyio.fail_after(10):
        patched.setattr(shared_reading, "PAGES_BEHIND", COUNT)
        patched.setattr(shared_reading, "take", take_later)
        patched.setattr(Sharing, "_close", close)
        await trial.run(stop=stop)
    assert 0 < len(trial.mapped) < 2 * COUNT
    assert (await trial.run()).exit_code == 0
    assert has_all(places["new"])
    assert has_all(places["other"])


async def test_a_mapper_that_spoils_its_record_spoils_no_other(tmp_path: Path) -> None:
    def spoil(record: JsonObject, context: MapContext) -> JsonObject:
        body = copy_key(record, context)
        record.clear()
        return body

    places = shops()
    trial = Trial(tmp_path, places)
    for number in range(3):
        places[f"shop {number}"] = Shop(rules=ARRAY)
        trial.route(f"route {number}", target=f"shop {number}", mapper=spoil)
    assert (await trial.run()).exit_code == 0
    assert all(has_all(places[f"shop {number}"]) for number in range(3))


async def test_each_mapper_is_given_the_fields_that_its_own_reading_would_bring(tmp_path: Path) -> None:
    given: dict[str, set[str]] = {}

    def look(record: JsonObject, context: MapContext) -> JsonObject:
        given.setdefault(context.route, set()).update(record)
        return copy_key(record, context)

    places = shops()
    trial = Trial(tmp_path, places).route("first", mapper=look).route("second", target="other", mapper=look)
    second = trial.routes["second"]
    trial.routes["second"] = replace(
        second, settings=replace(second.settings, fields_used=("key", "id.part"))
    )
    assert (await trial.run()).exit_code == 0
    assert given == {"first": {"id", "key", "value", "at"}, "second": {"id", "key"}}
    assert places["old"].fetches == await alone(tmp_path)


async def test_what_an_earlier_run_left_open_goes_before_what_is_read_now(tmp_path: Path) -> None:
    async def fall_over(_shop: Shop, _items: Sequence[WriteItem]) -> Sequence[WriteResult]:
        raise HostUnavailableError("down")

    places = shops(**{name: Shop(rules=ARRAY, answer=fall_over) for name in ("new", "other")})
    trial = both(tmp_path, places)
    assert (await trial.run(limit=7)).exit_code == 5
    for name in ("new", "other"):
        places[name].answer = apply_all
        places[name].requests.clear()
    assert (await trial.run()).exit_code == 0
    for name in ("new", "other"):
        sent = [item.body["key"] for request in places[name].requests for item in request]
        assert sent == [f"k{n:03}" for n in range(1, COUNT + 1)]


@pytest.mark.parametrize("failing", ["new", "other"])
@pytest.mark.parametrize("after", [0, 12])
async def test_where_one_route_ends_early_the_other_comes_to_its_end(
    tmp_path: Path, failing: str, after: int
) -> None:
    """Whether the one that ends has read for both, or along."""

    async def fall_over(shop: Shop, items: Sequence[WriteItem]) -> Sequence[WriteResult]:
        if len(shop.rows) >= after:
            raise HostUnavailableError("down")
        return await apply_all(shop, items)

    places = shops(**{failing: Shop(rules=ARRAY, answer=fall_over)})
    trial = both(tmp_path, places)
    assert (await trial.run()).exit_code == 5
    assert has_all(places["other" if failing == "new" else "new"])
    places[failing].answer = apply_all
    assert (await trial.run()).exit_code == 0
    assert has_all(places[failing])


@pytest.mark.parametrize("hangs", ["new", "other"])
async def test_a_target_that_takes_nothing_does_not_hold_up_the_other(tmp_path: Path, hangs: str) -> None:
    go = anyio.Event()
    good = "first" if hangs == "other" else "second"

    async def wait(shop: Shop, items: Sequence[WriteItem]) -> Sequence[WriteResult]:
        await go.wait()
        return await apply_all(shop, items)

    def let_go(event: Event) -> None:
        if isinstance(event, RecordsSettled) and event.route == good:
            settled.append(event.records)
            if sum(settled) == COUNT:
                go.set()

    settled: list[int] = []
    places = shops(**{hangs: Shop(answer=wait)})
    trial = both(tmp_path, places)
    with anyio.fail_after(10):
        assert (await trial.run(on_event=let_go)).exit_code == 0
    assert has_all(places["new"])
    assert has_all(places["other"])


async def test_stopped_both_go_on_with_the_rest(tmp_path: Path) -> None:
    stop = anyio.Event()

    def stop_soon(event: Event) -> None:
        if isinstance(event, RecordsSettled):
            stop.set()

    places = shops()
    trial = both(tmp_path, places)
    await trial.run(stop=stop, on_event=stop_soon)
    assert not has_all(places["new"])
    assert (await trial.run()).exit_code == 0
    assert has_all(places["new"])
    assert has_all(places["other"])
    assert len(trial.mapped) == len(set(trial.mapped)) == 2 * COUNT


@pytest.mark.parametrize("hang_at", range(2, 90, 4))
async def test_cut_off_anywhere_both_go_on_and_have_all(tmp_path: Path, hang_at: int) -> None:
    trap = Trap(hang_at)
    places = shops()
    for name in ("new", "other"):
        places[name].answer = trap.answering()
    trial = both(tmp_path, places)
    await trial.run_into(trap)
    for name in ("new", "other"):
        places[name].answer = apply_all
    assert (await trial.run()).exit_code == 0
    assert has_all(places["new"])
    assert has_all(places["other"])


def progress(*spans: Span, cutoff: int | None = 100) -> RouteProgress:
    return RouteProgress(cutoff=cutoff, is_read=False, is_finished=False, spans=spans)


DONE = Span(1, None, 50, 50, is_done=True, evidence=0)
HALF = replace(DONE, reached=20, is_done=False)
BEGUN = replace(DONE, reached=None, is_done=False)
NEXT = Span(2, 50, 100, 60, is_done=False, evidence=0)


def test_they_begin_where_the_hindmost_is() -> None:
    found = merged([progress(DONE, replace(NEXT, reached=70)), progress(HALF, replace(NEXT, reached=65))])
    assert found is not None
    assert found.spans == [HALF, replace(NEXT, reached=65)]
    assert merged([progress(HALF), progress(BEGUN), progress(DONE)]) == progress(*[BEGUN]).__class__(
        cutoff=100, is_read=False, is_finished=False, spans=[BEGUN]
    )


@pytest.mark.parametrize(
    "other",
    [progress(HALF), progress(HALF, NEXT, cutoff=101), progress(HALF, replace(NEXT, upper=90)), progress()],
)
def test_those_that_read_different_stretches_share_nothing(other: RouteProgress) -> None:
    assert merged([progress(HALF, NEXT), other]) is None


def test_those_that_never_began_begin_together() -> None:
    fresh = progress(cutoff=None)
    assert merged([fresh, fresh]) == replace(fresh, spans=[])
