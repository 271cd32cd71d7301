"""Which argument is what, and rows as text."""

from __future__ import annotations

import csv
import io
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from bulkmove.cli.by_hand import pairs, split_file
from bulkmove.cli.rows import CsvLines, json_lines, picked, typed_lines
from bulkmove.errors import ConfigError

DEFAULT = Path("migration.toml")
ROW = {"id": 1, "lines": [{"sku": "a"}, {"sku": "b", "n": 2}], "at": {"city": "Iași"}, "a.b": 3, "e": []}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "most", "file", "names"),
    [
        (["old.orders"], 1, DEFAULT, ["old.orders"]),
        (["a.toml", "old.orders"], 1, Path("a.toml"), ["old.orders"]),
        (["old.orders", "A.TOML"], 1, Path("A.TOML"), ["old.orders"]),
        (["dir/a", "old.orders"], 1, Path("dir/a"), ["old.orders"]),
        (["a.conf", "old.orders"], 1, Path("a.conf"), ["old.orders"]),
        (["a.toml"], 1, Path("a.toml"), []),
        (["old"], 2, DEFAULT, ["old"]),
        (["old", "get-order"], 2, DEFAULT, ["old", "get-order"]),
        (["there.conf", "old"], 2, Path("there.conf"), ["old"]),
        (["a.toml", "old", "get-order"], 2, Path("a.toml"), ["old", "get-order"]),
        (["old", "get-order", "there.conf"], 2, Path("there.conf"), ["old", "get-order"]),
        (["plain", "old", "get-order"], 2, Path("plain"), ["old", "get-order"]),
    ],
)
def test_the_file_is_told_from_the_names(
    here: Path, arguments: list[str], most: int, file: Path, names: list[str]
) -> None:
    (here / "there.conf").touch()
    assert split_file(arguments, most) == (file, names)


def test_where_the_shell_sends_rows_is_no_migration(here: Path) -> None:
    (here / "old.orders").touch()
    assert split_file(["old.orders"], 1) == (DEFAULT, ["old.orders"])
    assert split_file(["a.toml", "old.orders"], 1) == (Path("a.toml"), ["old.orders"])


def test_arguments_beyond_those_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"too many arguments: a\.toml b c"):
        split_file(["a.toml", "b", "c"], 1)


def test_pairs_are_split_at_their_first_equals_sign() -> None:
    assert pairs(["a=1=2", " b = x", "c="], "--where") == {"a": "1=2", "b": " x", "c": ""}


@pytest.mark.parametrize(
    ("texts", "said"),
    [(["a"], "must be name=value"), (["=1"], "must be name=value"), (["a=1", "a=2"], "twice")],
)
def test_what_is_no_pair_is_refused(texts: list[str], said: str) -> None:
    with pytest.raises(ConfigError, match=rf"^--where .*{said}"):
        pairs(texts, "--where")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("id", 1),
        ("at.city", "Iași"),
        ("lines.sku", ["a", "b"]),
        ("lines.n", [None, 2]),
        ("lines.1.n", 2),
        ("lines.0", {"sku": "a"}),
        ("lines.7.n", None),
        ("a.b", 3),
        ("e.sku", []),
        ("id.deeper", None),
        ("no", None),
        ("no.such", None),
    ],
)
def test_a_dotted_name_goes_into_nested_values(name: str, value: Any) -> None:
    assert picked(ROW, [name]) == {name: value}


def test_rows_are_json_lines_with_the_digits_that_came() -> None:
    lines = json_lines([{"n": Decimal("0.1000000000000000000001")}, {"t": "a\nb ă"}])
    assert lines.decode() == '{"n":0.1000000000000000000001}\n{"t":"a\\nb ă"}\n'


def test_half_a_character_costs_no_more_than_its_form() -> None:
    assert json.loads(json_lines([{"t": "\ud800"}])) == {"t": "\ud800"}
    assert b"\\ud800" in CsvLines(None)([{"t": "\ud800"}])


def test_typed_lines_name_their_stream() -> None:
    (line,) = typed_lines("old.orders")([{"type": "x"}]).splitlines()
    assert json.loads(line) == {"type": "row", "stream": "old.orders", "row": {"type": "x"}}


def read_back(text: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text.decode())))


def test_csv_has_the_header_of_its_first_row_once() -> None:
    lines = CsvLines(None)
    text = lines([{"a": 'x,"y"\nz', "b": None}]) + lines([{"b": [1.5, {"c": True}], "d": 1}, {"a": False}])
    assert read_back(text) == [["a", "b"], ['x,"y"\nz', ""], ["", '[1.5,{"c":true}]'], ["false", ""]]
    assert list(lines.left_out) == ["d"]


def test_csv_of_given_names_leaves_nothing_to_tell() -> None:
    lines = CsvLines(["b", "a"])
    assert read_back(lines([{"a": 1, "b": None}])) == [["b", "a"], ["", "1"]]
    assert not lines.left_out
