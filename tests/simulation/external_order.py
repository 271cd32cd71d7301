"""A simulated external-order shop: arrays that create and update orders, in every way that such a host may have."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random
from typing import Any

import orjson

from tests.simulation.calls import (
    BAD_PRODUCT,
    Bodies,
    Call,
    Created,
    Reply,
    Row,
    detail,
    html_reply,
    json_reply,
)
from tests.simulation.clock import Clock

ORDERS = "/external/external-order/"
# A list that moves for ever is never read whole.
MOST_STRANGERS = 5
_ITEM_FIELDS = ("order_status", "loyalty_price", "quantity", "product")
_ANSWERS = ("rows", "rows", "rows", "rows", "short", "long", "shuffled", "results", "nothing", "no keys")
_PLACES = ("address_ru", "zip_code", "region_id", "locality_id", "sector")


@dataclass(frozen=True, slots=True)
class Habits:
    """`key`: what the shop makes of an order's `rrn`. `answers`: what a POST answers with, `refusal` a 400."""

    created_at: str = "epoch"
    is_numbered: bool = True
    is_envelope: bool = True
    clamp: int = 1000
    answers: str = "rows"
    refusal: str = "list"
    on_bad: str = "nothing written"
    key: str = "kept"
    replaces_items: bool = False
    most_bytes: int = 1_000_000
    foreign: float = 0.0
    skew_s: float = 0.0

    @classmethod
    def drawn(cls, dice: Random) -> Habits:
        key = dice.choice(("kept",) * 16 + ("trimmed", "folded", "folded", "dropped"))
        answers = dice.choice(_ANSWERS)
        return cls(
            created_at=dice.choice(("epoch", "iso", "absent")),
            is_numbered=dice.random() < 0.6,
            is_envelope=dice.random() < 0.6,
            clamp=dice.choice((4, 15, 1000, 1000)),
            # Rows that show no key and stand in no order tell nobody whose they are.
            answers="rows" if key == "dropped" and answers == "shuffled" else answers,
            refusal=dice.choice(("list", "indexed", "unnamed")),
            on_bad=dice.choice(
                ("nothing written", "nothing written", "good ones written", "errors in 200", "207")
            ),
            key=key,
            replaces_items=dice.random() < 0.4,
            most_bytes=dice.choice((1_000_000, 1_000_000, 700)),
            foreign=dice.choice((0.0, 0.0, 0.05)),
            skew_s=dice.choice((0.0, 0.0, -3600.0, 7.0, 86_400.0)),
        )


class ExternalOrder:
    """`orders`: rows by id. `created`: what POSTs made, by key."""

    api = "external-order"

    def __init__(self, clock: Clock, dice: Random, habits: Habits) -> None:
        self.skew_s = habits.skew_s
        self.habits = habits
        self.orders: dict[str, Row] = {}
        self.created: list[Created] = []
        self.bodies = Bodies()
        self.counted: Counter[str] = Counter()
        self.is_moving = True
        self._clock = clock
        self._dice = dice
        self._next = 100
        self._strangers = 0

    @property
    def shows_keys(self) -> bool:
        return self.habits.key != "dropped"

    def keeps(self, key: str) -> bool:
        """Whether a key comes back as it was given."""
        return bool(self._kept(key) == key)

    def kind(self, call: Call) -> str:
        if call.method == "POST":
            return "write"
        return "list" if call.path == ORDERS else "read"

    def answer(self, call: Call) -> Reply:
        if call.path == ORDERS and call.method == "POST":
            return self._upsert(call.body or b"")
        if call.path == ORDERS:
            return self._list(call)
        row = self.orders.get(call.path.removeprefix(ORDERS))
        return detail(404, "Not found.") if row is None else json_reply(200, row)

    # The list

    def _list(self, call: Call) -> Reply:
        if self.is_moving and self._strangers < MOST_STRANGERS and self._dice.random() < self.habits.foreign:
            self._strangers += 1
            self.counted["a stranger's order on the target"] += 1
            self.put({"rrn": f"bank-{self._next}", "shop": 1, "order_items": [{"product": 1, "quantity": 1}]})
        rows = list(self.orders.values())
        number, size, wanted = 1, 100, "page_size" if self.habits.is_numbered else "limit"
        size = min(int(call.query.get(wanted, size)), self.habits.clamp)
        if self.habits.is_numbered:
            number = int(call.query.get("page", 1))
            begin = (number - 1) * size
            if number > 1 and begin >= len(rows):
                return detail(404, "Invalid page.")
        else:
            begin = int(call.query.get("offset", 0))
        page = rows[begin : begin + size]
        if not self.habits.is_envelope:
            return json_reply(200, page)
        following = "https://shop.invalid/next" if begin + size < len(rows) else None
        return json_reply(200, {"count": len(rows), "next": following, "previous": None, "results": page})

    # Writing

    def _upsert(self, body: bytes) -> Reply:
        if len(body) > self.habits.most_bytes:
            self.counted["413"] += 1
            return html_reply(413, "Request Entity Too Large")
        items = orjson.loads(body)
        for item in items:
            if item.get("order_id") is None:
                self.bodies.note(item["rrn"], item)
        bad = {place: error for place, item in enumerate(items) if (error := self._error(item))}
        if not bad:
            return self._said(201, [self._store(item) for item in items])
        self.counted[f"a bad order: {self.habits.on_bad}, {self.habits.refusal}"] += 1
        if self.habits.on_bad == "nothing written":
            return self._refusal(len(items), bad)
        stored = [{"errors": bad[n]} if n in bad else self._store(item) for n, item in enumerate(items)]
        if self.habits.on_bad == "good ones written":
            return self._refusal(len(items), bad)
        return json_reply(207 if self.habits.on_bad == "207" else 200, stored)

    def _error(self, item: Row) -> Row | None:
        if item.get("order_id") is not None and str(item["order_id"]) not in self.orders:
            return {"order_id": ["Invalid pk - object does not exist."]}
        if any(line.get("product") == BAD_PRODUCT for line in item.get("order_items", ())):
            return {"order_items": [{"product": [f'Invalid pk "{BAD_PRODUCT}" - object does not exist.']}]}
        return None

    def _refusal(self, count: int, bad: dict[int, Row]) -> Reply:
        if self.habits.refusal == "unnamed":
            return detail(400, "Bad request.")
        if self.habits.refusal == "indexed":
            return json_reply(400, {str(place): error for place, error in bad.items()})
        return json_reply(400, [bad.get(place, {}) for place in range(count)])

    def _said(self, status: int, rows: list[Row]) -> Reply:
        answers = self.habits.answers
        if answers != "rows":
            self.counted[f"answer: {answers}"] += 1
        if answers == "short":
            rows = rows[: len(rows) // 2]
        elif answers == "long":
            rows = [*rows, *list(self.orders.values())[:2]]
        elif answers == "shuffled":
            rows = self._dice.sample(rows, len(rows))
        elif answers == "nothing":
            rows = []
        elif answers == "no keys":
            rows = [{name: value for name, value in row.items() if name != "rrn"} for row in rows]
        return json_reply(status, {"results": rows} if answers == "results" else rows)

    def _store(self, item: Row) -> Row:
        if item.get("order_id") is None:
            row = self.put(item)
            self.created.append(Created(item["rrn"], str(row["order_id"])))
            return row
        row = self.orders[str(item["order_id"])]
        for name in ("shop", "promo_code"):
            if name in item:
                row[name] = item[name]
        if "rrn" in item:
            row["rrn"] = self._key(item["rrn"])
        if "order_items" in item:
            row["order_items"] = self._items(row["order_items"], item["order_items"])
        if "address" in item:
            row["address"] = self._address(row["address"], item["address"])
        return row

    def put(self, item: Row) -> Row:
        """A new order, whoever made it."""
        self._next += 1
        row: Row = {
            "order_id": self._next,
            "rrn": self._key(item.get("rrn")),
            "shop": item.get("shop"),
            "promo_code": item.get("promo_code"),
            "order_items": self._items([], item["order_items"]),
            "address": self._address(None, item.get("address")),
        }
        made_at = self._clock.true + self.skew_s
        if self.habits.created_at == "epoch":
            row["created_at"] = int(made_at)
        elif self.habits.created_at == "iso":
            row["created_at"] = datetime.fromtimestamp(made_at, UTC).isoformat()
        self.orders[str(row["order_id"])] = row
        return row

    def _key(self, key: Any) -> Any:
        kept = self._kept(key)
        if kept != key:
            self.counted[f"key {self.habits.key}"] += 1
        return kept

    def _kept(self, key: Any) -> Any:
        if key is None or self.habits.key == "kept":
            return key
        if self.habits.key == "dropped":
            return None
        return key.strip() if self.habits.key == "trimmed" else key.casefold()

    def _items(self, stored: list[Row], given: list[Row]) -> list[Row]:
        """Lines with an id change theirs; without one they are added, to none where lines replace what is there."""
        by_id = {line["order_id"]: line for line in stored}
        kept = [] if self.habits.replaces_items else list(stored)
        for line in given:
            old = by_id.get(line.get("order_id"))
            if old is None:
                self._next += 1
                old = {"order_id": self._next, **dict.fromkeys(_ITEM_FIELDS)}
            old |= {name: line[name] for name in _ITEM_FIELDS if name in line}
            if old not in kept:
                kept.append(old)
        return kept

    def _address(self, stored: Row | None, given: Row | None) -> Row | None:
        if given is None:
            return stored
        if stored is None:
            self._next += 1
            stored = {"address_id": self._next, **dict.fromkeys(_PLACES)}
        return stored | {name: given[name] for name in _PLACES if name in given}
