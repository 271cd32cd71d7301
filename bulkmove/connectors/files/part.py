"""The file that rows are gathered in until all are there, and how it takes its place. Blocking: for threads.

`.orders.jsonl.part` is appended to, and becomes `orders.jsonl` by being renamed. What an append left torn is cut off
when the file is opened again: no outcome was noted for it. A file that `overwrite` lets it stand in for is noted
beside it, so that it is never taken for the one that was written.
"""

from __future__ import annotations

import os
import sys

import orjson

from bulkmove.connectors.files.cells import csv_line
from bulkmove.connectors.files.compression import pack
from bulkmove.connectors.files.durable import (
    PRIVATE_DIRECTORY,
    copy_durably,
    is_still,
    lock,
    open_private,
    save_directory,
    save_text,
    write_all,
)
from bulkmove.connectors.files.names import SHAPES, Place
from bulkmove.connectors.files.reading import Scan, columns_of, holds_rows, scan
from bulkmove.connectors.files.settings import Writing
from bulkmove.errors import BadAnswerError, ConfigError, LedgerError


class Part:
    """One stream while it is written. `rows` stand in it; `columns` are those of its CSV header, None before it has one.

    `is_in_place`: it has its name already. From `open` to `close` it is locked: two runs never write one file.
    """

    def __init__(self, place: Place, writing: Writing, *, longest: int) -> None:
        self.path = place.part(writing.shape)
        self.final = place.file(writing.shape)
        self.rows = 0
        self.columns = writing.columns
        self.is_in_place = False
        self._place = place
        self._writing = writing
        self._shape = writing.shape
        self._longest = longest
        self._note = place.note(writing.shape)
        self._descriptor: int | None = None
        self._size = 0

    def open(self, *, written: int, in_doubt: int) -> None:
        """Go on where the ledger is: `written` rows were put down, and any of `in_doubt` more.

        Raises ConfigError where a file is in the way, LedgerError where rows are missing or not of this ledger, and
        OSError.
        """
        if not written and not in_doubt:
            self._begin_anew()
        elif self.path.exists():
            self._take_up(written, in_doubt)
        elif self.final.exists() and not self._is_noted():
            self.rows = self._checked(scan(self.final, self._shape), written, in_doubt).rows
            self.is_in_place = True
        elif not written:
            self._begin_anew()
        else:
            raise LedgerError(self._lost(written))

    def obstacle(self) -> str | None:
        """What keeps a run that has written nothing from beginning this file. Raises OSError."""
        others = [self._place.file(each).name for each in self._place.shapes_there() if each != self._shape]
        if others:
            return f"{others[0]} is there already, and the stream would have two files; move it away"
        if self._writing.overwrite:
            return None
        remedy = 'move it away, or set options.overwrite = "yes"'
        if self.final.exists() and holds_rows(self.final, self._shape, longest=self._longest):
            return f"{self.final.name} is there already; {remedy}"
        if self.path.exists() and scan(self.path, self._shape).rows:
            return f"{self.path.name} is there, begun by a run with another ledger; {remedy}"
        return None

    def append(self, data: bytes, rows: int) -> None:
        """All of `data` durably, as one member; or OSError, and nothing of it."""
        if self.is_in_place:
            self._reopen()
        if self._descriptor is None:
            raise RuntimeError("a Part is written between `open` and `close` alone")
        if self._shape.format == "csv" and not self._size and self.columns is not None:
            data = csv_line(self.columns) + data
        packed = pack(data, self._shape.compression)
        try:
            write_all(self._descriptor, packed, at=self._size)
            os.fsync(self._descriptor)
        except OSError:
            self._cut(self._descriptor)
            raise
        self._size += len(packed)
        self.rows += rows

    def put_in_place(self, written: int) -> None:
        """Give the file its name, once it holds what was written and nothing else. May be called again.

        Raises BadAnswerError where the ledger says otherwise, and OSError.
        """
        if self.rows != written:
            raise BadAnswerError(
                f"{self.path}: holds {self.rows:,} rows, and the ledger says that {written:,} were written; it was left"
                " as it is. Begin anew with --fresh"
            )
        if self.is_in_place:
            self._note.unlink(missing_ok=True)  # a run that was killed behind its renaming left it
            return
        if not self._size:
            self.append(b"", 0)  # an empty gzip file is not one without bytes
        if sys.platform == "win32":
            self.close()  # an open file can't be renamed there
        self.path.replace(self.final)
        save_directory(self.final.parent)
        self._note.unlink(missing_ok=True)
        self.is_in_place = True
        self.close()

    def close(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def _begin_anew(self) -> None:
        if obstacle := self.obstacle():
            raise ConfigError(f"{self._place.name}: {obstacle}")
        self.path.parent.mkdir(mode=PRIVATE_DIRECTORY, parents=True, exist_ok=True)
        descriptor = self._locked()
        # Another run may have ended between the first look and the lock.
        if obstacle := self.obstacle():
            if not os.fstat(descriptor).st_size:
                self.path.unlink()
            self.close()
            raise ConfigError(f"{self._place.name}: {obstacle}")
        if self.final.exists():
            save_text(self._note, orjson.dumps(self._standing()))
        else:
            self._note.unlink(missing_ok=True)
        os.ftruncate(descriptor, 0)
        os.fsync(descriptor)
        save_directory(self.path.parent)

    def _take_up(self, written: int, in_doubt: int) -> None:
        descriptor = self._locked()
        found = self._checked(scan(self.path, self._shape), written, in_doubt)
        if found.end < found.size:
            os.ftruncate(descriptor, found.end)
            os.fsync(descriptor)
        self.rows, self._size = found.rows, found.end
        if self._size and self._shape.format == "csv":
            self.columns = columns_of(self.path, self._shape, longest=self._longest)

    def _reopen(self) -> None:
        """Rows are to be added to a file that is whole: to a copy of it, which then takes its place."""
        copy_durably(self.final, self.path)
        self._size = self.path.stat().st_size
        self._locked()
        self.is_in_place = False

    def _locked(self) -> int:
        while True:
            self._descriptor = open_private(self.path)
            if not lock(self._descriptor):
                self.close()
                raise ConfigError(
                    f"{self._place.name}: another run is writing {self.path.name}; wait until it is done"
                )
            if is_still(self.path, self._descriptor):
                return self._descriptor
            self.close()

    def _cut(self, descriptor: int) -> None:
        try:
            os.ftruncate(descriptor, self._size)
        except OSError as error:
            raise BadAnswerError(
                f"{self.path}: can't be written ({error.strerror}), nor what was begun be taken back; run again"
            ) from error

    def _checked(self, found: Scan, written: int, in_doubt: int) -> Scan:
        if found.rows < written:
            raise LedgerError(
                f"{self._place.name}: {self.path.name} holds {found.rows:,} whole rows, and the ledger says that"
                f" {written:,} were written; bring the file back as it was, or begin anew with --fresh"
            )
        if found.rows > written + in_doubt:
            raise LedgerError(
                f"{self._place.name}: {self.path.name} holds {found.rows:,} rows, of which this ledger wrote {written:,};"
                " bring the file back as it was, or begin anew with --fresh"
            )
        return found

    def _lost(self, written: int) -> str:
        others = [self._place.part(each).name for each in SHAPES if self._place.part(each).exists()]
        why = f"{others[0]} is: put format and compression back" if others else "bring it back"
        return (
            f"{self._place.name}: {self.path} is not there, in which the ledger says that {written:,} rows stand; {why},"
            " or begin anew with --fresh"
        )

    def _standing(self) -> list[int]:
        found = self.final.stat()
        return [found.st_size, found.st_mtime_ns]

    def _is_noted(self) -> bool:
        """Whether the file under the final name was there before this one was begun."""
        try:
            noted = orjson.loads(self._note.read_bytes())
        except (FileNotFoundError, ValueError):
            return False
        return bool(noted == self._standing())
