"""A simulated MerchantPro shop: orders sorted and filtered by the second of their creation, moving, and written to."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random
from typing import Any
from urllib.parse import unquote

import orjson

from tests.simulation.calls import BAD_PRODUCT, Bodies, Call, Created, Reply, Row, json_reply
from tests.simulation.clock import EPOCH, Clock
from tests.simulation.merchantpro_habits import Habits

ORDERS = "/api/v2/orders"
# A list that moves for ever is never read whole.
MOST_MOVES = 25
_STATUSES = (("delivered", "paid"), ("awaiting", "awaiting"), ("shipped", "paid"), ("cancelled", "rejected"))


@dataclass(slots=True)
class _Placed:
    order: Row
    key: int | None


class MerchantPro:
    """`stood()`: ids of the orders that were there, under one date, from the beginning to now.

    `served`: every version of an order that a list showed, by its id.
    """

    api = "merchantpro"

    def __init__(
        self, clock: Clock, dice: Random, habits: Habits, *, orders: int, bad: float, first: int
    ) -> None:
        self.skew_s = habits.skew_s
        self.habits = habits
        self.served: dict[str, list[Row]] = defaultdict(list)
        self.created: list[Created] = []
        self.bodies = Bodies()
        self.counted: Counter[str] = Counter()
        self.is_moving = True
        self._clock = clock
        self._dice = dice
        self._bad = bad
        self._born = first
        self._moves = 0
        self._placed: dict[str, _Placed] = {}
        self._disturbed: set[str] = set()
        for second in sorted(self._crowded(orders, habits.crowd) if habits.crowd else self._seconds(orders)):
            self._put(second)
        if orders and dice.random() < 0.1:
            self._put(None)
        self._at_start = set(self._placed)

    def _seconds(self, orders: int) -> list[int]:
        """Creation seconds, in crowds of several to a second."""
        dice = self._dice
        crowd = dice.choice((1, 1, 2, 5, 12))
        span_s = dice.choice((3, orders // 3 + 1, orders // 2 + 1, 60, 3600, 10_000_000))
        first = int(EPOCH) - 20_000_000
        return [first + dice.randrange(span_s) // crowd * crowd for _ in range(orders)]

    @property
    def orders(self) -> dict[str, Row]:
        """By their ids."""
        return {name: placed.order for name, placed in self._placed.items()}

    @property
    def shows_keys(self) -> bool:
        return self.habits.keeps_key

    def keeps(self, key: str) -> bool:
        """Whether a new order's key comes back as it was given."""
        return bool(key) and self.habits.keeps_key

    def _crowded(self, orders: int, crowd: int) -> list[int]:
        """Seconds that follow each other, about so many orders in each."""
        first = int(EPOCH) - 20_000_000
        return [first + self._dice.randrange(orders // crowd + 1) for _ in range(orders)]

    def stood(self) -> set[str]:
        """Those without a date are left out: nothing brings them."""
        dated = {name for name, placed in self._placed.items() if placed.key is not None}
        return (self._at_start & dated) - self._disturbed

    def kind(self, call: Call) -> str:
        if call.method == "GET":
            return "list" if call.path == ORDERS else "read"
        return "write" if call.method == "POST" else "set"

    def answer(self, call: Call) -> Reply:
        if call.path == ORDERS:
            return (
                self._list(call) if call.method == "GET" else self._create(orjson.loads(call.body or b"{}"))
            )
        placed = self._placed.get(unquote(call.path.removeprefix(f"{ORDERS}/")))
        if placed is None:
            return json_reply(404, {"error": {"name": "not_found", "message": "Not found", "details": None}})
        if call.method == "PATCH":
            placed.order.update(orjson.loads(call.body or b"{}"))
        return json_reply(200, placed.order)

    # Writing

    def _create(self, body: Row) -> Reply:
        self.bodies.note(body["channel_ref_id"], body)
        lines = body.get("line_items")
        if not lines or any(line["product_id"] == BAD_PRODUCT for line in lines):
            self.counted["a bad order, alone"] += 1
            error = {"name": "invalid_data", "message": "Field line_items is no good", "details": None}
            return json_reply(400, {"error": error})
        key = body["channel_ref_id"]
        if not self.habits.keeps_key:
            self.counted["key dropped"] += 1
            body = {**body, "channel_ref_id": None}
        name = self.put_order(body)
        self.created.append(Created(key, name))
        if self.habits.answers != "order":
            self.counted[f"answer: {self.habits.answers}"] += 1
        order = self._placed[name].order
        return json_reply(
            200, {"order": order, "id alone": {"id": order["id"]}, "nothing": {}}[self.habits.answers]
        )

    def put_order(self, fields: Row) -> str:
        """A new order, made now; its id."""
        name = self._put(int(self._clock.true + self.skew_s))
        placed = self._placed[name]
        placed.order = {name: placed.order[name] for name in ("id", "date_created", "date_modified")} | fields
        return name

    # The list

    def _list(self, call: Call) -> Reply:
        if self.is_moving and self._moves < MOST_MOVES:
            self._move(call)
        rows = self._matching(call)
        start, limit = int(call.query["start"]), min(int(call.query["limit"]), self.habits.clamp)
        page = rows[start : start + limit]
        for placed in page:
            self._serve(placed.order)
        total = self._dice.randint(0, 2 * len(rows) + 1) if self.habits.lies else len(rows)
        following = f"{ORDERS}?start={start + limit}" if start + limit < len(rows) else None
        meta = {"count": {"total": total, "start": start, "limit": limit}, "links": {"next": following}}
        return json_reply(200, {"data": [placed.order for placed in page], "meta": meta})

    def _serve(self, order: Row) -> None:
        versions = self.served[str(order["id"])]
        if not versions or versions[-1] != order:
            versions.append(orjson.loads(orjson.dumps(order)))

    def _matching(self, call: Call) -> list[_Placed]:
        after, before = _second(call.query.get("created_after")), _second(call.query.get("created_before"))
        if self.habits.is_inclusive:
            after, before = after and after - 1, before and before + 1
        rows = [
            placed
            for placed in self._placed.values()
            if (after is None or (placed.key is not None and placed.key > after))
            and (before is None or (placed.key is not None and placed.key < before))
        ]
        if not self.habits.has_stable_ties:
            self._dice.shuffle(rows)
        rows.sort(key=lambda placed: -1 if placed.key is None else placed.key)
        return rows

    # What moves meanwhile

    def _move(self, call: Call) -> None:
        dice, habits = self._dice, self.habits
        count = dice.random() * 2 * habits.moves
        while dice.random() < count:
            count -= 1
            kind = dice.choice(habits.kinds)
            is_at_hand = int(call.query["start"]) > 0 if kind == "purge" else bool(self._placed)
            if is_at_hand or kind == "insert":
                self._moves += 1
                self.counted[kind] += 1
                self._moved(kind, call)

    def _moved(self, kind: str, call: Call) -> None:
        dice = self._dice
        if kind == "insert":
            self._put(int(self._clock.true + self.skew_s))
            return
        if kind == "purge":
            self._purge(call)
            return
        name = dice.choice(list(self._placed))
        placed = self._placed[name]
        if kind in {"delete", "swap"}:
            del self._placed[name]
            self._disturbed.add(name)
            if kind == "swap":
                self._put(placed.key)
        elif kind == "backdate":
            others = [each.key for each in self._placed.values() if each.key is not None]
            self._disturbed.add(name)
            placed.key = dice.choice(others) - dice.randint(0, 5) if others else int(EPOCH) - 20_000_000
            placed.order["date_created"] = _text(placed.key)
        else:
            placed.order["shipping_status"], placed.order["payment_status"] = dice.choice(_STATUSES)
            placed.order["date_modified"] = _text(int(self._clock.true))

    def _purge(self, call: Call) -> None:
        """Orders that follow each other are deleted together, right before the reader's place."""
        rows, start = self._matching(call), int(call.query["start"])
        for placed in rows[max(0, start - self._dice.randint(2, 4)) : start]:
            name = str(placed.order["id"])
            del self._placed[name]
            self._disturbed.add(name)

    def _put(self, second: int | None) -> str:
        dice = self._dice
        self._born += 1
        number: Any = self._born
        if dice.random() < 0.1:
            number = f"{number}.{dice.randint(1, 3)}"
        shipping, payment = dice.choice(_STATUSES)
        lines = [
            {"product_id": dice.randint(1, 9), "quantity": dice.randint(1, 5)}
            for _ in range(dice.randint(1, 3))
        ]
        if dice.random() < self._bad:
            # The target refuses the one; the mapper has nothing to make of the other.
            lines = dice.choice(([{"product_id": BAD_PRODUCT, "quantity": 1}], []))
        order = {
            "id": number,
            "date_created": None if second is None else _text(second),
            "date_modified": _text(int(EPOCH) - 1000),
            "shipping_status": shipping,
            "payment_status": payment,
            "shipping_address": dice.choice((None, "Str. Lungă 1", "  ", "Ștefan cel Mare")),
            "shipping_postal_code": dice.choice((None, "077190", "2001")),
            "customer_id": dice.choice((0, 7, 8)),
            "line_items": lines,
        }
        self._placed[str(number)] = _Placed(order, second)
        return str(number)


def _text(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S+00:00")


def _second(text: str | None) -> int | None:
    return None if text is None else int(datetime.fromisoformat(text).timestamp())
