"""One file read from its first row to its last, a page at a time, as long as nobody changes it. Blocking: for threads."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from bulkmove.connectors.files.compression import CutError, Piece, unpack
from bulkmove.connectors.files.names import Shape
from bulkmove.connectors.files.rows import Row, RowEnds, header_of, rows_of
from bulkmove.errors import BadAnswerError

_CHUNK_BYTES = 256 * 1024
# A page ends early with rows that are large: several pages are in memory at once.
MOST_PAGE_BYTES = 4 * 1024 * 1024


class Reader:
    """Gives the rows of a file in their order. Between pages the file is not held open: its place is remembered.

    `longest`: bytes that a line, or a CSV row, may have. Rows before `skip` are passed over.
    """

    def __init__(self, path: Path, shape: Shape, *, longest: int, skip: int = 0) -> None:
        self._path = path
        self._shape = shape
        self._file: BinaryIO | None = None
        self._at = 0
        self._unpacked = 0
        self._standing: tuple[int, int, int] | None = None
        self._cut: CutError | None = None
        self._rows = rows_of(self._bytes(), shape.format, file=path.name, longest=longest, skip=skip)

    def page(self, limit: int) -> tuple[list[Row], bool]:
        """The next rows, `limit` at most, and whether more may follow.

        Raises BadAnswerError where the file is cut, damaged, or was changed since it was begun, OSError where it
        can't be read.
        """
        if self._cut is not None:
            raise self._told(self._cut)
        begun_at = self._unpacked
        rows: list[Row] = []
        with self._path.open("rb", buffering=0) as self._file:
            self._check_standing()
            self._file.seek(self._at)
            try:
                for row in self._rows:
                    rows.append(row)
                    if len(rows) >= limit or self._unpacked - begun_at >= MOST_PAGE_BYTES:
                        return rows, True
            except CutError as error:
                if not rows:
                    raise self._told(error) from error
                self._cut = error  # what stands before it can be read
        return rows, self._cut is not None

    def _told(self, error: CutError) -> BadAnswerError:
        return BadAnswerError(
            f"{self._path}: {error}: what follows can't be read; mend it, or bring the whole file"
        )

    def _check_standing(self) -> None:
        if self._file is None:
            return
        found = os.fstat(self._file.fileno())
        standing = (found.st_ino, found.st_size, found.st_mtime_ns)
        if self._standing is not None and standing != self._standing:
            raise BadAnswerError(f"{self._path}: was changed while it was read; run again to read it anew")
        self._standing = standing

    def _bytes(self) -> Iterator[bytes]:
        for piece in unpack(self._chunks(), self._shape.compression):
            self._unpacked += len(piece.data)
            yield piece.data

    def _chunks(self) -> Iterator[bytes]:
        while self._file is not None and (chunk := self._file.read(_CHUNK_BYTES)):
            self._at += len(chunk)
            yield chunk
        self._check_standing()


@dataclass(frozen=True, slots=True)
class Scan:
    """What a file holds: whole rows, and the place where the last of them ends. `size`: of the file, beyond that too."""

    rows: int
    end: int
    size: int


def scan(path: Path, shape: Shape) -> Scan:
    """Count the rows of a file that was written by appending, up to the first damage. Raises OSError."""
    ends = RowEnds(shape.format)
    rows = end = 0
    is_packed = shape.compression != "none"
    with path.open("rb", buffering=0) as file:
        try:
            for piece in unpack(iter(lambda: file.read(_CHUNK_BYTES), b""), shape.compression):
                is_torn = _feed(ends, piece, is_packed=is_packed)
                if piece.end is not None:
                    rows, end = ends.count, piece.end if is_packed else ends.end
                if is_torn:
                    break
        except CutError:
            pass
        if shape.format == "csv" and rows:
            rows -= 1  # the header
        return Scan(rows, end, os.fstat(file.fileno()).st_size)


def _feed(ends: RowEnds, piece: Piece, *, is_packed: bool) -> bool:
    """Whether the piece holds what a loss of power leaves of an append: no row that is written holds a zero byte.

    Packed pieces have checksums.
    """
    torn_at = -1 if is_packed else piece.data.find(b"\0")
    ends.feed(piece.data if torn_at < 0 else piece.data[:torn_at])
    return torn_at >= 0


def columns_of(path: Path, shape: Shape, *, longest: int) -> tuple[str, ...] | None:
    """Those that a CSV file's header names, None where it has none. Raises BadAnswerError, OSError."""
    with path.open("rb", buffering=0) as file:
        pieces = unpack(iter(lambda: file.read(_CHUNK_BYTES), b""), shape.compression)
        return header_of((piece.data for piece in pieces), file=path.name, longest=longest)


def holds_rows(path: Path, shape: Shape, *, longest: int) -> bool:
    """Whether there is anything in it that is worth keeping, readable or not."""
    if not path.stat().st_size:
        return False
    try:
        rows, _ = Reader(path, shape, longest=longest).page(1)
    except BadAnswerError:
        return True
    return bool(rows)
