"""Rows out of the unpacked bytes of a file, one bad row costing one row; and where they end."""

from __future__ import annotations

import csv
import hashlib
import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from bulkmove.connectors.files.compression import CutError
from bulkmove.connectors.files.names import Format
from bulkmove.errors import BadAnswerError
from bulkmove.exact import decode_json, is_utf8
from bulkmove.model import JsonObject

_LONGEST_SHOWN = 1000
_NO_LIMIT = 2**31 - 1  # what a C long of any system holds


class Row(NamedTuple):
    """One row. `number` counts rows from 1, `line` lines. `fault`: why it can't be read; `data` then shows what is there.

    `mark` tells a line that can't be read from another that came in its place.
    """

    number: int
    line: int
    data: JsonObject
    fault: str | None = None
    mark: str = ""


class Line(NamedTuple):
    """A line of `size` bytes without its end; `text` is None where it is longer than allowed.

    `quotes`: how many of them it has, counted where it is too long.
    """

    number: int
    text: bytes | None
    size: int
    quotes: int = 0


def rows_of(
    chunks: Iterable[bytes], form: Format, *, file: str, longest: int, skip: int = 0
) -> Iterator[Row]:
    """The rows behind the first `skip`. `longest`: bytes that a line, or a CSV row, may have.

    Raises BadAnswerError for a CSV file without a header, CutError where no more rows can be told apart.
    """
    lines = lines_of(chunks, longest)
    if form == "jsonl":
        return _json_rows(lines, skip=skip)
    return _csv_rows(lines, file=file, longest=longest, skip=skip)


def lines_of(chunks: Iterable[bytes], longest: int) -> Iterator[Line]:
    """Lines as they come, in memory for one of them."""
    number, size, quotes = 0, 0, 0
    begun: list[bytes] = []
    for chunk in chunks:
        first, *others = chunk.split(b"\n")
        for part in others:
            number += 1
            size += len(first)
            if size <= longest:
                yield Line(number, b"".join((*begun, first)), size)
            else:
                yield Line(number, None, size, quotes + _quotes(begun) + first.count(b'"'))
            begun, size, quotes, first = [], 0, 0, part
        size += len(first)
        begun.append(first)
        if size > longest:
            quotes += _quotes(begun)
            begun.clear()
    if size:
        text = b"".join(begun) if size <= longest else None
        yield Line(number + 1, text, size, quotes)


def _quotes(parts: Iterable[bytes]) -> int:
    return sum(part.count(b'"') for part in parts)


def _json_rows(lines: Iterable[Line], *, skip: int) -> Iterator[Row]:
    number = 0
    for line in lines:
        if line.text is not None and not line.text.strip():
            continue
        number += 1
        if number > skip:
            yield _json_row(number, line)


def _json_row(number: int, line: Line) -> Row:
    if line.text is None:
        return _bad_row(number, line, "is too long to be a row")
    try:
        value = decode_json(line.text)
    except ValueError:
        return _bad_row(number, line, "is not JSON")
    if not isinstance(value, dict):
        return _bad_row(number, line, "is no JSON object")
    return Row(number, line.number, value)


def _bad_row(number: int, line: Line, fault: str) -> Row:
    shown = None if line.text is None else line.text[:_LONGEST_SHOWN].decode("utf-8", "replace")
    content = str(line.size).encode() if line.text is None else line.text
    return Row(number, line.number, {"row": shown}, fault, hashlib.sha256(content).hexdigest()[:8])


def header_of(chunks: Iterable[bytes], *, file: str, longest: int) -> tuple[str, ...] | None:
    """The columns that a CSV file's first line names; None where there is no line. Raises BadAnswerError."""
    try:
        taken, cells = next(_csv_groups(lines_of(chunks, longest), longest), ((), None))
    except CutError as error:
        raise BadAnswerError(f"{file}: its first line is no CSV header") from error
    return tuple(_header(taken, cells, file)) if taken else None


def _csv_rows(lines: Iterable[Line], *, file: str, longest: int, skip: int) -> Iterator[Row]:
    columns: list[str] | None = None
    number = 0
    for taken, cells in _csv_groups(lines, longest):
        if columns is None:
            columns = _header(taken, cells, file)
            continue
        for row in _rows_of_group(columns, taken, cells):
            number += 1
            if number > skip:
                yield row._replace(number=number)


def _csv_groups(lines: Iterable[Line], longest: int) -> Iterator[tuple[Sequence[Line], list[str] | None]]:
    """The lines of each row, and its cells; None where they are not CSV. A blank line has no cells.

    Raises CutError where it can't be told in which line the next row begins.
    """
    csv.field_size_limit(_NO_LIMIT)  # one for the whole process; the length of rows is looked at here
    taken: list[Line] = []
    texts = _texts(lines, taken, longest)
    reader = csv.reader(texts, strict=True)
    while True:
        taken.clear()
        try:
            cells = next(reader, None)
        except csv.Error:
            cells = None
            _pass_over(taken, texts)
        if not taken:
            return
        yield tuple(taken), cells


def _pass_over(taken: list[Line], texts: Iterator[str]) -> None:
    """Take the lines up to the end of a row that is not CSV: what its quotes hold are no rows."""
    begun = [_text(line) for line in taken]
    next(csv.reader(text.replace("\r", " ") for text in itertools.chain(begun, texts)), None)


def _texts(lines: Iterable[Line], taken: list[Line], longest: int) -> Iterator[str]:
    """The lines as text, each noted among those `taken` for the row. One that is too long is blank."""
    size = 0
    for line in lines:
        if line.text is None and (taken or line.quotes % 2):
            raise CutError(
                f"line {line.number} is too long, and has a quoted cell that other lines are part of"
            )
        size = line.size + (size if taken else 0)
        if taken and size > longest:
            raise CutError(f"the quotes that line {taken[0].number} opens hold more than a row may")
        taken.append(line)
        yield _text(line)


def _text(line: Line) -> str:
    encoding = "utf-8-sig" if line.number == 1 else "utf-8"
    return (line.text or b"").decode(encoding, "surrogateescape") + "\n"


def _header(taken: Sequence[Line], cells: Sequence[str] | None, file: str) -> list[str]:
    if cells is None or taken[0].text is None:
        raise BadAnswerError(f"{file}: its first line is no CSV header")
    if len(set(cells)) < len(cells) or not all(cells):
        raise BadAnswerError(f"{file}: its first line must name each column, and no two alike")
    return list(cells)


def _rows_of_group(
    columns: Sequence[str], taken: Sequence[Line], cells: Sequence[str] | None
) -> Iterator[Row]:
    """The row; or one a line where it can't be read, since a stray quote makes one of many."""
    first = taken[0]
    fault = _csv_fault(first, columns, cells)
    if fault is None:
        if cells:
            data = {name: cell or None for name, cell in zip(columns, cells, strict=True)}
            yield Row(0, first.number, data)
        return
    if len(taken) > 1:
        fault = f"{fault}; quotes make one row of lines {first.number} to {taken[-1].number}"
    for line in taken:
        if len(taken) == 1 or (line.text or b"").strip():
            yield _bad_row(0, line, fault)


def _csv_fault(first: Line, columns: Sequence[str], cells: Sequence[str] | None) -> str | None:
    if first.text is None:
        return "is too long to be a row"
    if cells is None:
        return "is not CSV"
    if cells and len(cells) != len(columns):
        return f"has {len(cells)} cells, where the header has {len(columns)}"
    return None if all(map(is_utf8, cells)) else "is not UTF-8 text"


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
