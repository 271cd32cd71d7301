"""What a person asks of a run that is going, from another process: put down beside it, taken and answered by it.

It lasts for that run alone: what nobody took is withdrawn by whoever asked, or forgotten by the next run.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from types import MappingProxyType
from typing import Literal, NamedTuple

import orjson

from bulkmove import clock
from bulkmove.errors import BulkmoveError, ConfigError
from bulkmove.ledger.file import connect, explained, is_locked, schema_version
from bulkmove.ledger.looking import looked_at
from bulkmove.model import Json, JsonObject

Verb = Literal["pause", "resume", "set", "rate-at"]

ANSWERED_WITHIN_S = 5.0
_LOOK_EVERY_S = 0.05
# Older than anybody waits for an answer: who asked is gone, and never withdrew it.
_STALE_S = 3 * ANSWERED_WITHIN_S
_SCHEMA = 9


class Asked(NamedTuple):
    """`host` None: all hosts of the run."""

    id: int
    verb: Verb
    host: str | None
    settings: JsonObject


class Noted(NamedTuple):
    """What a run did for somebody, or by its timetable (`rate-at`), at this moment (epoch seconds)."""

    at: float
    verb: Verb
    host: str | None
    settings: JsonObject
    answer: JsonObject


# Whoever asks.


def ask_run(
    ledger: Path, verb: Verb, host: str | None, settings: JsonObject, *, within_s: float = ANSWERED_WITHIN_S
) -> JsonObject:
    """The answer of the run that is going on this ledger.

    Raises ConfigError where none is going, or the run refuses, and BulkmoveError where it gives no answer in time:
    then it does nothing of it later either.
    """
    if not ledger.exists() or not is_locked(ledger):
        raise ConfigError(
            f"{ledger}: no run is going; {verb} reaches a run that is, and lasts until that run ends"
            + (" (for the next one, set the host's rate in the migration's file)" if verb == "set" else "")
        )
    with looked_at(ledger, is_newest=True):
        pass
    try:
        with closing(connect(ledger, synchronous="normal")) as connection:
            return _asked(connection, ledger, Asked(0, verb, host, settings), within_s)
    except sqlite3.Error as error:
        raise explained(ledger, error) from error


def _asked(connection: sqlite3.Connection, ledger: Path, asked: Asked, within_s: float) -> JsonObject:
    row = (clock.now(), asked.verb, asked.host, orjson.dumps(asked.settings).decode())
    number = connection.execute(
        "INSERT INTO control (asked_at, verb, host, settings) VALUES (?, ?, ?, ?)", row
    ).lastrowid
    until = time.monotonic() + within_s
    try:
        while (answer := _answer(connection, number)) is None and is_locked(ledger):
            if time.monotonic() > until:
                break
            time.sleep(_LOOK_EVERY_S)
    finally:
        # Withdrawn or answered, never neither: the run takes a row in one transaction.
        connection.execute("DELETE FROM control WHERE id = ? AND taken_at IS NULL", (number,))
    answer = answer or _answer(connection, number)
    if answer is None:
        said = f"did not answer within {within_s:g} s" if is_locked(ledger) else "ended before it answered"
        raise BulkmoveError(f"{ledger}: the run {said}; nothing was changed")
    if isinstance(error := answer.get("error"), str):
        raise ConfigError(error)
    return answer


def _answer(connection: sqlite3.Connection, number: int | None) -> JsonObject | None:
    found = connection.execute(
        "SELECT answer FROM control WHERE id = ? AND taken_at IS NOT NULL", (number,)
    ).fetchone()
    answer: JsonObject | None = None if found is None else orjson.loads(found[0])
    return answer


# The run.


def waiting(connection: sqlite3.Connection) -> list[Asked]:
    """What was asked and not taken, in its order."""
    return [
        Asked(number, verb, host, orjson.loads(settings))
        for number, verb, host, settings in connection.execute(
            "SELECT id, verb, host, settings FROM control WHERE taken_at IS NULL ORDER BY id"
        )
    ]


def take(connection: sqlite3.Connection, asked: Asked, *, run: int, answer: JsonObject) -> None:
    connection.execute(
        "UPDATE control SET run = ?, taken_at = ?, answer = ? WHERE id = ?",
        (run, clock.now(), orjson.dumps(answer).decode(), asked.id),
    )


def note(connection: sqlite3.Connection, verb: Verb, *, run: int, host: str, answer: JsonObject) -> None:
    """What the run did unasked."""
    now = clock.now()
    connection.execute(
        "INSERT INTO control (asked_at, verb, host, settings, run, taken_at, answer) VALUES (?, ?, ?, '{}', ?, ?, ?)",
        (now, verb, host, run, now, orjson.dumps(answer).decode()),
    )


def forget_stale(connection: sqlite3.Connection) -> None:
    """What was asked of a run that is gone."""
    connection.execute(
        "DELETE FROM control WHERE taken_at IS NULL AND asked_at < ?", (clock.now() - _STALE_S,)
    )


# Whoever looks.


def of_run(connection: sqlite3.Connection, run: int) -> list[Noted]:
    """All that a run did of it, in its order; what it refused left out."""
    if schema_version(connection) < _SCHEMA:
        return []
    rows = connection.execute(
        "SELECT taken_at, verb, host, settings, answer FROM control WHERE run = ? AND taken_at IS NOT NULL ORDER BY id",
        (run,),
    )
    noted = (
        Noted(at, verb, host, orjson.loads(settings), orjson.loads(answer))
        for at, verb, host, settings, answer in rows
    )
    return [each for each in noted if "error" not in each.answer]


class HostStanding(NamedTuple):
    """What holds at a host by hand: since when it is paused (epoch seconds), and what was set."""

    paused_since: float | None = None
    settings: Mapping[str, Json] = MappingProxyType({})


def standing(connection: sqlite3.Connection, run: int) -> dict[str, HostStanding]:
    """What people asked of the run and still holds, by host."""
    found: dict[str, HostStanding] = {}
    for noted in of_run(connection, run):
        hosts = noted.answer.get("hosts")
        for name in hosts if isinstance(hosts, dict) else ():
            was = found.get(name, HostStanding())
            match noted.verb:
                case "pause":
                    found[name] = was._replace(paused_since=was.paused_since or noted.at)
                case "resume":
                    found[name] = was._replace(paused_since=None)
                case "set":
                    kept = {**was.settings, **noted.settings}
                    found[name] = was._replace(
                        settings={key: value for key, value in kept.items() if value != "default"}
                    )
                case "rate-at":
                    pass
    return {name: each for name, each in found.items() if each != HostStanding()}
