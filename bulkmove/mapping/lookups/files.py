"""Rows of a look-up's file: CSV by the names of its columns, or JSON lines; plain, gzip or zstd."""

from __future__ import annotations

import csv
import gzip
import importlib
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

from bulkmove.errors import ConfigError
from bulkmove.exact import decode_json
from bulkmove.mapping.tables import delimiter_of
from bulkmove.model import JsonObject

# A small piece, since it may unpack to thousands of times as much.
_PACKED_AT_A_TIME = 4096


def rows_of(path: Path) -> Iterator[JsonObject]:
    """The rows of a file that ends in .csv or .jsonl, also .gz or .zst, as they stand there; empty lines don't count.

    CSV: UTF-8 with or without a mark, separated by comma, semicolon or tab; the first line names the columns, and
    values are text without the spaces around it. Raises ConfigError with file and line. Blocks.
    """
    name = path.name.removesuffix(".gz").removesuffix(".zst")
    with _readable(path) as file:
        yield from _csv_rows(path, file) if name.endswith(".csv") else _json_rows(path, file)


@contextmanager
def _readable(path: Path) -> Iterator[BinaryIO]:
    try:
        with path.open("rb") as raw, _unpacked(path, raw) as file:
            yield file
    except (OSError, EOFError, zlib.error) as error:
        said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise ConfigError(f"{path}: can't be read: {said}") from error


@contextmanager
def _unpacked(path: Path, raw: BinaryIO) -> Iterator[BinaryIO]:
    if path.suffix == ".gz":
        with gzip.GzipFile(fileobj=raw) as file:
            yield cast("BinaryIO", file)
    elif path.suffix == ".zst":
        zstd = _zstandard(path)
        try:
            with io.BufferedReader(_Pieces(_unpacked_frames(zstd, raw))) as file:
                yield file
        except zstd.ZstdError as error:
            raise ConfigError(f"{path}: can't be read: {error}") from error
    else:
        yield raw


def _unpacked_frames(zstd: Any, raw: BinaryIO) -> Iterator[bytes]:
    """Raises EOFError for a file that is cut short; the library's own reader takes it for the end."""
    frame = zstd.ZstdDecompressor().decompressobj()
    is_whole = True
    while packed := raw.read(_PACKED_AT_A_TIME):
        while packed:
            if frame.eof:
                frame = zstd.ZstdDecompressor().decompressobj()
            yield frame.decompress(packed)
            is_whole = frame.eof
            packed = frame.unused_data if is_whole else b""
    if not is_whole:
        raise EOFError("it is cut short")


class _Pieces(io.RawIOBase):
    """Bytes that come in pieces, as a file."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._left = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._left:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._left = piece
        count = min(len(buffer), len(self._left))
        buffer[:count], self._left = self._left[:count], self._left[count:]
        return count


def _zstandard(path: Path) -> Any:
    try:
        return importlib.import_module("zstandard")
    except ModuleNotFoundError:
        raise ConfigError(
            f"{path}: is packed with zstd, which needs the package zstandard: pip install 'bulkmove[zstd]'"
        ) from None


def _json_rows(path: Path, file: IO[bytes]) -> Iterator[JsonObject]:
    for number, line in enumerate(file, start=1):
        if not line.strip():
            continue
        try:
            row = decode_json(line)
        except ValueError as error:
            raise ConfigError(f"{path}: line {number}: is not JSON: {error}") from error
        if not isinstance(row, dict):
            raise ConfigError(f'{path}: line {number}: must be an object, as {{"name": …, "id": …}}')
        yield row


def _csv_rows(path: Path, file: BinaryIO) -> Iterator[JsonObject]:
    line = 0
    try:
        with io.TextIOWrapper(file, encoding="utf-8-sig", newline="") as text:
            header = text.readline()
            delimiter = delimiter_of(path, header)
            reader = csv.reader([header], delimiter=delimiter, strict=True, skipinitialspace=True)
            names = [name.strip() for name in next(reader)]
            _check_names(path, names)
            reader = csv.reader(text, delimiter=delimiter, strict=True, skipinitialspace=True)
            line = 1
            for row in reader:
                line = reader.line_num + 1
                if not any(cell.strip() for cell in row):
                    continue
                if len(row) > len(names):
                    raise ConfigError(
                        f"{path}: line {line}: has {len(row)} columns, and the first line names {len(names)}"
                    )
                yield {name: cell.strip() for name, cell in zip(names, row, strict=False)}
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: after line {line}: is not UTF-8; save the file as UTF-8") from error
    except csv.Error as error:
        raise ConfigError(f"{path}: line {line + 1}: is not CSV: {error}") from error


def _check_names(path: Path, names: list[str]) -> None:
    for name in names:
        if name and names.count(name) > 1:
            raise ConfigError(f"{path}: line 1: two columns are named {name!r}")
