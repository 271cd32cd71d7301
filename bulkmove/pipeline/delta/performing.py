"""One whole delta of a migration, and the deletions it found, from settings to summary: what the library and `bulkmove delta` do."""

from __future__ import annotations

import anyio

from bulkmove.errors import ConfigError, single_error
from bulkmove.ledger import open_ledger
from bulkmove.ledger.copying import ledger_or_copy
from bulkmove.ledger.looking import looked_at
from bulkmove.model import Summary
from bulkmove.pipeline.delta.deletions import deletable, delete_departed
from bulkmove.pipeline.delta.runner import DeltaOptions, DeltaSummary, delta_migration
from bulkmove.pipeline.guards import check_may_write
from bulkmove.pipeline.performing import is_held_back
from bulkmove.pipeline.plan import plan_migration
from bulkmove.protocols import Observer
from bulkmove.settings import MigrationSettings


async def perform_delta(
    settings: MigrationSettings,
    observer: Observer | None,
    *,
    stop: anyio.Event,
    routes: tuple[str, ...] = (),
    deletions: bool = False,
    dry_run: bool = False,
    new_only: bool = False,
    execute: bool = False,
) -> DeltaSummary:
    """What `Migration.delta` promises, until `stop` is set."""
    plan = plan_migration(settings, only=routes)
    path = settings.ledger
    if not path.exists():
        raise ConfigError(f"{path}: there is no ledger yet: bulkmove run comes first, a delta after it")
    dry_run = dry_run or is_held_back(settings, observer, routes, execute=execute)
    options = DeltaOptions(is_dry=dry_run, new_only=new_only)
    with single_error(), ledger_or_copy(path, is_copied=dry_run) as file:
        async with open_ledger(file, synchronous=settings.synchronous) as ledger:
            done = await delta_migration(plan, ledger, options=options, observer=observer, stop=stop)
            if deletions and not dry_run and done.is_whole:
                done = done.followed_by(await delete_departed(plan, ledger, observer=observer, stop=stop))
            return done


async def perform_deletions(
    settings: MigrationSettings,
    observer: Observer | None,
    *,
    stop: anyio.Event,
    routes: tuple[str, ...] = (),
    execute: bool = False,
) -> Summary:
    """What `Migration.delete_departed` promises, until `stop` is set."""
    check_may_write(settings, routes, execute=execute)
    plan = plan_migration(settings, only=routes)
    with single_error():
        async with open_ledger(settings.ledger, synchronous=settings.synchronous) as ledger:
            return await delete_departed(plan, ledger, observer=observer, stop=stop)


def count_deletable(settings: MigrationSettings, routes: tuple[str, ...]) -> dict[str, int]:
    """What `Migration.deletable` promises."""
    plan = plan_migration(settings, only=routes)
    with looked_at(settings.ledger) as connection:
        return {} if connection is None else deletable(connection, plan)
