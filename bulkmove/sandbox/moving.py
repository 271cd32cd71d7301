"""Rows that come, go and change while somebody reads: before a given request for a list, or by seeded dice at each."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

from bulkmove.sandbox.calls import Json
from bulkmove.sandbox.changes import Changes

MOVES = ("insert", "delete", "redate", "touch")
# The API and the kind of call by which each list is read.
_READ_BY = {
    "orders": ("merchantpro", "list"),
    "external-orders": ("external-order", "list"),
    "robosize-orders": ("robosize", "orders"),
    "robosize-products": ("robosize", "products"),
}


@dataclass(slots=True)
class _Once:
    """A change that is made before the page is read that `after` others come before."""

    rows: str
    after: int
    change: Json


@dataclass(slots=True)
class _Always:
    """About `each` changes of the given kinds before each of the next `until` pages."""

    rows: str
    each: float
    kinds: tuple[str, ...]
    until: int
    dice: random.Random


class Moves:
    """The moves that are still to come."""

    def __init__(self, changes: Changes) -> None:
        self._changes = changes
        self._moves: list[_Once | _Always] = []

    def add(self, value: Json) -> None:
        """`{"list", "after", "change"}` or `{"list", "each", "kinds", "until", "seed"}`. Raises KeyError, ValueError."""
        rows = value.get("list", "orders")
        if rows not in _READ_BY:
            raise KeyError(f"no list {rows}")
        if "change" in value:
            self._moves.append(_Once(rows, int(value.get("after", 0)), {"list": rows, **value["change"]}))
            return
        kinds = tuple(value.get("kinds", MOVES))
        if unknown := set(kinds) - set(MOVES):
            raise ValueError(f"no move {', '.join(sorted(unknown))}; there are {', '.join(MOVES)}")
        dice = random.Random(f"moves {value.get('seed', 1)} {rows}")
        self._moves.append(_Always(rows, float(value["each"]), kinds, int(value.get("until", 10**9)), dice))

    def clear(self) -> None:
        self._moves = []

    def before_page(self, api: str, kind: str) -> None:
        """Make what is due before a page of a list is read."""
        for move in list(self._moves):
            if _READ_BY[move.rows] != (api, kind):
                continue
            if isinstance(move, _Always):
                self._roll(move)
            elif move.after:
                move.after -= 1
            else:
                self._changes.apply(move.change)
                self._moves.remove(move)

    def _roll(self, move: _Always) -> None:
        if not move.until:
            self._moves.remove(move)
            return
        move.until -= 1
        wanted = move.dice.random() * 2 * move.each
        while move.dice.random() < wanted:
            wanted -= 1
            self._changes.apply(self._drawn(move))

    def _drawn(self, move: _Always) -> Json:
        kind = move.dice.choice(move.kinds)
        row_id, beside = self._changes.pick(move.rows, move.dice), self._changes.pick(move.rows, move.dice)
        if row_id is None or beside is None:
            return {"list": move.rows}
        change: dict[str, Any] = {"list": move.rows}
        if kind == "insert":
            change["insert"] = [self._changes.beside(move.rows, beside)]
        elif kind == "redate":
            change["update"] = {row_id: self._changes.beside(move.rows, beside)}
        else:
            change[kind] = [row_id]
        return change
