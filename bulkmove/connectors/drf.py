"""How servers built on Django REST framework answer: refusals of one body, of an array or of a row, and keys.

None of this is in the APIs' documents; it was seen on such servers, 3.14 to 3.18.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Any

import orjson

from bulkmove.connectors.fates import FATES, Fate, Kind, Reply, refusal_of
from bulkmove.connectors.json_text import printable
from bulkmove.errors import BadAnswerError, BulkmoveError, ConfigError
from bulkmove.model import Request, Response, Verdict, WriteItem, WriteResult

_MOST_OF_A_MESSAGE = 300
_QUOTED = re.compile(r'"[^"]*"|“[^”]*”|„[^”“]*[”“]|«[^»]*»')
_DEEPEST = 6
_INDEX = re.compile(r"[0-9]{1,9}")

HELD = WriteResult(Verdict.HELD, cause="unnamed")
_SPARED = WriteResult(Verdict.HELD, cause="named")
DOUBT = WriteResult(Verdict.DOUBT)
_TOO_LARGE = WriteResult(
    Verdict.TOO_LARGE, cause="too-large", message="the host answered 413: it is larger than the host takes"
)


def refusals(
    host: str, request: Request, response: Response, items: Sequence[WriteItem], *, kind: Kind
) -> list[WriteResult]:
    """What a 4xx says of each item of a write, by the table of fates.

    400, 422: a list as long as the array, with `{}` for good items (up to 3.17), or an object keyed by the index of bad
    items alone (from 3.18). The named are REJECTED, the others HELD; where nobody is named, all are HELD. An item that
    was sent alone is the one that is meant, whatever is said. Raises ConfigError where the path is not there, and
    BadAnswerError for a 4xx that blames nothing that was sent.
    """
    body = _body_of(response)
    named = _named_errors(body, len(items)) or {}
    reply = refusal_of(response, names_items=bool(named), is_object=isinstance(body, dict))
    fate = FATES[reply][kind]
    if fate in {Fate.ENDS_2, Fate.ENDS_5}:
        raise _ending(host, request, response, fate)
    if fate is Fate.SMALLER:
        return [_TOO_LARGE] * len(items)
    if len(items) == 1:
        error = named.get(0, body) if reply is Reply.NAMED else body
        cause = "not-found" if reply is Reply.NO_ROW else "refused"
        return [_rejected(response, error, items[0], cause=cause)]
    if fate is Fate.DOUBT:
        return [DOUBT] * len(items)
    if fate is Fate.NAMED:
        return [
            _rejected(response, named[i], item, cause="refused") if i in named else _SPARED
            for i, item in enumerate(items)
        ]
    return [HELD] * len(items)


def loose(key: str) -> str:
    """A key without what servers change in it when they store it: blanks around it, Unicode's form, case."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", key.strip()).casefold())


def _ending(host: str, request: Request, response: Response, fate: Fate) -> BulkmoveError:
    """What ends the route: an answer that speaks of the address, the account or the host, and of no record."""
    where = f"{host}: {request.method} {response.asked or request.path}"
    check = f"check hosts.{host}.url and hosts.{host}.paths"
    if fate is Fate.ENDS_2:
        problem = "is not allowed" if response.status == 405 else "is not there"
        return ConfigError(f"{where} {problem} ({response.status}); {check}")
    return BadAnswerError(f"{where} answered {response.status}, which blames no record; {check}")


def _rejected(response: Response, error: Any, item: WriteItem, *, cause: str) -> WriteResult:
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
    named = {int(key): error for key, error in body.items() if _INDEX.fullmatch(key)}
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
    said = printable("; ".join(texts))
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
