"""How servers built on Django REST framework answer: pages, and refusals of one body or of an array.

None of this is in the APIs' documents; it was seen on such servers, 3.14 to 3.18.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import orjson

from bulkmove.model import Response, Verdict, WriteItem, WriteResult

_MOST_OF_A_MESSAGE = 300
_QUOTED = re.compile(r'"[^"]*"|“[^”]*”|„[^”“]*[”“]|«[^»]*»')
_DEEPEST = 6

HELD = WriteResult(Verdict.HELD)


def refusals(response: Response, items: Sequence[WriteItem]) -> list[WriteResult]:
    """What a 4xx on one body, or on an array of them, says of each item.

    400: a list as long as the array, with `{}` for good items (up to 3.17), or an object keyed by the index of
    bad items alone (from 3.18). The named are REJECTED, the others HELD. Where nobody is named, all are HELD;
    an item that was sent alone is the one that is meant.
    """
    body = _body_of(response)
    if len(items) == 1:
        alone = _named_errors(body, 1) if response.status == 400 else None
        return [_rejected(response, (alone or {}).get(0, body), items[0])]
    named = (_named_errors(body, len(items)) if response.status == 400 else None) or {}
    return [_rejected(response, named[i], item) if i in named else HELD for i, item in enumerate(items)]


def refused_row(error: Any, item: WriteItem) -> WriteResult:
    """REJECTED for a row of a 2xx answer that carries errors instead of what was written."""
    message = describe(error, item)
    return WriteResult(
        Verdict.REJECTED, cause="refused", message=f"the host refused it: {message}".rstrip(": ")
    )


def _rejected(response: Response, error: Any, item: WriteItem) -> WriteResult:
    said = describe(error, item)
    message = (
        f"the host answered {response.status}: {said}" if said else f"the host answered {response.status}"
    )
    cause = "not-found" if response.status == 404 and item.target_id is not None else "refused"
    return WriteResult(Verdict.REJECTED, cause=cause, message=message)


def _body_of(response: Response) -> Any:
    try:
        return orjson.loads(response.body)
    except ValueError:
        return None


def _named_errors(body: Any, length: int) -> dict[int, Any] | None:
    """The errors by index of the array that was sent; None where the body has neither of the two shapes."""
    if isinstance(body, list):
        if len(body) != length or not all(isinstance(entry, dict) for entry in body):
            return None
        return {i: entry for i, entry in enumerate(body) if entry}
    if not isinstance(body, dict) or not body:
        return None
    named = {int(key): error for key, error in body.items() if key.isascii() and key.isdigit()}
    if len(named) != len(body) or max(named) >= length:
        return None
    return {i: error for i, error in named.items() if error}


def describe(error: Any, item: WriteItem) -> str:
    """`field: text; field: text` of a host's error, at most 300 characters, without a value of the item's body.

    Error texts quote what they refuse, so what stands in quotation marks, and every value of the body, gives way
    to an ellipsis.
    """
    values = sorted({*_values(item.body)}, key=len, reverse=True)
    texts = []
    for path, text in _texts(error, "", 0):
        shown = _without(values, _QUOTED.sub("…", text))
        texts.append(f"{path}: {shown}" if path else shown)
    said = "; ".join(texts)
    said = " ".join(said.split())
    return said if len(said) <= _MOST_OF_A_MESSAGE else said[: _MOST_OF_A_MESSAGE - 1] + "…"


def _without(values: list[str], text: str) -> str:
    for value in values:
        if value in text:
            text = re.sub(rf"(?<!\w){re.escape(value)}(?!\w)", "…", text)
    return text


def _texts(error: Any, path: str, depth: int) -> Iterator[tuple[str, str]]:
    if depth > _DEEPEST:
        return
    if isinstance(error, dict):
        for name, inner in error.items():
            yield from _texts(inner, f"{path}.{name}" if path else name, depth + 1)
    elif isinstance(error, list):
        for i, inner in enumerate(error):
            place = f"{path}[{i}]" if isinstance(inner, dict) and path else path
            yield from _texts(inner, place, depth + 1)
    elif isinstance(error, str) and error:
        yield path, error


def _values(value: Any) -> Iterator[str]:
    """Every text and number of a body that is long enough to tell something."""
    if isinstance(value, dict):
        for inner in value.values():
            yield from _values(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _values(inner)
    elif value is not None and not isinstance(value, bool) and len(text := str(value)) > 2:
        yield text
