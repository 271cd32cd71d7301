"""The ledger against a model in dicts: any sequence of pages, outcomes, splits, failures, restarts and crashes."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import anyio.from_thread
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from bulkmove.entries import Entry, Member, Refusal, Settled, Span
from bulkmove.errors import LedgerError, single_error
from bulkmove.ledger import SqliteLedger, open_ledger
from bulkmove.model import Counts, State

CLOSED = [State.SKIPPED, State.UNCHANGED, State.WRITTEN, State.REJECTED, State.UNKNOWN]
AS_MAPPED = [State.PENDING] * 4 + [State.SKIPPED, State.REJECTED, State.UNCHANGED]
COUNTED_AS = ["skipped", "unchanged", "written", "pending", "pending", "rejected", "unknown"]
UPPER = 1000
ROUTE, LIST = "r", "new.rows"

Name = tuple[str, int]


@dataclass
class Kept:
    """One body: how it stands, the chunk and the bytes that keep it, the write that it is in doubt in."""

    state: State
    chunk: int
    body: bytes
    intent: int | None = None
    attempts: int = 0
    target_id: str | None = None


@dataclass
class Model:
    """What a ledger is to hold. `raw`: chunks of rows that wait to be mapped; `dropped`: names of a reading that was begun anew."""

    bodies: dict[Name, Kept] = field(default_factory=dict)
    raw: dict[int, list[str]] = field(default_factory=dict)
    dropped: set[str] = field(default_factory=set)
    gone: set[str] = field(default_factory=set)
    owners: dict[str, str] = field(default_factory=dict)
    spans: dict[int, Span] = field(default_factory=dict)

    def named(self, state: State, *, in_doubt: bool) -> list[Name]:
        return [n for n, k in self.bodies.items() if k.state is state and (k.intent is not None) is in_doubt]

    def members(self, names: list[Name]) -> list[Member]:
        return [Member(*name, self.bodies[name].chunk) for name in names]

    def counts(self) -> Counts:
        worst: dict[str, State] = {}
        for (source_id, _), kept in self.bodies.items():
            worst[source_id] = max(kept.state, worst.get(source_id, State.SKIPPED))
        totals: dict[str, int] = {}
        for state in worst.values():
            totals[COUNTED_AS[state]] = totals.get(COUNTED_AS[state], 0) + 1
        return Counts(**totals)

    def intents(self) -> dict[int, set[Name]]:
        found: dict[int, set[Name]] = {}
        for name, kept in self.bodies.items():
            if kept.intent is not None:
                found.setdefault(kept.intent, set()).add(name)
        return found

    def settle(self, outcomes: list[Settled]) -> None:
        for outcome in outcomes:
            kept = self.bodies[outcome.member.source_id, outcome.member.part]
            kept.state, kept.intent, kept.target_id = outcome.state, None, outcome.target_id

    def begin_anew(self) -> None:
        """A new run: attempts are counted from nothing."""
        for kept in self.bodies.values():
            if kept.state is State.PENDING:
                kept.attempts = 0


class LedgerMachine(RuleBasedStateMachine):
    """Where the disk is stalled, nothing becomes durable: what is handed over then is lost in a crash, and nothing else."""

    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="ledger-machine-"))
        self.files = 0
        self.path = self.folder / "0.db"
        self.model = Model()
        self.number = 0
        self.stall: sqlite3.Connection | None = None
        self.durable = Model()
        self.portals = anyio.from_thread.start_blocking_portal("asyncio")
        self.portal = self.portals.__enter__()
        self.open()
        self.change_spans([Span(1, None, UPPER, None, is_done=False, evidence=0)])

    def open(self) -> None:
        self.context = self.portal.wrap_async_context_manager(open_ledger(self.path, synchronous="normal"))
        self.ledger: SqliteLedger = self.context.__enter__()
        self.portal.call(self.ledger.begin_run)
        self.portal.call(self.ledger.save_route, ROUTE, "{}")
        self.portal.call(self.ledger.save_list, LIST)
        self.model.begin_anew()

    def close(self) -> None:
        self.resume()
        self.context.__exit__(None, None, None)

    def resume(self) -> None:
        stall, self.stall = self.stall, None
        if stall is not None:
            stall.execute("ROLLBACK")
            stall.close()

    # The disk

    @precondition(lambda self: self.stall is None)
    @rule()
    def stall_the_disk(self) -> None:
        self.portal.call(self.ledger.counts, ROUTE)
        self.stall = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
        self.stall.execute("BEGIN IMMEDIATE")
        self.durable = deepcopy(self.model)

    @rule()
    def restart(self) -> None:
        self.close()
        self.open()

    @rule()
    def crash(self) -> None:
        """The process is gone: what is left is the file and its log as they are now."""
        if self.stall is None:
            self.portal.call(self.ledger.counts, ROUTE)
        else:
            self.model = self.durable
        self.files += 1
        left, self.path = self.path, self.folder / f"{self.files}.db"
        for ending in ("", "-wal"):
            if (part := left.with_name(left.name + ending)).exists():
                shutil.copyfile(part, self.path.with_name(self.path.name + ending))
        self.close()
        self.open()
        self.look()

    # Reading and mapping

    @rule(parts=st.lists(st.integers(1, 3), min_size=1, max_size=4), data=st.data(), reads=st.integers(0, 90))
    def add_page(self, parts: list[int], data: st.DataObject, reads: int) -> None:
        """New records, and how far their span is read by them."""
        chunk = self.ledger.reserve_chunk()
        entries = self.mapped([self.new_id() for _ in parts], parts, data, chunk)
        span = self.read_on(data, reads)
        self.portal.call(
            lambda: self.ledger.add_page(ROUTE, entries, chunk=chunk, span=span, target_list=LIST)
        )
        self.check_at_once()

    @rule(count=st.integers(1, 3), data=st.data())
    def keep_rows(self, count: int, data: st.DataObject) -> None:
        """Rows as they were read, some of which a reading that was begun anew had shown before."""
        dropped = sorted(self.model.dropped - {name for name, _ in self.model.bodies})
        again = data.draw(st.lists(st.sampled_from(dropped), unique=True, max_size=2)) if dropped else []
        ids = [*again, *(self.new_id() for _ in range(count))]
        chunk = self.ledger.reserve_chunk()
        entries = [Entry(each, 0, State.SEEN, body=body_of(each, 0)) for each in ids]
        self.portal.call(lambda: self.ledger.add_page(ROUTE, entries, chunk=chunk, is_raw=True))
        self.model.raw[chunk] = ids
        self.model.bodies |= {(each, 0): Kept(State.SEEN, chunk, body_of(each, 0)) for each in ids}
        self.check_at_once()

    @precondition(lambda self: self.stall is None and self.model.raw)
    @rule(data=st.data())
    def map_rows(self, data: st.DataObject) -> None:
        found = self.portal.call(self.ledger.next_raw, ROUTE, 0)
        chunk = min(self.model.raw)
        assert found is not None
        assert (found[0], [row.source_id for row in found[1]]) == (chunk, self.model.raw[chunk])
        ids = self.model.raw.pop(chunk)
        count = data.draw(st.integers(1, len(ids)))
        if ids[count:]:
            self.model.raw[chunk] = ids[count:]
        number = self.ledger.reserve_chunk()
        for each in ids[:count]:
            del self.model.bodies[each, 0]
        parts = data.draw(st.lists(st.integers(1, 3), min_size=count, max_size=count))
        entries = self.mapped(ids[:count], parts, data, number)
        self.portal.call(
            lambda: self.ledger.add_page(ROUTE, entries, chunk=number, target_list=LIST, was_raw_chunk=chunk)
        )

    @precondition(lambda self: self.stall is None and self.model.raw)
    @rule()
    def begin_the_reading_anew(self) -> None:
        self.portal.call(self.ledger.drop_seen, ROUTE)
        seen = {each for ids in self.model.raw.values() for each in ids}
        self.model.dropped |= seen | self.model.gone
        for each in seen | self.model.gone:
            del self.model.bodies[each, 0]
        self.model.raw, self.model.gone = {}, set()

    @precondition(lambda self: self.stall is None)
    @rule()
    def skip_what_did_not_come_again(self) -> None:
        missing = self.model.dropped - {name for name, _ in self.model.bodies}
        assert self.portal.call(self.ledger.skip_gone, ROUTE) == len(missing)
        self.model.dropped = set()
        self.model.gone |= missing
        self.model.bodies |= {(each, 0): Kept(State.SKIPPED, 0, b"") for each in missing}

    @precondition(lambda self: self.stall is None)
    @rule(data=st.data())
    def split_a_span(self, data: st.DataObject) -> None:
        wide = [s for s in self.model.spans.values() if s.upper - (s.reached or 0) > 2]
        if wide:
            old = data.draw(st.sampled_from(wide))
            at = data.draw(st.integers((old.reached or 0) + 1, old.upper - 1))
            new = Span(max(self.model.spans) + 1, at, old.upper, None, is_done=False, evidence=0)
            # What a split says of the old span's progress is not to be heeded.
            self.change_spans([Span(old.id, old.lower, at, 999, is_done=True, evidence=7), new])

    # Writing

    @precondition(lambda self: self.stall is None and self.model.named(State.PENDING, in_doubt=False))
    @rule(data=st.data())
    def open_intent(self, data: st.DataObject) -> None:
        names = self.some(data, self.model.named(State.PENDING, in_doubt=False))
        number = self.portal.call(self.ledger.open_intent, ROUTE, self.model.members(names))
        for name in names:
            self.model.bodies[name].intent = number

    @precondition(lambda self: self.model.intents())
    @rule(data=st.data(), how=st.sampled_from(["settle", "park", "park as good"]))
    def end_intent(self, data: st.DataObject, how: str) -> None:
        number, members = data.draw(st.sampled_from(sorted(self.model.intents().items())))
        told = data.draw(st.lists(st.sampled_from(sorted(members)), unique=True))
        outcomes = self.outcomes(data, told)
        rest = sorted(members - set(told))
        self.model.settle(outcomes)
        if how == "settle" or not rest:
            self.portal.call(partial(self.ledger.settle, ROUTE, outcomes, intent=number))
            for name in rest:
                self.model.bodies[name].intent = None
            return
        doubtful = self.model.members(rest)
        refusal: Refusal | None = "named" if how == "park as good" else None
        self.portal.call(
            lambda: self.ledger.park(
                ROUTE, doubtful, intent=number, sent_at=5.0, settled=outcomes, refusal=refusal
            )
        )
        for name in rest:
            self.model.bodies[name].attempts += refusal is None

    @precondition(lambda self: self.model.named(State.PENDING, in_doubt=False))
    @rule(data=st.data())
    def settle(self, data: st.DataObject) -> None:
        outcomes = self.outcomes(data, self.some(data, self.model.named(State.PENDING, in_doubt=False)))
        self.portal.call(self.ledger.settle, ROUTE, outcomes)
        self.model.settle(outcomes)

    @precondition(lambda self: self.model.named(State.PENDING, in_doubt=False))
    @rule(data=st.data())
    def count_attempt(self, data: st.DataObject) -> None:
        names = self.some(data, self.model.named(State.PENDING, in_doubt=False))
        self.portal.call(self.ledger.count_attempt, ROUTE, self.model.members(names))
        for name in names:
            self.model.bodies[name].attempts += 1

    @precondition(lambda self: self.stall is None)
    @rule()
    def revive_the_unknown(self) -> None:
        self.portal.call(self.ledger.counts, ROUTE)
        unknown = self.model.named(State.UNKNOWN, in_doubt=False)
        known = set(self.model.intents())
        assert self.portal.call(self.ledger.revive_unknown, ROUTE) == len(unknown)
        for intent in self.portal.call(self.ledger.intents, ROUTE):
            if intent.id not in known:
                for name in unknown:
                    kept = self.model.bodies[name]
                    kept.state, kept.intent, kept.attempts = State.PENDING, intent.id, 0

    @precondition(lambda self: self.stall is None and self.model.bodies)
    @rule(data=st.data())
    def note_an_outcome_where_none_is_due(self, data: st.DataObject) -> None:
        """The ledger fails, and holds what it held."""
        name = data.draw(st.sampled_from([*self.model.bodies, ("nobody", 0)]))
        kept = self.model.bodies.get(name)
        if kept is not None and kept.state in {State.PENDING, State.SEEN}:
            return
        self.portal.call(self.ledger.counts, ROUTE)
        member = Member(*name, kept.chunk if kept is not None else 1)
        with pytest.raises(LedgerError):
            self.portal.call(self.fail_on, [Settled(member, State.WRITTEN)])
        with suppress(LedgerError), single_error():
            self.context.__exit__(None, None, None)
        self.open()
        self.look()

    async def fail_on(self, outcomes: list[Settled]) -> None:
        await self.ledger.settle(ROUTE, outcomes)
        await self.ledger.counts(ROUTE)

    # What has to hold

    def check_at_once(self) -> None:
        """Whatever is durable by now, what was handed over is known."""
        ids = {name for name, _ in self.model.bodies}
        assert self.portal.call(self.ledger.known, ROUTE, [*sorted(ids), "none"]) == ids
        found = self.portal.call(self.ledger.find_keys, LIST, [*self.model.owners, "none"])
        assert {key: each.owner and each.owner[1] for key, each in found.items()} == self.model.owners

    @precondition(lambda self: self.stall is None)
    @rule()
    def look(self) -> None:
        """All of the ledger, against all of the model."""
        ask = self.portal.call
        assert ask(self.ledger.counts, ROUTE) == self.model.counts()
        ask(lambda: self.ledger.check_balance(ROUTE, whole=True))
        self.check_at_once()
        bodies = self.model.bodies
        written = sum(kept.state is State.WRITTEN for kept in bodies.values())
        assert ask(self.ledger.written, ROUTE) == written
        told = {i.id: {(m.source_id, m.part) for m in i.members} for i in ask(self.ledger.intents, ROUTE)}
        assert told == self.model.intents()
        pending = {n: (k.body, k.attempts) for n, k in bodies.items() if k.state is State.PENDING}
        assert self.open_bodies() == pending
        assert {s.id: s for s in ask(self.ledger.progress, ROUTE).spans} == self.model.spans
        assert self.raw_rows() == self.model.raw
        for source_id in {name for name, _ in bodies}:
            ids = [k.target_id for (name, _), k in sorted(bodies.items()) if name == source_id]
            assert self.ledger.target_ids(ROUTE, source_id) == tuple(each for each in ids if each is not None)

    def open_bodies(self) -> dict[Name, tuple[bytes, int]]:
        found: dict[Name, tuple[bytes, int]] = {}
        chunk = 0
        while (page := self.portal.call(self.ledger.next_pending, ROUTE, chunk)) is not None:
            chunk = page[0]
            found |= {(i.member.source_id, i.member.part): (i.encoded, i.attempts) for i in page[1]}
        return found

    def raw_rows(self) -> dict[int, list[str]]:
        found: dict[int, list[str]] = {}
        chunk = 0
        while (page := self.portal.call(self.ledger.next_raw, ROUTE, chunk)) is not None:
            chunk = page[0]
            found[chunk] = [row.source_id for row in page[1]]
        return found

    # Parts of rules

    def new_id(self) -> str:
        self.number += 1
        return f"id-{self.number}"

    def mapped(self, ids: list[str], parts: list[int], data: st.DataObject, chunk: int) -> list[Entry]:
        entries = []
        for source_id, count in zip(ids, parts, strict=True):
            for part in range(count):
                state = data.draw(st.sampled_from(AS_MAPPED))
                key = f"k-{source_id}-{part}" if state is State.PENDING else None
                body = body_of(source_id, part) if state in {State.PENDING, State.REJECTED} else None
                entries.append(Entry(source_id, part, state, body=body, key=key))
                self.model.bodies[source_id, part] = Kept(state, chunk, body or b"")
                if key is not None:
                    self.model.owners[key] = source_id
        return entries

    def read_on(self, data: st.DataObject, by: int) -> Span | None:
        """A span as the page found it: it may have been cut shorter meanwhile."""
        spans = [span for span in self.model.spans.values() if not span.is_done]
        if not spans or not by:
            return None
        old = data.draw(st.sampled_from(spans))
        reached = min(old.upper, (old.reached if old.reached is not None else old.lower or 0) + by)
        done = reached == old.upper
        upper = UPPER if data.draw(st.booleans()) else old.upper
        self.model.spans[old.id] = Span(old.id, old.lower, old.upper, reached, is_done=done, evidence=by)
        return Span(old.id, old.lower, upper, reached, is_done=done, evidence=by)

    def change_spans(self, spans: list[Span]) -> None:
        self.portal.call(self.ledger.save_spans, ROUTE, spans)
        for new in spans:
            old = self.model.spans.get(new.id, new)
            self.model.spans[new.id] = Span(
                old.id,
                old.lower,
                min(old.upper, new.upper),
                old.reached,
                is_done=old.is_done,
                evidence=old.evidence,
            )

    def some(self, data: st.DataObject, names: list[Name]) -> list[Name]:
        return data.draw(st.lists(st.sampled_from(sorted(names)), unique=True, min_size=1, max_size=4))

    def outcomes(self, data: st.DataObject, names: list[Name]) -> list[Settled]:
        made = []
        for member in self.model.members(names):
            state = data.draw(st.sampled_from(CLOSED))
            is_there = state in {State.WRITTEN, State.UNCHANGED}
            target_id = f"t-{member.source_id}-{member.part}" if is_there else None
            made.append(Settled(member, state, target_id=target_id, cause="a cause", message="why"))
        return made

    def teardown(self) -> None:
        if hasattr(self, "ledger"):
            self.resume()
            try:
                self.look()
            finally:
                self.close()
                self.portals.__exit__(None, None, None)
                shutil.rmtree(self.folder)


def body_of(source_id: str, part: int) -> bytes:
    return b'{"of":"%s","part":%d}' % (source_id.encode(), part)


def machine(examples: int, steps: int) -> Any:
    return settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )


def test_the_ledger_is_as_the_model_whatever_happens() -> None:
    run_state_machine_as_test(LedgerMachine, settings=machine(20, 25))


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_the_ledger_is_as_the_model_whatever_happens_for_long() -> None:
    run_state_machine_as_test(LedgerMachine, settings=machine(1500, 60))
