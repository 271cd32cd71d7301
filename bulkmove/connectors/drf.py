"""How servers built on Django REST framework answer: refusals of one body, of an array or of a row, and keys.

None of this is in the APIs' documents; it was seen on such servers, 3.14 to 3.18.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Any

import orjson

from bulkmove.errors import BadAnswerError, ConfigError
from bulkmove.model import Request, Response, Verdict, WriteItem, WriteResult

_MOST_OF_A_MESSAGE = 300
_QUOTED = re.compile(r'"[^"]*"|“[^”]*”|„[^”“]*[”“]|«[^»]*»')
_DEEPEST = 6

HELD = WriteResult(Verdict.HELD)
DOUBT = WriteResult(Verdict.DOUBT)

# Only these say something of what was sent. The others speak of the account, the address or the host.
_BLAMES_WHAT_WAS_SENT = frozenset({400, 409, 413, 415, 422})
# A conflict can come from one body of an array after others were written; what 415 on an array means nobody shows.
_MAY_BE_DONE_IN_PART = frozenset({409, 415})
_NO_SUCH_PATH = frozenset({404, 405})
_NO_SUCH_ROW = frozenset({404, 410})


def refusals(
    host: str, request: Request, response: Response, items: Sequence[WriteItem]
) -> list[WriteResult]:
    """What a 4xx on the address of a list, for one body or an array of them, says of each item.

    400: a list as long as the array, with `{}` for good items (up to 3.17), or an object keyed by the index of
    bad items alone (from 3.18). The named are REJECTED, the others HELD. Where nobody is named, all are HELD;
    an item that was sent alone is the one that is meant. 409 and 415 leave an array in doubt, unless it can be
    sent twice. Raises ConfigError for 404 and 405, BadAnswerError for a 4xx that blames nothing that was sent.
    """
    _check_blame(host, request, response)
    body = _body_of(response)
    if len(items) == 1:
        alone = _named_errors(body, 1) if response.status == 400 else None
        return [_rejected(response, (alone or {}).get(0, body), items[0])]
    if response.status in _MAY_BE_DONE_IN_PART and not request.is_repeatable:
        return [DOUBT] * len(items)
    named = (_named_errors(body, len(items)) if response.status == 400 else None) or {}
    return [_rejected(response, named[i], item) if i in named else HELD for i, item in enumerate(items)]


def row_refusal(host: str, request: Request, response: Response, item: WriteItem) -> WriteResult:
    """What a 4xx says where a row is named by its id: a 404 with a JSON object is the row's, another the path's.

    Raises what `refusals` raises.
    """
    if _names_no_row(response):
        return _rejected(response, _body_of(response), item, cause="not-found")
    return refusals(host, request, response, [item])[0]


def joined_refusals(
    host: str, request: Request, response: Response, items: Sequence[WriteItem]
) -> list[WriteResult]:
    """What a 4xx on one change for many ids says: of one id as `row_refusal`, of several that all are HELD."""
    if len(items) == 1:
        return [row_refusal(host, request, response, items[0])]
    if not _names_no_row(response):
        _check_blame(host, request, response)
    return [HELD] * len(items)


def loose(key: str) -> str:
    """A key without what servers change in it when they store it: blanks around it, Unicode's form, case."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", key.strip()).casefold())


def _check_blame(host: str, request: Request, response: Response) -> None:
    if response.status in _BLAMES_WHAT_WAS_SENT:
        return
    where, check = (
        f"{host}: {request.method} {response.asked or request.path}",
        f"check hosts.{host}.url and hosts.{host}.paths",
    )
    if response.status in _NO_SUCH_PATH:
        problem = "is not there" if response.status == 404 else "is not allowed"
        raise ConfigError(f"{where} {problem} ({response.status}); {check}")
    raise BadAnswerError(f"{where} answered {response.status}, which blames no record; {check}")


def _names_no_row(response: Response) -> bool:
    return response.status in _NO_SUCH_ROW and isinstance(_body_of(response), dict)


def refused_row(error: Any, item: WriteItem) -> WriteResult:
    """REJECTED for a row of a 2xx answer that carries errors instead of what was written."""
    message = describe(error, item)
    return WriteResult(
        Verdict.REJECTED, cause="refused", message=f"the host refused it: {message}".rstrip(": ")
    )


def _rejected(response: Response, error: Any, item: WriteItem, *, cause: str = "refused") -> WriteResult:
    said = describe(error, item)
    message = (
        f"the host answered {response.status}: {said}" if said else f"the host answered {response.status}"
    )
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
