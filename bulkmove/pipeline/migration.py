"""A migration as a value to work with: what the command line, the demo and other programs hold."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path

import anyio

from bulkmove.config import load_migration
from bulkmove.errors import single_error
from bulkmove.ledger.aside import put_aside
from bulkmove.ledger.failing import Group
from bulkmove.ledger.looking import looked_at
from bulkmove.ledger.purging import Erasable
from bulkmove.model import Failure, JsonObject, Summary
from bulkmove.pipeline.canaries import CanaryWatch
from bulkmove.pipeline.delta.performing import count_deletable, perform_deletions, perform_delta
from bulkmove.pipeline.delta.runner import DeltaSummary
from bulkmove.pipeline.explaining import Explained, explain_record
from bulkmove.pipeline.failed import export_to, failures_of, groups_of
from bulkmove.pipeline.holding import HeldTo
from bulkmove.pipeline.hosts import OnPause
from bulkmove.pipeline.performing import perform_run
from bulkmove.pipeline.plan import plan_migration
from bulkmove.pipeline.preview import Preview, preview_migration
from bulkmove.pipeline.purging import perform_purge, purgeable_of
from bulkmove.pipeline.retried import perform_retry
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

    @contextmanager
    def _stoppable(self) -> Iterator[anyio.Event]:
        """The event that `stop` sets, for one piece of work: the next has an event of its own."""
        try:
            yield self._stop
        finally:
            self._stop = anyio.Event()

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
        with self._stoppable() as stop:
            return await perform_run(
                self.settings,
                observer,
                stop=stop,
                routes=routes,
                limit=limit,
                dry_run=dry_run,
                accept_changes=accept_changes,
                execute=execute,
                held_to=held_to,
                canary=canary,
            )

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
        with single_error(), self._stoppable() as stop:
            return await preview_migration(
                plan, sample=sample, show=show, compare=compare, observer=observer, stop=stop
            )

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
        with self._stoppable() as stop:
            return await perform_retry(
                self.settings,
                observer,
                stop=stop,
                routes=routes,
                causes=causes,
                ids=ids,
                remap=remap,
                dry_run=dry_run,
                execute=execute,
            )

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
        with self._stoppable() as stop:
            return await perform_delta(
                self.settings,
                observer,
                stop=stop,
                routes=routes,
                deletions=deletions,
                dry_run=dry_run,
                new_only=new_only,
                execute=execute,
            )

    async def delete_departed(
        self, observer: Observer | None = None, *, routes: tuple[str, ...] = (), execute: bool = False
    ) -> Summary:
        """Delete the rows of what the last deltas found gone, those that this migration made, where the target can.

        Raises ConfigError where a target is live and nobody said `execute`, and what `run` raises.
        """
        with self._stoppable() as stop:
            return await perform_deletions(self.settings, observer, stop=stop, routes=routes, execute=execute)

    def deletable(self, routes: tuple[str, ...] = ()) -> dict[str, int]:
        """How many rows `delete_departed` would delete, by route; routes without any left out."""
        return count_deletable(self.settings, routes)

    def failures(
        self, route: str | None = None, *, causes: Sequence[str] = (), ids: Sequence[str] = ()
    ) -> Iterator[Failure]:
        """Every record that was rejected, or whose fate is unknown; those of a route, of these causes and source ids.

        Raises ConfigError for a route, a cause or an id that is not there.
        """
        return failures_of(self.settings, route, causes=causes, ids=ids)

    def failure_groups(
        self, route: str | None = None, *, causes: Sequence[str] = (), ids: Sequence[str] = ()
    ) -> list[Group]:
        """The failures by route, outcome and cause. Raises what `failures` raises."""
        return groups_of(self.settings, route, causes=causes, ids=ids)

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
        return await export_to(
            file, self.settings, route, causes=causes, ids=ids, records=records, on_pause=on_pause
        )

    def explain(self, route: str, source_id: str) -> Explained:
        """One record's story, from the ledger alone, also while a run is going.

        Raises ConfigError, with the nearest, for a route or a record that is not there.
        """
        return explain_record(self.settings, route, source_id)

    def purgeable(
        self, route: str | None = None, *, messages: bool = False, written: bool = False
    ) -> Erasable:
        """What `purge` would erase. Raises ConfigError for a route that is not there."""
        return purgeable_of(self.settings, route, messages=messages, written=written)

    def purge(self, route: str | None = None, *, messages: bool = False, written: bool = False) -> Erasable:
        """Erase bodies, source records and answers of hosts (with `messages` those too) of all that has an outcome.

        What `keep_before` keeps goes, too; with `written` also what was last written on routes that change their own list.
        Their bytes are nowhere in the ledger's files then; ids, hashes, outcomes and causes stay. Raises
        LedgerLockedError while a run is going.
        """
        return perform_purge(self.settings, route, messages=messages, written=written)

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
