"""What Robosize's answers to writes say of what was written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bulkmove.connectors.drf import HELD, loose
from bulkmove.connectors.fates import Kind
from bulkmove.connectors.json_text import as_text
from bulkmove.connectors.robosize.forms import ID, NATURAL_KEY
from bulkmove.connectors.successes import MULTI_STATUS, error_in, refusal_in, refused_row, unclear
from bulkmove.model import Request, Response, Verdict, WriteItem, WriteResult
from bulkmove.protocols import Transport

_NO_CONTENT = (204, 205)


def created(transport: Transport, request: Request, response: Response, item: WriteItem) -> WriteResult:
    """The id that a POST gave, whatever key it shows: what has an id is there.

    Without one: REJECTED where the answer carries errors. Raises InDoubtError where it says nothing.
    """
    row = response.data[0] if isinstance(response.data, list) and len(response.data) == 1 else response.data
    target_id = as_text(row.get(ID)) if isinstance(row, dict) else None
    if target_id is not None:
        return WriteResult(Verdict.WRITTEN, target_id=target_id)
    if (error := error_in(row)) is not None:
        return refused_row(error, item)
    raise unclear(transport.host.name, request, response, kind=Kind.CREATE)


def changed(transport: Transport, request: Request, response: Response, item: WriteItem) -> WriteResult:
    """WRITTEN for a PATCH whose answer is empty, or a row that shows what was sent.

    Raises RequestFailedError for another answer: the PATCH can be sent again.
    """
    refusal = refusal_in(transport.host.name, request, response, item, kind=Kind.UPDATE)
    if refusal is not None:
        return refusal
    row = response.data
    if row is not None and not (isinstance(row, dict) and _is_of(row, item)):
        raise unclear(transport.host.name, request, response, kind=Kind.UPDATE)
    return WriteResult(Verdict.WRITTEN, target_id=item.target_id)


def changed_together(
    transport: Transport, request: Request, response: Response, items: Sequence[WriteItem]
) -> Sequence[WriteResult]:
    """WRITTEN for all where the answer is empty or a message; it tells no outcome for each id.

    Errors in it are everyone's, until one is sent alone. Raises RequestFailedError for another answer.
    """
    if (error := error_in(response.data)) is not None:
        return [refused_row(error, items[0])] if len(items) == 1 else [HELD] * len(items)
    is_message = isinstance(response.data, dict) or response.status in _NO_CONTENT
    if not is_message or response.status == MULTI_STATUS:
        raise unclear(transport.host.name, request, response, kind=Kind.JOINED)
    return [WriteResult(Verdict.WRITTEN, target_id=item.target_id) for item in items]


def _is_of(row: Any, item: WriteItem) -> bool:
    """Whether the row shows the store's id that was sent, as it may be stored; an answer that shows none is believed."""
    shown, sent = as_text(row.get(NATURAL_KEY)), as_text(item.body.get(NATURAL_KEY))
    return shown is None or sent is None or loose(shown) == loose(sent)
