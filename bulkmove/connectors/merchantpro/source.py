"""The orders of a MerchantPro shop, read page by page along the date of their creation."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, NoReturn

from bulkmove.connectors.asking import known_filters, paths_of
from bulkmove.connectors.calls import request_of
from bulkmove.connectors.dates import date_reader, epoch_seconds, iso_text, zone_of
from bulkmove.connectors.json_text import as_object, as_text
from bulkmove.connectors.merchantpro.answers import UNDEFINED_FILTER, failure_of, page_of
from bulkmove.connectors.merchantpro.names import FILTERS, HEADERS, ID, MOST_A_PAGE, PATHS, SORTS
from bulkmove.connectors.merchantpro.operations import OPERATIONS
from bulkmove.errors import BadAnswerError, ConfigError
from bulkmove.exact import decode_json
from bulkmove.model import Listing, Page, PageQuery, Record, Response
from bulkmove.protocols import Transport
from bulkmove.settings import HostSettings, RouteSettings


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which orders a route wants, and which of their fields: the parameters that every page carries.

    `first_key`, `last_key`: the seconds that the user's own dates name, both included.
    """

    route: str
    parameters: Mapping[str, str]
    filters: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    first_key: int | None = None
    last_key: int | None = None


def wanted_orders(host: HostSettings, route: RouteSettings, *, fields_used: tuple[str, ...] | None) -> Wanted:
    """What the route's `where` asks for. Raises ConfigError for a filter that does not exist or a date that can't be read."""
    filters = dict(known_filters(route, FILTERS, OPERATIONS["list-orders"]))
    first_key = _bound(host, route, name="created_after", text=filters.pop("created_after", None))
    last_key = _bound(host, route, name="created_before", text=filters.pop("created_before", None))
    if first_key is not None and last_key is not None and first_key > last_key:
        raise ConfigError(f"routes.{route.name}.where: created_after is later than created_before")
    return Wanted(route.name, list_parameters(fields_used), filters, first_key, last_key)


def all_orders(route: RouteSettings, *, include: str | None) -> Wanted:
    """The whole list, to be read back: with all that comes by itself, and what `include` names."""
    return Wanted(route.name, {"sort": SORTS[0], **({"include": include} if include else {})})


def version_parameters() -> dict[str, str]:
    """For rows that show their id, their place in the list and their last change, and nothing else (documented)."""
    return {"sort": SORTS[0], "fields": f"{ID},date_created,date_modified"}


def list_parameters(fields_used: tuple[str, ...] | None) -> dict[str, str]:
    """The documented parameters that every page of the list carries.

    `line_items` and `tags` come only where `include` asks for them. `fields` narrows the rest: `id` always
    comes, the dates are added because the list is read and compared by them. Parts of a field
    (`line_items[].quantity`) ask for the whole.
    """
    if fields_used is None:
        return {"sort": SORTS[0], "include": "line_items,tags"}
    wanted = dict.fromkeys([ID, "date_created", "date_modified"])
    wanted.update(dict.fromkeys(name.partition(".")[0].partition("[")[0] for name in fields_used))
    return {
        "sort": SORTS[0],
        "include": "line_items,tags" if "tags" in wanted else "line_items",
        "fields": ",".join(wanted),
    }


class OrderSource:
    """A keyset list: `sort=date_created` with `created_after` and `created_before` (documented).

    Whether the host takes the seconds at either bound is not documented; a PageQuery leaves it open.
    """

    def __init__(self, transport: Transport, wanted: Wanted) -> None:
        self._transport = transport
        self._wanted = wanted
        self._path = paths_of(transport.host, PATHS)["orders"]
        self._record = _record_reader(transport.host)
        self._params = {**wanted.parameters, **wanted.filters}
        self._listing = Listing(
            reading="keyset",
            page_limit=MOST_A_PAGE,
            can_overlap=True,
            first_key=wanted.first_key,
            last_key=wanted.last_key,
        )

    @property
    def listing(self) -> Listing:
        return self._listing

    async def fetch(self, query: PageQuery) -> Page:
        """One page. Raises ConfigError for a wrong path or filter, BadAnswerError for anything but a list."""
        params = {"start": str(query.offset), "limit": str(query.limit)}
        if query.after is not None:
            params["created_after"] = iso_text(query.after)
        if query.before is not None:
            params["created_before"] = iso_text(query.before)
        return await self._fetch(params)

    @property
    def find_at_once(self) -> int:
        return MOST_A_PAGE

    async def find(self, ids: Sequence[str]) -> Sequence[Record]:
        """Orders by the filter `ids` alone (documented): what the route's filters ask for may have changed since."""
        asked = set(ids)
        if any("," in each for each in asked):
            raise BadAnswerError(f"{self._where()} can't be asked for an id that holds a comma")
        query = {"start": "0", "limit": str(MOST_A_PAGE), "ids": ",".join(ids)}
        page = await self._asked({**self._wanted.parameters, **query})
        found = {record.id: record for record in page.records}
        if not found.keys() <= asked:
            raise BadAnswerError(f"{self._where()} ignores the filter ids: it brings other orders")
        return list(found.values())

    def versions(self) -> OrderSource:
        """The same orders, without their lines and all that makes them long."""
        return OrderSource(self._transport, replace(self._wanted, parameters=version_parameters()))

    async def _fetch(self, query: Mapping[str, str]) -> Page:
        return await self._asked({**self._params, **query})

    async def _asked(self, params: Mapping[str, str]) -> Page:
        response = await self._transport.send(
            request_of(OPERATIONS["list-orders"], self._path, params, headers=HEADERS, decode=decode_json)
        )
        if not response.is_success:
            self._refuse(response)
        page = page_of(response, self._record)
        if page is None:
            raise BadAnswerError(
                f"{self._where()} answered without a list `data`; check that hosts.{self._host}.url is the address "
                "of a MerchantPro shop"
            )
        return page

    def _refuse(self, response: Response) -> NoReturn:
        failure = failure_of(response)
        route = self._wanted.route
        if response.status == 404:
            raise ConfigError(
                f"{self._host}: GET {response.asked or self._path} is not there (404); check hosts.{self._host}.url and hosts.{self._host}.paths"
            )
        if failure.name == UNDEFINED_FILTER:
            said = f"{failure.message} {failure.details}"
            filters = self._wanted.filters
            named = [name for name in filters if re.search(rf"\b{name}\b", said)]
            name = ", ".join(named or filters) or "created_after or created_before"
            raise ConfigError(
                f"{self._where()} does not know the filter {name} (undefined_filter); mend routes.{route}.where"
            )
        said = f": {failure.name} {failure.message}".rstrip(" :")
        raise BadAnswerError(
            f"{self._where()} answered {response.status}{said}; "
            f"check routes.{route}.where and hosts.{self._host}.url"
        )

    @property
    def _host(self) -> str:
        return self._transport.host.name

    def _where(self) -> str:
        return f"{self._host}: GET {self._path}"


def _record_reader(host: HostSettings) -> Callable[[Any], Record]:
    read_date = date_reader(host)

    def read(row: Any) -> Record:
        row = as_object(row)
        get = row.get
        version = get("date_modified")
        return Record(
            as_text(get(ID)),
            read_date(get("date_created")),
            as_text(version) if type(version) is str else None,
            row,
        )

    return read


def _bound(host: HostSettings, route: RouteSettings, *, name: str, text: str | None) -> int | None:
    """The second that a date in `where` names; a date without a zone is one of the host's own."""
    if text is None:
        return None
    try:
        key = epoch_seconds(text, zone_of(host))
    except LookupError as error:
        raise ConfigError(
            f"routes.{route.name}.where.{name} = {text!r} names no time zone; add one, as in "
            f"2024-01-31T00:00:00+02:00, or set hosts.{host.name}.timezone"
        ) from error
    if key is None:
        raise ConfigError(
            f"routes.{route.name}.where.{name} = {text!r} is no ISO 8601 date; "
            "write it like 2024-01-31T00:00:00+02:00"
        )
    return key
