"""The failures of a migration, from its ledger: one by one, in groups, and in a file for a person who works through them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path

from bulkmove.errors import ConfigError
from bulkmove.ledger import failing
from bulkmove.ledger.failing import Group, Selection
from bulkmove.ledger.looking import looked_at
from bulkmove.model import Failure
from bulkmove.pipeline.exporting import form_of, found_records, write_in_thread
from bulkmove.pipeline.hosts import OnPause
from bulkmove.pipeline.plan import plan_migration
from bulkmove.pipeline.refetching import refetch
from bulkmove.pipeline.selecting import check_routes, selected
from bulkmove.settings import MigrationSettings


def failures_of(
    settings: MigrationSettings, route: str | None, *, causes: Sequence[str], ids: Sequence[str]
) -> Iterator[Failure]:
    """What `Migration.failures` promises."""
    with looked_at(settings.ledger) as connection:
        selection = _selection(connection, settings, route, causes=causes, ids=ids)
        if connection is not None:
            yield from failing.failures(connection, selection)


def groups_of(
    settings: MigrationSettings, route: str | None, *, causes: Sequence[str], ids: Sequence[str]
) -> list[Group]:
    """What `Migration.failure_groups` promises."""
    with looked_at(settings.ledger) as connection:
        selection = _selection(connection, settings, route, causes=causes, ids=ids)
        return [] if connection is None else failing.groups(connection, selection)


async def export_to(
    file: Path,
    settings: MigrationSettings,
    route: str | None,
    *,
    causes: Sequence[str],
    ids: Sequence[str],
    records: bool,
    on_pause: OnPause | None,
) -> int:
    """What `Migration.export_failures` promises."""
    form_of(file)
    with looked_at(settings.ledger, is_newest=True) as connection:
        if connection is None:
            raise ConfigError(f"{settings.ledger}: there is no ledger yet: nothing was run")
        selection = _selection(connection, settings, route, causes=causes, ids=ids)
        async with found_records() as found:
            if records:
                plan = plan_migration(settings, only=selection.routes)
                await refetch(plan, connection, selection, found, on_pause=on_pause)
            return await write_in_thread(file, failing.details(connection, selection), found.record_of)


def _selection(
    connection: sqlite3.Connection | None,
    settings: MigrationSettings,
    route: str | None,
    *,
    causes: Sequence[str],
    ids: Sequence[str],
) -> Selection:
    routes = () if route is None else (route,)
    if connection is None:
        check_routes(settings, routes)
        return Selection(routes)
    return selected(connection, settings, routes=routes, causes=causes, ids=ids)
