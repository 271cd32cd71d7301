"""Whole migrations against a model: a list that moves, a target that fails, runs that are stopped and killed, in any order."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from bulkmove.errors import HostUnavailableError, InDoubtError, RejectRecordError, single_error
from bulkmove.events import Event, RecordsSettled
from bulkmove.extract.testing import Habits, MovingList, make_rows
from bulkmove.ledger import open_ledger
from bulkmove.model import Counts, JsonObject, State, Summary, Verdict, WriteItem, WriteResult
from bulkmove.pipeline.job import RunOptions
from bulkmove.pipeline.plan import MigrationPlan
from bulkmove.pipeline.runner import run_migration
from bulkmove.protocols import Connector, MapContext, Source, Transport
from bulkmove.settings import RouteSettings
from tests.doubles import ARRAY, ONCE, SINGLE, Shop, ShopConnector, Trap, as_connector
from tests.trial import Trial

RULES = {"one by one": SINGLE, "one by one, with intents": ONCE, "arrays": ARRAY}
FATES = ["done", "done", "done", "lost after it was done", "lost before", "down"]
# Runs without a fault after which a migration has to be finished: what was in doubt is looked up, then sent again.
ENOUGH_RUNS = 4


class MovingConnector(ShopConnector):
    """A shop whose list is another one, which moves."""

    moving: MovingList

    def source(self, stream: str, transport: Transport, route: RouteSettings) -> Source:
        del stream, transport, route
        return self.moving


def kind_of(source_id: str) -> str:
    """What is to become of a record, by its number."""
    number = int(source_id.rpartition("-")[2])
    return {6: "refused", 7: "skipped", 8: "rejected", 9: "two"}.get(number % 10, "one")


def keys_of(source_id: str) -> list[str]:
    return [f"{source_id}/a", f"{source_id}/b"] if kind_of(source_id) == "two" else [source_id]


class MigrationMachine(RuleBasedStateMachine):
    @initialize(
        reading=st.sampled_from(["keyset", "passes"]),
        rules=st.sampled_from(sorted(RULES)),
        is_atomic=st.booleans(),
        seed=st.integers(0, 10_000),
        clamp=st.sampled_from([None, 4]),
        there=st.integers(0, 5),
    )
    def begin(
        self, *, reading: Any, rules: str, is_atomic: bool, seed: int, clamp: int | None, there: int
    ) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="migration-machine-"))
        rows = make_rows(seed, groups=9, most=4)
        habits = Habits(reading=reading, page_limit=7, clamp=clamp, moves=0.3, moves_until=40)
        self.moving = MovingList(habits, rows, seed=seed)
        known = [{"key": key, "value": "old"} for row in rows[:there] for key in keys_of(row.id)]
        self.new = Shop.of(known, rules=RULES[rules], answer=self.answer)
        self.is_atomic = is_atomic
        self.fates: list[str] = []
        self.mappings = count(1)
        self.old = MovingConnector({})
        self.old.moving = self.moving
        self.trial = Trial(self.folder, {"old": Shop(), "new": self.new}).route(mapper=self.map)

    # What the hosts and the mapper do

    def map(self, record: JsonObject, context: MapContext) -> Any:
        """Each mapping says which one it is: what is sent again has to be what was sent at first."""
        del context
        match kind_of(record["id"]):
            case "skipped":
                return None
            case "rejected":
                raise RejectRecordError("not this one")
        value = f"mapping {next(self.mappings)}"
        return [{"key": key, "value": value} for key in keys_of(record["id"])]

    async def answer(self, shop: Shop, items: Sequence[WriteItem]) -> Sequence[WriteResult]:
        fate = self.fates.pop(0) if self.fates else "done"
        if fate == "down":
            raise HostUnavailableError("the host is down")
        if fate == "lost before":
            raise InDoubtError("no answer", sent_at=time.time())
        bad = [kind_of(item.body["key"].partition("/")[0]) == "refused" for item in items]
        if any(bad):
            results = [
                WriteResult(Verdict.REJECTED, cause="refused", message="no")
                if is_bad
                else self.held(shop, item)
                for is_bad, item in zip(bad, items, strict=True)
            ]
        else:
            results = [shop.apply(item) for item in items]
        if fate == "lost after it was done":
            raise InDoubtError("no answer", sent_at=time.time())
        return results

    def held(self, shop: Shop, item: WriteItem) -> WriteResult:
        """A host that is not atomic does what it says it refused."""
        if not self.is_atomic:
            shop.apply(item)
        return WriteResult(Verdict.HELD)

    # Runs

    @rule(fates=st.lists(st.sampled_from(FATES), max_size=12), limit=st.none() | st.integers(1, 15))
    def run(self, fates: list[str], limit: int | None) -> None:
        self.fates = fates
        summary = anyio.run(lambda: self.migrate(limit=limit))
        assert summary.exit_code in {0, 3, 5}
        self.check(summary.routes["rows"])

    @rule(fates=st.lists(st.sampled_from(FATES), max_size=6), after=st.integers(1, 4))
    def run_and_stop(self, fates: list[str], after: int) -> None:
        """Ctrl-C: what is in flight is finished."""
        self.fates = fates
        summary = anyio.run(lambda: self.migrate(stop_after=after))
        assert summary.exit_code in {0, 3, 5}
        self.check(summary.routes["rows"])

    @rule(fates=st.lists(st.sampled_from(FATES), max_size=6), at=st.integers(1, 60))
    def run_and_kill(self, fates: list[str], at: int) -> None:
        """The process is gone at one of the points of a run; its file is left as it was then."""
        self.fates = fates
        anyio.run(self.migrate_until_killed, at)

    @rule(moves=st.integers(1, 5))
    def others_change_the_list(self, moves: int) -> None:
        for _ in range(moves):
            self.moving._move()

    async def migrate(
        self, *, limit: int | None = None, stop_after: int | None = None, trap: Trap | None = None
    ) -> Summary:
        connectors: dict[str, Connector] = {"old": self.old, "new": as_connector({"rows": self.new})}
        plan = MigrationPlan(self.trial.settings, connectors, self.trial.routes)
        self.new.answer = trap.answering(self.answer) if trap is not None else self.answer
        stop = anyio.Event()
        with single_error():
            async with open_ledger(self.trial.ledger, synchronous="normal") as ledger:
                return await run_migration(
                    plan,
                    trap.around(ledger) if trap is not None else ledger,
                    options=RunOptions(limit=limit),
                    observer=Stopper(stop, stop_after),
                    stop=stop,
                )

    async def migrate_until_killed(self, at: int) -> None:
        trap = Trap(at)
        async with anyio.create_task_group() as tasks:

            async def kill() -> None:
                await trap.is_sprung.wait()
                self.copy("", ".left")
                tasks.cancel_scope.cancel()

            tasks.start_soon(kill)
            await self.migrate(trap=trap)
            tasks.cancel_scope.cancel()
        if trap.is_sprung.is_set():
            self.copy(".left", "")

    def copy(self, left: str, right: str) -> None:
        for ending in ("", "-wal"):
            source, copy = (self.folder / f"trial.ledger.db{name}{ending}" for name in (left, right))
            copy.unlink(missing_ok=True)
            if source.exists():
                shutil.copyfile(source, copy)

    # What has to hold

    def check(self, counts: Counts) -> None:
        """After every run that came to its own end: all that was read is accounted for, as it stands on the target."""
        states = self.states()
        assert counts.read == len(states)
        rows = Counter(row["key"] for row in self.new.rows.values())
        assert max(rows.values(), default=0) <= 1, "a row was doubled"
        for source_id, bodies in states.items():
            for state, key in zip(bodies, keys_of(source_id), strict=False):
                if state is State.WRITTEN:
                    assert rows[key], f"{key} is said to be written, and is not there"
                if state is State.REJECTED:
                    assert kind_of(source_id) in {"refused", "rejected"}
                if state is State.SKIPPED:
                    assert kind_of(source_id) == "skipped"
                assert state is not State.UNKNOWN, "its target shows everything"
        sent: dict[str, set[bytes]] = defaultdict(set)
        for request in self.new.requests:
            for item in request:
                sent[item.body["key"]].add(item.encoded)
        twice = {key: bodies for key, bodies in sent.items() if len(bodies) > 1}
        assert not twice, f"bodies were sent again as other ones: {twice}"

    def states(self) -> dict[str, list[State]]:
        """The outcomes of each record's bodies."""
        if not self.trial.ledger.exists():
            return {}
        with closing(sqlite3.connect(self.trial.ledger)) as connection:
            rows = connection.execute("SELECT source_id, state FROM records ORDER BY source_id, body")
            found: dict[str, list[State]] = defaultdict(list)
            for source_id, state in rows:
                found[source_id].append(State(state))
            return found

    def teardown(self) -> None:
        if hasattr(self, "trial"):
            try:
                self.finish()
            finally:
                shutil.rmtree(self.folder)

    def finish(self) -> None:
        """Run until it is done: what stood all the time has become what it should, once."""
        self.fates = []
        for _ in range(ENOUGH_RUNS):
            summary = anyio.run(self.migrate)
            if summary.finished:
                break
        assert summary.finished == {"rows"}, summary
        assert summary.exit_code in {0, 3}
        self.check(summary.routes["rows"])
        states = self.states()
        assert not self.moving.stood() - states.keys(), "a row that stood all the time was not read"
        rows = {row["key"]: row["value"] for row in self.new.rows.values()}
        for source_id in states:
            for key in keys_of(source_id):
                is_there = rows.get(key, "old") != "old"
                assert is_there == (kind_of(source_id) in {"one", "two"}), (source_id, states[source_id])


class Stopper:
    """Implements Observer: asks for an end after so many outcomes."""

    def __init__(self, stop: anyio.Event, after: int | None) -> None:
        self._stop = stop
        self._after = after

    def on_event(self, event: Event) -> None:
        if self._after is not None and isinstance(event, RecordsSettled):
            self._after -= 1
            if self._after <= 0:
                self._stop.set()


def machine(examples: int, steps: int) -> Any:
    return settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )


def test_every_record_becomes_what_it_should_once_whatever_happens() -> None:
    run_state_machine_as_test(MigrationMachine, settings=machine(20, 6))


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_every_record_becomes_what_it_should_once_whatever_happens_for_long() -> None:
    run_state_machine_as_test(MigrationMachine, settings=machine(1500, 12))
