"""The oracle of orders that are created on a target, or put into rows that it holds already."""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from bulkmove.demo.expected import Rules
from bulkmove.model import State
from tests.simulation.calls import BAD_PRODUCT, Row
from tests.simulation.oracle import Noted, SourceHost, TargetHost, Violation, never_read


class Moved:
    """Orders of a shop, created on another, or put into the rows that the other held under their keys before.

    To be made when all rows are there that stand on the target before the first run.
    """

    def __init__(
        self, route: str, old: SourceHost, new: TargetHost, rules: Rules, *, mode: str, is_alone: bool = True
    ) -> None:
        """`is_alone`: no other route creates on the target."""
        self._is_alone = is_alone
        self.route = route
        self._old = old
        self._new = new
        self._rules = rules
        self._mode = mode
        self._before = copy.deepcopy(dict(new.orders))
        self._held: dict[str, list[str]] = defaultdict(list)
        for row_id, row in self._before.items():
            self._held[rules.key_of(row) or ""].append(row_id)
        self._made: dict[str, list[str]] = {}

    @property
    def may_stay_open(self) -> bool:
        return not self._new.shows_keys

    def violations(self, noted: Sequence[Noted], *, has_failed: bool) -> Iterator[Violation]:
        known = {each.source_id for each in noted}
        yield from never_read("order", self._old.stood(), known)
        self._made = defaultdict(list)
        for made in self._new.created:
            self._made[made.key].append(made.row_id)
        ours = {self._rules.key(name): name for name in known}
        for each in noted:
            yield from self._judge(each, has_failed=has_failed)
        for key in sorted(self._new.bodies.of_two & ours.keys()):
            yield Violation(
                "wrong", f"order {ours[key]} was sent with two different bodies: it was mapped twice"
            )
        yield from self._strangers(ours)

    def _strangers(self, ours: Mapping[str, str]) -> Iterator[Violation]:
        for key in sorted(self._made.keys() - ours.keys()) if self._is_alone else ():
            yield Violation("wrong", f"a row with the key {key!r} was created that no record asked for")
        for row_id, row in self._before.items():
            is_matched = (
                self._rules.key_of(row) in ours and len(self._held[self._rules.key_of(row) or ""]) == 1
            )
            if not is_matched and self._new.orders.get(row_id) != row:
                yield Violation("wrong", f"row {row_id}, which was there before and is nobody's, was changed")

    def _judge(self, each: Noted, *, has_failed: bool) -> Iterator[Violation]:
        key = self._rules.key(each.source_id)
        made, held = self._made.get(key, []), self._held.get(key, [])
        name = f"order {each.source_id} ({each.state.name.lower()}, {each.cause})"
        if len(made) > 1:
            yield Violation("doubled", f"{name} was created as {' and '.join(made)}")
        if made and held:
            yield Violation("doubled", f"{name} was created as {made[0]} beside {held[0]}, which had its key")
        match each.state:
            case State.WRITTEN | State.UNCHANGED:
                yield from self._judge_written(each, name, made or held)
            case State.REJECTED:
                yield from self._judge_rejected(each, name, made, held, has_failed=has_failed)
            case State.UNKNOWN:
                is_aside = each.cause == "kept-failing" and bool(held) and has_failed
                is_unlearnt = each.cause == "key-not-kept" and not self._new.created
                if self._new.keeps(key) and not is_aside and not is_unlearnt:
                    yield Violation(
                        "unknown", f"{name} could have been settled; on the target: {made or held}"
                    )
            case State.PENDING if self.may_stay_open:
                pass
            case _:
                yield Violation("open", f"{name} has no outcome that such a record could have")

    def _judge_rejected(
        self, each: Noted, name: str, made: Sequence[str], held: Sequence[str], *, has_failed: bool
    ) -> Iterator[Violation]:
        is_changed = any(self._new.orders.get(row_id) != self._before[row_id] for row_id in held)
        if made:
            yield Violation("wrong", f"{name} is on the target as {made[0]}")
        elif is_changed and each.cause != "kept-failing":
            yield Violation("wrong", f"{name} changed its row, one of {held}")
        elif not self._may_be_rejected(each, held, has_failed=has_failed):
            yield Violation("lost", f"{name} was rejected without need")

    def _judge_written(self, each: Noted, name: str, rows: Sequence[str]) -> Iterator[Violation]:
        if not rows:
            yield Violation("lost", f"{name} is not on the target")
        elif rows[0] != each.target_id:
            yield Violation("wrong", f"{name} is row {rows[0]}, and the ledger says {each.target_id}")
        elif not self._is_right(each.source_id, self._new.orders[rows[0]]):
            yield Violation("wrong", f"{name} is {self._new.orders[rows[0]]}")

    def _is_right(self, source_id: str, row: Row) -> bool:
        shown = self._rules.shown(row)
        key_field = next(iter({"rrn", "store_id", "channel_ref_id"} & shown.keys()))
        if shown[key_field] == self._rules.key(source_id):
            shown[key_field] = None
        elif self._new.keeps(self._rules.key(source_id)):
            return False
        else:
            shown[key_field] = None
        expected = (self._rules.expected(version) for version in self._old.served[source_id])
        return any(
            each is not None and _in_order({**each, key_field: None}) == _in_order(shown) for each in expected
        )

    def _may_be_rejected(self, each: Noted, held: Sequence[str], *, has_failed: bool) -> bool:
        versions = self._old.served[each.source_id]
        match each.cause:
            case "no-lines" | "no-new-id":
                return any(self._rules.expected(version) is None for version in versions)
            case "refused":
                lines = [line["product_id"] for version in versions for line in version["line_items"]]
                return not lines or BAD_PRODUCT in lines
            case "key-not-kept":
                return not self._new.shows_keys
            case "ambiguous-key":
                return len(held) > 1
            case "exists":
                return self._mode == "create" and len(held) == 1
            case "no-match":
                return self._mode == "update" and not held
            case "lines-left":
                most = max(len(version["line_items"]) for version in versions)
                return len(held) == 1 and len(self._before[held[0]]["order_items"]) > most
            case "kept-failing":
                return has_failed
            case _:
                return False


def _in_order(order: Row) -> Row:
    """Lines that were there before stay in their places, whatever they become: their order says nothing."""
    lines = order.get("order_items")
    return order if lines is None else {**order, "order_items": sorted(lines, key=repr)}
