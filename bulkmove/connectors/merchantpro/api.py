"""MerchantPro API v2 as its document has it, with what public clients report marked as such.

One call is used so far: the list of orders. Names of parameters and filters stand here, their use in `source`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

from bulkmove.model import Response
from bulkmove.settings import Window

# Documented.
PATHS = {"orders": "/api/v2/orders"}

# Documented: "the maximum number of records per page cannot exceed 100".
MOST_A_PAGE = 100

# Documented, 16; the document's table writes `ids` as IFS. Any other is refused as `undefined_filter` (reported
# by public clients).
FILTERS = frozenset({
    "id", "ids", "payment_status", "payment_substatus_id", "payment_method_code", "payment_transaction_id",
    "shipping_status", "shipping_substatus_id", "shipping_method_id", "shipping_awb", "customer_id",
    "customer_email", "created_after", "created_before", "tag_name", "tag_ids",
})  # fmt: skip

# Not in the document; public clients report these limits, all of them holding at once.
WINDOWS = (Window(4, 1.0), Window(80, 60.0), Window(3600, 3600.0), Window(60_000, 86_400.0))

ACCEPT = {"Accept": "application/json"}

_PASSING = "operation could not be completed"
_PASSING_STATUSES = frozenset({400, 405, 500})
_LONGEST_WAIT_S = 86_400.0
_MOST_OF_A_MESSAGE = 200


@dataclass(frozen=True, slots=True)
class Failure:
    """The body of a 4xx: `{"error": {"name", "message", "details"}}` (reported by public clients)."""

    name: str
    message: str
    details: Any


def failure_of(response: Response) -> Failure:
    """What an error answer says; empty texts where it has not the known shape. Never raises."""
    try:
        body = orjson.loads(response.body)
    except ValueError:
        body = None
    error = body.get("error") if isinstance(body, dict) else None
    if not isinstance(error, dict):
        return Failure("", "", None)
    name, message = error.get("name"), error.get("message")
    return Failure(
        name if isinstance(name, str) else "",
        message[:_MOST_OF_A_MESSAGE] if isinstance(message, str) else "",
        error.get("details"),
    )


def wait_from_body(response: Response) -> float | None:
    """Seconds until `error.details.reset_time` (epoch seconds; reported by public clients), by the host's own clock.

    None where the body names none, a moment that is past, or one more than a day ahead.
    """
    details = failure_of(response).details
    reset = details.get("reset_time") if isinstance(details, dict) else None
    if isinstance(reset, str) and reset.isascii() and reset.isdigit():
        reset = int(reset)
    if isinstance(reset, bool) or not isinstance(reset, int | float):
        return None
    wait_s = reset - (response.date if response.date is not None else response.sent_at)
    return float(wait_s) if 0 < wait_s <= _LONGEST_WAIT_S else None


def is_passing(response: Response) -> bool:
    """Whether the failure is the one that public clients report to pass by itself, on 400, 405 and 500."""
    if response.status not in _PASSING_STATUSES:
        return False
    return failure_of(response).message.casefold().startswith(_PASSING)


def list_parameters(fields_used: tuple[str, ...] | None) -> dict[str, str]:
    """The documented parameters that every page of the list carries.

    `line_items` come only where `include` asks for them; so do `tags`. `fields` narrows the rest: `id` always
    comes, the dates are added because the list is read and compared by them. Parts of a field
    (`line_items[].quantity`) ask for the whole.
    """
    if fields_used is None:
        return {"sort": "date_created", "include": "line_items"}
    wanted = dict.fromkeys(["id", "date_created", "date_modified"])
    wanted.update(dict.fromkeys(name.partition(".")[0].partition("[")[0] for name in fields_used))
    return {
        "sort": "date_created",
        "include": "line_items,tags" if "tags" in wanted else "line_items",
        "fields": ",".join(wanted),
    }


def rows_of(envelope: Any) -> list[Any] | None:
    """`data` of a list's answer, None where it has not the documented envelope."""
    rows = envelope.get("data") if isinstance(envelope, dict) else None
    return rows if isinstance(rows, list) else None
