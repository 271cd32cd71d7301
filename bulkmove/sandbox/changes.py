"""Changes to a list that no API call made: rows that come, go or change while somebody reads."""

from __future__ import annotations

import random
from typing import Any

from bulkmove.sandbox.calls import Json
from bulkmove.sandbox.external_store import ExternalStore
from bulkmove.sandbox.order_store import OrderStore
from bulkmove.sandbox.robosize_store import RowStore
from bulkmove.sandbox.world import World


class Changes:
    """Applies `{"list", "delete", "insert", "touch", "update"}`; ids that are not there are passed over."""

    def __init__(self, world: World) -> None:
        self._lists: dict[str, _Orders | _Rows | _External] = {
            "orders": _Orders(world.orders),
            "external-orders": _External(world.external_orders),
            "robosize-orders": _Rows(world.robosize_orders),
            "robosize-products": _Rows(world.robosize_products),
        }

    def apply(self, change: Json) -> Json:
        """What was done. Raises KeyError for an unknown list or key, ValueError for an id that is taken."""
        if unknown := set(change) - {"list", "delete", "insert", "touch", "update"}:
            raise KeyError(f"unknown: {', '.join(sorted(unknown))}")
        rows = self._lists[change.get("list", "orders")]
        given = change.get("insert", [])
        inserts: list[Json] = [{} for _ in range(given)] if isinstance(given, int) else given
        return {
            "deleted": sum(rows.delete(str(row_id)) for row_id in change.get("delete", ())),
            "inserted": [rows.insert(row) for row in inserts],
            "touched": sum(rows.update(str(row_id), {}) for row_id in change.get("touch", ())),
            "updated": sum(
                rows.update(row_id, fields) for row_id, fields in change.get("update", {}).items()
            ),
        }

    def pick(self, rows: str, dice: random.Random) -> str | None:
        """The id of some row of a list; None where it is empty."""
        return self._lists[rows].pick(dice)

    def beside(self, rows: str, row_id: str) -> Json:
        """What puts a row at the place of another: its date, on a list that is sorted by it."""
        return self._lists[rows].beside(row_id)


class _Orders:
    def __init__(self, store: OrderStore) -> None:
        self._store = store

    def pick(self, dice: random.Random) -> str | None:
        if not len(self._store):
            return None
        (row,) = self._store.rows_by_date(dice.randrange(len(self._store)), 1)
        return str(self._store.order(row)["id"])

    def beside(self, row_id: str) -> Json:
        row = self._store.row_of(row_id)
        return {} if row is None else {"date_created": self._store.order(row)["date_created"]}

    def delete(self, order_id: str) -> bool:
        row = self._store.row_of(order_id)
        if row is not None:
            self._store.delete(row)
        return row is not None

    def insert(self, fields: Json) -> Any:
        return self._store.order(self._store.insert(fields))["id"]

    def update(self, order_id: str, fields: Json) -> bool:
        """With no fields at all the order still gets a new date_modified."""
        row = self._store.row_of(order_id)
        if row is not None:
            self._store.change(row, fields)
        return row is not None


class _Rows:
    def __init__(self, store: RowStore) -> None:
        self._store = store

    def pick(self, dice: random.Random) -> str | None:
        count = len(self._store)
        return str(self._store.whole(dice.randrange(count), 1)[0]["id"]) if count else None

    def beside(self, row_id: str) -> Json:
        """Its rows have no date; a new one comes at the end."""
        del row_id
        return {}

    def delete(self, row_id: str) -> bool:
        is_there = self._store.get(row_id) is not None
        if is_there:
            self._store.delete(row_id)
        return is_there

    def insert(self, row: Json) -> str:
        if "id" in row and self._store.get(str(row["id"])) is not None:
            raise ValueError(f"row {row['id']} is there already")
        return self._store.add(row)

    def update(self, row_id: str, fields: Json) -> bool:
        is_there = self._store.get(row_id) is not None
        if is_there:
            self._store.change(row_id, fields, hidden={})
        return is_there


class _External:
    def __init__(self, store: ExternalStore) -> None:
        self._store = store

    def pick(self, dice: random.Random) -> str | None:
        rows = self._store.rows
        return str(rows[dice.randrange(len(rows))].order_id) if rows else None

    def beside(self, row_id: str) -> Json:
        """The host dates its rows itself."""
        del row_id
        return {}

    def delete(self, order_id: str) -> bool:
        return self._store.delete(int(order_id))

    def insert(self, fields: Json) -> int:
        row = self._store.create({"order_items": []} | fields)
        row.writes = 0
        return row.order_id

    def update(self, order_id: str, fields: Json) -> bool:
        row = self._store.get(int(order_id))
        if row is not None:
            self._store.update(row.order_id, fields)
        return row is not None
