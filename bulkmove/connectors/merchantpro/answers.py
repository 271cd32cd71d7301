"""What MerchantPro's answers say: the envelope of a list, failures, waits, and what became of a write."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson

from bulkmove.connectors.json_text import part, printable, whole_number
from bulkmove.model import Page, Record, Response

_PASSING = "operation could not be completed"
_PASSING_STATUSES = frozenset({400, 405, 500})
_LONGEST_WAIT_S = 86_400.0
_MOST_OF_A_MESSAGE = 200
_SECONDS = re.compile(r"[0-9]{1,12}")

UNDEFINED_FILTER = "undefined_filter"


@dataclass(frozen=True, slots=True)
class Failure:
    """The body of a 4xx: `{"error": {"name", "message", "details"}}` (reported by public clients)."""

    name: str
    message: str
    details: Any


def failure_of(response: Response) -> Failure:
    """What an error answer says; empty texts where it has not the known shape. Never raises."""
    error = part(decoded(response), "error")
    if not isinstance(error, dict):
        return Failure("", "", None)
    name, message = error.get("name"), error.get("message")
    return Failure(
        printable(name)[:_MOST_OF_A_MESSAGE] if isinstance(name, str) else "",
        printable(message)[:_MOST_OF_A_MESSAGE] if isinstance(message, str) else "",
        error.get("details"),
    )


def decoded(response: Response) -> Any:
    """The body as JSON, None for what is none."""
    try:
        return orjson.loads(response.body)
    except ValueError:
        return None


def wait_from_body(response: Response) -> float | None:
    """Seconds until `error.details.reset_time` (epoch seconds; reported by public clients), by the host's own clock.

    None where the body names none, a moment that is past, or one more than a day ahead.
    """
    details = failure_of(response).details
    reset = details.get("reset_time") if isinstance(details, dict) else None
    if isinstance(reset, str) and _SECONDS.fullmatch(reset):
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


def rows_of(envelope: Any) -> list[Any] | None:
    """`data` of a list's answer, None where it has not the documented envelope."""
    rows = envelope.get("data") if isinstance(envelope, dict) else None
    return rows if isinstance(rows, list) else None


def page_of(response: Response, record: Callable[[Any], Record]) -> Page | None:
    """One page of the envelope `{data, meta: {count, links}}`, None where the answer has not that shape.

    Links are relative, `next` is null at the end (documented): it is only asked whether there is one.
    """
    rows = rows_of(response.data)
    if rows is None:
        return None
    meta = response.data.get("meta")
    links = part(meta, "links")
    return Page(
        records=[record(row) for row in rows],
        total=whole_number(part(meta, "count", "total")),
        has_next=links["next"] is not None if isinstance(links, dict) and "next" in links else None,
        date=response.date,
    )
