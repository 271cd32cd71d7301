"""Rows out of a look-up's file."""

from __future__ import annotations

import gzip
import importlib
from pathlib import Path
from typing import Any

import pytest
import zstandard

from bulkmove.errors import ConfigError
from bulkmove.mapping.lookups.files import rows_of

CSV = '\ufeffcode; name ;id\n\nA1; Rochie ;7\nA2;"x;y";8\nA3;z\n'
ROWS = [
    {"code": "A1", "name": "Rochie", "id": "7"},
    {"code": "A2", "name": "x;y", "id": "8"},
    {"code": "A3", "name": "z"},
]
JSONL = '{"code":"A1","id":7}\n\n{"code":"A2","id":12345678901234567890123}\n'


def put(tmp_path: Path, name: str, text: str | bytes) -> Path:
    data = text if isinstance(text, bytes) else text.encode()
    if name.endswith(".gz"):
        data = gzip.compress(data[:20]) + gzip.compress(data[20:])
    if name.endswith(".zst"):
        data = zstandard.compress(data[:20]) + zstandard.compress(data[20:])
    path = tmp_path / name
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("packed", ["", ".gz", ".zst"])
def test_rows_come_out_of_every_kind_of_file(tmp_path: Path, packed: str) -> None:
    assert list(rows_of(put(tmp_path, f"t.csv{packed}", CSV))) == ROWS
    rows = list(rows_of(put(tmp_path, f"t.jsonl{packed}", JSONL)))
    assert [row["code"] for row in rows] == ["A1", "A2"]
    assert [str(row["id"]) for row in rows] == ["7", "12345678901234567890123"]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("t.csv", "a,a\n1,2\n", "line 1: two columns are named 'a'"),
        ("t.csv", "a\n1\n", "line 1: a header of two columns is needed"),
        ("t.csv", "a,b\n1,2\n1,2,3\n", "line 3: has 3 columns, and the first line names 2"),
        ("t.csv", 'a,b\n1,"2\n', "is not CSV"),
        ("t.csv", b"a,b\n1,\xff\n", "is not UTF-8"),
        ("t.jsonl", '{"a":1}\n{"a"\n', "line 2: is not JSON"),
        ("t.jsonl", "[1]\n", "line 1: must be an object"),
        ("t.jsonl", b"\xff\xfe\n", "line 1: is not JSON"),
    ],
)
def test_a_bad_file_names_itself_and_the_line(tmp_path: Path, name: str, text: Any, message: str) -> None:
    path = put(tmp_path, name, text)
    with pytest.raises(ConfigError) as raised:
        list(rows_of(path))
    assert str(raised.value).startswith(f"{path}: ")
    assert message in str(raised.value)


@pytest.mark.parametrize("name", ["t.csv.gz", "t.csv.zst", "t.jsonl.gz", "t.jsonl.zst"])
@pytest.mark.parametrize(
    "data", [b"no such thing", b"\x1f\x8b\x08\x00cut", zstandard.compress(b"a,b\n" * 999)[:-4]]
)
def test_a_damaged_pack_is_told(tmp_path: Path, name: str, data: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(ConfigError, match="can't be read"):
        list(rows_of(path))


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="can't be read: No such file"):
        list(rows_of(tmp_path / "t.csv"))


def test_without_the_package_for_zstd_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name: str) -> None:
        raise ModuleNotFoundError(name)

    path = put(tmp_path, "t.csv.zst", CSV)
    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(ConfigError, match=r"pip install 'bulkmove\[zstd\]'"):
        list(rows_of(path))
