"""What a 2xx answer to an array of orders says of each of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from bulkmove.connectors.drf import refused_row
from bulkmove.connectors.external_order.api import ID
from bulkmove.connectors.json_text import as_text
from bulkmove.model import Verdict, WriteItem, WriteResult

DOUBT = WriteResult(Verdict.DOUBT)

_ERROR_NAMES = ("errors", "error", "detail", "non_field_errors")


def settled(items: Sequence[WriteItem], answer: Any, *, key_field: str) -> list[WriteResult]:
    """A result for each item; DOUBT for those of which the answer shows nothing.

    Rows belong to items by their position where there are as many of both and their keys agree, else by key:
    the id for updates, the natural key for creates. That the answer brings the rows back is unconfirmed.
    """
    rows = _rows_of(answer, len(items))
    if rows is None:
        return [DOUBT] * len(items)
    field = ID if items[0].target_id is not None else key_field
    wanted = [item.target_id if field == ID else as_text(item.body.get(field)) for item in items]
    found = [as_text(row.get(field)) if isinstance(row, dict) else None for row in rows]
    if len(rows) == len(items) and all(
        want == have or _errors_of(row) for want, have, row in zip(wanted, found, rows, strict=True)
    ):
        return [_result(item, row) for item, row in zip(items, rows, strict=True)]
    return _by_key(items, rows, wanted=wanted, found=found)


def _by_key(
    items: Sequence[WriteItem],
    rows: Sequence[Any],
    *,
    wanted: Sequence[str | None],
    found: Sequence[str | None],
) -> list[WriteResult]:
    """A key that stands a different number of times on the two sides tells nothing of any of its items."""
    rows_by_key: dict[str, list[Any]] = defaultdict(list)
    for key, row in zip(found, rows, strict=True):
        if key is not None:
            rows_by_key[key].append(row)
    counts: dict[str | None, int] = defaultdict(int)
    for key in wanted:
        counts[key] += 1
    results = []
    for item, key in zip(items, wanted, strict=True):
        matches = rows_by_key.get(key) if key is not None else None
        if matches is None or counts[key] != 1 or len(matches) != 1:
            results.append(DOUBT)
        else:
            results.append(_result(item, matches[0]))
    return results


def _rows_of(answer: Any, length: int) -> list[Any] | None:
    if isinstance(answer, list):
        return answer
    if isinstance(answer, dict):
        if isinstance(answer.get("results"), list):
            return list(answer["results"])
        if length == 1:
            return [answer]
    return None


def _result(item: WriteItem, row: Any) -> WriteResult:
    error = _errors_of(row)
    if error:
        return refused_row(error, item)
    target_id = as_text(row.get(ID)) if isinstance(row, dict) else None
    if target_id is None:
        return DOUBT
    return WriteResult(Verdict.WRITTEN, target_id=target_id)


def _errors_of(row: Any) -> Any:
    """The errors that a row carries in the place of an id; None where it carries none."""
    if not isinstance(row, dict) or as_text(row.get(ID)) is not None:
        return None
    for name in _ERROR_NAMES:
        if row.get(name):
            return row[name] if name in {"errors", "error"} else {name: row[name]}
    if row and all(_is_texts(value) for value in row.values()):
        return row
    return None


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(text, str) for text in value)
