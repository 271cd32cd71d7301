"""The MerchantPro orders: columns of numbers and dates, an index by date, and the few orders that were changed."""

from __future__ import annotations

import random
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, cast

import orjson

from bulkmove.sandbox.calls import Json
from bulkmove.sandbox.shop_time import ShopClock, parse_time
from bulkmove.sandbox.templates import WHOLE, Shape, TemplatePool
from bulkmove.sandbox.timeline import creation_seconds

# Orders without a date sort before all others, as NULL does, and lie outside every date filter.
UNDATED = -(2**62)
_FIRST_ID = 10_000_000
_MOST_CACHED_FILTERS = 16

Filter = tuple[tuple[str, str], ...]


class OrderStore:
    """All orders of the source, ordered by date_created.

    A row is a number that never changes; `_keys` and `_rows` are the date index: the creation seconds, rising, and
    the row at each place. `now` gives epoch seconds.
    """

    def __init__(
        self,
        pool: TemplatePool,
        *,
        seed: int,
        count: int,
        undated: int,
        stable_ties: bool,
        now: Callable[[], float],
        dates: Literal["zoned", "naive", "utc"] = "zoned",
    ) -> None:
        self._pool = pool
        self._now = now
        self._clock = ShopClock(dates)
        self._ties = None if stable_ties else random.Random(f"ties {seed}")
        self._changed: dict[int, Json] = {}
        self._writes: dict[int, int] = {}
        self._version = 0
        self._found: dict[Filter, tuple[int, array[int], array[int]]] = {}
        self._keys = array("q")
        self._rows = array("q")
        self._base = array("l")
        self._related = array("q")
        self._ids: list[bytes] = []
        self._created: list[bytes] = []
        self._modified: list[bytes] = []
        self._by_id: dict[str, int] = {}
        self._next_id = _FIRST_ID
        self._fill(random.Random(f"numbers {seed}"), creation_seconds(seed=seed, count=count), undated)

    def _fill(self, rng: random.Random, times: list[int], undated: int) -> None:
        bases = len(self._pool.bases)
        text = self._clock.text
        parent, splits = _FIRST_ID, 0
        undated_rows = set(rng.sample(range(len(times)), undated))
        for row, created in enumerate(times):
            base = row if row < bases else int(rng.random() * bases)
            if self._pool.bases[base].is_split and row:
                splits += 1
                order_id = f'"{parent}.{splits + 1}"'
            else:
                parent, splits = parent + 1 + int(rng.random() * 40), 0
                order_id = str(parent)
            self._base.append(base)
            self._related.append(parent if order_id[0] == '"' else self._previous_parent())
            self._ids.append(order_id.encode())
            self._by_id[order_id.strip('"')] = row
            self._created.append(text(created).encode())
            self._modified.append(text(created + int(rng.random() ** 3 * 40 * 86400)).encode())
        self._next_id = parent + 1
        for row in undated_rows:
            self._changed[row] = self._whole(row) | {"date_created": None}
        keyed = sorted(
            (UNDATED if row in undated_rows else created, row) for row, created in enumerate(times)
        )
        self._keys.extend(key for key, _ in keyed)
        self._rows.extend(row for _, row in keyed)

    def _previous_parent(self) -> int:
        return int(self._ids[-1].strip(b'"').partition(b".")[0]) if self._ids else _FIRST_ID

    # Reading

    def __len__(self) -> int:
        return len(self._rows)

    def row_of(self, order_id: str) -> int | None:
        return self._by_id.get(order_id)

    def encoded(self, rows: Iterable[int], shape: Shape) -> list[bytes]:
        """Each row's JSON in this shape."""
        templates = self._pool.shaped(shape)
        changed = self._changed
        out = []
        for row in rows:
            if row in changed:
                out.append(orjson.dumps(shape.of(changed[row])))
                continue
            order_id = self._ids[row]
            out.append(
                templates[self._base[row]]
                % {
                    b"id": order_id,
                    b"text": order_id.strip(b'"'),
                    b"created": self._created[row],
                    b"modified": self._modified[row],
                    b"related": b"%d" % self._related[row],
                }
            )
        return out

    def order(self, row: int) -> Json:
        """A copy of one whole order."""
        return self._whole(row)

    def fits(self, row: int, wanted: Filter) -> bool:
        """Whether an order has these values."""
        return _fits(self._changed.get(row) or self._pool.bases[self._base[row]].order, wanted)

    def created(self, row: int) -> int:
        """The second of its creation; UNDATED without one."""
        return _key(self._whole(row).get("date_created"))

    def writes(self, row: int) -> int:
        return self._writes.get(row, 0)

    def rows_by_date(self, start: int, limit: int) -> list[int]:
        """Rows of a stretch of the date index, ties in row order."""
        return list(self._rows[start : start + limit])

    def page(
        self, wanted: Filter, *, low: int | None, high: int | None, start: int, limit: int, descending: bool
    ) -> tuple[list[int], int]:
        """Rows from `start` on, and how many there are in all.

        `low` and `high` are creation seconds, both taken. Ties come in another order each time.
        """
        keys, rows = (self._keys, self._rows) if not wanted else self._filtered(wanted)
        if low is None and high is None:
            first, last = 0, len(keys)
        else:
            first = bisect_left(keys, UNDATED + 1 if low is None else low)
            last = len(keys) if high is None else bisect_right(keys, high)
        total = max(last - first, 0)
        begin, end = min(start, total), min(start + limit, total)
        if descending:
            begin, end = total - end, total - begin
        chosen = self._slice(keys, rows, first + begin, first + end)
        if descending:
            chosen.reverse()
        return chosen, total

    def _slice(self, keys: Sequence[int], rows: Sequence[int], begin: int, end: int) -> list[int]:
        if begin >= end:
            return []
        # Whole groups of equal keys are drawn into a fresh order, then the page is cut out of them.
        left, right = bisect_left(keys, keys[begin]), bisect_right(keys, keys[end - 1])
        chosen = list(rows[left:right])
        if self._ties is not None and len(set(keys[left:right])) < right - left:
            place = left
            while place < right:
                beyond = bisect_right(keys, keys[place], place, right)
                if beyond - place > 1:
                    group = chosen[place - left : beyond - left]
                    self._ties.shuffle(group)
                    chosen[place - left : beyond - left] = group
                place = beyond
        return chosen[begin - left : end - left]

    def _filtered(self, wanted: Filter) -> tuple[array[int], array[int]]:
        """The date index cut down to the orders that have these values; kept until the next change."""
        version, keys, rows = self._found.get(wanted, (-1, self._keys, self._rows))
        if version == self._version:
            return keys, rows
        fits_base = [_fits(base.order, wanted) for base in self._pool.bases]
        keys, rows = array("q"), array("q")
        for key, row in zip(self._keys, self._rows, strict=True):
            changed = self._changed.get(row)
            if fits_base[self._base[row]] if changed is None else _fits(changed, wanted):
                keys.append(key)
                rows.append(row)
        if len(self._found) >= _MOST_CACHED_FILTERS:
            self._found.clear()
        self._found[wanted] = self._version, keys, rows
        return keys, rows

    # Writing

    def now_text(self) -> str:
        """The moment it is, as the shop writes it."""
        return self._clock.text(int(self._now()))

    def insert(self, fields: Json) -> int:
        """Add an order, on top of a generated one for what `fields` leaves out; its row.

        Without an id it gets the next, without dates it is made now. Raises ValueError where the id is taken.
        """
        row = len(self._ids)
        now = self.now_text()
        order_id = fields.get("id") or self._next_id
        if str(order_id) in self._by_id:
            raise ValueError(f"order {order_id} is there already")
        self._base.append(row % max(len(self._pool.bases), 1))
        self._related.append(self._next_id - 1)
        self._ids.append(orjson.dumps(order_id))
        if isinstance(order_id, int):
            self._next_id = max(self._next_id, order_id + 1)
        self._created.append(now.encode())
        self._modified.append(now.encode())
        order = self._changed[row] = (self._whole(row) if self._pool.bases else {}) | fields
        order.setdefault("id", orjson.loads(self._ids[row]))
        order.setdefault("date_created", now)
        order.setdefault("date_modified", now)
        self._by_id[str(order["id"])] = row
        self._writes[row] = 1
        self._index(row, order["date_created"])
        return row

    def change(self, row: int, fields: Json, *, touch: bool = True) -> None:
        """Put fields into an order; unless told otherwise its date_modified becomes now."""
        order = self._changed.get(row) or self._whole(row)
        moved = "date_created" in fields and fields["date_created"] != order.get("date_created")
        if moved:
            self._unindex(row, order.get("date_created"))
        order |= {name: value for name, value in fields.items() if name != "id"}
        if touch:
            order["date_modified"] = self.now_text()
        self._changed[row] = order
        if moved:
            self._index(row, order["date_created"])
        self._writes[row] = self._writes.get(row, 0) + 1
        self._version += 1

    def delete(self, row: int) -> None:
        order = self._whole(row)
        self._unindex(row, order.get("date_created"))
        del self._by_id[str(order["id"])]
        self._changed.pop(row, None)

    def _index(self, row: int, created: Any) -> None:
        key = _key(created)
        place = bisect_right(self._keys, key)
        self._keys.insert(place, key)
        self._rows.insert(place, row)
        self._version += 1

    def _unindex(self, row: int, created: Any) -> None:
        place = self._rows.index(row, bisect_left(self._keys, _key(created)))
        del self._keys[place]
        del self._rows[place]
        self._version += 1

    def _whole(self, row: int) -> Json:
        return cast(Json, orjson.loads(self.encoded((row,), WHOLE)[0]))


def _key(created: Any) -> int:
    seconds = parse_time(created) if isinstance(created, str) else None
    return UNDATED if seconds is None else seconds


def _fits(order: Json, wanted: Filter) -> bool:
    return all(_has(order, name, value) for name, value in wanted)


def _has(order: Json, name: str, value: str) -> bool:
    if name in {"tag_name", "tag_ids"}:
        tags = order.get("tags") or ()
        part = "name" if name == "tag_name" else "id"
        return any(str(tag.get(part)) in (value.split(",") if part == "id" else (value,)) for tag in tags)
    held = order.get(name)
    return held is not None and str(held) == value
