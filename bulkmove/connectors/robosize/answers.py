"""What Robosize's answers to writes say of what was written."""

from __future__ import annotations

from typing import Any

from bulkmove.connectors.drf import loose
from bulkmove.connectors.json_text import as_text
from bulkmove.connectors.robosize.forms import ID, NATURAL_KEY
from bulkmove.errors import InDoubtError, RequestFailedError
from bulkmove.model import Request, Response, Verdict, WriteItem, WriteResult
from bulkmove.protocols import Transport


def created(transport: Transport, request: Request, response: Response) -> WriteResult:
    """The id that a POST gave, whatever key it shows: what has an id is there. Raises InDoubtError where none is named."""
    row = response.data[0] if isinstance(response.data, list) and len(response.data) == 1 else response.data
    target_id = as_text(row.get(ID)) if isinstance(row, dict) else None
    if target_id is None:
        message = f"{transport.host.name}: POST {request.path} answered {response.status} without the new row"
        raise InDoubtError(message, sent_at=response.sent_at)
    return WriteResult(Verdict.WRITTEN, target_id=target_id)


def changed(transport: Transport, request: Request, response: Response, item: WriteItem) -> WriteResult:
    """WRITTEN for a PATCH whose answer is empty, or a row that shows what was sent.

    Raises RequestFailedError for another answer: the PATCH can be sent again.
    """
    row = response.data
    if row is not None and not (isinstance(row, dict) and _is_of(row, item)):
        raise RequestFailedError(
            f"{transport.host.name}: PATCH {request.path} answered {response.status} with something else than the row"
        )
    return WriteResult(Verdict.WRITTEN, target_id=item.target_id)


def _is_of(row: Any, item: WriteItem) -> bool:
    """Whether the row shows the store's id that was sent, as it may be stored; an answer that shows none is believed."""
    shown, sent = as_text(row.get(NATURAL_KEY)), as_text(item.body.get(NATURAL_KEY))
    return shown is None or sent is None or loose(shown) == loose(sent)
