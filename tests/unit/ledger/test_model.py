"""The ledger against a model in a dict, over any sequence of changes, restarts and failures."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio.from_thread
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from bulkmove.entries import Entry, Member, Settled
from bulkmove.ledger import SqliteLedger, open_ledger
from bulkmove.model import Counts, State

CLOSED = [State.SKIPPED, State.UNCHANGED, State.WRITTEN, State.REJECTED, State.UNKNOWN]
FIELDS = ["skipped", "unchanged", "written", "pending", "pending", "rejected", "unknown"]


@dataclass
class Kept:
    state: State
    chunk: int
    body: bytes
    intent: int | None = None


@dataclass
class Model:
    """Bodies by source id and part; `intents` by number."""

    bodies: dict[tuple[str, int], Kept] = field(default_factory=dict)

    def counts(self) -> Counts:
        worst: dict[str, State] = {}
        for (source_id, _), kept in self.bodies.items():
            worst[source_id] = max(kept.state, worst.get(source_id, State.SKIPPED))
        totals: dict[str, int] = {}
        for state in worst.values():
            totals[FIELDS[state]] = totals.get(FIELDS[state], 0) + 1
        return Counts(**totals)

    def free(self) -> list[tuple[str, int]]:
        return [n for n, k in self.bodies.items() if k.state is State.PENDING and k.intent is None]

    def members(self, names: list[tuple[str, int]]) -> list[Member]:
        return [Member(*name, self.bodies[name].chunk) for name in names]


class LedgerMachine(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="ledger-model-"))
        self.model = Model()
        self.number = 0
        self.stack = AsyncExitStack()
        self.portals = anyio.from_thread.start_blocking_portal("asyncio")
        self.portal = self.portals.__enter__()
        self.open()

    def open(self) -> None:
        self.context = self.portal.wrap_async_context_manager(
            open_ledger(self.folder / "a.db", synchronous="normal")
        )
        self.ledger: SqliteLedger = self.context.__enter__()
        self.portal.call(self.ledger.begin_run)
        self.portal.call(self.ledger.save_route, "r", "{}")

    def close(self) -> None:
        self.context.__exit__(None, None, None)

    @rule(parts=st.lists(st.integers(1, 3), min_size=1, max_size=5), states=st.data())
    def add_page(self, parts: list[int], states: st.DataObject) -> None:
        chunk = self.ledger.reserve_chunk()
        entries = []
        for count in parts:
            self.number += 1
            for part in range(count):
                state = states.draw(st.sampled_from([State.PENDING] * 3 + [State.SKIPPED, State.REJECTED]))
                name, body = (f"id-{self.number}", part), b'{"n":%d}' % self.number
                entries.append(Entry(*name, state, body=body if state is not State.SKIPPED else None))
                self.model.bodies[name] = Kept(state, chunk, body)
        self.portal.call(lambda: self.ledger.add_page("r", entries, chunk=chunk))
        ids = {name[0] for name in self.model.bodies}
        assert self.portal.call(self.ledger.known, "r", [*ids, "none"]) == ids

    @precondition(lambda self: self.model.free())
    @rule(data=st.data())
    def open_intent(self, data: st.DataObject) -> None:
        names = data.draw(st.lists(st.sampled_from(self.model.free()), unique=True, min_size=1, max_size=4))
        number = self.portal.call(self.ledger.open_intent, "r", self.model.members(names))
        for name in names:
            self.model.bodies[name].intent = number

    @precondition(lambda self: any(k.intent for k in self.model.bodies.values()))
    @rule(data=st.data(), how=st.sampled_from(["settle", "park"]))
    def end_intent(self, data: st.DataObject, how: str) -> None:
        intents = sorted({k.intent for k in self.model.bodies.values() if k.intent is not None})
        number = data.draw(st.sampled_from(intents))
        names = [name for name, k in self.model.bodies.items() if k.intent == number]
        told = data.draw(st.lists(st.sampled_from(names), unique=True))
        settled = [Settled(member, data.draw(st.sampled_from(CLOSED))) for member in self.model.members(told)]
        rest = [name for name in names if name not in told]
        for outcome in settled:
            kept = self.model.bodies[outcome.member.source_id, outcome.member.part]
            kept.state, kept.intent = outcome.state, None
        if how == "park" and rest:
            members = self.model.members(rest)
            self.portal.call(
                lambda: self.ledger.park("r", members, intent=number, sent_at=5.0, settled=settled)
            )
        else:
            self.portal.call(lambda: self.ledger.settle("r", settled, intent=number))
            for name in rest:
                self.model.bodies[name].intent = None

    @precondition(lambda self: self.model.free())
    @rule(data=st.data())
    def settle(self, data: st.DataObject) -> None:
        names = data.draw(st.lists(st.sampled_from(self.model.free()), unique=True, max_size=4))
        settled = [Settled(m, data.draw(st.sampled_from(CLOSED))) for m in self.model.members(names)]
        self.portal.call(self.ledger.settle, "r", settled)
        for outcome in settled:
            self.model.bodies[outcome.member.source_id, outcome.member.part].state = outcome.state

    @rule()
    def revive(self) -> None:
        self.portal.call(self.ledger.counts, "r")
        unknown = [k for k in self.model.bodies.values() if k.state is State.UNKNOWN]
        before = {intent.id for intent in self.portal.call(self.ledger.intents, "r")}
        assert self.portal.call(self.ledger.revive_unknown, "r") == len(unknown)
        for intent in self.portal.call(self.ledger.intents, "r"):
            if intent.id not in before:
                for kept in unknown:
                    kept.state, kept.intent = State.PENDING, intent.id

    @rule()
    def restart(self) -> None:
        self.close()
        self.open()

    @invariant()
    def the_ledger_is_as_the_model(self) -> None:
        if not hasattr(self, "ledger"):
            return
        assert self.portal.call(self.ledger.counts, "r") == self.model.counts()
        found: dict[int, set[tuple[str, int]]] = {}
        for intent in self.portal.call(self.ledger.intents, "r"):
            found[intent.id] = {(m.source_id, m.part) for m in intent.members}
        expected: dict[int, set[tuple[str, int]]] = {}
        for name, kept in self.model.bodies.items():
            if kept.intent is not None:
                expected.setdefault(kept.intent, set()).add(name)
        assert found == expected
        assert self._open_bodies() == {
            name: kept.body for name, kept in self.model.bodies.items() if kept.state is State.PENDING
        }

    def _open_bodies(self) -> dict[tuple[str, int], bytes]:
        bodies: dict[tuple[str, int], bytes] = {}
        chunk = 0
        while (page := self.portal.call(self.ledger.next_pending, "r", chunk)) is not None:
            chunk = page[0]
            bodies |= {(i.member.source_id, i.member.part): i.encoded for i in page[1]}
        return bodies

    def teardown(self) -> None:
        if hasattr(self, "ledger"):
            self.close()
            kept: Any = self.model.bodies.values()
            assert (self.folder / "a.db").exists() or not kept
            self.portals.__exit__(None, None, None)
            shutil.rmtree(self.folder)


TestLedgerMachine = LedgerMachine.TestCase
TestLedgerMachine.settings = settings(
    max_examples=25, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
)
