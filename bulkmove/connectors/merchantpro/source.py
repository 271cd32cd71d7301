"""The orders of a MerchantPro shop, read page by page along the date of their creation."""

from __future__ import annotations

import re
from typing import Any, NoReturn

from bulkmove.connectors.asking import known_filters, paths_of
from bulkmove.connectors.dates import date_reader, epoch_seconds, iso_text, zone_of
from bulkmove.connectors.json_text import as_object, as_text, part, whole_number
from bulkmove.connectors.merchantpro import api
from bulkmove.errors import BadAnswerError, ConfigError
from bulkmove.exact import decode_json
from bulkmove.model import Listing, Page, PageQuery, Record, Request, Response
from bulkmove.protocols import Transport
from bulkmove.settings import RouteSettings


class OrderSource:
    """A keyset list: `sort=date_created` with `created_after` and `created_before` (documented).

    Whether the host takes the seconds at either bound is not documented; a PageQuery leaves it open.
    Raises ConfigError at once for a filter that does not exist, and for a date in `where` that can't be read.
    """

    def __init__(self, transport: Transport, route: RouteSettings) -> None:
        host = transport.host
        self._transport = transport
        self._route = route
        self._path = paths_of(host, api.PATHS)["orders"]
        self._zone = zone_of(host)
        self._read_date = date_reader(host)
        filters = dict(known_filters(route, api.FILTERS))
        first_key = self._bound("created_after", filters.pop("created_after", None))
        last_key = self._bound("created_before", filters.pop("created_before", None))
        if first_key is not None and last_key is not None and first_key > last_key:
            raise ConfigError(f"routes.{route.name}.where: created_after is later than created_before")
        self._filters = filters
        self._params = {**api.list_parameters(route.fields_used), **filters}
        self._listing = Listing(
            reading="keyset",
            page_limit=api.MOST_A_PAGE,
            can_overlap=True,
            first_key=first_key,
            last_key=last_key,
        )

    @property
    def listing(self) -> Listing:
        return self._listing

    async def fetch(self, query: PageQuery) -> Page:
        """One page. Raises ConfigError for a wrong path or filter, BadAnswerError for anything but a list."""
        params = {**self._params, "start": str(query.offset), "limit": str(query.limit)}
        if query.after is not None:
            params["created_after"] = iso_text(query.after)
        if query.before is not None:
            params["created_before"] = iso_text(query.before)
        response = await self._transport.send(
            Request("GET", self._path, params, headers=api.ACCEPT, is_repeatable=True, decode=decode_json)
        )
        if not response.is_success:
            self._refuse(response)
        return self._page(response)

    def _page(self, response: Response) -> Page:
        rows = api.rows_of(response.data)
        if rows is None:
            raise BadAnswerError(
                f"{self._where()} answered without a list `data`; check that hosts.{self._host}.url is the address "
                "of a MerchantPro shop"
            )
        meta = response.data.get("meta")
        links = part(meta, "links")
        has_next = links["next"] is not None if isinstance(links, dict) and "next" in links else None
        read_date = self._read_date
        return Page(
            records=[self._record(row, read_date) for row in rows],
            total=whole_number(part(meta, "count", "total")),
            has_next=has_next,
            date=response.date,
        )

    @staticmethod
    def _record(row: Any, read_date: Any) -> Record:
        row = as_object(row)
        version = row.get("date_modified")
        return Record(
            id=as_text(row.get("id")),
            key=read_date(row.get("date_created")),
            version=as_text(version) if type(version) is str else None,
            data=row,
        )

    def _refuse(self, response: Response) -> NoReturn:
        failure = api.failure_of(response)
        if response.status == 404:
            raise ConfigError(
                f"{self._where()} is not there (404); check hosts.{self._host}.url and hosts.{self._host}.paths"
            )
        if failure.name == "undefined_filter":
            said = f"{failure.message} {failure.details}"
            named = [name for name in self._filters if re.search(rf"\b{name}\b", said)]
            name = ", ".join(named or self._filters) or "created_after or created_before"
            raise ConfigError(
                f"{self._where()} does not know the filter {name} (undefined_filter); "
                f"mend routes.{self._route.name}.where"
            )
        said = f": {failure.name} {failure.message}".rstrip(" :")
        raise BadAnswerError(
            f"{self._where()} answered {response.status}{said}; "
            f"check routes.{self._route.name}.where and hosts.{self._host}.url"
        )

    def _bound(self, name: str, text: str | None) -> int | None:
        """The second that a date in `where` names; a date without a zone is one of the host's own."""
        if text is None:
            return None
        try:
            key = epoch_seconds(text, self._zone)
        except LookupError as error:
            raise ConfigError(
                f"routes.{self._route.name}.where.{name} = {text!r} names no time zone; add one, as in "
                f"2024-01-31T00:00:00+02:00, or set hosts.{self._host}.timezone"
            ) from error
        if key is None:
            raise ConfigError(
                f"routes.{self._route.name}.where.{name} = {text!r} is no ISO 8601 date; "
                "write it like 2024-01-31T00:00:00+02:00"
            )
        return key

    @property
    def _host(self) -> str:
        return self._transport.host.name

    def _where(self) -> str:
        return f"{self._host}: GET {self._path}"
