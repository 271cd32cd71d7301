"""The oracles of rows that are changed together, and of rows that are deleted."""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from bulkmove.demo.expected import Rules
from bulkmove.model import State
from tests.simulation.oracle import Noted, SourceHost, Violation, never_read
from tests.simulation.robosize import Robosize


class Relinked:
    """Products of a list that is its own target: each gets the number that the table gives it, once."""

    def __init__(self, route: str, sizing: Robosize, ids: Mapping[str, str], *, is_confirmed: bool) -> None:
        """`is_confirmed`: each change is read back."""
        self._is_confirmed = is_confirmed
        self.route = route
        self._sizing = sizing
        self._ids = ids
        self.may_stay_open = False

    def violations(self, noted: Sequence[Noted], *, has_failed: bool) -> Iterator[Violation]:
        known = {each.source_id for each in noted}
        yield from never_read("product", self._sizing.stood(), known)
        for each in noted:
            yield from self._judge(each, has_failed=has_failed)
        for name in sorted(self._sizing.patched.keys() - known):
            yield Violation("wrong", f"product {name} was changed, and never read")

    def _judge(self, each: Noted, *, has_failed: bool) -> Iterator[Violation]:
        name = f"product {each.source_id} ({each.state.name.lower()}, {each.cause})"
        # Others never change the number, and what the list shows later may be ours.
        old = self._sizing.served[each.source_id][0]["store_id"]
        new = self._ids.get(old)
        sets = [change["store_id"] for change in self._sizing.patched.get(each.source_id, ())]
        if any(one != new for one in sets):
            yield Violation("wrong", f"{name} was {old}, and was set to {sets} instead of {new}")
        yield from self._judge_outcome(each, name, new, is_set=bool(sets), has_failed=has_failed)

    def _judge_outcome(
        self, each: Noted, name: str, new: str | None, *, is_set: bool, has_failed: bool
    ) -> Iterator[Violation]:
        row = self._sizing.products.get(each.source_id)
        if each.state is State.WRITTEN:
            if not is_set:
                yield Violation("lost", f"{name} was never changed")
            elif row is not None and row["store_id"] != new and not self._may_be_missed(each.source_id):
                yield Violation("wrong", f"{name} is {row['store_id']} instead of {new}")
        elif each.state is State.SKIPPED:
            is_gone = each.cause == "gone-at-source" and each.source_id in self._sizing.vanished
            if not is_gone and not (each.cause == "mapper" and new is None):
                yield Violation("lost", f"{name} was left out without need")
        elif each.cause == "not-found" and each.source_id in self._sizing.vanished:
            pass
        elif each.cause == "not-applied":
            if each.source_id not in self._sizing.vanished | self._sizing.passed_over:
                yield Violation("unknown", f"{name} could have been settled; the row is {row}")
        elif not (has_failed and each.cause == "kept-failing"):
            yield Violation("open", f"{name} has no outcome that such a record could have")

    def _may_be_missed(self, source_id: str) -> bool:
        return not self._is_confirmed and source_id in self._sizing.passed_over


class Deleted:
    """Rows of a target that are deleted where a source order has their key."""

    def __init__(self, route: str, old: SourceHost, new: Robosize, rules: Rules) -> None:
        self.route = route
        self._old = old
        self._new = new
        self._rules = rules
        self._before = copy.deepcopy(dict(new.orders))
        self.may_stay_open = False

    def violations(self, noted: Sequence[Noted], *, has_failed: bool) -> Iterator[Violation]:
        held: dict[str, list[str]] = defaultdict(list)
        for row_id, row in self._before.items():
            held[self._rules.key_of(row) or ""].append(row_id)
        yield from never_read("order", self._old.stood(), {each.source_id for each in noted})
        theirs = {row_id for each in noted for row_id in held.get(self._rules.key(each.source_id), ())}
        for row_id, row in self._before.items():
            if row_id not in theirs and self._new.orders.get(row_id) != row:
                yield Violation("wrong", f"row {row_id} is nobody's, and was changed or deleted")
        for each in noted:
            rows = held.get(self._rules.key(each.source_id), [])
            there = [row_id for row_id in rows if row_id in self._new.orders]
            if not self._is_right(each, rows, there) and not (has_failed and each.cause == "kept-failing"):
                name = f"order {each.source_id} ({each.state.name.lower()}, {each.cause})"
                yield Violation("wrong", f"{name} had the rows {rows}, of which {there} are there")

    def _is_right(self, each: Noted, rows: Sequence[str], there: Sequence[str]) -> bool:
        match each.state, each.cause:
            case (State.WRITTEN | State.UNCHANGED, _):
                return len(rows) == 1 and not there
            case (State.REJECTED, "no-match"):
                return not rows
            case (State.REJECTED, "ambiguous-key"):
                return len(rows) > 1 and there == rows
            case (State.REJECTED, "not-found"):
                # Deleted by a request whose answer was lost with its run, which is not told from a wrong address.
                return set(rows) <= set(self._new.deleted)
            case _:
                return False
