"""What a 2xx answer to an array of orders says of each of them. A row with an id is there: it is never sent again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from bulkmove.connectors.drf import DOUBT, loose
from bulkmove.connectors.external_order.names import ID
from bulkmove.connectors.json_text import as_text, whole_number
from bulkmove.connectors.successes import refused_row
from bulkmove.model import Verdict, WriteItem, WriteResult

_Keys = Sequence[str | None]
_LEAST_FAILURE, _LEAST_OF_THE_HOST = 400, 500


def settled(
    items: Sequence[WriteItem], answer: Any, *, key_field: str, is_multi: bool = False
) -> list[WriteResult]:
    """A result for each item; DOUBT for those of which the answer shows nothing.

    Rows belong to items by their position where there are as many of both and no key disagrees, else by key:
    the id for updates, the natural key for creates. That the answer brings the rows back is unconfirmed.
    `is_multi`: it is a 207, whose rows may carry a `status` each.
    """
    rows = _rows_of(answer, len(items))
    if rows is None:
        return [DOUBT] * len(items)
    ids = [_id_of(row) for row in rows]
    if items[0].target_id is not None:
        places = _places_of_updates([item.target_id for item in items], ids)
    else:
        wanted = [as_text(item.body.get(key_field)) for item in items]
        found = [as_text(row.get(key_field)) if isinstance(row, dict) else None for row in rows]
        if wanted == found and None not in wanted and len(set(wanted)) == len(wanted):
            # As nearly every answer says.
            return [_result(*each, is_multi=is_multi) for each in zip(items, rows, ids, strict=True)]
        shown = [each for each in ids if each is not None]
        # A page of the list would come in an envelope: rows that nothing ties to what was sent prove nothing there.
        can_rename = isinstance(answer, list) or len(items) == 1
        places = _places_of_creates(
            wanted, found, is_one_each=len(set(shown)) == len(shown), can_rename=can_rename
        )
    return [
        _result(item, rows[places[i]], ids[places[i]], is_multi=is_multi) if i in places else DOUBT
        for i, item in enumerate(items)
    ]


def _places_of_updates(wanted: _Keys, found: _Keys) -> dict[int, int]:
    if _fit(wanted, found):
        return {i: i for i in range(len(wanted))}
    return _paired(wanted, found)


def _places_of_creates(wanted: _Keys, found: _Keys, *, is_one_each: bool, can_rename: bool) -> dict[int, int]:
    """For each item the place of its row; left out where none is its own. `is_one_each`: no two rows share an id.

    Servers trim and recase keys, or leave them out, and may give keys of their own.
    """
    loosely_wanted, loosely_found = _loose(wanted), _loose(found)
    places = _paired(wanted, found)
    is_in_order = all(i == j for i, j in places.items())
    if is_one_each and is_in_order and _fit(loosely_wanted, loosely_found):
        return {i: i for i in range(len(wanted))}
    taken = set(places.values())
    places |= _paired(
        [None if i in places else key for i, key in enumerate(loosely_wanted)],
        [None if j in taken else key for j, key in enumerate(loosely_found)],
    )
    if is_one_each and can_rename and len(wanted) == len(found):
        places |= _renamed(places, loosely_wanted, loosely_found)
    return places


def _renamed(places: dict[int, int], wanted: _Keys, found: _Keys) -> dict[int, int]:
    """Rows that show nobody's key, for items whose key no row shows: in their places, or the last one by elimination."""
    taken = set(places.values())
    items = [i for i, key in enumerate(wanted) if i not in places and (key is None or key not in found)]
    rows = [j for j, key in enumerate(found) if j not in taken and (key is None or key not in wanted)]
    if all(i == j for i, j in places.items()):
        return {i: i for i in items if i in rows}
    return {items[0]: rows[0]} if len(items) == len(rows) == 1 else {}


def _fit(wanted: _Keys, found: _Keys) -> bool:
    """Whether there are as many rows as items, and none shows another key than the item in its place."""
    return len(wanted) == len(found) and all(
        have in {None, want} for want, have in zip(wanted, found, strict=True)
    )


def _paired(wanted: _Keys, found: _Keys) -> dict[int, int]:
    """Places by key. A key that stands more than once on either side tells nothing of any of its items."""
    items, rows = _places_by_key(wanted), _places_by_key(found)
    return {
        items[key][0]: rows[key][0]
        for key in items.keys() & rows.keys()
        if len(items[key]) == len(rows[key]) == 1
    }


def _places_by_key(keys: _Keys) -> dict[str, list[int]]:
    places: dict[str, list[int]] = defaultdict(list)
    for place, key in enumerate(keys):
        if key is not None:
            places[key].append(place)
    return places


def _loose(keys: _Keys) -> list[str | None]:
    return [None if key is None else loose(key) or None for key in keys]


def _rows_of(answer: Any, length: int) -> list[Any] | None:
    if isinstance(answer, list):
        return answer
    if isinstance(answer, dict):
        if isinstance(answer.get("results"), list):
            return list(answer["results"])
        if length == 1 and _id_of(answer) is not None:
            return [answer]
    return None


def _result(item: WriteItem, row: Any, target_id: str | None, *, is_multi: bool) -> WriteResult:
    """WRITTEN with an id, REJECTED for a row that says `errors`. Other texts in its place can mean anything.

    `target_id`: the row's. That of a new row proves that it is there, whatever else is said; that of an update was sent
    by us.
    """
    if is_multi and isinstance(row, dict):
        status = whole_number(row.get("status"))
        if status is not None and status >= _LEAST_FAILURE:
            is_refused = status < _LEAST_OF_THE_HOST and (target_id is None or item.target_id is not None)
            return refused_row(row, item) if is_refused else DOUBT
    error = (row.get("errors") or row.get("error")) if isinstance(row, dict) else None
    if target_id is not None and not (error and item.target_id is not None):
        return WriteResult(Verdict.WRITTEN, target_id)
    return refused_row(error, item) if error else DOUBT


def _id_of(row: Any) -> str | None:
    return as_text(row.get(ID)) if isinstance(row, dict) else None
