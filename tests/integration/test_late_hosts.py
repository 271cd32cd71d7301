"""Hosts that do a write after they gave up answering it, and rows of others beside ours: nothing twice, nothing wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bulkmove.connectors.fates import Kind
from tests.integration.fated_host import EXTERNAL, FatedHost, Mute, Row, Said, Spoilt, Write, http
from tests.integration.fated_scenes import Scene, playing, scene_of

ONCE = (Kind.ARRAY_CREATE, Kind.CREATE, Kind.ARRAY_UPDATE, Kind.PROCESS)
REPEATABLE = (Kind.ARRAY_SET, Kind.UPDATE, Kind.JOINED, Kind.DELETE)
GIVEN_UP: dict[str, Callable[..., Said]] = {
    "504": lambda *_: http(504, b"<html>"),
    "time-out": lambda *_: Mute.SILENCE,
}


def gives_up(host: FatedHost, say: Callable[..., Said], *, done_at: str) -> None:
    """The first write is not answered, and done when the list is read (`read`) or it comes again (`write`)."""
    waiting: list[Write] = []
    seen: list[Write] = []

    def do() -> None:
        while waiting:
            host.do_late(waiting.pop())

    def spoil(write: Write) -> Spoilt | None:
        seen.append(write)
        if len(seen) > 1:
            if set(write.numbers) & set(seen[0].numbers):
                do()
            return None
        waiting.append(write)
        return Spoilt(say)

    host.spoil = spoil
    if done_at == "read":
        host.on_read = lambda _: do()


@pytest.mark.parametrize("given_up", GIVEN_UP)
@pytest.mark.parametrize("kind", ONCE)
async def test_what_is_done_late_is_found_by_reading_back_and_not_sent_again(
    kind: Kind, given_up: str, tmp_path: Path
) -> None:
    async with playing(scene_of(kind), tmp_path, timeout_s=0.3) as play:
        gives_up(play.host, GIVEN_UP[given_up], done_at="read")
        summary = await play.run()
        assert (summary.exit_code, summary.routes["r"].pending) == (0, 0), summary.notes
        assert [play.times_done(n) for n in range(1, 5)] == [1] * 4
        numbers = [number for write in play.host.writes for number in write.numbers]
        assert sorted(numbers) == [1, 2, 3, 4], "each was sent once"


@pytest.mark.parametrize("given_up", GIVEN_UP)
@pytest.mark.parametrize("kind", REPEATABLE)
async def test_what_can_be_repeated_is_sent_again_and_done_late_all_the_same(
    kind: Kind, given_up: str, tmp_path: Path
) -> None:
    async with playing(scene_of(kind), tmp_path, timeout_s=0.3) as play:
        gives_up(play.host, GIVEN_UP[given_up], done_at="write")
        summary = await play.run()
        assert (summary.exit_code, summary.routes["r"].pending) == (0, 0), summary.notes
        assert [play.times_done(n) for n in range(1, 5)] == [1] * 4


@pytest.mark.parametrize("kind", [Kind.ARRAY_CREATE, Kind.CREATE])
async def test_what_is_done_when_it_was_sent_again_already_is_found_and_named(
    kind: Kind, tmp_path: Path
) -> None:
    """Later than `settle_s`: the last look at the list tells."""
    async with playing(scene_of(kind), tmp_path) as play:
        gives_up(play.host, GIVEN_UP["504"], done_at="write")
        summary = await play.run()
        doubled = {n for n in range(1, 5) if play.times_done(n) == 2}
        assert doubled == ({1, 2, 3, 4} if kind is Kind.ARRAY_CREATE else {1})
        assert summary.exit_code == 3
        assert {n for n, state in play.states().items() if state == "unknown"} == doubled
        assert any("more than once" in note for note in summary.notes)
        rows = play.host.rows[play.scene.place]
        for number in doubled:
            del rows[next(name for name, row in rows.items() if f"k{number}" in row.values())]
        summary = await play.run()
        assert (summary.exit_code, summary.routes["r"].written) == (0, 4)
        assert [play.times_done(n) for n in range(1, 5)] == [1] * 4


@pytest.mark.parametrize("times", [1, 9])
async def test_a_change_of_many_that_passed_over_one_is_seen_when_the_rows_are_read_back(
    times: int, tmp_path: Path
) -> None:
    """Its answer is that of a change that took."""
    async with playing(scene_of(Kind.JOINED), tmp_path, count=40) as play:
        left = [times]

        def spoil(write: Write) -> Spoilt | None:
            if 7 not in write.numbers or not left[0]:
                return None
            left[0] -= 1
            return Spoilt(lambda *_: http(200, {"message": "Products updated"}), lambda number: number != 7)

        play.host.spoil = spoil
        summary = await play.run()
        is_lasting = times > 1
        assert summary.exit_code == (3 if is_lasting else 0), summary.notes
        assert play.states()[7] == ("rejected" if is_lasting else "written")
        assert [n for n in range(1, 41) if not play.times_done(n)] == ([7] if is_lasting else [])
        sent = sum(7 in write.numbers for write in play.host.writes)
        assert sent == (3 if is_lasting else 2)


def _by_key(scene: Scene, **settings: Any) -> Scene:
    """The same bodies without the target's id: rows are found by their natural key."""

    def body(number: int) -> Row:
        return {name: value for name, value in scene.body(number).items() if name != "order_id"}

    return replace(scene, body=body, mode="upsert", **settings)


@pytest.mark.parametrize("kind", [Kind.ARRAY_UPDATE, Kind.ARRAY_SET])
@pytest.mark.parametrize("is_lost", [True, False])
async def test_rows_that_are_there_get_their_lines_once_and_new_ones_are_made_once(
    kind: Kind, tmp_path: Path, *, is_lost: bool
) -> None:
    """Rows 1 and 3 are foreign ones with our keys; 2 and 4 are not there. The first answer may be lost."""
    scene = _by_key(scene_of(kind))
    old = scene_of(kind).before
    assert old is not None
    async with playing(scene, tmp_path) as play:
        play.host.rows[EXTERNAL] = {str(n): old(n) for n in (1, 3)}
        if is_lost:
            gives_up(play.host, GIVEN_UP["504"], done_at="read")
        summary = await play.run()
        assert (summary.exit_code, summary.routes["r"].written) == (0, 4), summary.notes
        rows = sorted(play.host.rows[EXTERNAL].values(), key=lambda row: str(row["rrn"]))
        assert [row["rrn"] for row in rows] == ["k1", "k2", "k3", "k4"]
        assert all(
            [line["quantity"] for line in row["order_items"]] == [n, n] for n, row in enumerate(rows, 1)
        )


async def test_a_key_that_two_foreign_rows_hold_is_rejected_and_neither_is_touched(tmp_path: Path) -> None:
    scene = _by_key(scene_of(Kind.ARRAY_UPDATE))
    old = scene_of(Kind.ARRAY_UPDATE).before
    assert old is not None
    async with playing(scene, tmp_path) as play:
        play.host.rows[EXTERNAL] = {"1": old(1), "2": {**old(2), "rrn": "k1"}}
        gives_up(play.host, GIVEN_UP["504"], done_at="read")
        summary = await play.run()
        assert (summary.exit_code, summary.routes["r"].written, summary.routes["r"].rejected) == (3, 3, 1)
        assert play.host.rows[EXTERNAL]["1"] == old(1)
        assert play.host.rows[EXTERNAL]["2"] == {**old(2), "rrn": "k1"}
