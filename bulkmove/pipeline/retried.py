"""One whole retry of a migration's failures, from its settings to its summary: what the library and `bulkmove retry` do."""

from __future__ import annotations

from collections.abc import Sequence

import anyio

from bulkmove.errors import single_error
from bulkmove.events import Note
from bulkmove.ledger import open_ledger
from bulkmove.ledger.choosing import Asked
from bulkmove.ledger.looking import looked_at
from bulkmove.model import Counts, Summary
from bulkmove.pipeline.again import retry_migration
from bulkmove.pipeline.performing import is_held_back
from bulkmove.pipeline.plan import plan_migration
from bulkmove.pipeline.selecting import check_routes, selected
from bulkmove.protocols import Observer
from bulkmove.settings import MigrationSettings


async def perform_retry(
    settings: MigrationSettings,
    observer: Observer | None,
    *,
    stop: anyio.Event,
    routes: Sequence[str] = (),
    causes: Sequence[str] = (),
    ids: Sequence[str] = (),
    remap: bool = False,
    dry_run: bool = False,
    execute: bool = False,
) -> Summary:
    """What `Migration.retry` promises, until `stop` is set."""
    path = settings.ledger
    with looked_at(path, is_newest=True) as connection:
        if connection is None:
            check_routes(settings, routes)
            note = Note(f"nothing to retry: there is no ledger at {path} yet")
            if observer is not None:
                observer.on_event(note)
            counts = {name: Counts() for name in routes or settings.routes}
            return Summary(exit_code=0, routes=counts, notes=(note.text,))
        selection = selected(connection, settings, routes=routes, causes=causes, ids=ids)
    plan = plan_migration(settings, only=tuple(routes))
    dry_run = dry_run or is_held_back(settings, observer, routes, execute=execute)
    with single_error():
        async with open_ledger(path, synchronous=settings.synchronous) as ledger:
            asked = Asked(selection, remap=remap)
            return await retry_migration(
                plan, ledger, asked, observer=observer, stop=stop, only_tells=dry_run
            )
