"""A whole migration between shops in memory, on a real ledger: what the tests of the pipeline run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import anyio

from bulkmove.errors import single_error
from bulkmove.events import Event
from bulkmove.ledger import SqliteLedger, open_ledger
from bulkmove.mapping.resolve import ResolvedMapper
from bulkmove.model import Failure, JsonObject, Summary
from bulkmove.pipeline.canaries import CanaryWatch
from bulkmove.pipeline.job import RunOptions
from bulkmove.pipeline.migration import open_migration
from bulkmove.pipeline.plan import MigrationPlan, RoutePlan
from bulkmove.pipeline.runner import run_migration
from bulkmove.protocols import MapContext, Mapper, StreamSpec
from bulkmove.settings import Confirm, HostSettings, MigrationSettings, Mode, RouteSettings, StreamName, Sweep
from tests.doubles import Shop, TogetherLedger, Trap, as_connector


def copy_key(record: JsonObject, context: MapContext) -> JsonObject:
    """A body that is found again by the key of its record."""
    del context
    return {"key": record["key"], "value": record.get("value")}


@dataclass
class Trial:
    """Shops by the name of their host, each with the one stream `rows`, and routes between them.

    Writes in doubt are due at once, so that no test waits: `settle_s` takes back the two seconds by which a
    ledger dates what an ended run left open.
    """

    directory: Path
    shops: dict[str, Shop]
    settle_s: float = -10.0
    sweep: Sweep = "doubts"
    urls: dict[str, str] = field(default_factory=dict)
    routes: dict[str, RoutePlan] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    mapped: list[Any] = field(default_factory=list)
    on_event_too: Callable[[Event], None] | None = None
    watch: CanaryWatch | None = None

    @property
    def ledger(self) -> Path:
        return self.directory / "trial.ledger.db"

    def route(
        self,
        name: str = "rows",
        *,
        source: str = "old",
        target: str = "new",
        mapper: Mapper = copy_key,
        mode: Mode = "upsert",
        after: tuple[str, ...] = (),
        batch_size: int | None = None,
        fingerprint: object = "as it was",
        confirm: Confirm = "sample",
    ) -> Trial:
        """Adds a route, or puts it in the place of one of the same name; `mapped` keeps what its mapper was given."""
        spec = StreamSpec(name="rows", id_field="id", can_read=True, can_write=True, natural_key="key")
        self.routes[name] = RoutePlan(
            settings=RouteSettings(
                name=name,
                source=StreamName(source, "rows"),
                target=StreamName(target, "rows"),
                mapper="a function",
                mode=mode,
                after=after,
                batch_size=batch_size,
                confirm=confirm,
            ),
            source=spec,
            target=spec,
            mapper=_resolved(self._counted(name, mapper)),
            tables={},
            fingerprint={"mapper file": fingerprint, "mode": mode},
        )
        return self

    def _counted(self, name: str, mapper: Mapper) -> Mapper:
        def counted(record: JsonObject, context: MapContext) -> Any:
            self.mapped.append((name, record.get("id")))
            return mapper(record, context)

        return counted

    async def run(
        self,
        *,
        limit: int | None = None,
        accept_changes: bool = False,
        stop: anyio.Event | None = None,
        trap: Trap | None = None,
        look_up_together: bool = False,
        attempts_over_s: float | None = None,
        on_event: Callable[[Event], None] | None = None,
    ) -> Summary:
        self.on_event_too = on_event
        plan = MigrationPlan(
            self.settings, {name: as_connector({"rows": s}) for name, s in self.shops.items()}, self.routes
        )
        options = RunOptions(limit=limit, accept_changes=accept_changes, canary=self.watch)
        if attempts_over_s is not None:
            options = RunOptions(limit=limit, accept_changes=accept_changes, attempts_over_s=attempts_over_s)
        with single_error():
            async with open_ledger(self.ledger, synchronous="normal") as ledger:
                seen = trap.around(ledger) if trap else ledger
                return await run_migration(
                    plan,
                    cast("SqliteLedger", TogetherLedger(seen)) if look_up_together else seen,
                    options=options,
                    observer=self,
                    stop=stop or anyio.Event(),
                )

    async def run_into(self, trap: Trap) -> bool:
        """Run until the trap is sprung and cancel there; False where the run came to its end."""
        async with anyio.create_task_group() as tasks:

            async def watch() -> None:
                await trap.is_sprung.wait()
                tasks.cancel_scope.cancel()

            tasks.start_soon(watch)
            await self.run(trap=trap)
            tasks.cancel_scope.cancel()
        return trap.is_sprung.is_set()

    def on_event(self, event: Event) -> None:
        self.events.append(event)
        if self.on_event_too is not None:
            self.on_event_too(event)

    async def failures(self) -> list[Failure]:
        async with open_migration(self.settings) as migration:
            return list(migration.failures())

    @property
    def settings(self) -> MigrationSettings:
        hosts = {
            name: HostSettings(
                name=name,
                api="shop",
                url=self.urls.get(name, f"http://{name}.invalid"),
                settle_s=self.settle_s,
            )
            for name in self.shops
        }
        return MigrationSettings(
            name="trial",
            directory=self.directory,
            hosts=hosts,
            routes={name: plan.settings for name, plan in self.routes.items()},
            ledger=self.ledger,
            sweep=self.sweep,
        )


def _resolved(mapper: Mapper) -> ResolvedMapper:
    return ResolvedMapper(name="a function", function=mapper, is_async=False, file=None, digest="")
