"""A migration as a value to work with: what the command line, the demo and other programs hold."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import anyio

from bulkmove.config import load_migration
from bulkmove.errors import ConfigError, single_error
from bulkmove.ledger import failing, open_ledger
from bulkmove.ledger.aside import put_aside
from bulkmove.ledger.copying import ledger_or_copy
from bulkmove.ledger.failing import Group, Selection
from bulkmove.ledger.file import is_locked
from bulkmove.ledger.looking import looked_at
from bulkmove.ledger.purging import Erasable, erasable, purge_file
from bulkmove.ledger.story import story
from bulkmove.model import Failure, JsonObject, Summary
from bulkmove.pipeline.canaries import CanaryWatch
from bulkmove.pipeline.delta.deletions import deletable, delete_departed
from bulkmove.pipeline.delta.runner import DeltaOptions, DeltaSummary, delta_migration
from bulkmove.pipeline.explaining import Explained, explain
from bulkmove.pipeline.exporting import form_of, found_records, write_in_thread
from bulkmove.pipeline.guards import check_may_write
from bulkmove.pipeline.holding import HeldTo
from bulkmove.pipeline.hosts import OnPause
from bulkmove.pipeline.performing import is_held_back, perform_run
from bulkmove.pipeline.plan import plan_migration
from bulkmove.pipeline.preview import Preview, preview_migration
from bulkmove.pipeline.refetching import refetch
from bulkmove.pipeline.retried import perform_retry
from bulkmove.pipeline.selecting import check_routes, selected, unknown_record
from bulkmove.pipeline.status import requests_in_doubt, status_of
from bulkmove.pipeline.trying import Tried, ids_in, try_mapping
from bulkmove.protocols import Observer
from bulkmove.settings import MigrationSettings


class Migration:
    """One migration and its ledger. Made by `open_migration`."""

    def __init__(self, settings: MigrationSettings) -> None:
        self.settings = settings
        self._stop = anyio.Event()

    def stop(self) -> None:
        """Let a run end soon: no further page is read, what is in flight is finished and noted."""
        self._stop.set()

    async def run(
        self,
        observer: Observer | None = None,
        *,
        routes: tuple[str, ...] = (),
        limit: int | None = None,
        dry_run: bool = False,
        accept_changes: bool = False,
        execute: bool = False,
        held_to: HeldTo | None = None,
        canary: CanaryWatch | None = None,
    ) -> Summary:
        """Run the migration, or go on where it stopped; all routes or those named.

        `limit`: map at most so many records a route, and leave the rest to a later run. `dry_run`: read and
        map on a throw-away ledger and write nothing. `accept_changes`: a changed configuration holds for
        what is not yet mapped. `execute`: write to hosts with `live = true`, too; without it a run that would write to
        one is a dry run, and a note of it says so. `held_to`: a plan; where configuration or sources moved since, the run
        does not begin, and it ends where it rejects far more. `canary`: is shown the first records of routes that have
        one, and asked before the rest; without it such a run ends there, and a later one goes on.

        Raises ConfigError, LedgerError and its kinds. Hosts that fail, refused credentials and lists that
        can't be proven read do not raise: they stand in the summary's exit code and notes.
        """
        try:
            return await perform_run(
                self.settings,
                observer,
                stop=self._stop,
                routes=routes,
                limit=limit,
                dry_run=dry_run,
                accept_changes=accept_changes,
                execute=execute,
                held_to=held_to,
                canary=canary,
            )
        finally:
            self._stop = anyio.Event()

    async def plan(
        self,
        observer: Observer | None = None,
        *,
        routes: tuple[str, ...] = (),
        sample: int | None = None,
        show: int = 0,
        compare: bool = True,
    ) -> Preview:
        """What a run would do, before any write: all routes or those named, on a throw-away ledger.

        `sample`: read and map no more than so many records a route. `show`: keep the first so many records of a
        route as they were read and mapped. `compare`: read a target's list also where only the comparison needs it.
        Raises what `run` raises.
        """
        plan = plan_migration(self.settings, only=routes)
        with single_error():
            try:
                return await preview_migration(
                    plan, sample=sample, show=show, compare=compare, observer=observer, stop=self._stop
                )
            finally:
                self._stop = anyio.Event()

    async def map(self, route: str, rows: Sequence[JsonObject], *, offline: bool = False) -> Sequence[Tried]:
        """What a route's mapping makes of rows of its source, one by one; nothing is matched, put down or sent.

        Ids of other routes' records come from the ledger, where there is one. `offline`: look-ups into streams are
        not loaded, so that their values do not resolve. Raises ConfigError, and what the look-ups' hosts raise.
        """
        plan = plan_migration(self.settings, only=(route,))
        with single_error(), looked_at(self.settings.ledger) as connection:
            return await try_mapping(plan, route, rows, ids_of=ids_in(connection), offline=offline)

    def status(self) -> Summary:
        """How far the migration is, from the ledger alone; also while a run is going (exit code None).

        Its notes name what left the sources while they were read, and what holds by hand in a run that is going.
        """
        return status_of(self.settings)

    async def retry(
        self,
        observer: Observer | None = None,
        *,
        routes: Sequence[str] = (),
        causes: Sequence[str] = (),
        ids: Sequence[str] = (),
        remap: bool = False,
        dry_run: bool = False,
        execute: bool = False,
    ) -> Summary:
        """Put failed records to work again, and nothing else: all, or those of these routes, causes and source ids.

        What was rejected with its body kept is sent again as it was mapped, once the target's list was read and does
        not hold it; what has no body, and with `remap` all that was rejected, is read and mapped anew. What is of
        unknown fate is looked for once more. `dry_run`: do nothing; the notes say what would be done. `execute`: as of
        `run`; without it a retry that would write to a live host is a dry run. Raises ConfigError for a route, cause or id that is not there, and
        what `run` raises; a mended mapping is taken up.
        """
        try:
            return await perform_retry(
                self.settings,
                observer,
                stop=self._stop,
                routes=routes,
                causes=causes,
                ids=ids,
                remap=remap,
                dry_run=dry_run,
                execute=execute,
            )
        finally:
            self._stop = anyio.Event()

    async def delta(
        self,
        observer: Observer | None = None,
        *,
        routes: tuple[str, ...] = (),
        deletions: bool = False,
        dry_run: bool = False,
        new_only: bool = False,
        execute: bool = False,
    ) -> DeltaSummary:
        """Bring over what is new or changed at the sources since the last pass; all routes or those named.

        `deletions`: rows that this migration made of records which are gone are deleted at the target, where it can.
        `dry_run`: on a copy of the ledger, and nothing is written. `new_only`: new records by their dates alone.
        `execute`: as of `run`. Raises ConfigError where a route was not read whole yet, and what `run` raises.
        """
        plan = plan_migration(self.settings, only=routes)
        path = self.settings.ledger
        if not path.exists():
            raise ConfigError(f"{path}: there is no ledger yet: bulkmove run comes first, a delta after it")
        dry_run = dry_run or is_held_back(self.settings, observer, routes, execute=execute)
        options = DeltaOptions(is_dry=dry_run, new_only=new_only)
        with single_error(), ledger_or_copy(path, is_copied=dry_run) as file:
            try:
                async with open_ledger(file, synchronous=self.settings.synchronous) as ledger:
                    done = await delta_migration(
                        plan, ledger, options=options, observer=observer, stop=self._stop
                    )
                    if deletions and not dry_run and done.is_whole:
                        done = done.followed_by(
                            await delete_departed(plan, ledger, observer=observer, stop=self._stop)
                        )
                    return done
            finally:
                self._stop = anyio.Event()

    async def delete_departed(
        self, observer: Observer | None = None, *, routes: tuple[str, ...] = (), execute: bool = False
    ) -> Summary:
        """Delete the rows of what the last deltas found gone, those that this migration made, where the target can.

        Raises ConfigError where a target is live and nobody said `execute`, and what `run` raises.
        """
        check_may_write(self.settings, routes, execute=execute)
        plan = plan_migration(self.settings, only=routes)
        with single_error():
            try:
                async with open_ledger(self.settings.ledger, synchronous=self.settings.synchronous) as ledger:
                    return await delete_departed(plan, ledger, observer=observer, stop=self._stop)
            finally:
                self._stop = anyio.Event()

    def deletable(self, routes: tuple[str, ...] = ()) -> dict[str, int]:
        """How many rows `delete_departed` would delete, by route; routes without any left out."""
        plan = plan_migration(self.settings, only=routes)
        with looked_at(self.settings.ledger) as connection:
            return {} if connection is None else deletable(connection, plan)

    def failures(
        self, route: str | None = None, *, causes: Sequence[str] = (), ids: Sequence[str] = ()
    ) -> Iterator[Failure]:
        """Every record that was rejected, or whose fate is unknown; those of a route, of these causes and source ids.

        Raises ConfigError for a route, a cause or an id that is not there.
        """
        with looked_at(self.settings.ledger) as connection:
            selection = self._selection(connection, route, causes, ids)
            if connection is not None:
                yield from failing.failures(connection, selection)

    def failure_groups(
        self, route: str | None = None, *, causes: Sequence[str] = (), ids: Sequence[str] = ()
    ) -> list[Group]:
        """The failures by route, outcome and cause. Raises what `failures` raises."""
        with looked_at(self.settings.ledger) as connection:
            selection = self._selection(connection, route, causes, ids)
            return [] if connection is None else failing.groups(connection, selection)

    async def export_failures(
        self,
        file: Path,
        route: str | None = None,
        *,
        causes: Sequence[str] = (),
        ids: Sequence[str] = (),
        records: bool = False,
        on_pause: OnPause | None = None,
    ) -> int:
        """Write the failures to a .jsonl or .csv file (0600), each with its record, body and answer; how many.

        `records`: source records that the ledger did not keep are read from their hosts. Raises what `failures` raises,
        ConfigError where the file can't be written, and with `records` what reading raises.
        """
        form_of(file)
        with looked_at(self.settings.ledger, is_newest=True) as connection:
            if connection is None:
                raise ConfigError(f"{self.settings.ledger}: there is no ledger yet: nothing was run")
            selection = self._selection(connection, route, causes, ids)
            async with found_records() as found:
                if records:
                    plan = plan_migration(self.settings, only=selection.routes)
                    await refetch(plan, connection, selection, found, on_pause=on_pause)
                return await write_in_thread(file, failing.details(connection, selection), found.record_of)

    def _selection(
        self,
        connection: sqlite3.Connection | None,
        route: str | None,
        causes: Sequence[str],
        ids: Sequence[str],
    ) -> Selection:
        routes = () if route is None else (route,)
        if connection is None:
            check_routes(self.settings, routes)
            return Selection(routes)
        return selected(connection, self.settings, routes=routes, causes=causes, ids=ids)

    def explain(self, route: str, source_id: str) -> Explained:
        """One record's story, from the ledger alone, also while a run is going.

        Raises ConfigError, with the nearest, for a route or a record that is not there.
        """
        path = self.settings.ledger
        with looked_at(path, is_newest=True) as connection:
            check_routes(self.settings, [route], connection)
            if connection is None:
                raise ConfigError(f"{path}: there is no ledger yet: nothing was run")
            found = story(connection, route, source_id)
            if found is None:
                raise unknown_record(connection, source_id, [route])
            return explain(found, is_going=is_locked(path))

    def purgeable(
        self, route: str | None = None, *, messages: bool = False, written: bool = False
    ) -> Erasable:
        """What `purge` would erase. Raises ConfigError for a route that is not there."""
        with looked_at(self.settings.ledger, is_newest=True) as connection:
            if route is not None:
                check_routes(self.settings, [route], connection)
            if connection is None:
                return Erasable()
            return erasable(connection, route, messages=messages, written=written)

    def purge(self, route: str | None = None, *, messages: bool = False, written: bool = False) -> Erasable:
        """Erase bodies, source records and answers of hosts (with `messages` those too) of all that has an outcome.

        What `keep_before` keeps goes, too; with `written` also what was last written on routes that change their own list.
        Their bytes are nowhere in the ledger's files then; ids, hashes, outcomes and causes stay. Raises
        LedgerLockedError while a run is going.
        """
        is_nothing = self.purgeable(route, messages=messages, written=written).is_nothing
        if is_nothing and not self.settings.ledger.exists():
            return Erasable()
        return purge_file(
            self.settings.ledger,
            route,
            messages=messages,
            written=written,
            synchronous=self.settings.synchronous,
        )

    def in_doubt(self) -> int:
        """How many requests nothing has settled."""
        return requests_in_doubt(self.settings)

    def put_ledger_aside(self) -> Path | None:
        """Keep the ledger under another name, so that the next run begins anew; its new path.

        Raises LedgerLockedError while a run is going.
        """
        path = self.settings.ledger
        return put_aside(path) if path.exists() else None


@asynccontextmanager
async def open_migration(
    file: str | os.PathLike[str] | MigrationSettings,
    *,
    ledger: Path | None = None,
    environ: Mapping[str, str] = os.environ,
) -> AsyncIterator[Migration]:
    """The migration that a `migration.toml` describes, or settings made in code.

    Raises ConfigError where the file can't be read or does not add up.
    """
    if isinstance(file, MigrationSettings):
        settings = file if ledger is None else replace(file, ledger=ledger)
    else:
        settings = load_migration(Path(file), environ=environ, ledger=ledger)
    yield Migration(settings)
