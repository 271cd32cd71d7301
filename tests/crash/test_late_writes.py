"""A write that the host applies late does not land on top of a newer one, whatever sent that: nobody writes there before.

Each sequence was found as a defect. All of them go side by side before the first test: most of their time is waiting.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import anyio
import pytest

from bulkmove.model import State
from bulkmove.sandbox.conditions import Fault
from tests.crash.forks import ForkServer, fork_server
from tests.crash.late import BY_ITSELF, Pace, first_order, late, trial

pytestmark = pytest.mark.timeout(120)

_ROUTE = """
[routes.{name}]
source = "disk.{rows}"
target = "old.orders"
mapper = "mappers.py:{mapper}"
mode = "update"
"""
_ONE = _ROUTE.format(name="first", rows="rows", mapper="note")
_TWO = _ONE + _ROUTE.format(name="second", rows="more", mapper="note") + 'after = ["first"]\n'
_MENDED_LATER = _ROUTE.format(name="first", rows="rows", mapper="note_once_mended")
_TO_ROBOSIZE = """
[routes.first]
source = "old.orders"
target = "sizing.orders"
mapper = "merchantpro-to-robosize-order"
"""
_QUIET, _YES = "--quiet", "--yes"
_OLDER, _NEWER = "A întâi", "B apoi"

Sequence = Callable[[ForkServer, Path], Awaitable[None]]
CameTo = Mapping[Sequence, Exception | None]


async def one_row_of_two_routes(server: ForkServer, folder: Path) -> None:
    async with trial(server, folder, _TWO, _OLDER, more=[_NEWER], faults=[late()], pace=BY_ITSELF) as it:
        await it.run("run", _QUIET)
        assert await it.note() == _NEWER


async def one_row_of_two_routes_and_a_kill(server: ForkServer, folder: Path) -> None:
    async with trial(server, folder, _TWO, _OLDER, more=[_NEWER], faults=[late()]) as it:
        await it.struck("run", _QUIET, only="PATCH answered")
        await it.run("run", _QUIET)
        assert await it.note() == _NEWER


async def a_retry_killed(server: ForkServer, folder: Path) -> None:
    async with trial(server, folder, _MENDED_LATER, _OLDER, _NEWER) as it:
        broken = it.made.stage.folder / "broken"
        broken.touch()
        await it.run("run", _QUIET)
        broken.unlink()
        await it.is_late()
        await it.struck("retry", _QUIET, only="PATCH answered")
        await it.run("retry", _QUIET)
        assert await it.note() == _NEWER


async def a_repair_killed(server: ForkServer, folder: Path) -> None:
    async with trial(server, folder, _ONE, _OLDER, _NEWER) as it:
        await it.run("run", _QUIET)
        order = str(first_order(it.made.stage)["id"])
        await it.made.record.change_source(
            {"list": "orders", "update": {order: {"customer_note": "by somebody"}}}
        )
        await it.run("verify", _QUIET)
        await it.is_late()
        await it.struck("repair", _QUIET, only="PATCH answered")
        await it.run("repair", _QUIET)
        assert await it.note() == _NEWER


async def a_delta_killed_while_it_waits(server: ForkServer, folder: Path) -> None:
    """It put the record down anew, and forgot with it that the run before had sent it twice."""
    faults = [late(api="robosize")]
    async with trial(
        server,
        folder,
        _TO_ROBOSIZE,
        faults=faults,
        pace=BY_ITSELF,
        orders=1,
        targets_existing=1,
        targets_matching=1,
    ) as it:
        await it.run("run", _QUIET)
        order = str(first_order(it.made.stage)["id"])
        changed = {order: {"payment_status": "refunded", "total_amount": 1.23}}
        await it.made.record.change_source({"list": "orders", "update": changed})
        await it.killed_once(State.PENDING, "delta", _QUIET)
        await it.run("delta", _QUIET)
        [row] = [each for each in await it.rows("robosize-orders") if each["store_id"] == order]
        assert row["data"]["total_amount"] == 1.23


async def a_run_told_to_end_and_one_killed(server: ForkServer, folder: Path) -> None:
    """The first gave up what was on its way, since the host asked for a long wait, and ended in order."""
    asked_to_wait = Fault("too-many-429", share=1.0, methods=("PATCH",))
    faults = [late(), asked_to_wait]
    async with trial(
        server, folder, _ONE, _OLDER, _NEWER, faults=faults, wait_seconds=60.0, pace=Pace(2.5, 3.0)
    ) as it:
        await it.struck("run", _QUIET, only="PATCH read", number=2, deed="terminate")
        await it.made.record.clear_faults()
        await it.killed_once(State.WRITTEN, "run", _QUIET)
        await it.run("run", _QUIET)
        assert await it.note() == _NEWER


async def an_undo_soon_after_a_run(server: ForkServer, folder: Path) -> None:
    async with trial(server, folder, _ONE, _OLDER, faults=[late()], pace=BY_ITSELF) as it:
        await it.run("run", _QUIET)
        await it.run("undo", _YES)
        assert await it.note() == first_order(it.made.stage)["customer_note"]


async def an_undo_soon_after_a_kill(server: ForkServer, folder: Path) -> None:
    async with trial(server, folder, _ONE, _OLDER, faults=[late()]) as it:
        await it.struck("run", _QUIET, only="PATCH answered")
        await it.run("run", _QUIET)
        await it.run("undo", _YES)
        assert await it.note() == first_order(it.made.stage)["customer_note"]


async def an_undo_instead_of_a_resume(server: ForkServer, folder: Path) -> None:
    """The ledger holds the change as pending, and the host holds it."""
    async with trial(server, folder, _ONE, _OLDER, faults=[late()]) as it:
        await it.struck("run", _QUIET, only="PATCH answered")
        await it.run("undo", _YES)
        rows = await it.rows()
        assert [row["customer_note"] for row in rows] == [
            row["customer_note"] for row in it.made.stage.before["orders"]
        ]


async def an_undo_that_leaves_an_edited_row(server: ForkServer, folder: Path) -> None:
    """The change was taken for written, so that its row is looked at: no run may believe that afterwards."""
    async with trial(server, folder, _ONE, _OLDER, faults=[late()]) as it:
        await it.struck("run", _QUIET, only="PATCH answered")
        await it.note()  # it has landed
        row = str(first_order(it.made.stage)["id"])
        await it.made.record.change_source({"list": "orders", "update": {row: {"customer_note": "edited"}}})
        await it.run("undo", _YES)
        assert await it.note() == "edited"
        await it.refused("run", _QUIET)


async def an_undo_of_two_routes(server: ForkServer, folder: Path) -> None:
    async with trial(server, folder, _TWO, _OLDER, more=[_NEWER], pace=BY_ITSELF) as it:
        await it.run("run", _QUIET)
        await it.is_late()
        await it.run("undo", _YES)
        assert await it.note() == first_order(it.made.stage)["customer_note"]


async def a_fresh_run_after_an_undo(server: ForkServer, folder: Path) -> None:
    async with trial(server, folder, _ONE, _OLDER, pace=BY_ITSELF) as it:
        await it.run("run", _QUIET)
        await it.is_late()
        await it.run("undo", _YES)
        it.write(_NEWER)
        await it.run("run", _QUIET, "--fresh", _YES)
        assert await it.note() == _NEWER


async def a_fresh_run_after_a_kill(server: ForkServer, folder: Path) -> None:
    async with trial(server, folder, _ONE, _OLDER, faults=[late()]) as it:
        await it.struck("run", _QUIET, only="PATCH answered")
        it.write(_NEWER)
        await it.run("run", _QUIET, "--fresh", _YES)
        assert await it.note() == _NEWER


async def a_fresh_run_after_a_killed_create(server: ForkServer, folder: Path) -> None:
    faults = [late("POST", api="robosize")]
    async with trial(server, folder, _TO_ROBOSIZE, faults=faults, orders=2) as it:
        await it.struck("run", _QUIET, only="POST answered")
        await it.run("run", _QUIET, "--fresh", _YES)
        keys = [row["store_id"] for row in await it.rows("robosize-orders")]
        assert len(keys) == len(set(keys)) == 2


_SEQUENCES: tuple[Sequence, ...] = (
    one_row_of_two_routes,
    one_row_of_two_routes_and_a_kill,
    a_retry_killed,
    a_repair_killed,
    a_delta_killed_while_it_waits,
    a_run_told_to_end_and_one_killed,
    an_undo_soon_after_a_run,
    an_undo_soon_after_a_kill,
    an_undo_instead_of_a_resume,
    an_undo_that_leaves_an_edited_row,
    an_undo_of_two_routes,
    a_fresh_run_after_an_undo,
    a_fresh_run_after_a_kill,
    a_fresh_run_after_a_killed_create,
)


@pytest.fixture(scope="module")
def came_to(tmp_path_factory: pytest.TempPathFactory) -> CameTo:
    return anyio.run(_all, tmp_path_factory.mktemp("late"))


async def _all(folder: Path) -> CameTo:
    """What each of them failed with, None where it held."""
    came_to: dict[Sequence, Exception | None] = {}

    async def go(number: int, sequence: Sequence) -> None:
        try:
            await sequence(server, folder / str(number))
        except Exception as error:  # noqa: BLE001  its own test raises it
            came_to[sequence] = error
        else:
            came_to[sequence] = None

    async with fork_server() as server, anyio.create_task_group() as tasks:
        for number, sequence in enumerate(_SEQUENCES):
            tasks.start_soon(go, number, sequence)
    return came_to


def _held(came_to: CameTo, sequence: Sequence) -> None:
    if (error := came_to[sequence]) is not None:
        raise error


@pytest.mark.parametrize("sequence", [one_row_of_two_routes, one_row_of_two_routes_and_a_kill])
def test_of_two_routes_to_one_row_the_later_waits_for_what_the_other_sent(
    came_to: CameTo, sequence: Sequence
) -> None:
    _held(came_to, sequence)


def test_a_retry_waits_for_what_a_killed_one_sent(came_to: CameTo) -> None:
    _held(came_to, a_retry_killed)


def test_a_repair_waits_for_what_a_killed_one_sent(came_to: CameTo) -> None:
    _held(came_to, a_repair_killed)


def test_a_delta_that_is_killed_while_it_waits_leaves_the_waiting_to_the_next(came_to: CameTo) -> None:
    _held(came_to, a_delta_killed_while_it_waits)


def test_what_a_run_gave_up_when_it_was_told_to_end_is_waited_for_though_one_in_between_was_killed(
    came_to: CameTo,
) -> None:
    _held(came_to, a_run_told_to_end_and_one_killed)


@pytest.mark.parametrize("sequence", [an_undo_soon_after_a_run, an_undo_soon_after_a_kill])
def test_an_undo_waits_for_what_the_runs_before_it_sent(came_to: CameTo, sequence: Sequence) -> None:
    _held(came_to, sequence)


def test_an_undo_after_a_kill_forgets_no_row_that_was_on_its_way(came_to: CameTo) -> None:
    _held(came_to, an_undo_instead_of_a_resume)


def test_a_route_whose_changes_an_undo_took_for_written_is_not_run_again(came_to: CameTo) -> None:
    _held(came_to, an_undo_that_leaves_an_edited_row)


def test_an_undo_of_two_routes_to_one_row_leaves_it_as_it_was_before_both(came_to: CameTo) -> None:
    _held(came_to, an_undo_of_two_routes)


@pytest.mark.parametrize(
    "sequence", [a_fresh_run_after_an_undo, a_fresh_run_after_a_kill, a_fresh_run_after_a_killed_create]
)
def test_a_fresh_run_waits_for_what_the_old_ledger_s_last_run_sent(
    came_to: CameTo, sequence: Sequence
) -> None:
    _held(came_to, sequence)
