"""Writes to files: JSON lines and CSV, as they are and packed."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Callable, Mapping

import orjson
import zstandard

from bulkmove.connectors.files.cells import cell_of
from tests.crash.judging import Accounts, Found, Row, World, compare_rows
from tests.crash.mappers import FIELDS
from tests.crash.stage import Scene, Stage, orders_of


def _unzstd(data: bytes) -> bytes:
    return zstandard.ZstdDecompressor().stream_reader(data, read_across_frames=True).read()


_PACKED: Mapping[str, tuple[str, Callable[[bytes], bytes]]] = {
    "none": ("", bytes),
    "gzip": (".gz", gzip.decompress),
    "zstd": (".zst", _unzstd),
}


def _file(name: str, kind: str, compression: str) -> Scene:
    ending, unpack = _PACKED[compression]
    is_csv = kind == "csv"
    route = f"""
[routes.rows]
source = "old.orders"
target = "disk.written"
mapper = "mappers.py:{"some_fields" if is_csv else "whole"}"
batch_size = 3
options = {{ format = "{kind}", compression = "{compression}" }}
"""

    def judge(stage: Stage, _after: World, found: Found) -> None:
        disk = stage.folder / "disk"
        file = disk / f"written.{kind}{ending}"
        if not file.exists():
            found.lost.append(f"{file.name} is not there")
            return
        text = unpack(file.read_bytes())
        rows = _csv_rows(text) if is_csv else [orjson.loads(line) for line in text.splitlines()]
        wanted = {str(row["id"]): _cells(row) if is_csv else row for row in orders_of(stage)}
        compare_rows(file.name, wanted, rows, found)
        left = {path.name for path in disk.iterdir()} - {file.name}
        found.wrong += [f"{each} is left behind" for each in sorted(left)]

    return Scene(
        name,
        route,
        must=lambda _: {},
        accounts=lambda stage: Accounts({"rows": len(orders_of(stage))}),
        judge_more=judge,
    )


def _csv_rows(text: bytes) -> list[Row]:
    return list(csv.DictReader(io.StringIO(text.decode(), newline="")))


def _cells(row: Row) -> Row:
    return {name: cell_of(row.get(name)) for name in FIELDS}


PLAIN = _file("a file, JSON lines", "jsonl", "none")
TABLE = _file("a file, CSV in gzip", "csv", "gzip")
PACKED = _file("a file, JSON lines in zstd", "jsonl", "zstd")
