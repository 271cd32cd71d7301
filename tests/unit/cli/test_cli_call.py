"""What of a request and its answer is shown, and that no credential is."""

from __future__ import annotations

import io
from base64 import b64encode
from collections.abc import Callable
from decimal import Decimal
from html import escape
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from multidict import CIMultiDict
from rich.console import Console

from bulkmove.cli.calling import list_calls
from bulkmove.cli.exchange import body_of, headers_of, hider, pretty, show_answer, show_request, show_text
from bulkmove.connectors.discover import connector
from bulkmove.errors import ConfigError
from bulkmove.model import Response
from bulkmove.pipeline.hosts import Call, request_for
from bulkmove.settings import HostSettings, Secret

KEY = "k3y+with/odd=signs"


def call(name: str = "list-products", **settings: Any) -> Call:
    api = connector("robosize")
    host = HostSettings(
        **{
            "name": "sizing",
            "api": "robosize",
            "url": "https://sizes.example",
            "credentials": {"api_key": Secret(KEY)},
            **settings,
        }
    )
    operation = api.operations[name]
    return Call(host, api, operation, api.paths[operation.path], "documented")


def hide(value: Any, **credentials: str) -> Any:
    if not credentials:
        made = call()
        return hider(made.host, made.api.sign(made.host.credentials))(value)
    api = connector("merchantpro")
    secrets = {name: Secret(text) for name, text in credentials.items()}
    host = HostSettings(name="old", api="merchantpro", url="https://x.example", credentials=secrets)
    return hider(host, api.sign(secrets))(value)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (
            "https://x/?api_key=anything&limit=50&offset=50",
            "https://x/?api_key=***&limit=50&offset=50",
        ),
        ("https://x/?limit=5&API_KEY=k", "https://x/?limit=5&API_KEY=***"),
        (f"you sent {KEY}!", "you sent ***!"),
        ("k3y%2Bwith%2Fodd%3Dsigns", "***"),
        ({"next": f"?a={KEY}", "n": [1, None, KEY]}, {"next": "?a=***", "n": [1, None, "***"]}),
        ({KEY: 1.5}, {"***": 1.5}),
        ("https://img.example/a.jpg?v=3", "https://img.example/a.jpg?v=3"),
    ],
)
def test_a_credential_is_hidden_wherever_it_stands_and_nothing_else(value: Any, shown: Any) -> None:
    assert hide(value) == shown


def test_a_basic_header_that_comes_back_is_hidden() -> None:
    packed = b64encode(b"user-key:pass-word").decode()
    said = hide(f"Basic {packed}; user-key, pass-word", key="user-key", secret="pass-word")
    assert said == "***; ***, ***"


@pytest.mark.parametrize(
    "spelled", [str, quote, quote_plus, lambda text: quote(text, safe="").lower(), escape]
)
def test_no_part_of_a_credential_stays_however_a_link_spells_it(spelled: Callable[[str], str]) -> None:
    odd = "ab+c/d=e f&g~é"
    link = f"https://x/?offset=5&api_key={spelled(odd)}&limit=1"
    made = call(credentials={"api_key": Secret(odd)})
    assert (
        hider(made.host, made.api.sign(made.host.credentials))(link)
        == "https://x/?offset=5&api_key=***&limit=1"
    )


def test_a_credential_too_short_to_be_told_from_words_is_hidden_in_links() -> None:
    assert hide("a key ?secret=a&b=1", key="a", secret="a") == "a key ?secret=***&b=1"


def shown(write: Any) -> str:
    console = Console(file=io.StringIO(), width=60, highlight=False)
    write(console)
    return console.file.getvalue()  # type: ignore[attr-defined,no-any-return]


def test_a_request_is_shown_without_what_signs_it() -> None:
    made = call("create-product")
    request = request_for(made, {}, b'{"name":"Rochie [bold]","store_id":1}')
    text = shown(lambda console: show_request(console, made, request, hide))
    assert text.splitlines()[0] == ("POST https://sizes.example/api/v1/product/   create-product, documented")
    assert '"name": "Rochie [bold]"' in text
    listed = call()
    query = shown(lambda to: show_request(to, listed, request_for(listed, {"limit": "5"}, None), hide))
    assert query.splitlines()[1:] == ["  limit  5"]


def response(status: int, body: bytes = b"", **headers: str) -> Response:
    named = CIMultiDict({name.replace("_", "-"): value for name, value in headers.items()})
    return Response(status=status, headers=named, body=body, data=None, sent_at=0.0, date=None)


def test_of_an_answer_s_headers_those_worth_seeing_are_shown() -> None:
    given = response(
        429, Content_Type="a", Retry_After="9", X_RateLimit_Left="0", Set_Cookie="s=1", Location=f"/?k={KEY}"
    )
    assert headers_of(given, hide) == {
        "content-type": "a",
        "retry-after": "9",
        "x-ratelimit-left": "0",
        "location": "/?k=***",
    }
    text = shown(lambda console: show_answer(console, given, "Too Many Requests", hide, took_s=0.0421))
    assert text.startswith("429 Too Many Requests   42 ms\n")


@pytest.mark.parametrize(
    ("body", "value", "is_json"),
    [
        (None, None, True),
        (b" \n", None, True),
        (b'{"a":1}', {"a": 1}, True),
        (b"[1", "[1", False),
        (b"<p>\xff", "<p>�", False),
    ],
)
def test_a_body_is_json_or_text(body: bytes | None, value: Any, is_json: bool) -> None:  # noqa: FBT001  a value of the table
    assert body_of(body) == (value, is_json)


def test_numbers_are_shown_with_the_digits_that_came() -> None:
    value, _ = body_of(b'{"a":[0.12345678901234567,123456789012345678901234]}')
    assert value["a"][0] == Decimal("0.12345678901234567")
    assert "0.12345678901234567,\n    123456789012345678901234\n" in pretty(value)


def test_a_page_of_text_can_t_steer_a_terminal() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, color_system=None, width=60)
    show_text(console, "a\x1b[2Jb\nc")
    assert console.file.getvalue() == "a�[2Jb\nc\n"  # type: ignore[attr-defined]


def test_a_needed_parameter_must_not_be_empty() -> None:
    with pytest.raises(ConfigError, match="delete-product: hash must not be empty"):
        request_for(call("delete-product"), {"hash": ""}, None)


@pytest.mark.parametrize("width", [40, 80, 200])
def test_no_path_is_broken_in_a_list_of_calls(
    width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    api = connector("external-order")
    host = HostSettings(name="new", api="external-order", url="https://shop.example.md")
    calls = [Call(host, api, each, api.paths[each.path], "documented") for each in api.operations.values()]
    monkeypatch.setattr("bulkmove.cli.calling.stdout_console", lambda: Console(width=width, highlight=False))
    list_calls(calls, as_json=False)
    shown = capsys.readouterr().out
    for call_ in calls:
        assert call_.path in shown
        for parameter in call_.operation.parameters:
            assert parameter.name in shown
    assert (len(shown.splitlines()) > 2 * len(calls)) is (width < 200)
