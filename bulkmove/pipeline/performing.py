"""One whole run of a migration, from its settings to its summary: what the library and `bulkmove run` do."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from bulkmove.errors import LedgerError, single_error
from bulkmove.events import Note
from bulkmove.ledger import open_ledger
from bulkmove.ledger.looking import looked_at
from bulkmove.model import Summary
from bulkmove.pipeline.canaries import CanaryWatch
from bulkmove.pipeline.fingerprints import refuse_changed
from bulkmove.pipeline.guards import DRY_RUN, why_held_back
from bulkmove.pipeline.job import RunOptions
from bulkmove.pipeline.plan import MigrationPlan, plan_migration
from bulkmove.pipeline.runner import run_migration
from bulkmove.protocols import Observer
from bulkmove.settings import MigrationSettings

if TYPE_CHECKING:  # a run without a plan shall not wait for what makes one
    from bulkmove.pipeline.holding import HeldTo


async def perform_run(
    settings: MigrationSettings,
    observer: Observer | None,
    *,
    stop: anyio.Event,
    routes: tuple[str, ...] = (),
    limit: int | None = None,
    dry_run: bool = False,
    accept_changes: bool = False,
    execute: bool = False,
    held_to: HeldTo | None = None,
    canary: CanaryWatch | None = None,
) -> Summary:
    """What `Migration.run` promises, until `stop` is set."""
    plan = plan_migration(settings, only=routes)
    dry_run = dry_run or is_held_back(settings, observer, routes, execute=execute)
    refusal = _said_against(plan, settings.ledger) if dry_run and not accept_changes else ()
    if observer is not None:
        for text in refusal:
            observer.on_event(Note(text))
    options = RunOptions(limit=limit, is_dry=dry_run, accept_changes=accept_changes, canary=canary)
    if held_to is not None:
        held_to.check_configuration(plan, only=routes)
        options = replace(options, before=held_to.check_sources, most_rejected=held_to.most_rejected)
    with single_error(), _ledger_path(settings, dry_run=dry_run) as path:
        async with open_ledger(path, synchronous=settings.synchronous) as ledger:
            summary = await run_migration(plan, ledger, options=options, observer=observer, stop=stop)
    return replace(summary, notes=(*refusal, *summary.notes))


def _said_against(plan: MigrationPlan, ledger: Path) -> tuple[str, ...]:
    """What the migration's own ledger would say against a run: a dry one has another."""
    try:
        with looked_at(ledger) as connection:
            if connection is not None:
                refuse_changed(plan, connection)
    except LedgerError as error:
        return (f"a run that is not dry would be refused: {error}",)
    return ()


def is_held_back(
    settings: MigrationSettings, observer: Observer | None, routes: Sequence[str], *, execute: bool
) -> bool:
    """Whether a live host keeps these routes from being written, which is told."""
    why = why_held_back(settings, routes, execute=execute)
    if why is not None and observer is not None:
        observer.on_event(Note(f"{DRY_RUN}: {why}"))
    return why is not None


@contextmanager
def _ledger_path(settings: MigrationSettings, *, dry_run: bool) -> Iterator[Path]:
    if not dry_run:
        yield settings.ledger
        return
    with tempfile.TemporaryDirectory(prefix="bulkmove-dry-run-") as folder:
        yield Path(folder) / "dry-run.ledger.db"
