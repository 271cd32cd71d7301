"""Rows out of the unpacked bytes of a file, one bad row costing one row; and rows as bytes again."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from bulkmove.connectors.files.names import Format
from bulkmove.errors import BadAnswerError
from bulkmove.exact import decode_json, encode_json, is_utf8
from bulkmove.model import JsonObject

_LONGEST_SHOWN = 1000


class Row(NamedTuple):
    """One row. `number` counts rows from 1, `line` lines. `fault`: why it can't be read; `data` then shows what is there."""

    number: int
    line: int
    data: JsonObject
    fault: str | None = None


class Line(NamedTuple):
    """A line without its end; `text` is None where it is longer than allowed."""

    number: int
    text: bytes | None


def rows_of(
    chunks: Iterable[bytes], form: Format, *, file: str, longest: int, skip: int = 0
) -> Iterator[Row]:
    """The rows behind the first `skip`. `longest`: bytes that a line may have. Raises BadAnswerError naming the line."""
    lines = lines_of(chunks, longest)
    if form == "jsonl":
        return _json_rows(lines, skip=skip)
    return _csv_rows(lines, file=file, longest=longest, skip=skip)


def lines_of(chunks: Iterable[bytes], longest: int) -> Iterator[Line]:
    """Lines as they come, in memory for one of them."""
    number, size = 0, 0
    begun: list[bytes] = []
    for chunk in chunks:
        first, *others = chunk.split(b"\n")
        for part in others:
            number += 1
            size += len(first)
            yield Line(number, b"".join((*begun, first)) if size <= longest else None)
            begun, size, first = [], 0, part
        size += len(first)
        if size <= longest:
            begun.append(first)
        else:
            begun.clear()
    if size:
        yield Line(number + 1, b"".join(begun) if size <= longest else None)


def _json_rows(lines: Iterable[Line], *, skip: int) -> Iterator[Row]:
    number = 0
    for line, text in lines:
        if text is not None and not text.strip():
            continue
        number += 1
        if number > skip:
            yield _json_row(number, line, text)


def _json_row(number: int, line: int, text: bytes | None) -> Row:
    if text is None:
        return Row(number, line, {"row": None}, "is too long to be a row")
    try:
        value = decode_json(text)
    except ValueError:
        shown = text[:_LONGEST_SHOWN].decode("utf-8", "replace")
        return Row(number, line, {"row": shown}, "is not JSON")
    if not isinstance(value, dict):
        return Row(number, line, {"row": value}, "is no JSON object")
    return Row(number, line, value)


def header_of(chunks: Iterable[bytes], *, file: str, longest: int) -> tuple[str, ...] | None:
    """The columns that a CSV file's first line names; None where there is no line. Raises BadAnswerError."""
    csv.field_size_limit(longest)
    try:
        cells = next(csv.reader(_texts(lines_of(chunks, longest), file), strict=True), None)
    except csv.Error as error:
        raise BadAnswerError(f"{file}: its first line is no CSV header") from error
    return None if cells is None else tuple(_header(cells, file))


def _csv_rows(lines: Iterable[Line], *, file: str, longest: int, skip: int) -> Iterator[Row]:
    csv.field_size_limit(
        longest
    )  # one for the whole process: its default of 128 KB is less than a large order
    reader = csv.reader(_texts(lines, file), strict=True)
    columns: list[str] | None = None
    number = 0
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader, None)
        except csv.Error:
            cells = None
            if columns is None:
                raise BadAnswerError(f"{file}: its first line is no CSV header") from None
            number += 1
            if number > skip:
                yield Row(number, line, {"row": None}, "is not CSV")
            continue
        if cells is None:
            return
        if columns is None:
            columns = _header(cells, file)
        elif cells:
            number += 1
            if number > skip:
                yield _csv_row(number, line, columns, cells)


def _texts(lines: Iterable[Line], file: str) -> Iterator[str]:
    for number, text in lines:
        if text is None:
            raise BadAnswerError(f"{file}: line {number} is too long to be part of a CSV file")
        encoding = "utf-8-sig" if number == 1 else "utf-8"
        yield text.decode(encoding, "surrogateescape") + "\n"


def _header(cells: Sequence[str], file: str) -> list[str]:
    if len(set(cells)) < len(cells) or not all(cells):
        raise BadAnswerError(f"{file}: its first line must name each column, and no two alike")
    return list(cells)


def _csv_row(number: int, line: int, columns: Sequence[str], cells: Sequence[str]) -> Row:
    if len(cells) != len(columns):
        shown = {"row": list(cells)}
        return Row(number, line, shown, f"has {len(cells)} cells, where the header has {len(columns)}")
    if not all(map(is_utf8, cells)):
        return Row(number, line, {"row": None}, "is not UTF-8 text")
    return Row(number, line, {name: cell or None for name, cell in zip(columns, cells, strict=True)})


def cell_of(value: Any) -> str:
    """A value as the text of a CSV cell: None is empty, text is itself, anything else is JSON."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat()
    return value if isinstance(value, str) else encode_json(value).decode()


def csv_line(cells: Iterable[str]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerow(cells)  # so that cells with either of the two are quoted
    return text.getvalue()[:-2].encode() + b"\n"


class RowEnds:
    """Counts the rows in bytes that are fed to it, without reading them. `end`: where the last whole one ends."""

    def __init__(self, form: Format) -> None:
        self.count = 0
        self.end = 0
        self._is_csv = form == "csv"
        self._is_quoted = False
        self._at = 0

    def feed(self, data: bytes) -> None:
        if not self._is_csv:
            if found := data.count(b"\n"):
                self.count += found
                self.end = self._at + data.rfind(b"\n") + 1
            self._at += len(data)
            return
        # A line break within quotes is part of a cell; a doubled quote closes and opens again.
        for number, part in enumerate(data.split(b'"')):
            if number:
                self._is_quoted = not self._is_quoted
                self._at += 1
            if not self._is_quoted and (found := part.count(b"\n")):
                self.count += found
                self.end = self._at + part.rfind(b"\n") + 1
            self._at += len(part)
