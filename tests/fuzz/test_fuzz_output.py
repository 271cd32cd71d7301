"""What `read` and `call` print of rows and answers: whatever a host sent, one line a row, and never a traceback."""

from __future__ import annotations

import csv
import io
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from bulkmove.cli.exchange import (
    body_of,
    headers_of,
    hider,
    pretty,
    show_answer,
    show_json,
    show_text,
)
from bulkmove.cli.rows import CsvLines, json_lines, picked, typed_lines
from bulkmove.exact import decode_json
from bulkmove.model import Response
from bulkmove.protocols import Signature
from bulkmove.settings import HostSettings, Secret
from tests.fuzz.odd_hosts import CANARY
from tests.fuzz.odd_json import NAMES, ODD, TEXTS, bytes_of, written

HOST = HostSettings("shop", "robosize", "https://shop.example", {"api_key": Secret(CANARY)})
SIGN = Signature({"API-Token": CANARY}, {"api_key": CANARY})
ROWS = st.lists(st.dictionaries(st.sampled_from(NAMES), ODD, max_size=4), max_size=3)
ANSWER = {"next": f"/?api_key={CANARY}", "results": [{"id": 1, f"x{CANARY}": [CANARY]}]}


def read(value: Any) -> Any:
    """As a connector reads it; None for what is no JSON."""
    try:
        return decode_json(written(value).encode("utf-8", "surrogatepass"))
    except ValueError:
        return None


@given(rows=ROWS)
def test_rows_are_a_json_line_each(rows: list[Any]) -> None:
    found = read(rows) or []
    for encode in (json_lines, typed_lines("old.orders")):
        lines = encode(found)
        assert lines.count(b"\n") == len(found)
        for line in lines.splitlines():
            assert line.startswith(b"{")
            line.decode()


@given(rows=ROWS, names=st.none() | st.lists(st.sampled_from(NAMES), max_size=3))
def test_rows_are_csv(rows: list[Any], names: list[str] | None) -> None:
    found = read(rows) or []
    lines = CsvLines(names)
    text = lines(found).decode()
    if found:
        assert len(list(csv.reader(io.StringIO(text)))) <= len(found) + 1


@given(
    rows=ROWS,
    path=st.sampled_from(["id", "data.0.id", "0", "9" * 5000, "line_items.sku", ".", "a..b", "٣", ""]),
)
def test_any_path_can_be_picked_of_any_row(rows: list[Any], path: str) -> None:
    for row in read(rows) or []:
        assert json_lines([picked(row, [path])])


@given(body=bytes_of(ANSWER))
def test_an_answer_is_shown_without_a_credential(body: bytes) -> None:
    hide = hider(HOST, SIGN)
    value, is_json = body_of(body)
    shown = hide(value)
    text = pretty(shown) if is_json else str(shown)
    if b"c4nary-53cr3t" in body or is_json:
        assert CANARY not in text
    out = io.StringIO()
    (show_json if is_json else show_text)(Console(file=out, force_terminal=True), shown)
    assert CANARY not in out.getvalue()
    assert "\x1b]" not in out.getvalue()
    out.getvalue().encode()


@pytest.mark.parametrize("name", ["location", "content-type", "x-request-id", "warning", "set-cookie"])
@given(
    text=st.text() | st.sampled_from([text for text in TEXTS if text.isprintable()]),
    status=st.integers(0, 999),
)
def test_headers_are_shown_without_what_steers_a_terminal(name: str, text: str, status: int) -> None:
    hide = hider(HOST, SIGN)
    response = Response(status, {name: f"{text} {CANARY}"}, b"", None, 0.0, None)
    assert CANARY not in orjson.dumps(headers_of(response, hide)).decode()
    out = io.StringIO()
    show_answer(Console(file=out), response, "said", hide, took_s=0.1)
    assert CANARY not in out.getvalue()
