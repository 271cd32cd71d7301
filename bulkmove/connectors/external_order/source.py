"""The lists of an external-order shop, page by page: its orders, and what orders point to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from bulkmove.connectors.asking import known_filters, paths_of
from bulkmove.connectors.calls import request_of
from bulkmove.connectors.dates import date_reader, epoch_seconds, zone_of
from bulkmove.connectors.drf_list import Rows, rows_of
from bulkmove.connectors.external_order import names
from bulkmove.connectors.external_order.dialect import SECOND_ROW, dialect_of, headers_for, run_together
from bulkmove.connectors.external_order.operations import OPERATIONS
from bulkmove.connectors.json_text import as_object, as_text
from bulkmove.errors import BadAnswerError, ConfigError
from bulkmove.exact import decode_json, name_of_content
from bulkmove.model import JsonObject, Listing, Page, PageQuery, Record, Response
from bulkmove.protocols import Transport
from bulkmove.settings import HostSettings, RouteSettings


@dataclass(frozen=True, slots=True)
class Listed:
    """A list: the operation that brings it, and what it is always asked with. `dated_by`: the field it is sorted by."""

    operation: str
    id_field: str
    always: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    dated_by: str | None = None


# Beyond it a number of seconds, or of parts of them, is no date.
_NO_MOMENT = 10**16
_NO_MOMENT_DIGITS = 17

ORDERS = Listed(
    "list-orders", names.ID, MappingProxyType({"ordering": names.CREATED_AT}), dated_by=names.CREATED_AT
)


class ListSource:
    """Pages by the host's dialect; orders come oldest first.

    Such servers ignore a filter that they don't know: a row from before the route's own `created_after` shows
    that it did not take effect, and is a BadAnswerError. Some have no pages at all and send a bare array of all rows
    whatever is asked: a second look tells, once, unless `has_pages` does.
    """

    def __init__(
        self,
        transport: Transport,
        listed: Listed,
        filters: Mapping[str, str],
        *,
        has_pages: bool | None = None,
    ) -> None:
        host = transport.host
        self._transport = transport
        self._listed = listed
        self._operation = OPERATIONS[listed.operation]
        self._path = paths_of(host, names.PATHS)[self._operation.path]
        self._params = {**listed.always, **filters}
        self._first_key = int(filters["created_after"]) if "created_after" in filters else None
        self._read_key = key_reader(host)
        self._dialect = dialect_of(host)
        self._headers = headers_for(host)
        self._has_pages = has_pages

    @property
    def listing(self) -> Listing:
        return Listing(
            reading="passes", page_limit=names.MOST_A_PAGE, can_overlap=not self._dialect.is_numbered
        )

    async def fetch(self, query: PageQuery) -> Page:
        """One page; where pages are numbered, `offset` is a multiple of `limit`. A page past the end is empty."""
        params = dict(self._params)
        if query.after is not None:
            params["created_after"] = str(max(query.after, self._first_key or query.after))
        paged = self._dialect.page(limit=query.limit, offset=query.offset)
        response = await self._ask({**params, **paged})
        if not response.is_success:
            return self._end(response, query.offset)
        found = self._rows_of(response)
        records = self._records(found)
        total, has_next = found.total, found.has_next
        if has_next is None and query.offset == 0 and (len(records) > 1 or query.limit > len(records) > 0):
            if self._has_pages is None:
                self._has_pages = await self._heeds_pages(params, records)
            if not self._has_pages:
                total, has_next = len(records), False
        return Page(records=records, total=total, has_next=has_next, date=response.date)

    async def _heeds_pages(self, params: dict[str, str], first: list[Record]) -> bool:
        """Whether a bare array is a page. What has no pages sends the same rows where the second one alone is asked for.

        It is asked for in every way there is: pages that are cut in another way than is set are no whole list.
        """
        response = await self._ask({**params, **SECOND_ROW})
        second = self._records(self._rows_of(response)) if response.is_success else []
        return not {_name(record) for record in first} <= {_name(record) for record in second}

    async def _ask(self, params: Mapping[str, str]) -> Response:
        request = request_of(
            self._operation,
            self._path,
            self._dialect.asked(params),
            headers=self._headers,
            decode=decode_json,
        )
        return await self._transport.send(request)

    def _rows_of(self, response: Response) -> Rows:
        found = rows_of(response.data)
        if found is None:
            raise BadAnswerError(f"{self._where()} answered without a list; {self._check()}")
        return found

    def _records(self, found: Rows) -> list[Record]:
        records = [self._record(as_object(self._dialect.read(row))) for row in found.rows]
        if self._first_key is not None and any(
            r.key is not None and r.key < self._first_key for r in records
        ):
            raise BadAnswerError(f"{self._where()} ignores the filter created_after; take it out of `where`")
        return records

    def _record(self, row: JsonObject) -> Record:
        row_id = as_text(row.get(self._listed.id_field))
        if row_id is None:
            self._check_spelling(row)
        dated_by = self._listed.dated_by
        key = self._read_key(row.get(dated_by)) if dated_by is not None else None
        return Record(id=row_id, key=key, version=None, data=row)

    def _check_spelling(self, row: JsonObject) -> None:
        other = run_together(self._listed.id_field)
        if self._dialect.is_underscored and other in row:
            host = self._transport.host.name
            raise ConfigError(
                f"{self._where()} answered with rows that show {other!r}; "
                f'set hosts.{host}.options.spelling = "run-together"'
            )

    def _end(self, response: Response, offset: int) -> Page:
        """A page past the end answers 404 (seen on such servers); the first page answers 404 at a wrong address."""
        if response.status == 404 and not offset:
            raise ConfigError(f"{self._where(response)} is not there (404); {self._check()}")
        if response.status == 404 and response.body.lstrip()[:1] == b"{":
            return Page(records=(), total=None, has_next=False, date=response.date)
        raise BadAnswerError(f"{self._where(response)} answered {response.status}; {self._check()}")

    def _where(self, response: Response | None = None) -> str:
        asked = response.asked if response is not None else ""
        return f"{self._transport.host.name}: GET {asked or self._path}"

    def _check(self) -> str:
        host = self._transport.host.name
        return f"check hosts.{host}.url and hosts.{host}.paths.{self._operation.path}"


def order_source(transport: Transport, route: RouteSettings) -> ListSource:
    """The orders that a route reads."""
    return ListSource(transport, ORDERS, route_filters(transport, route))


def _name(record: Record) -> str:
    return record.id if record.id is not None else name_of_content(record.data)


def key_reader(host: HostSettings) -> Callable[[Any], int | None]:
    """Reads `created_at`: epoch seconds, ISO 8601, or absent (its form is unconfirmed)."""
    read_date = date_reader(host)

    def read(value: Any) -> int | None:
        kind = type(value)
        if kind is int:
            return int(value) if abs(value) < _NO_MOMENT else None
        if kind is float:
            return int(value // 1) if abs(value) < _NO_MOMENT else None
        if kind is str and value.isascii() and value.isdigit():
            return int(value) if len(value) < _NO_MOMENT_DIGITS else None
        return read_date(value)

    return read


def route_filters(transport: Transport, route: RouteSettings) -> Mapping[str, str]:
    """The route's own filters, a date written as ISO 8601 turned into the unix seconds that the host wants."""
    filters = dict(known_filters(route, names.FILTERS, OPERATIONS[ORDERS.operation]))
    text = filters.get("created_after")
    if text is None or (text.isascii() and text.isdigit()):
        return filters
    where = f"routes.{route.name}.where.created_after = {text!r}"
    try:
        key = epoch_seconds(text, zone_of(transport.host))
    except LookupError as error:
        raise ConfigError(
            f"{where} names no time zone; add one, or set hosts.{transport.host.name}.timezone"
        ) from error
    if key is None:
        raise ConfigError(f"{where} is neither unix seconds nor an ISO 8601 date")
    return {**filters, "created_after": str(key)}
