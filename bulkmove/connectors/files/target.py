"""A file as a Target: rows are appended, and nothing else."""

from __future__ import annotations

import errno
from collections import deque
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType

import anyio
from anyio import CapacityLimiter, to_thread

from bulkmove.connectors.files.cells import can_be_column, cells_by_name, comparable_cells, csv_line
from bulkmove.connectors.files.names import Place, Shape
from bulkmove.connectors.files.part import Part
from bulkmove.connectors.files.settings import Writing
from bulkmove.connectors.files.source import ROW, FileSource, without_row
from bulkmove.errors import HostUnavailableError
from bulkmove.model import BatchRule, JsonObject, Verdict, WriteItem, WriteResult
from bulkmove.protocols import Source

ROWS_AN_APPEND = 1000
_RULES = MappingProxyType(
    {"create": BatchRule("array", ROWS_AN_APPEND), "update": BatchRule("array", ROWS_AN_APPEND)}
)
_NO_UPDATE = WriteResult(
    Verdict.REJECTED, cause="no-update", message=f"a file's rows can't be changed; its body has a field {ROW}"
)
_ZERO_BYTE = WriteResult(Verdict.REJECTED, cause="zero-byte", message="a CSV file can't carry its zero byte")

_FULL = frozenset({errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)})

_Lines = list[bytes]


@dataclass(slots=True)
class _Append:
    """One write on its way to the file, and what became of it."""

    items: Sequence[WriteItem]
    results: Sequence[WriteResult] = ()
    error: BaseException | None = None
    is_done: bool = False


class FileTarget:
    """Implements `Target` and `StagedTarget`. A row's id on the target is its number.

    Several writes that wait become durable together, in the order in which they came.
    """

    def __init__(self, place: Place, writing: Writing, *, longest: int) -> None:
        self._place = place
        self._writing = writing
        self._longest = longest
        self._part = Part(place, writing, longest=longest)
        self._is_open = False
        self._lane = CapacityLimiter(1)
        self._turn = anyio.Lock()
        self._waiting: deque[_Append] = deque()

    @property
    def id_field(self) -> str:
        return ROW

    @property
    def natural_key(self) -> str:
        return self._writing.natural_key

    @property
    def rules(self) -> Mapping[str, BatchRule]:
        return _RULES

    @property
    def never_returned(self) -> frozenset[str]:
        return frozenset()

    def list(self) -> Source:
        """What was written so far; nothing where the file is not open."""
        return FileSource(self._find, id_field=self.natural_key, longest=self._longest, with_row=True)

    def comparable(self, row: JsonObject) -> JsonObject:
        """All fields; in CSV as the cells that they become."""
        own = without_row(row)
        return comparable_cells(own) if self._is_csv else own

    async def obstacle(self) -> str | None:
        try:
            return await to_thread.run_sync(self._part.obstacle, limiter=self._lane)
        except OSError as error:
            return str(self._explained(error))

    @asynccontextmanager
    async def open_list(self, *, written: int, in_doubt: int) -> AsyncIterator[None]:
        try:
            open_part = partial(self._part.open, written=written, in_doubt=in_doubt)
            await to_thread.run_sync(open_part, limiter=self._lane)
            self._is_open = True
            yield
        except OSError as error:
            raise self._explained(error) from error
        finally:
            self._is_open = False
            with anyio.CancelScope(shield=True):
                await to_thread.run_sync(self._part.close, limiter=self._lane)

    async def close_list(self, written: int) -> None:
        await to_thread.run_sync(self._part.put_in_place, written, limiter=self._lane)

    async def write(self, items: Sequence[WriteItem]) -> Sequence[WriteResult]:
        """Rows that are WRITTEN are on the disk. Raises HostUnavailableError where none could be written."""
        mine = _Append(items)
        self._waiting.append(mine)
        async with self._turn:
            if not mine.is_done:
                await to_thread.run_sync(self._append_waiting, limiter=self._lane)
        if isinstance(mine.error, OSError):
            raise self._explained(mine.error) from mine.error
        if mine.error is not None:
            raise mine.error
        return mine.results

    def _append_waiting(self) -> None:
        """Whatever waits by now, as one append that is made durable once."""
        batch = []
        while self._waiting:
            batch.append(self._waiting.popleft())
        lines: _Lines = []
        try:
            for each in batch:
                each.results = self._add_lines(each.items, lines)
            if lines:
                self._part.append(b"".join(lines), len(lines))
        except Exception as error:  # noqa: BLE001  raised again by each that waits
            for each in batch:
                each.error = error
        for each in batch:
            each.is_done = True

    def _add_lines(self, items: Sequence[WriteItem], lines: _Lines) -> Sequence[WriteResult]:
        made = self._csv_lines(items) if self._is_csv else [item.encoded + b"\n" for item in items]
        results = []
        for item, line in zip(items, made, strict=True):
            if item.target_id is not None:
                results.append(_NO_UPDATE)
            elif isinstance(line, WriteResult):
                results.append(line)
            else:
                lines.append(line)
                results.append(WriteResult(Verdict.WRITTEN, target_id=str(self._part.rows + len(lines))))
        return results

    def _csv_lines(self, items: Sequence[WriteItem]) -> Sequence[bytes | WriteResult]:
        """Each item's line, or why it has none. The first of them choose the columns, where nobody named them."""
        rows = [cells_by_name(item.encoded) for item in items]
        if self._part.columns is None:
            names = dict.fromkeys(name for row in rows for name in row)
            self._part.columns = tuple(filter(can_be_column, names)) or None
        return [self._csv_line(row, self._part.columns or ()) for row in rows]

    def _csv_line(self, row: Mapping[str, str], columns: Sequence[str]) -> bytes | WriteResult:
        if not columns or not row.keys() <= set(columns):
            return _no_column(row.keys() - set(columns))
        line = csv_line(row.get(name, "") for name in columns)
        return _ZERO_BYTE if b"\0" in line else line

    @property
    def _is_csv(self) -> bool:
        return self._writing.shape.format == "csv"

    def _find(self) -> tuple[Path, Shape] | None:
        if not self._is_open or not self._part.rows:  # before its first row a packed one is no gzip file
            return None
        return self._part.final if self._part.is_in_place else self._part.path, self._writing.shape

    def _explained(self, error: OSError) -> HostUnavailableError:
        remedy = "make room and run again" if error.errno in _FULL else "run again to go on"
        return HostUnavailableError(
            f"{self._place.name}: {error.filename or self._part.path} can't be written ({error.strerror}); nothing that"
            f" was acknowledged is lost, {remedy}"
        )


def _no_column(names: Collection[str]) -> WriteResult:
    """Why a body has no place under the header of a CSV file."""
    if bad := sorted(name for name in names if not can_be_column(name)):
        text = f"{bad[0]!r} can't be the name of a column"
    elif names:
        named = ", ".join(sorted(names))
        text = f"the file has no column for {named}; name all columns in options.columns"
    else:
        text = "it has no field, and no column is named in options.columns"
    return WriteResult(Verdict.REJECTED, cause="no-column", message=text)
