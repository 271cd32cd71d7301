"""What a request and its answer are between the simulated wire and a simulated host."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import orjson

Row = dict[str, Any]

# A product that no target knows: an order with it is refused.
BAD_PRODUCT = 666


class Call(NamedTuple):
    method: str
    path: str
    query: Mapping[str, str]
    body: bytes | None


class Created(NamedTuple):
    """One row that a call created: the key that was sent, and the row's id."""

    key: str
    row_id: str


class Bodies:
    """The bodies that were sent under each key to be created: a record is mapped once, so that it has one.

    `of_two`: keys that came with a second one.
    """

    def __init__(self) -> None:
        self.of_two: set[str] = set()
        self._first: dict[str, Row] = {}

    def note(self, key: str, body: Row) -> None:
        if self._first.setdefault(key, dict(body)) != body:
            self.of_two.add(key)


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300


class Host(Protocol):
    """One simulated host. `answer` does the whole of a call at once.

    `skew_s`: how far its clock is off. `is_moving`: whether others than the migration change its lists.
    """

    api: str
    skew_s: float
    is_moving: bool
    counted: Counter[str]

    def kind(self, call: Call) -> str:
        """ "list" for what reads a list, "read" for another look, "write" for what can't be repeated, else "set"."""
        ...

    def answer(self, call: Call) -> Reply: ...


def json_reply(status: int, body: object, headers: Mapping[str, str] | None = None) -> Reply:
    return Reply(status, orjson.dumps(body), headers or {})


def html_reply(status: int, text: str) -> Reply:
    return Reply(status, f"<!doctype html><html><body><h1>{text}</h1></body></html>".encode())


def detail(status: int, text: str, headers: Mapping[str, str] | None = None) -> Reply:
    return json_reply(status, {"detail": text}, headers)
