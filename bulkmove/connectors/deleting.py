"""Deleting rows of a list, one request a row: the target that any connector gives to a route of mode "delete"."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import orjson

from bulkmove.connectors.drf import refusals
from bulkmove.connectors.fates import Kind
from bulkmove.connectors.successes import refusal_in
from bulkmove.errors import RequestFailedError
from bulkmove.model import BatchRule, JsonObject, Request, Response, Verdict, WriteItem, WriteResult
from bulkmove.protocols import Source, Transport
from bulkmove.transport.attempts import noted_attempts

# An update of such a route is the deletion of its row. Nothing is ever created: a body without a row is rejected
# before it comes here.
_RULES = MappingProxyType({"create": BatchRule("single"), "update": BatchRule("single", is_repeatable=True)})
_GONE = frozenset({404, 410})
# In a path they name another place, and an empty one could mean the whole list.
_NO_IDS = frozenset({"", ".", ".."})
# So many rows that are not there are asked for again before the address is taken for wrong; they are kept in memory.
MOST_UNSURE = 1000
# Mapped to be written, before the route's mode became "delete".
_NO_DELETION = WriteResult(
    Verdict.REJECTED, cause="no-deletion", message="it was mapped to be written, not to be deleted"
)
_NO_ROW = WriteResult(Verdict.REJECTED, cause="no-target-id", message="it names no row that could be deleted")


class DeleteTarget:
    """A Target whose update is a DELETE of the row, which can be sent twice: the second finds nothing.

    `request` makes the DELETE of a row by its id; it may raise ValueError for an id that can't be asked for, which
    rejects that row. `rows` reads the list, for rows that are found by `natural_key`; `comparable` is that of the
    list's other target, so that routes of several modes may share what was read. A body of a deletion is empty.
    """

    def __init__(
        self,
        transport: Transport,
        *,
        id_field: str,
        natural_key: str,
        request: Callable[[str], Request],
        rows: Callable[[], Source],
        comparable: Callable[[JsonObject], JsonObject],
    ) -> None:
        self._transport = transport
        self._id_field = id_field
        self._natural_key = natural_key
        self._request = request
        self._rows = rows
        self._comparable = comparable
        self.has_deleted = False
        self._unsure: set[str] = set()

    @property
    def id_field(self) -> str:
        return self._id_field

    @property
    def natural_key(self) -> str:
        return self._natural_key

    @property
    def rules(self) -> Mapping[str, BatchRule]:
        return _RULES

    @property
    def never_returned(self) -> frozenset[str]:
        return frozenset()

    def list(self) -> Source:
        return self._rows()

    def comparable(self, row: JsonObject) -> JsonObject:
        return self._comparable(row)

    async def write(self, items: Sequence[WriteItem]) -> Sequence[WriteResult]:
        """WRITTEN for a 2xx, UNCHANGED for a row that is gone already, which a 404 or 410 with a JSON object says.

        Until a row was deleted, such an answer to a first attempt can as well mean that the address is wrong. An earlier
        run may have deleted the row, and ended before that was noted: RequestFailedError, and it is asked again when
        the others were. Where none could be deleted by then, it rejects the row.
        Raises what `drf.refusals` and Transport.send raise: any other 404 is the path's.
        """
        (item,) = items
        if item.body:
            return [_NO_DELETION]
        return [await self._delete(item)]

    async def _delete(self, item: WriteItem) -> WriteResult:
        if item.target_id is None or item.target_id in _NO_IDS:
            return _NO_ROW
        try:
            request = self._request(item.target_id)
        except ValueError:
            return _NO_ROW
        with noted_attempts() as attempts:
            response = await self._transport.send(request)
        is_repeated = any(attempt.is_unsettled for attempt in attempts)
        if response.is_success:
            host = self._transport.host.name
            if (refusal := refusal_in(host, request, response, item, kind=Kind.DELETE)) is not None:
                return refusal
            self.has_deleted = True
            return WriteResult(Verdict.WRITTEN, target_id=item.target_id)
        if response.status in _GONE and _is_object(response):
            was_unsure = item.target_id in self._unsure
            if self.has_deleted or is_repeated or (item.attempts and not was_unsure):
                return WriteResult(Verdict.UNCHANGED, target_id=item.target_id)
            if not was_unsure and len(self._unsure) < MOST_UNSURE:
                self._unsure.add(item.target_id)
                raise RequestFailedError(
                    f"{self._transport.host.name}: DELETE {request.path} answered {response.status} before any row was"
                    " deleted: whether the row is gone shows when another is"
                )
            message = f"the host answered {response.status}: row {item.target_id} is gone already, or the path {request.path} is wrong"
            return WriteResult(Verdict.REJECTED, cause="not-found", message=message)
        return refusals(self._transport.host.name, request, response, [item], kind=Kind.DELETE)[0]


def _is_object(response: Response) -> bool:
    try:
        return isinstance(orjson.loads(response.body), dict)
    except ValueError:
        return False
