"""A server whose names are run together: `orderid`, `incollection`, `createdafter`, as the document shows some of them.

All inside is underscored. What comes in is translated here, strictly: a name with underscores is none that such a
server knows, so it gets a mark, by which it is passed over or refused, and seen in the sandbox's own record.
"""

from __future__ import annotations

import re
from typing import Any

from bulkmove.sandbox.calls import JSON_TYPE, Answer, Call
from bulkmove.sandbox.external_check import ADDRESS_FIELDS, ITEM_FIELDS, ORDER_FIELDS, ORDER_STATUSES

_MARK = " (underscored)"
_FIELDS = {name.replace("_", ""): name for name in (*ORDER_FIELDS, *ITEM_FIELDS, *ADDRESS_FIELDS)}
_STATUSES = {status.replace("_", ""): status for status in ORDER_STATUSES}
_FILTERS = {name.replace("_", ""): name for name in ("created_after", "region_id", "locality_id")}
_ORDERINGS = {name.replace("_", ""): name for name in ("created_at", "order_id")}
# No fields of rows, and so not spelled as they are.
_PAGING = frozenset({"page_size"})

# A quote within a text is escaped, so that only names are followed by a quote and a colon.
_NAME = re.compile(rb'"order_status":"[a-z_]+"|"[a-z]+(?:_[a-z]+)+":')


def hear_query(call: Call) -> None:
    """Put the query's parameters into the names and values that the sandbox knows."""
    heard = {_heard_name(name): _heard_value(name, value) for name, value in call.query.items()}
    call.query.clear()
    call.query.update(heard)


def heard(value: Any) -> Any:
    """A body that was sent, or a part of one."""
    if isinstance(value, list):
        return [heard(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {
        _heard(name, _FIELDS): _heard(inner, _STATUSES)
        if name == "orderstatus" and isinstance(inner, str)
        else heard(inner)
        for name, inner in value.items()
    }


def told(answer: Answer) -> Answer:
    """The answer with its names, and the statuses in it, run together."""
    if answer.content_type == JSON_TYPE:
        answer.body = _NAME.sub(lambda match: match[0].replace(b"_", b""), answer.body)
    return answer


def _heard_name(name: str) -> str:
    return name if name in _PAGING else _heard(name, _FILTERS)


def _heard_value(name: str, value: str) -> str:
    if name == "status":
        return ",".join(_heard(status, _STATUSES) for status in value.split(","))
    if name == "ordering":
        sign = "-" if value.startswith("-") else ""
        return sign + _heard(value.removeprefix("-"), _ORDERINGS)
    return value


def _heard(name: str, known: dict[str, str]) -> str:
    return known.get(name, name + _MARK if "_" in name else name)
