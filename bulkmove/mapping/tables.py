"""Look-up tables: a CSV file of old keys and the new ones they became."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from bulkmove.errors import ConfigError

_DELIMITERS = ",;\t"


def load_table(path: Path) -> Mapping[str, str]:
    """The new value of every old key.

    The first line is a header; the columns are those named `old` and `new`, else the first two. UTF-8 with or
    without a mark, separated by comma, semicolon or tab; spaces around values don't count, empty lines neither.
    Raises ConfigError with file and line: for a key that stands there twice with different values, and for
    an empty key or value.
    """
    table: dict[str, str] = {}
    first_lines: dict[str, int] = {}
    for line, old, new in _rows(path):
        if not old or not new:
            missing, other = ("key", new) if not old else ("new value", old)
            raise ConfigError(
                f"{path}: line {line}: the {missing} is empty beside {other!r}; fill it or remove the line"
            )
        if table.setdefault(old, new) != new:
            raise ConfigError(
                f"{path}: line {line}: {old!r} becomes {new!r} here and {table[old]!r} in line {first_lines[old]}"
            )
        first_lines.setdefault(old, line)
    return MappingProxyType(table)


def _rows(path: Path) -> Iterator[tuple[int, str, str]]:
    line = 0
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            header = file.readline()
            old, new = _columns(
                path,
                next(
                    csv.reader(
                        [header], delimiter=delimiter_of(path, header), strict=True, skipinitialspace=True
                    )
                ),
            )
            reader = csv.reader(
                file, delimiter=delimiter_of(path, header), strict=True, skipinitialspace=True
            )
            line = 1
            for row in reader:
                line = reader.line_num + 1
                if not any(cell.strip() for cell in row):
                    continue
                if len(row) <= max(old, new):
                    raise ConfigError(
                        f"{path}: line {line}: has {len(row)} of the {max(old, new) + 1} columns needed"
                    )
                yield line, row[old].strip(), row[new].strip()
    except OSError as error:
        raise ConfigError(f"{path}: the table can't be read: {error.strerror}") from error
    except UnicodeDecodeError:
        raise ConfigError(
            f"{path}: line {_undecodable_line(path)}: is not UTF-8; save the table as UTF-8"
        ) from None
    except csv.Error as error:
        raise ConfigError(f"{path}: line {line + 1}: is not CSV: {error}") from error


def delimiter_of(path: Path, header: str) -> str:
    """What separates the columns of a first line. Raises ConfigError where it has but one."""
    delimiter = max(_DELIMITERS, key=header.count)
    if delimiter not in header:
        raise ConfigError(f"{path}: line 1: a header of two columns is needed, as old,new")
    return delimiter


def _columns(path: Path, header: Sequence[str]) -> tuple[int, int]:
    names = [cell.strip().casefold() for cell in header]
    if "old" in names and "new" in names:
        return names.index("old"), names.index("new")
    if names[0].isdecimal():
        raise ConfigError(
            f"{path}: line 1: {header[0]!r} looks like data; the first line is a header, as old,new"
        )
    return 0, 1


def _undecodable_line(path: Path) -> int:
    """Decoding runs ahead of the rows by a buffer, so the line is looked for anew."""
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                line.decode()
            except UnicodeDecodeError:
                return number
    return 1
