"""One request and its answer in words: for people on a terminal, for programs as an object, never with a secret."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any

import orjson
from rich.console import Console
from rich.highlighter import JSONHighlighter
from rich.text import Text

from bulkmove.exact import decode_json
from bulkmove.model import Request, Response
from bulkmove.pipeline.hosts import Call
from bulkmove.protocols import Signature
from bulkmove.settings import HostSettings
from bulkmove.transport.hiding import HIDDEN, SHORTEST, in_any_spelling

_DEEPEST = 100
_WORTH_SEEING = re.compile(
    r"(?i)content-type|content-language|location|allow|date|retry-after|(x-)?ratelimit.*|x-request-id|warning"
)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")

Hide = Callable[[Any], Any]


def hider(host: HostSettings, signature: Signature) -> Hide:
    """What hides a host's credentials in a text, or in every text of a JSON value: in links, too, by their names."""
    secrets = {secret.reveal() for secret in host.credentials.values()}
    secrets |= {word for value in signature.headers.values() for word in (value, value.rpartition(" ")[2])}
    secrets |= set(signature.params.values())
    known = sorted((each for each in secrets if len(each) >= SHORTEST), key=len, reverse=True)
    values = re.compile("|".join(map(in_any_spelling, known))) if known else None
    names = "|".join(map(re.escape, {*host.credentials, *signature.params})) or "api_key"
    in_links = re.compile(rf"(?i)([?&](?:{names})=)[^&#\s\"'<>]*")

    def hide(value: Any) -> Any:
        if isinstance(value, str):
            # First: a link that holds a credential as it is ends, by its look, at the credential's own `&` or blank.
            text = values.sub(HIDDEN, value) if values is not None else value
            return in_links.sub(rf"\g<1>{HIDDEN}", text)
        if isinstance(value, dict):
            return {hide(name): hide(inner) for name, inner in value.items()}
        return [hide(inner) for inner in value] if isinstance(value, list) else value

    return hide


def body_of(body: bytes | None) -> tuple[Any, bool]:
    """A body as a JSON value, or else as text, and whether it is JSON; an empty one is JSON, and None.

    What is nested more deeply than anyone could read is text.
    """
    if body is None or not body.strip():
        return None, True
    try:
        value = decode_json(body)
    except ValueError:
        return body.decode(errors="replace"), False
    return (value, True) if _is_shallow(value) else (body.decode(errors="replace"), False)


def _is_shallow(value: Any) -> bool:
    level = [value]
    for _ in range(_DEEPEST):
        level = [inner for each in level for inner in _within(each)]
        if not level:
            return True
    return False


def _within(value: Any) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()


def pretty(value: Any) -> str:
    """JSON over several lines, with the digits that came."""
    try:
        return orjson.dumps(value, default=_exact, option=orjson.OPT_INDENT_2).decode()
    except TypeError:  # a lone surrogate, which has no UTF-8
        return repr(value)


def _exact(value: object) -> Any:
    if isinstance(value, Decimal):
        return orjson.Fragment(str(value).encode())
    raise TypeError(type(value).__name__)


def headers_of(response: Response, hide: Hide) -> dict[str, str]:
    """The headers that tell something, without credentials."""
    return {
        name.lower(): hide(value) for name, value in response.headers.items() if _WORTH_SEEING.fullmatch(name)
    }


def show_request(console: Console, call: Call, request: Request, hide: Hide) -> None:
    """Method, address, query and body; what carries the credentials is added later, and is never here."""
    line = Text.assemble((f"{request.method} ", "bold"), hide(call.host.url.rstrip("/") + request.path))
    line.append(f"   {call.operation.name}, {call.path_is}", "dim")
    console.print(line, soft_wrap=True)
    _show_pairs(console, {name: hide(value) for name, value in request.params.items()})
    if request.body is not None:
        show_json(console, hide(body_of(request.body)[0]))


def show_answer(console: Console, response: Response, reason: str, hide: Hide, *, took_s: float) -> None:
    """Status and headers, without the body."""
    style = "bold green" if response.is_success else "bold red"
    line = Text.assemble(
        (f"{response.status} {reason}".rstrip(), style), (f"   {took_s * 1000:.0f} ms", "dim")
    )
    console.print(line, soft_wrap=True)
    _show_pairs(console, headers_of(response, hide))


def show_json(console: Console, value: Any) -> None:
    text = Text(pretty(value))
    console.print(JSONHighlighter()(text) if console.is_terminal else text, soft_wrap=True)


def show_text(console: Console, text: str) -> None:
    """What is no JSON, such as a page of HTML; on a terminal without what would steer it."""
    console.print(Text(_CONTROL.sub("�", text) if console.is_terminal else text), soft_wrap=True)


def _show_pairs(console: Console, pairs: Mapping[str, str]) -> None:
    width = max(map(len, pairs), default=0)
    for name, value in pairs.items():
        console.print(Text.assemble((f"  {name:{width}}  ", "cyan"), value), soft_wrap=True)
