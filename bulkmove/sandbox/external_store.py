"""The orders of the shop that is moved to: rows encoded as they are listed, by id and by time of creation."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, cast

import orjson

from bulkmove.sandbox.calls import Json, encoded_to_keep

FIRST_ORDER_ID = 294
FIRST_ITEM_ID = 12
FIRST_ADDRESS_ID = 236154


@dataclass(slots=True)
class ExternalRow:
    """One stored order: its JSON, when it was made, how often it was written, and keys that were sent but not kept."""

    encoded: bytes
    order_id: int
    created_s: float
    writes: int
    statuses: frozenset[str]
    ignored: tuple[str, ...] = ()


class ExternalStore:
    """All orders of the target by rising id, which is also the order they were made in."""

    def __init__(
        self,
        *,
        created_at: Literal["epoch", "iso", "absent"],
        items_on_update: Literal["append", "replace"],
        now: Callable[[], float],
    ) -> None:
        self._created_at = created_at
        self._replaces_items = items_on_update == "replace"
        self._now = now
        self.clear()

    def clear(self) -> None:
        """Empty the list; numbers start again."""
        self.rows: list[ExternalRow] = []
        self._created: list[float] = []
        self._by_id: dict[int, ExternalRow] = {}
        self._by_rrn: dict[str, list[int]] = {}
        self._order_of_item: dict[int, int] = {}
        self._next_id = FIRST_ORDER_ID
        self._next_item = FIRST_ITEM_ID
        self._next_address = FIRST_ADDRESS_ID

    def get(self, order_id: int) -> ExternalRow | None:
        return self._by_id.get(order_id)

    def order(self, order_id: int) -> Json:
        """A copy of one order, which must be there."""
        return cast(Json, orjson.loads(self._by_id[order_id].encoded))

    def with_rrn(self, rrn: str) -> list[ExternalRow]:
        """The rows whose rrn was this when they were written last."""
        return [self._by_id[order_id] for order_id in self._by_rrn.get(rrn, ())]

    def has_item(self, order_id: int, item_id: int) -> bool:
        return self._order_of_item.get(item_id) == order_id

    def between(self, after_s: float | None, *, is_inclusive: bool) -> tuple[int, int]:
        """The places in `rows` of what was made after a time."""
        if after_s is None:
            return 0, len(self.rows)
        find = bisect_left if is_inclusive else bisect_right
        return find(self._created, after_s), len(self.rows)

    def create(
        self, fields: Json, *, ignored: tuple[str, ...] = (), created_s: float | None = None
    ) -> ExternalRow:
        """Add an order from checked fields. `created_s` may lie in the past as long as the list is written in order."""
        order_id, self._next_id = self._next_id, self._next_id + 1
        # A clock that steps back must not break the order that bisection stands on.
        created_s = max(
            self._now() if created_s is None else created_s, self._created[-1] if self._created else 0.0
        )
        order: Json = {
            "order_id": order_id,
            "rrn": fields.get("rrn"),
            "shop": fields.get("shop"),
            "promo_code": fields.get("promo_code"),
            "order_items": [self._new_item(order_id, item) for item in fields["order_items"]],
            "address": self._address(None, fields.get("address")),
        }
        if self._created_at == "epoch":
            order["created_at"] = int(created_s)
        elif self._created_at == "iso":
            order["created_at"] = datetime.fromtimestamp(created_s, UTC).isoformat().replace("+00:00", "Z")
        row = ExternalRow(encoded_to_keep(order), order_id, created_s, 1, _statuses(order), ignored)
        self.rows.append(row)
        # Whole seconds: that is what the filter compares.
        self._created.append(created_s // 1)
        self._by_id[order_id] = row
        self._remember_rrn(order)
        return row

    def update(self, order_id: int, fields: Json, *, ignored: tuple[str, ...] = ()) -> ExternalRow:
        """Put checked fields into an order that is there."""
        row = self._by_id[order_id]
        order = self.order(order_id)
        self._forget_rrn(order)
        for name in ("rrn", "shop", "promo_code"):
            if name in fields:
                order[name] = fields[name]
        if "address" in fields:
            order["address"] = self._address(order["address"], fields["address"])
        if "order_items" in fields:
            order["order_items"] = self._items(order_id, order["order_items"], fields["order_items"])
        self._store(row, order)
        self._remember_rrn(order)
        row.writes += 1
        row.ignored = tuple(sorted({*row.ignored, *ignored}))
        return row

    def delete(self, order_id: int) -> bool:
        """Take an order out of the list, as no call of the API does; False where there is none."""
        row = self._by_id.pop(order_id, None)
        if row is None:
            return False
        order = cast(Json, orjson.loads(row.encoded))
        self._forget_rrn(order)
        for item in order["order_items"]:
            self._order_of_item.pop(item["order_id"], None)
        place = self.rows.index(row)
        del self.rows[place], self._created[place]
        return True

    def delete_item(self, item_id: int) -> bool:
        """Take an item out of its order; False where there is none."""
        order_id = self._order_of_item.pop(item_id, None)
        if order_id is None:
            return False
        order = self.order(order_id)
        order["order_items"] = [item for item in order["order_items"] if item["order_id"] != item_id]
        row = self._by_id[order_id]
        self._store(row, order)
        row.writes += 1
        return True

    def _store(self, row: ExternalRow, order: Json) -> None:
        row.encoded = encoded_to_keep(order)
        row.statuses = _statuses(order)

    def _items(self, order_id: int, stored: Sequence[Json], given: Sequence[Json]) -> list[Json]:
        by_id = {item["order_id"]: item for item in stored}
        kept: dict[int, Json] = {} if self._replaces_items else dict(by_id)
        new = []
        for item in given:
            item_id = item.get("order_id")
            if item_id is None:
                new.append(self._new_item(order_id, item))
            else:
                kept[item_id] = by_id[item_id] | item
        for item_id in by_id.keys() - kept.keys():
            del self._order_of_item[item_id]
        return [*kept.values(), *new]

    def _new_item(self, order_id: int, item: Json) -> Json:
        item_id, self._next_item = self._next_item, self._next_item + 1
        self._order_of_item[item_id] = order_id
        return {
            "order_id": item_id,
            "order_status": item.get("order_status", "new"),
            "loyalty_price": item.get("loyalty_price"),
            "quantity": item.get("quantity", 1),
            "product": item["product"],
        }

    def _address(self, stored: Json | None, given: Json | None) -> Json | None:
        if given is None:
            return None
        if stored is None:
            number, self._next_address = self._next_address, self._next_address + 1
            names = ("address_ru", "zip_code", "region_id", "locality_id", "sector")
            return {"address_id": number, **{name: given.get(name) for name in names}}
        return stored | {name: value for name, value in given.items() if name != "address_id"}

    def _remember_rrn(self, order: Json) -> None:
        if order["rrn"] is not None:
            self._by_rrn.setdefault(order["rrn"], []).append(order["order_id"])

    def _forget_rrn(self, order: Json) -> None:
        if order["rrn"] is not None:
            self._by_rrn[order["rrn"]].remove(order["order_id"])


def _statuses(order: Json) -> frozenset[str]:
    return frozenset(item["order_status"] for item in order["order_items"])
