"""The table of fates, walked over real HTTP: each answer to each kind of write, what the ledger then holds, and how it ends."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import anyio
import pytest

from bulkmove.connectors.fates import FATES, Fate, Kind, Reply
from bulkmove.connectors.merchantpro import CONNECTOR as MERCHANTPRO
from bulkmove.model import Summary
from tests.integration.fated_host import (
    EXTERNAL,
    Mute,
    Row,
    Said,
    Spoilt,
    Write,
    http,
)
from tests.integration.fated_scenes import ARRAYS, SCENES, LeavingHost, Play, Scene, playing

COUNT = 4
HTML = b"<html><body>We will be back.</body></html>"
PASSING = {"error": {"name": "x", "message": "Operation could not be completed"}}
REFUSED = {"rrn": ["No."]}
# Their answer hangs on what is in the request; the others are what the first write of a run is answered with.
ABOUT_ITEMS = frozenset(
    {Reply.NAMED, Reply.UNNAMED, Reply.ERRORS, Reply.NO_ROW, Reply.CONFLICT, Reply.FORM, Reply.TOO_LARGE}
)
# What may have been done although nothing, or nothing good, was said of it.
PERHAPS_DONE = frozenset(
    {Reply.UNREADABLE, Reply.FAILED, Reply.LATE, Reply.RESET, Reply.CUT, Reply.EMPTY, Reply.SHORT}
)
# Refusals of an array after which a host that is not atomic has written the good items.
PERHAPS_DONE_IN_PART = frozenset({Reply.NAMED, Reply.UNNAMED, Reply.CONFLICT, Reply.FORM})
STATUSES: Mapping[Reply, tuple[int, ...]] = {
    Reply.REDIRECT: (302, 308),
    Reply.NAMED: (400, 422),
    Reply.UNNAMED: (400, 422),
    Reply.CREDENTIALS: (401, 403),
    Reply.NO_ROW: (404, 410),
    Reply.NO_PATH: (404, 405, 410),
    Reply.CONFLICT: (409,),
    Reply.TOO_LARGE: (413,),
    Reply.FORM: (415,),
    Reply.OTHER: (402, 418, 451),
    Reply.THROTTLED: (429,),
    Reply.FAILED: (408, 425, 500, 502, 503, 504),
}


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """One cell of the table: one way to give its answer, to a host that does what was asked all the same, or does not."""

    reply: Reply
    scene: Scene
    status: int
    is_done: bool
    variant: int = 0

    @property
    def kind(self) -> Kind:
        return self.scene.kind

    @property
    def fate(self) -> Fate:
        return FATES[self.reply][self.kind]

    @property
    def bad(self) -> int:
        """The record that an answer about items is about."""
        return 2 if self.kind in ARRAYS else 1

    def __str__(self) -> str:
        done = "done" if self.is_done else "not done"
        return f"{self.scene.connector.name}, {self.kind.value}: {self.reply.value} ({self.status}, {done}, {self.variant})"


def cases(reply: Reply, *, is_whole: bool) -> Iterator[Case]:
    """Every kind of write, done and not done: with every status at every host that has it, or with one of each in turn."""
    statuses = STATUSES.get(reply, (200,))
    for kind in FATES[reply]:
        scenes = [each for each in SCENES if each.kind is kind]
        if reply is Reply.PASSING:
            scenes = [each for each in scenes if each.connector is MERCHANTPRO]
        ways = [*itertools.product(statuses, scenes)]
        turn = list(Reply).index(reply) + list(Kind).index(kind)
        for number, is_done in enumerate(_done(reply, kind), turn):
            for status, scene in ways if is_whole else (ways[number % len(ways)],):
                yield Case(reply, scene, status, is_done, number)


def _done(reply: Reply, kind: Kind) -> tuple[bool, ...]:
    if reply in {Reply.WHOLE, Reply.LONG} or (reply is Reply.EMPTY and FATES[reply][kind] is Fate.WRITTEN):
        return (True,)
    in_part = reply in PERHAPS_DONE_IN_PART and kind in {Kind.ARRAY_CREATE, Kind.ARRAY_UPDATE}
    vaguely = reply is Reply.MULTI and kind not in ARRAYS
    sent_on = reply is Reply.REDIRECT and kind is not Kind.DELETE
    return (True, False) if reply in PERHAPS_DONE or in_part or vaguely or sent_on else (False,)


def say(case: Case, write: Write, rows: list[Row]) -> Said:
    """What the host says. `rows`: those that it did."""
    if case.reply in SAYINGS:
        return SAYINGS[case.reply](case, write, rows)
    return http(case.status, HTML if case.variant % 2 else b"")


def _short(case: Case, _write: Write, rows: list[Row]) -> Said:
    return http(200, rows[:2] if case.kind in ARRAYS else {"channel_ref_id": "k1", "store_id": "k1"})


def _unreadable(case: Case, write: Write, rows: list[Row]) -> Said:
    whole = _well(case, write, rows).partition(b"\r\n\r\n")[2]
    return http(200, HTML if case.variant % 2 or len(whole) < 4 else whole[:-3])


def _named(case: Case, write: Write, _rows: list[Row]) -> Said:
    if case.kind not in ARRAYS:
        return http(case.status, REFUSED)
    place = write.numbers.index(case.bad)
    as_list = [REFUSED if i == place else {} for i in range(len(write.numbers))]
    return http(case.status, as_list if case.variant % 2 else {str(place): REFUSED})


def _well(case: Case, _write: Write, rows: list[Row]) -> bytes:
    said = {
        Kind.CREATE: rows[0] if rows else {},
        Kind.UPDATE: rows[0] if rows else {},
        Kind.JOINED: {"message": "Products updated"},
        Kind.DELETE: {"ok": True},
        Kind.PROCESS: {"ok": True},
    }.get(case.kind, rows)
    return http(200, said)


def _with_errors(case: Case, write: Write, rows: list[Row]) -> bytes:
    status = 207 if case.reply is Reply.MULTI else 200
    if write.path != EXTERNAL:
        is_shown = case.reply is Reply.MULTI and case.kind is Kind.CREATE and rows
        quiet = {"message": "Some"} if case.reply is Reply.MULTI else {"errors": REFUSED}
        return http(status, rows[0] if is_shown else quiet)
    error = {"status": 422, "detail": "No."} if status == 207 else {"errors": REFUSED}
    left = iter(rows)
    keyed = {"order_id": case.bad} if case.kind is not Kind.ARRAY_CREATE else {"rrn": f"k{case.bad}"}
    return http(
        status, [{**keyed, **error} if number == case.bad else next(left) for number in write.numbers]
    )


SAYINGS: Mapping[Reply, Callable[[Case, Write, list[Row]], Said]] = {
    Reply.WHOLE: _well,
    Reply.SHORT: _short,
    Reply.LONG: lambda _case, _write, rows: http(200, [*rows, {"order_id": 9999, "id": 9999}]),
    Reply.ERRORS: _with_errors,
    Reply.MULTI: _with_errors,
    Reply.EMPTY: lambda case, _write, _rows: http((204, 205)[case.variant % 2]),
    Reply.UNREADABLE: _unreadable,
    Reply.REDIRECT: lambda case, _write, _rows: http(case.status, Location="/login"),
    Reply.NAMED: _named,
    Reply.NO_ROW: lambda case, _write, _rows: http(case.status, {"detail": "Not found."}),
    Reply.THROTTLED: lambda *_: http(429, Retry_After="Mon, 06 Nov 2000 08:49:37 GMT"),
    Reply.PASSING: lambda *_: http(400, PASSING),
    Reply.LATE: lambda *_: Mute.SILENCE,
    Reply.RESET: lambda *_: Mute.RESET,
    Reply.CUT: lambda case, write, rows: _well(case, write, rows)[:-1],
}


def spoiling(case: Case) -> Callable[[Write], Spoilt | None]:
    """The first write, or each that carries the bad record, is answered so."""
    seen: list[Write] = []

    def spoil(write: Write) -> Spoilt | None:
        is_first = not seen
        seen.append(write)
        is_meant = case.bad in write.numbers if case.reply in ABOUT_ITEMS else is_first
        return Spoilt(lambda write, rows: say(case, write, rows), _doing(case)) if is_meant else None

    return spoil


def _doing(case: Case) -> Callable[[int], bool]:
    if case.kind in ARRAYS and (
        case.reply in {Reply.ERRORS, Reply.MULTI} or (case.is_done and case.reply in PERHAPS_DONE_IN_PART)
    ):
        return lambda number: number != case.bad and case.kind is not Kind.JOINED
    if case.reply is Reply.SHORT and not case.is_done:
        return lambda number: case.kind in ARRAYS and number <= 2
    return lambda _: case.is_done


def expected(case: Case) -> dict[int, str]:
    """By record of the first request: what the ledger holds when it was answered, and nothing more was begun."""
    numbers = range(1, COUNT + 1) if case.kind in ARRAYS and case.reply is not Reply.UNSENT else (1,)
    goes_on = "written" if case.kind.is_repeatable else "doubt"
    match case.fate:
        case Fate.WRITTEN:
            return dict.fromkeys(numbers, "written")
        case Fate.SHOWN:
            return _shown(case, numbers)
        case Fate.REJECTED:
            return {1: "rejected"}
        case Fate.GONE:
            # Asked again when others were deleted, which the stop comes before.
            return {1: "free"}
        case Fate.NAMED:
            return dict.fromkeys(numbers, goes_on) | {case.bad: "rejected"}
        case Fate.HALVED:
            refused = "rejected" if case.kind.is_repeatable else "doubt"
            return dict.fromkeys(numbers, goes_on) | {case.bad: refused}
        case Fate.SMALLER:
            return dict.fromkeys(numbers, "written") | {case.bad: "too-large"}
        case Fate.AGAIN:
            # What the transport repeats is done by now; what the connector does not believe waits for its next turn.
            done = "unchanged" if case.kind is Kind.DELETE and case.is_done else "written"
            return dict.fromkeys(numbers, "free" if case.reply is Reply.MULTI else done)
        case Fate.DOUBT:
            return dict.fromkeys(numbers, "doubt")
        case _:
            is_doubtful = not case.kind.is_repeatable and case.fate is not Fate.ENDS_6
            return dict.fromkeys(numbers, "doubt" if is_doubtful else "free")


def _shown(case: Case, numbers: range | tuple[int, ...]) -> dict[int, str]:
    if case.reply in {Reply.ERRORS, Reply.MULTI} and case.kind in ARRAYS:
        return dict.fromkeys(numbers, "written") | {case.bad: "rejected"}
    if case.reply is Reply.SHORT:
        return {n: "written" if n <= 2 else "doubt" for n in numbers}
    is_shown = case.reply is not Reply.MULTI or case.is_done
    return dict.fromkeys(numbers, "written" if is_shown else "doubt")


ENDS = {Fate.ENDS_2: 2, Fate.ENDS_5: 5, Fate.ENDS_6: 6}


async def walk(case: Case, play: Play) -> Iterator[str]:
    """Everything that is not as the table says, in words."""
    stop = anyio.Event()
    host = play.host
    host.spoil = spoiling(case) if case.reply is not Reply.UNREACHED else lambda _: None
    host.on_write = lambda _: stop.set()
    host.unread = int(case.reply is Reply.UNSENT)
    summary = await _first_run(case, play, stop)
    found = play.states()
    faults = []
    shall = expected(case)
    if {n: found.get(n) for n in shall} != shall:
        faults.append(f"the ledger holds {found}, not {shall}")
    code = ENDS.get(case.fate, 3 if {"rejected", "too-large"} & set(found.values()) else 0)
    if summary.exit_code != code:
        faults.append(f"the run ended with {summary.exit_code}, not {code}: {summary.notes}")
    host.spoil, host.unread = lambda _: None, 0
    play.timeout_s = 5.0
    again = await play.run()
    states = play.states()
    rejected = {n for n, state in states.items() if state in {"rejected", "too-large"}}
    if rejected != {n for n, state in shall.items() if state in {"rejected", "too-large"}}:
        faults.append(f"at the end {rejected} are rejected")
    if set(states.values()) - {"written", "unchanged", "rejected", "too-large"} or len(states) != COUNT:
        faults.append(f"at the end the ledger holds {states}: {again.notes}")
    times = {n: play.times_done(n) for n in states}
    if times != {n: 0 if n in rejected else 1 for n in states}:
        faults.append(f"at the end the host has done {times}")
    return iter(faults)


async def _first_run(case: Case, play: Play, stop: anyio.Event) -> Summary:
    if case.reply is not Reply.UNREACHED:
        return await play.run(stop=stop)
    has_left = anyio.Event()

    async def come_back() -> None:
        await has_left.wait()
        await anyio.sleep(0.1)
        await play.host.come()

    summaries: list[Summary] = []
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(come_back)
        summaries.append(await play.run(stop=stop, around=LeavingHost.of(play.host, has_left)))
    return summaries[0]


@pytest.mark.parametrize("is_whole", [False, pytest.param(True, marks=pytest.mark.long)], ids=["", "whole"])
@pytest.mark.parametrize("reply", Reply, ids=lambda reply: reply.name.lower())
async def test_every_answer_to_every_kind_of_write_has_its_fate(
    reply: Reply, tmp_path: Path, *, is_whole: bool
) -> None:
    """Stopped after the first answer the ledger holds what the table says; run again, nothing is lost, doubled or wrong."""
    faults: list[str] = []

    async def one(case: Case, folder: Path) -> None:
        slow = case.reply in {Reply.LATE, Reply.UNSENT}
        filler = 7_000_000 if case.reply is Reply.UNSENT else 0
        async with playing(
            case.scene, folder, count=COUNT, timeout_s=0.3 if slow else 5.0, filler=filler
        ) as play:
            faults.extend([f"{case}: {fault}" for fault in await walk(case, play)])

    folders = {case: tmp_path / str(place) for place, case in enumerate(cases(reply, is_whole=is_whole))}
    for folder in folders.values():
        folder.mkdir()
    async with anyio.create_task_group() as tasks:
        for case, folder in folders.items():
            tasks.start_soon(one, case, folder)
    assert not faults, "\n" + "\n".join(faults)
