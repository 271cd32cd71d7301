"""How far a migration is, from its ledger alone: without a host, without its credentials, and without what a run needs."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

import orjson

from bulkmove import clock
from bulkmove.events import PAUSED_BY_HAND
from bulkmove.ledger import control, gone, history, questions, tallies, undone
from bulkmove.ledger.file import is_locked
from bulkmove.ledger.looking import looked_at
from bulkmove.model import Counts, Summary
from bulkmove.pipeline.addresses import place_of
from bulkmove.settings import MigrationSettings, RouteSettings

FAILURES = 3  # what ends with rejected or unknown records
NAMED = 5  # ids in a note; the ledger has all of them


def status_of(settings: MigrationSettings) -> Summary:
    """How far the migration is; also while a run is going (exit code None).

    Its notes name what of the ledger does not go with the configuration, what left the sources while they were read,
    what holds a run that is going, by hand or because a host asks for it, and what one that ended left in doubt.
    """
    counts: dict[str, Counts] = {}
    finished: set[str] = set()
    undone_ones: frozenset[str] = frozenset()
    last_exit: int | None = None
    notes: list[str] = []
    with looked_at(settings.ledger) as connection:
        if connection is not None:
            routes = questions.routes(connection)
            notes = [
                *_of_another_migration(connection, settings),
                *_gone_notes(connection, settings.routes),
                *undone_notes(connection),
            ]
            undone_ones = frozenset(undone.undone_routes(connection))
            counts = {name: tallies.counts(connection, number) for name, number in routes.items()}
            finished = {n for n, number in routes.items() if questions.is_finished(connection, number)}
            last_run = questions.last_run(connection)
            last_exit = last_run[1] if last_run is not None else None
            if last_run is not None and is_locked(settings.ledger):
                notes += _held_by_hand(connection, last_run[0])
                notes += _resting(connection, last_run[0])
            elif in_doubt := questions.open_requests(connection):
                were = "write request was" if in_doubt == 1 else "write requests were"
                notes.append(
                    f"{in_doubt:,} {were} not answered for sure: the next run looks what became of them before it sends"
                    " anything again"
                )
    for name in settings.routes:
        counts.setdefault(name, Counts())
    return Summary(
        exit_code=_exit_code(settings, counts, last_exit),
        routes=counts,
        notes=tuple(notes),
        finished=frozenset(finished),
        undone=undone_ones,
    )


def _exit_code(
    settings: MigrationSettings, counts: Mapping[str, Counts], last_exit: int | None
) -> int | None:
    """None while a run is going, else what the last one ended with; one that was killed could not say."""
    if is_locked(settings.ledger):
        return None
    if last_exit is not None:
        return last_exit
    return FAILURES if any(c.rejected or c.unknown for c in counts.values()) else 0


def requests_in_doubt(settings: MigrationSettings) -> int:
    """How many requests nothing has settled."""
    with looked_at(settings.ledger) as connection:
        return 0 if connection is None else questions.open_requests(connection)


def _of_another_migration(connection: sqlite3.Connection, settings: MigrationSettings) -> Iterator[str]:
    """Where the ledger tells of what the configuration does not name: another ledger was given, or it was changed."""
    for name, text in questions.fingerprints(connection).items():
        if name not in settings.routes:
            yield f"route {name}: is in the ledger and not in the configuration: is the ledger another migration's?"
            continue
        route, begun = settings.routes[name], orjson.loads(text)
        for end, there in (("source", route.source), ("target", route.target)):
            now = place_of(settings, there)
            if begun.get(end, now) != now:
                yield (
                    f"route {name}: the ledger was begun with {end} {begun[end]}, and the configuration says {now}: is the"
                    " ledger another migration's?"
                )


def _gone_notes(connection: sqlite3.Connection, routes: Mapping[str, RouteSettings]) -> Iterator[str]:
    """What left the sources while they were read, a sentence a route."""
    for name, number in questions.routes(connection).items():
        count, ids = gone.named(connection, number, NAMED)
        if count:
            source = str(routes[name].source) if name in routes else "its source"
            yield f"route {name}: {told_gone(count, ids, source=source)} while it was read"


def told_gone(count: int, ids: Sequence[str], *, source: str) -> str:
    """`3 records left old.orders (7, 9 and 1 more)`."""
    more = f" and {count - len(ids)} more" if count > len(ids) else ""
    return f"{count} record{'s' if count > 1 else ''} left {source} ({', '.join(ids)}{more})"


def undone_notes(connection: sqlite3.Connection) -> Iterator[str]:
    """What a person is told of routes that were undone, or begun to be."""
    for name, at in undone.undone_routes(connection).items():
        count = undone.undone_records(connection, name=name)
        left = undone.not_undone(connection, name=name)
        rest = f", {left:,} left as they are" if left else ""
        yield f"route {name}: undone on {day(at)}: {count:,} records are counted as skipped (undone){rest}"


def day(at: float) -> str:
    """When that was, to the minute, where whoever reads it is."""
    return datetime.fromtimestamp(at).astimezone().strftime("%Y-%m-%d %H:%M")


def _resting(connection: sqlite3.Connection, run: int) -> Iterator[str]:
    """Hosts that let the run wait, a sentence each."""
    now = clock.now()
    for rest in history.rests(connection):
        if rest.run == run and rest.ended_at > now and rest.reason != PAUSED_BY_HAND:
            yield f"host {rest.host}: nothing is sent for {rest.ended_at - now:,.0f} s more: {rest.reason}"


def _held_by_hand(connection: sqlite3.Connection, run: int) -> Iterator[str]:
    """What people asked of the run and holds still, a sentence each."""
    for name, standing in control.standing(connection, run).items():
        if standing.paused_since is not None:
            since = time.strftime("%H:%M:%S", time.localtime(standing.paused_since))
            yield f"host {name}: paused by hand since {since}"
        if standing.settings:
            parts = (
                f"{key} {', '.join(map(str, value)) if isinstance(value, list) else value}"
                for key, value in standing.settings.items()
            )
            yield f"host {name}: set by hand: {', '.join(parts)}"
