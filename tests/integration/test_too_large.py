"""Requests that a host refuses for their size, or for a body that it does not name: few are needed, and what was learnt stays."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path

import anyio
import pytest

from bulkmove.connectors.fates import Kind
from tests.integration.fated_host import Row, Spoilt, Write, http
from tests.integration.fated_scenes import Play, playing, scene_of

LIMIT = 1500


def refusing(
    is_bad: Callable[[Write], bool], status: int
) -> tuple[Callable[[Write], Spoilt | None], list[Write]]:
    refused: list[Write] = []

    def spoil(write: Write) -> Spoilt | None:
        if not is_bad(write):
            return None
        refused.append(write)
        return Spoilt(lambda _write, _rows: http(status, b"<html>"))

    return spoil, refused


def learnt(play: Play) -> int | None:
    with closing(sqlite3.connect(play.ledger)) as connection:
        found: int | None = connection.execute("SELECT max_bytes FROM lists").fetchone()[0]
    return found


def all_done(play: Play, *, but: int | None = None) -> bool:
    return all(play.times_done(n) == (n != but) for n in range(1, play.count + 1))


@pytest.mark.parametrize("kind", [Kind.ARRAY_CREATE, Kind.ARRAY_UPDATE, Kind.ARRAY_SET, Kind.JOINED])
async def test_a_host_s_limit_of_size_costs_a_few_refusals_and_is_heeded_from_then_on(
    kind: Kind, tmp_path: Path
) -> None:
    limit = LIMIT if kind is not Kind.JOINED else 300
    async with playing(scene_of(kind), tmp_path, count=200) as play:
        play.host.spoil, refused = refusing(lambda write: write.size > limit, 413)
        summary = await play.run()
        assert (summary.exit_code, summary.routes["r"].written) == (0, 200), summary.notes
        assert all_done(play)
        sizes = [write.size for write in play.host.writes]
        assert 1 <= len(refused) <= 5, "it is halved until it goes through, and that is all"
        last = max(place for place, write in enumerate(play.host.writes) if write in refused)
        assert max(sizes[last + 1 :]) <= limit
        assert sum(sizes) / len(sizes) > limit / 5, "requests stay as large as they may be"


async def test_what_was_learnt_of_a_host_s_limit_holds_for_later_runs(tmp_path: Path) -> None:
    async with playing(scene_of(Kind.ARRAY_CREATE), tmp_path, count=300) as play:
        play.host.spoil, refused = refusing(lambda write: write.size > LIMIT, 413)
        stop = anyio.Event()
        play.host.on_write = lambda write: stop.set() if write.size <= LIMIT else None
        await play.run(stop=stop)
        assert 0 < sum(state == "written" for state in play.states().values()) < 300
        first = learnt(play)
        assert first is not None
        assert first <= LIMIT
        seen = len(refused)
        summary = await play.run()
        assert (summary.exit_code, summary.routes["r"].written) == (0, 300)
        assert len(refused) == seen, "no request of the second run was too large"
        assert learnt(play) == first


@pytest.mark.parametrize("kind", [Kind.ARRAY_CREATE, Kind.ARRAY_SET, Kind.CREATE, Kind.UPDATE, Kind.JOINED])
async def test_one_record_that_is_too_large_is_rejected_and_costs_itself_alone(
    kind: Kind, tmp_path: Path
) -> None:
    async with playing(scene_of(kind), tmp_path, count=40, filler=6000) as play:
        play.host.spoil, refused = refusing(lambda write: write.size > 5000, 413)
        summary = await play.run()
        assert (summary.exit_code, summary.routes["r"].written, summary.routes["r"].rejected) == (3, 39, 1)
        assert play.states()[1] == "too-large"
        assert all_done(play, but=1)
        assert len(refused) <= 3
        again = len(play.host.writes)
        summary = await play.run()
        assert (summary.exit_code, len(play.host.writes)) == (3, again), "what is rejected is left to retry"


@pytest.mark.parametrize("kind", [Kind.ARRAY_SET, Kind.JOINED])
@pytest.mark.parametrize("status", [400, 413])
async def test_a_bad_record_that_is_not_named_is_found_by_halves(
    kind: Kind, status: int, tmp_path: Path
) -> None:
    """A hundred records a request: seven halvings, two requests each."""
    async with playing(scene_of(kind), tmp_path, count=100) as play:
        play.host.spoil, refused = refusing(lambda write: 73 in write.numbers, status)
        summary = await play.run()
        assert (summary.exit_code, summary.routes["r"].written, summary.routes["r"].rejected) == (3, 99, 1)
        assert play.states()[73] == ("too-large" if status == 413 else "rejected")
        assert all_done(play, but=73)
        assert len(refused) <= 9
        assert len(play.host.writes) <= 18 if status == 400 else True


def _spoilt(spoilt: Spoilt, write: Write) -> Spoilt | None:
    return spoilt if 13 in write.numbers else None


async def test_an_array_of_creates_refused_without_a_name_waits_for_the_list_and_then_is_made_smaller(
    tmp_path: Path,
) -> None:
    """Nobody knows whether such a host writes the good ones: nothing is created twice to find the bad one."""
    for is_atomic in (True, False):
        folder = tmp_path / str(is_atomic)
        folder.mkdir()

        def bad(_write: Write, _rows: list[Row]) -> bytes:
            return http(400, b"<html>")

        def does(number: int, is_atomic: bool = is_atomic) -> bool:  # noqa: FBT001  bound as it is now
            return not is_atomic and number != 13

        async with playing(scene_of(Kind.ARRAY_CREATE), folder, count=30) as play:
            play.host.spoil = partial(_spoilt, Spoilt(bad, does))
            summary = await play.run()
            assert (summary.exit_code, summary.routes["r"].written, summary.routes["r"].rejected) == (
                3,
                29,
                1,
            )
            assert all_done(play, but=13)
