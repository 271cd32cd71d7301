"""A simulated Robosize: orders made one at a time, products changed many at a time, lists without order or filter."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from random import Random
from urllib.parse import unquote

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

ORDERS = "/api/v1/business/order/"
PRODUCTS = "/api/v1/product/"
# A list that moves for ever is never read whole.
MOST_MOVES = 15


@dataclass(frozen=True, slots=True)
class Habits:
    """`answers`: what a POST says of the new row. `moves`: changes of the products on average between two lists.

    `deafness`: of how many ids a change of many is passed over, while the answer says that all is well.
    """

    clamp: int = 200
    is_newest_first: bool = False
    answers: str = "row"
    moves: float = 0.0
    deafness: float = 0.0
    skew_s: float = 0.0

    @classmethod
    def drawn(cls, dice: Random, *, rows: int) -> Habits:
        return cls(
            clamp=dice.choice((max(3, rows // 3), max(4, rows // 2), 200, 200)),
            is_newest_first=dice.random() < 0.3,
            answers=dice.choice(("row", "row", "id alone", "nothing")),
            moves=dice.choice((0.0, 0.0, 0.1, 0.4)),
            deafness=dice.choice((0.0, 0.0, 0.0, 0.15)),
            skew_s=dice.choice((0.0, 0.0, -3600.0)),
        )


class Robosize:
    """`orders`, `products`: rows by id. `created`: what POSTs made, by key; `patched`: what products were set to, by id.

    `stood()`: ids of the products that were there from the beginning to now; `served`: what a list showed of them;
    `vanished`, `passed_over`: those that were deleted meanwhile, and that a change did not reach.
    """

    api = "robosize"

    def __init__(self, clock: Clock, dice: Random, habits: Habits) -> None:
        self.skew_s = habits.skew_s
        self.habits = habits
        self.orders: dict[str, Row] = {}
        self.products: dict[str, Row] = {}
        self.created: list[Created] = []
        self.bodies = Bodies()
        self.deleted: list[str] = []
        self.patched: dict[str, list[Row]] = defaultdict(list)
        self.served: dict[str, list[Row]] = defaultdict(list)
        self.vanished: set[str] = set()
        self.passed_over: set[str] = set()
        self.counted: Counter[str] = Counter()
        self.is_moving = True
        self._clock = clock
        self._dice = dice
        self._next = 500
        self._moves = 0
        self._at_start: set[str] = set()

    def put_order(self, row: Row) -> Row:
        self._next += 1
        made: Row = {"id": str(self._next), "recommendations": [], **row}
        self.orders[made["id"]] = made
        return made

    def put_product(self, store_id: str) -> None:
        self._next += 1
        row: Row = {"id": str(self._next), "store_id": store_id, "name": f"product {self._next}", "tags": []}
        self.products[row["id"]] = row

    def begin(self) -> None:
        self._at_start = set(self.products)

    def stood(self) -> set[str]:
        return self._at_start & self.products.keys()

    @property
    def shows_keys(self) -> bool:
        return True

    def keeps(self, key: str) -> bool:
        """Whether a key comes back as it was given."""
        return bool(key)

    def kind(self, call: Call) -> str:
        if call.method == "GET":
            return "list"
        return "write" if call.method == "POST" else "set"

    def answer(self, call: Call) -> Reply:
        if call.path == PRODUCTS and call.method == "GET":
            self._move()
            return self._list(call, self.products)
        if call.path == PRODUCTS and call.method == "PATCH":
            return self._patch_products(orjson.loads(call.body or b"{}"))
        if call.path == ORDERS and call.method == "GET":
            return self._list(call, self.orders)
        if call.path == ORDERS and call.method == "POST":
            return self._create(orjson.loads(call.body or b"{}"))
        if call.path.startswith(ORDERS):
            return self._one(call, unquote(call.path[len(ORDERS) : -1]))
        return html_reply(404, "Not Found")

    def _list(self, call: Call, rows: dict[str, Row]) -> Reply:
        all_rows = list(rows.values())
        if self.habits.is_newest_first:
            all_rows.reverse()
        offset, limit = int(call.query["offset"]), min(int(call.query["limit"]), self.habits.clamp)
        page = all_rows[offset : offset + limit]
        if rows is self.products:
            for row in page:
                self._serve(row)
        shown = [{name: value for name, value in row.items() if name != "device_id"} for row in page]
        following = "https://sizing.invalid/next" if offset + limit < len(all_rows) else None
        return json_reply(200, {"count": len(rows), "next": following, "previous": None, "results": shown})

    def _serve(self, row: Row) -> None:
        versions = self.served[row["id"]]
        if not versions or versions[-1] != row:
            versions.append(dict(row))

    def _create(self, body: Row) -> Reply:
        self.bodies.note(body["store_id"], body)
        lines = body["data"].get("line_items", ())
        if any(line["product_id"] == BAD_PRODUCT for line in lines):
            self.counted["a bad order, alone"] += 1
            return json_reply(400, {"data": ["Invalid."]})
        row = self.put_order(body)
        self.created.append(Created(body["store_id"], row["id"]))
        shown: Row = {"id": int(row["id"]), "store_id": row["store_id"], "data": row["data"]}
        answers = self.habits.answers
        if answers != "row":
            self.counted[f"answer: {answers}"] += 1
        return json_reply(201, {"row": shown, "id alone": {"id": shown["id"]}, "nothing": {}}[answers])

    def _one(self, call: Call, order_id: str) -> Reply:
        row = self.orders.get(order_id)
        if row is None:
            return detail(404, "Not found.")
        if call.method == "DELETE":
            del self.orders[order_id]
            self.deleted.append(order_id)
            return Reply(204, b"")
        body = orjson.loads(call.body or b"{}")
        row.update(body)
        return json_reply(200, row)

    def _patch_products(self, body: Row) -> Reply:
        change = {name: value for name, value in body.items() if name != "products"}
        for product_id in body["products"]:
            self.patched[product_id].append(change)
            if self._dice.random() < self.habits.deafness:
                self.counted["a change of many is passed over"] += 1
                self.passed_over.add(product_id)
            elif product_id in self.products:
                self.products[product_id].update(change)
        return json_reply(200, {"message": "Products updated"})

    def _move(self) -> None:
        dice = self._dice
        if not self.is_moving or self._moves >= MOST_MOVES or dice.random() >= self.habits.moves:
            return
        self._moves += 1
        kind = dice.choice(("insert", "delete", "touch"))
        self.counted[f"{kind} (product)"] += 1
        if kind == "insert":
            self.put_product(str(dice.randint(1, 20)))
        elif self.products:
            product_id = dice.choice(list(self.products))
            if kind == "delete":
                del self.products[product_id]
                self.vanished.add(product_id)
            else:
                self.products[product_id]["name"] += "!"
