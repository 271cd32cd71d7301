"""The list of orders of an external-order shop, in numbered pages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from bulkmove.connectors.asking import known_filters, paths_of
from bulkmove.connectors.dates import date_reader, epoch_seconds, zone_of
from bulkmove.connectors.drf_list import Rows, rows_of
from bulkmove.connectors.external_order import api
from bulkmove.connectors.json_text import as_object, as_text
from bulkmove.errors import BadAnswerError, ConfigError
from bulkmove.exact import decode_json
from bulkmove.model import Listing, Page, PageQuery, Record, Request, Response
from bulkmove.protocols import Transport
from bulkmove.settings import HostSettings, RouteSettings

_LISTING = Listing(reading="passes", page_limit=api.MOST_A_PAGE, can_overlap=False)


class OrderSource:
    """Pages by `page` and `page_size` (shown by public clients), oldest first.

    Such servers ignore a filter that they don't know: a row from before the route's own `created_after` shows
    that it did not take effect, and is a BadAnswerError. `filters` come from `route_filters`.
    """

    def __init__(self, transport: Transport, filters: Mapping[str, str]) -> None:
        host = transport.host
        self._transport = transport
        self._path = paths_of(host, api.PATHS)["orders"]
        self._params = {"ordering": "created_at", **filters}
        self._first_key = int(filters["created_after"]) if "created_after" in filters else None
        self._read_key = key_reader(host)

    @property
    def listing(self) -> Listing:
        return _LISTING

    async def fetch(self, query: PageQuery) -> Page:
        """One page; `offset` is a multiple of `limit`. A page past the end is empty."""
        page, rest = divmod(query.offset, query.limit)
        if rest:
            raise ValueError(f"numbered pages of {query.limit} can't start at {query.offset}")
        params = {**self._params, "page": str(page + 1), "page_size": str(query.limit)}
        if query.after is not None:
            params["created_after"] = str(max(query.after, self._first_key or query.after))
        response = await self._transport.send(
            Request("GET", self._path, params, headers=api.HEADERS, is_repeatable=True, decode=decode_json)
        )
        if not response.is_success:
            return self._end(response, page)
        found = rows_of(response.data)
        if found is None:
            raise BadAnswerError(f"{self._where()} answered without a list of orders; {self._check()}")
        return self._page(found, response, query)

    def _page(self, found: Rows, response: Response, query: PageQuery) -> Page:
        records = [self._record(as_object(row)) for row in found.rows]
        if self._first_key is not None and any(
            r.key is not None and r.key < self._first_key for r in records
        ):
            raise BadAnswerError(f"{self._where()} ignores the filter created_after; take it out of `where`")
        total, has_next = found.total, found.has_next
        if has_next is None and query.offset == 0 and len(records) > query.limit:
            # A bare array longer than was asked for: this host has no pages, and sent the whole list.
            total, has_next = len(records), False
        return Page(records=records, total=total, has_next=has_next, date=response.date)

    def _record(self, row: dict[str, Any]) -> Record:
        return Record(
            id=as_text(row.get(api.ID)), key=self._read_key(row.get("created_at")), version=None, data=row
        )

    def _end(self, response: Response, page: int) -> Page:
        """A page past the end answers 404 (seen on such servers); the first page answers 404 at a wrong address."""
        if response.status == 404 and not page:
            raise ConfigError(f"{self._where()} is not there (404); {self._check()}")
        if response.status == 404 and response.body.lstrip()[:1] == b"{":
            return Page(records=(), total=None, has_next=False, date=response.date)
        raise BadAnswerError(f"{self._where()} answered {response.status}; {self._check()}")

    def _where(self) -> str:
        return f"{self._transport.host.name}: GET {self._path}"

    def _check(self) -> str:
        return f"check hosts.{self._transport.host.name}.url and its paths"


def key_reader(host: HostSettings) -> Callable[[Any], int | None]:
    """Reads `created_at`: epoch seconds, ISO 8601, or absent (its form is unconfirmed)."""
    read_date = date_reader(host)

    def read(value: Any) -> int | None:
        kind = type(value)
        if kind is int:
            return int(value)
        if kind is float:
            return int(value // 1)
        if kind is str and value.isascii() and value.isdigit():
            return int(value)
        return read_date(value)

    return read


def route_filters(transport: Transport, route: RouteSettings) -> Mapping[str, str]:
    """The route's own filters, a date written as ISO 8601 turned into the unix seconds that the host wants."""
    filters = dict(known_filters(route, api.FILTERS))
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
