"""A file as a Source."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from anyio import CapacityLimiter, to_thread

from bulkmove.connectors.files.compression import check_compression
from bulkmove.connectors.files.names import Place, Shape
from bulkmove.connectors.files.reading import Reader
from bulkmove.connectors.files.rows import Row
from bulkmove.connectors.json_text import as_text
from bulkmove.errors import ConfigError
from bulkmove.model import JsonObject, Listing, Page, PageQuery, Record

PAGE_ROWS = 200
_LISTING = Listing(reading="once", page_limit=PAGE_ROWS)

# The number of a row that is read back, under a name that no field has.
ROW = "(row)"
# What begins the names of rows that can't be read, as no id does.
_BAD_ROW = "(bad row)"
Find = Callable[[], tuple[Path, Shape] | None]


class FileSource:
    """The rows of a file, one page after the other. A page that is not the next is looked for from the first row on.

    `find` says, in a thread, which file that is, at the first page and whenever it is begun again; None: there are
    no rows.
    A row that can't be read is a record with a `fault`, named by its file, its line and a hash of what stands there. `with_row`: each row also tells
    its number, as its field ROW.
    """

    def __init__(self, find: Find, *, id_field: str, longest: int, with_row: bool = False) -> None:
        self._find = find
        self._id_field = id_field
        self._longest = longest
        self._with_row = with_row
        self._lane = CapacityLimiter(1)
        self._reader: Reader | None = None
        self._file = ""
        self._next = 0

    @property
    def listing(self) -> Listing:
        return _LISTING

    async def fetch(self, query: PageQuery) -> Page:
        """Raises ConfigError where the file is not there, BadAnswerError where it is cut, damaged or was changed."""
        return await to_thread.run_sync(self._fetch, query, limiter=self._lane)

    def _fetch(self, query: PageQuery) -> Page:
        reader, self._reader = self._reader, None
        try:
            if reader is None or query.offset != self._next:
                found = self._find()
                if found is None:
                    return Page((), total=0, has_next=False)
                path, shape = found
                check_compression(shape.compression)
                self._file = path.name
                reader = Reader(path, shape, longest=self._longest, skip=query.offset)
            rows, has_next = reader.page(query.limit)
        except OSError as error:
            raise ConfigError(f"{error.filename or self._file}: can't be read ({error.strerror})") from error
        self._next = query.offset + len(rows)
        self._reader = reader
        return Page([self._record(row) for row in rows], total=None, has_next=has_next)

    def _record(self, row: Row) -> Record:
        if row.fault is not None:
            return Record(
                id=f"{_BAD_ROW} {self._file}:{row.line} {row.mark}",
                key=None,
                version=None,
                data=row.data,
                fault=f"line {row.line} of {self._file} {row.fault}",
            )
        version = row.data.get("date_modified")
        return Record(
            id=as_text(row.data.get(self._id_field)),
            key=None,
            version=as_text(version) if type(version) is str else None,
            data={**row.data, ROW: str(row.number)} if self._with_row else row.data,
        )


def without_row(row: JsonObject) -> JsonObject:
    return {name: value for name, value in row.items() if name != ROW}


def finder(place: Place) -> Find:
    """Looks for the one file of a stream that is there."""

    def find() -> tuple[Path, Shape]:
        shape = place.shape_there()
        return place.file(shape), shape

    return find
