"""What a request and an answer are inside the sandbox, and the bodies that the APIs share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import parse_qsl

import orjson

Json = dict[str, Any]

JSON_TYPE = "application/json"
HTML_TYPE = "text/html; charset=utf-8"


@dataclass(slots=True)
class Call:
    """One request, read to its end. `target` is the path with its query as sent, `origin` is scheme and address.

    `leniency` names a fault that changes how the write itself is done (`not-atomic`, `partial-200`);
    an API sets `leniency_used` when it made a difference.
    """

    method: str
    path: str
    target: str
    headers: Mapping[str, str]
    body: bytes = b""
    origin: str = "http://127.0.0.1"
    leniency: str | None = None
    leniency_used: bool = False
    _query: dict[str, str] | None = field(default=None, repr=False)

    @property
    def query(self) -> dict[str, str]:
        """The parameters, the last of a name winning. A bare + is a space, as in every form decoder."""
        if self._query is None:
            _, _, query = self.target.partition("?")
            self._query = dict(parse_qsl(query, keep_blank_values=True)) if query else {}
        return self._query


@dataclass(slots=True)
class Answer:
    """What goes back: a body that is encoded already, and how many rows the call created and updated."""

    status: int
    body: bytes = b""
    content_type: str = JSON_TYPE
    headers: dict[str, str] = field(default_factory=dict)
    created: int = 0
    updated: int = 0

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300


class Api(Protocol):
    """One emulated API. `answer` does the whole of a call, and never waits."""

    name: str

    def kind(self, call: Call) -> str:
        """What sort of path it is, such as `list` or `one`: statistics and faults are told by it."""
        ...

    def refusal(self, call: Call) -> Answer | None:
        """The answer to wrong credentials, or None."""
        ...

    def answer(self, call: Call) -> Answer: ...


def json_answer(status: int, body: object, *, created: int = 0, updated: int = 0) -> Answer:
    return Answer(status, orjson.dumps(body), created=created, updated=updated)


def encoded_to_keep(row: Json) -> bytes:
    """JSON that will be kept: a copy, since orjson leaves its 4 KB buffer shrunk in place and its rest unused."""
    return bytes(memoryview(orjson.dumps(row)))


def html_answer(status: int, title: str, text: str = "") -> Answer:
    """A page such as a web server or a framework writes where no JSON was thought of."""
    page = (
        f'<!doctype html>\n<html lang="en">\n<head>\n  <title>{title}</title>\n</head>\n'
        f"<body>\n  <h1>{title}</h1><p>{text}</p>\n</body>\n</html>\n"
    )
    return Answer(status, page.encode(), HTML_TYPE)


def unknown_url() -> Answer:
    return html_answer(404, "Not Found", "The requested resource was not found on this server.")


def moved(status: int, call: Call) -> Answer:
    """To the same address with a slash at the end of its path; 301 and 302 both let clients turn a POST into a GET."""
    _, mark, query = call.target.partition("?")
    return Answer(status, b"", HTML_TYPE, {"Location": call.path + "/" + mark + query})


def parsed_json(body: bytes) -> tuple[Any, str | None]:
    """The value and None, or None and what is wrong with it. Decoded strictly: UTF-8, no trailing commas, no NaN."""
    try:
        return orjson.loads(body), None
    except orjson.JSONDecodeError as error:
        return None, str(error)


def whole_number(text: str | None) -> int | None:
    """The number that a query's text is, or None where it is none: lists fall back to their defaults then."""
    try:
        return int(text) if text is not None else None
    except ValueError:
        return None
