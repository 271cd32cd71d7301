"""Hosts that answer with odd bytes, and what holds of whatever is made of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bulkmove.connectors import external_order, merchantpro, robosize
from bulkmove.connectors.scripted import ScriptedTransport
from bulkmove.errors import BulkmoveError
from bulkmove.exact import is_utf8
from bulkmove.model import Page, Request, Response, Verdict, WriteItem, WriteResult
from bulkmove.protocols import Connector
from bulkmove.settings import HostSettings, RouteSettings, StreamName

# It stands in every answer of these hosts, as it would in a `next` link.
CANARY = "c4nary-53cr3t"
CONNECTORS: Mapping[str, Connector] = {
    each.name: each for each in (merchantpro.CONNECTOR, external_order.CONNECTOR, robosize.CONNECTOR)
}
_DOCUMENTS = Path(__file__).parents[2] / "samples" / "documents"
ORDER = json.loads((_DOCUMENTS / "merchantpro" / "27-get-order.response.json").read_text(encoding="utf-8"))[
    "body"
]


def host_of(api: str, **options: Any) -> HostSettings:
    return HostSettings("shop", api, "https://shop.example", timezone="Europe/Bucharest", options=options)


def route_of(stream: str, **settings: Any) -> RouteSettings:
    name = StreamName("shop", stream)
    return RouteSettings(name="route", source=name, target=name, mapper="none", **settings)


def answering(host: HostSettings, answers: Sequence[bytes], *, status: int = 200) -> ScriptedTransport:
    """Gives these bodies one after the other, the last for ever."""
    left = list(answers)

    def script(request: Request) -> Response:
        del request
        body = left.pop(0) if len(left) > 1 else left[0]
        return Response(status, {}, body, None, 1_700_000_000.0, 1_700_000_000.0)

    return ScriptedTransport(host, script)


def told(make: Callable[[], Any]) -> Any:
    """What it returns; None where it raises one of ours, whose message can be printed and holds no secret.

    Whatever else it raises goes through, and fails the test.
    """
    try:
        return make()
    except BulkmoveError as error:
        check_message(str(error))
        return None


def check_message(text: str) -> None:
    assert text
    assert is_utf8(text)
    assert CANARY not in text
    assert len(text) < 4000
    assert not any(character < " " and character != "\n" for character in text)
    assert "\x7f" not in text


def check_page(page: Page) -> None:
    """Each row is a record that can be named, kept and asked for; a count is one."""
    assert page.total is None or page.total >= 0
    for record in page.records:
        assert isinstance(record.data, dict)
        assert record.id is None or (record.id and is_utf8(record.id))
        assert record.key is None or (type(record.key) is int and abs(record.key) < 2**62)
        assert record.version is None or is_utf8(record.version)


def check_results(results: Sequence[WriteResult], items: Sequence[WriteItem]) -> None:
    """A result an item; the host's words in it can be kept and printed."""
    assert len(results) == len(items)
    for result in results:
        assert isinstance(result.verdict, Verdict)
        assert result.target_id is None or (result.target_id and is_utf8(result.target_id))
        if result.verdict is Verdict.WRITTEN:
            assert result.target_id is not None
        if result.message is not None:
            check_message(result.message)
