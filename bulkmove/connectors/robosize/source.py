"""A list of Robosize, orders or products, in pages by offset."""

from __future__ import annotations

from bulkmove.connectors.asking import paths_of
from bulkmove.connectors.calls import request_of
from bulkmove.connectors.drf_list import rows_of
from bulkmove.connectors.json_text import as_object, as_text
from bulkmove.connectors.robosize.forms import ID, MOST_A_PAGE
from bulkmove.connectors.robosize.operations import HEADERS, OPERATIONS, PATHS
from bulkmove.errors import BadAnswerError, ConfigError
from bulkmove.exact import decode_json
from bulkmove.model import Listing, Page, PageQuery, Record
from bulkmove.protocols import Transport

_LISTING = Listing(reading="passes", page_limit=MOST_A_PAGE, can_overlap=True)


class ListSource:
    """`limit` and `offset` in the envelope `{count, next, previous, results}` (documented); neither sort nor filter.

    The rows show no date, so records have neither key nor version. A page can be shorter than was asked for
    and yet have a next one.
    """

    def __init__(self, transport: Transport, stream: str) -> None:
        self._transport = transport
        self._operation = OPERATIONS[f"list-{stream}"]
        self._path = paths_of(transport.host, PATHS)[self._operation.path]

    @property
    def listing(self) -> Listing:
        return _LISTING

    async def fetch(self, query: PageQuery) -> Page:
        """One page. Raises ConfigError for a wrong path, BadAnswerError for anything but a list."""
        params = {"limit": str(query.limit), "offset": str(query.offset)}
        request = request_of(self._operation, self._path, params, headers=HEADERS, decode=decode_json)
        response = await self._transport.send(request)
        host = self._transport.host.name
        where, check = (
            f"{host}: GET {response.asked or self._path}",
            f"check hosts.{host}.url and hosts.{host}.paths",
        )
        if response.status == 404:
            raise ConfigError(f"{where} is not there (404); {check}")
        if not response.is_success:
            raise BadAnswerError(f"{where} answered {response.status}; {check}")
        found = rows_of(response.data) if isinstance(response.data, dict) else None
        if found is None:
            raise BadAnswerError(f"{where} answered without a list `results`; {check}")
        records = [
            Record(id=as_text(row.get(ID)), key=None, version=None, data=row)
            for row in map(as_object, found.rows)
        ]
        return Page(records=records, total=found.total, has_next=found.has_next, date=response.date)
