"""What a person asks of a run, put down beside it in its ledger."""

from __future__ import annotations

import sqlite3
from functools import partial
from pathlib import Path

import anyio
import orjson
import pytest
from anyio import to_thread

from bulkmove import clock
from bulkmove.errors import BulkmoveError, ConfigError
from bulkmove.ledger import SqliteLedger, control, open_ledger
from bulkmove.ledger.control import Asked, ask_run
from bulkmove.ledger.file import locked
from bulkmove.model import JsonObject
from tests.unit.ledger.conftest import Opened


async def answered(path: Path, opened: Opened, answer: JsonObject) -> JsonObject:
    """What somebody who asks for a pause of `new` is told by a run that answers so."""
    found: list[JsonObject] = []
    async with opened() as ledger:

        async def ask() -> None:
            found.append(await to_thread.run_sync(ask_run, path, "pause", "new", {}))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask)
            while not (asked := await ledger.look(control.waiting)):
                pass
            assert asked[0][1:] == ("pause", "new", {})
            await ledger.change(partial(control.take, asked=asked[0], run=ledger.run, answer=answer))
    return found[0]


async def put(ledger: SqliteLedger, *, asked_at: float, verb: str, settings: JsonObject) -> None:
    row = (asked_at, verb, orjson.dumps(settings).decode())

    def change(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO control (asked_at, verb, settings) VALUES (?, ?, ?)", row)

    await ledger.change(change)


async def test_who_asks_gets_the_answer_of_the_run(path: Path, opened: Opened) -> None:
    answer: JsonObject = {"hosts": {"new": {"in_flight": 3}}}
    assert await answered(path, opened, answer) == answer


async def test_what_a_run_refuses_is_an_error_with_its_reason(path: Path, opened: Opened) -> None:
    with pytest.raises(BaseExceptionGroup) as caught:
        await answered(path, opened, {"error": "host new is a directory"})
    assert caught.group_contains(ConfigError, match="host new is a directory")


async def test_a_run_that_does_not_answer_finds_nothing_to_do_later(path: Path, opened: Opened) -> None:
    async with opened() as ledger:
        ask = partial(ask_run, path, "pause", None, {}, within_s=0.1)
        with pytest.raises(BulkmoveError, match=r"the run did not answer within 0\.1 s; nothing was changed"):
            await to_thread.run_sync(ask)
        assert await ledger.look(control.waiting) == []


def test_a_run_that_is_not_there_is_not_asked(path: Path) -> None:
    with pytest.raises(ConfigError, match="no run is going; pause reaches a run that is"):
        ask_run(path, "pause", None, {})
    assert not path.exists()


async def test_a_run_that_ended_without_a_word_is_not_asked(path: Path, opened: Opened) -> None:
    async with opened():
        pass
    with pytest.raises(ConfigError, match="no run is going"):
        await to_thread.run_sync(ask_run, path, "resume", None, {})
    with locked(path), pytest.raises(BulkmoveError, match="did not answer"):
        await to_thread.run_sync(partial(ask_run, path, "resume", None, {}, within_s=0.05))


async def test_what_was_asked_of_a_run_that_died_is_forgotten_by_the_next(opened: Opened) -> None:
    async with opened() as ledger:
        for asked_at in (clock.now() - 60, clock.now()):
            await put(ledger, asked_at=asked_at, verb="pause", settings={})
        await ledger.change(control.forget_stale)
        assert len(await ledger.look(control.waiting)) == 1


async def test_what_still_holds_by_hand_is_told_of_the_run_that_goes_alone(
    path: Path, opened: Opened
) -> None:
    asked: list[tuple[control.Verb, str | None, JsonObject, list[str]]] = [
        ("pause", None, {}, ["old", "new"]),
        ("set", "new", {"rate": ["4/s"], "concurrency": 2}, ["new"]),
        ("resume", "new", {}, ["new"]),
        ("set", "new", {"concurrency": "default"}, ["new"]),
        ("set", "old", {"rate": ["9/s"]}, ["old"]),
        ("set", "old", {"rate": "default"}, ["old"]),
    ]
    async with opened() as ledger:
        for number, (verb, host, settings, hosts) in enumerate(asked, 1):
            await put(ledger, asked_at=0, verb=verb, settings=settings)
            answer: JsonObject = {"hosts": {name: {} for name in hosts}}
            one = Asked(number, verb, host, settings)
            await ledger.change(partial(control.take, asked=one, run=ledger.run, answer=answer))
        refused = Asked(99, "pause", "sizing", {})
        await ledger.change(partial(control.take, asked=refused, run=ledger.run, answer={"error": "no"}))
        standing = await ledger.look(partial(control.standing, run=ledger.run))
        assert set(standing) == {"old", "new"}
        assert standing["old"].paused_since is not None
        assert standing["new"] == (None, {"rate": ["4/s"]})
        noted = await ledger.look(partial(control.of_run, run=ledger.run))
        assert [each.verb for each in noted] == [verb for verb, *_ in asked]
    async with open_ledger(path) as ledger:
        await ledger.begin_run()
        assert await ledger.look(partial(control.standing, run=ledger.run)) == {}
