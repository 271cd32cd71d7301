"""The facts of a report, read from the ledger in one look, and from the settings."""

from __future__ import annotations

import platform
import sqlite3
from collections.abc import Sequence
from importlib.metadata import version
from urllib.parse import urlsplit

from bulkmove.ledger import balance, failing, gone, history, questions, reporting, tallies
from bulkmove.ledger.file import is_locked, schema_version
from bulkmove.ledger.history import HostSpan, RestSpan, RouteSpan
from bulkmove.ledger.looking import looked_at
from bulkmove.ledger.milestones import milestones
from bulkmove.ledger.reporting import RunRow
from bulkmove.model import State
from bulkmove.pipeline.causes import hint
from bulkmove.pipeline.status import undone_notes
from bulkmove.report.page.facts import Facts, Group, HostFacts, RouteFacts, RunFacts
from bulkmove.settings import HostSettings, MigrationSettings

EXAMPLES = 5
_LONGEST_NAME = 80


def gather(settings: MigrationSettings, *, now: float) -> Facts:
    """What the ledger of these settings tells now, also while a run is going. Raises LedgerError and its kinds."""
    path = settings.ledger
    with looked_at(path, is_newest=True) as connection:
        is_going = path.exists() and is_locked(path)
        if connection is None:
            routes = tuple(_configured(settings, name) for name in settings.routes)
            hosts = tuple(_host(host, (), ()) for host in settings.hosts.values())
            return Facts(settings, now, routes=routes, hosts=hosts, versions=_versions())
        # One transaction: numbers of different moments would not add up while a run is going.
        connection.execute("BEGIN")
        try:
            return _gathered(connection, settings, now=now, is_going=is_going)
        finally:
            connection.execute("ROLLBACK")


def _gathered(
    connection: sqlite3.Connection, settings: MigrationSettings, *, now: float, is_going: bool
) -> Facts:
    numbers = questions.routes(connection)
    spans = history.routes(connection)
    host_spans, rests = history.hosts(connection), history.rests(connection)
    routes = [_route(connection, settings, name, number, spans) for name, number in numbers.items()]
    routes += [_configured(settings, name) for name in settings.routes if name not in numbers]
    rows = reporting.runs(connection)
    runs = [
        _run(row, is_going=is_going and row is rows[-1], now=now, spans=spans, hosts=host_spans)
        for row in rows
    ]
    names = {number: name for name, number in numbers.items()}
    return Facts(
        settings,
        now,
        is_begun=True,
        is_going=is_going,
        schema=schema_version(connection),
        routes=tuple(routes),
        hosts=tuple(
            _host(
                host,
                tuple(span for span in host_spans if span.host == host.name),
                tuple(_ended(rests, host.name, runs)),
            )
            for host in settings.hosts.values()
        ),
        runs=tuple(runs),
        passes=tuple((names.get(each.route, "?"), each) for each in reporting.passes(connection)),
        verification=reporting.last_verification(connection),
        steps=tuple(milestones(connection)),
        undone=tuple(undone_notes(connection)),
        versions=_versions(),
    )


def _configured(settings: MigrationSettings, name: str) -> RouteFacts:
    route = settings.routes[name]
    return RouteFacts(name, str(route.source), str(route.target))


def _route(
    connection: sqlite3.Connection,
    settings: MigrationSettings,
    name: str,
    number: int,
    spans: Sequence[RouteSpan],
) -> RouteFacts:
    configured = settings.routes.get(name)
    left, ids = gone.named(connection, number, EXAMPLES)
    progress = questions.progress(connection, number)
    return RouteFacts(
        name=name,
        source="" if configured is None else str(configured.source),
        target="" if configured is None else str(configured.target),
        counts=tallies.counts(connection, number),
        listed=reporting.records_listed(connection, number),
        expected=progress.expected,
        faults=tuple(balance.faults(connection, number, whole=False)),
        is_finished=progress.is_finished,
        groups=tuple(_groups(connection, name, number)),
        gone=left,
        gone_ids=tuple(ids),
        spans=tuple(span for span in spans if span.route == number),
    )


def _groups(connection: sqlite3.Connection, name: str, number: int) -> list[Group]:
    return [
        Group(
            outcome=group.outcome,
            cause=group.cause[:_LONGEST_NAME],
            records=group.records,
            ids=reporting.examples(
                connection,
                route=number,
                state=State[group.outcome.upper()].value,
                cause=group.cause,
                most=EXAMPLES,
            ),
            hint=hint(group.cause),
        )
        for group in failing.groups(connection, failing.Selection(routes=(name,)))
    ]


def _host(host: HostSettings, spans: Sequence[HostSpan], rests: Sequence[RestSpan]) -> HostFacts:
    parts = urlsplit(host.url)
    place = parts.netloc.rpartition("@")[2] or host.url
    return HostFacts(host.name, host.api, place, tuple(spans), tuple(rests))


def _run(
    row: RunRow, *, is_going: bool, now: float, spans: Sequence[RouteSpan], hosts: Sequence[HostSpan]
) -> RunFacts:
    until = now if is_going and row.ended_at is None else row.ended_at or row.alive_at
    end = "ended" if row.ended_at is not None else "going" if is_going else "cut off"
    within = (row.started_at - 1, until + 1)
    return RunFacts(
        number=row.number,
        kind=row.kind,
        started_at=row.started_at,
        until=max(until, row.started_at),
        end=end,
        exit_code=row.exit_code,
        settled=sum(span.settled for span in spans if within[0] <= span.ended_at <= within[1]),
        requests=sum(span.requests for span in hosts if within[0] <= span.ended_at <= within[1]),
    )


def _ended(rests: Sequence[RestSpan], host: str, runs: Sequence[RunFacts]) -> list[RestSpan]:
    """The rests of a host; one that was to last beyond the end of its run ended with it."""
    ends = {run.number: run.until for run in runs}
    found = []
    for rest in rests:
        if rest.host == host:
            over_s = max(0.0, rest.ended_at - ends.get(rest.run, rest.ended_at))
            found.append(
                rest._replace(ended_at=rest.ended_at - over_s, seconds=max(0.0, rest.seconds - over_s))
            )
    return found


def _versions() -> dict[str, str]:
    return {
        "bulkmove": version("bulkmove"),
        "Python": platform.python_version(),
        "SQLite": sqlite3.sqlite_version,
    }
