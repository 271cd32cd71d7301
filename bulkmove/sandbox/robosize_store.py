"""Rows of one Robosize list: what is listed, encoded; what is never returned; and how often each was written."""

from __future__ import annotations

from typing import Any, Literal, cast

import orjson

from bulkmove.sandbox.calls import Json, encoded_to_keep


class RowStore:
    """A list of rows by id, in the order of their ids or with the rows changed last at the end."""

    def __init__(self, *, order: Literal["id", "updated"], first_id: int) -> None:
        self._moves_changed = order == "updated"
        self._first_id = first_id
        self.clear()

    def clear(self) -> None:
        self._rows: dict[str, bytes] = {}
        self._hidden: dict[str, Json] = {}
        self._writes: dict[str, int] = {}
        self._listed: list[str] | None = None
        self._next_id = self._first_id

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, row: Json) -> str:
        """Add a row that was always there: it counts as never written. Without an id it gets the next; its id."""
        row = row if "id" in row else {"id": str(self._next_id), **row}
        row_id = str(row["id"])
        self._next_id = max(self._next_id, int(row_id) + 1 if row_id.isdigit() else 0)
        if self._listed is not None and row_id not in self._rows:
            self._listed.append(row_id)
        self._rows[row_id] = encoded_to_keep(row)
        return row_id

    def create(self, row: Json, *, hidden: Json) -> str:
        row_id = self.add(row)
        self._writes[row_id] = 1
        if hidden:
            self._hidden[row_id] = hidden
        return row_id

    def get(self, row_id: str) -> bytes | None:
        return self._rows.get(row_id)

    def encoded_row(self, row_id: str) -> bytes:
        return self._rows[row_id]

    def change(self, row_id: str, fields: Json, *, hidden: Json) -> None:
        row = encoded_to_keep(orjson.loads(self._rows[row_id]) | fields)
        if self._moves_changed:
            del self._rows[row_id]
            self._listed = None
        self._rows[row_id] = row
        self._writes[row_id] = self._writes.get(row_id, 0) + 1
        if hidden:
            self._hidden[row_id] = self._hidden.get(row_id, {}) | hidden

    def delete(self, row_id: str) -> None:
        del self._rows[row_id]
        self._hidden.pop(row_id, None)
        self._writes.pop(row_id, None)
        self._listed = None

    def encoded(self, offset: int, limit: int) -> list[bytes]:
        """The rows of one stretch of the list."""
        return [self._rows[row_id] for row_id in self._order()[offset : offset + limit]]

    def whole(self, offset: int, limit: int) -> list[Json]:
        """The same with what is never returned, and `_writes`."""
        return [
            cast("dict[str, Any]", orjson.loads(self._rows[row_id]))
            | self._hidden.get(row_id, {})
            | {"_writes": self._writes.get(row_id, 0)}
            for row_id in self._order()[offset : offset + limit]
        ]

    def _order(self) -> list[str]:
        if self._listed is None:
            self._listed = list(self._rows)
        return self._listed
