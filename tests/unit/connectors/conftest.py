from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
import pytest

from bulkmove.connectors.scripted import ScriptedTransport, answer
from bulkmove.model import Request, Response, WriteItem
from bulkmove.settings import HostSettings, RouteSettings, StreamName


@pytest.fixture
def host() -> Callable[..., HostSettings]:
    """A host; keywords are its settings."""

    def make(**settings: Any) -> HostSettings:
        return HostSettings(**{"name": "shop", "api": "some", "url": "https://shop.example", **settings})

    return make


@pytest.fixture
def route() -> Callable[..., RouteSettings]:
    """A route; keywords are its settings."""

    def make(**settings: Any) -> RouteSettings:
        return RouteSettings(
            **{
                "name": "orders",
                "source": StreamName("shop", "orders"),
                "target": StreamName("new", "orders"),
                "mapper": "none",
                **settings,
            }
        )

    return make


@pytest.fixture
def transport(host: Callable[..., HostSettings]) -> Callable[..., ScriptedTransport]:
    """A transport that gives these answers, one after the other, the last for ever; keywords are the host's."""

    def make(*answers: Response | Exception, **settings: Any) -> ScriptedTransport:
        left = list(answers)

        def script(_: Request) -> Response:
            given = left.pop(0) if len(left) > 1 else left[0]
            if isinstance(given, Exception):
                raise given
            return given

        return ScriptedTransport(host(**settings), script)

    return make


@pytest.fixture
def item() -> Callable[..., WriteItem]:
    """An item to write."""

    def make(body: dict[str, Any], target_id: str | None = None) -> WriteItem:
        return WriteItem(target_id, body, orjson.dumps(body))

    return make


@pytest.fixture
def merchantpro_page() -> Callable[..., Response]:
    """A page of a MerchantPro list."""

    def make(*rows: Any, total: int | None = None, next_link: str | None = None) -> Response:
        count = {
            "total": len(rows) if total is None else total,
            "current": len(rows),
            "start": 0,
            "limit": 100,
        }
        return answer(
            200,
            {"data": list(rows), "meta": {"count": count, "links": {"prev": None, "next": next_link}}},
            date=5.0,
        )

    return make
