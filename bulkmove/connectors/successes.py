"""A 2xx that is none: errors within it, or a 207 that does not say what became of what was sent."""

from __future__ import annotations

from typing import Any

from bulkmove.connectors.drf import describe
from bulkmove.connectors.fates import FATES, Fate, Kind, Reply
from bulkmove.errors import InDoubtError, RequestFailedError
from bulkmove.model import Request, Response, Verdict, WriteItem, WriteResult

MULTI_STATUS = 207


def error_in(answer: Any) -> Any:
    """What a 2xx says went wrong after all, as `{"ok": false}` or `{"errors": …}` do; None where it says nothing of the kind."""
    if not isinstance(answer, dict):
        return None
    if answer.get("ok") is False:
        return answer.get("error") or answer.get("message") or "ok: false"
    return answer.get("error") or answer.get("errors") or None


def refused_row(error: Any, item: WriteItem) -> WriteResult:
    """REJECTED for a row of a 2xx answer that carries errors instead of what was written."""
    message = describe(error, item)
    return WriteResult(
        Verdict.REJECTED, cause="refused", message=f"the host refused it: {message}".rstrip(": ")
    )


def refusal_in(
    host: str, request: Request, response: Response, item: WriteItem, *, kind: Kind
) -> WriteResult | None:
    """REJECTED where a 2xx to the write of one row carries errors; None where it is what it says.

    Raises RequestFailedError, or InDoubtError for a call that can't be sent twice, for a 207 without errors: of a row
    that it does not show nothing is known.
    """
    if (error := error_in(response.data)) is not None:
        return refused_row(error, item)
    if response.status == MULTI_STATUS and FATES[Reply.MULTI][kind] is not Fate.SHOWN:
        raise unclear(host, request, response, kind=kind)
    return None


def unclear(
    host: str, request: Request, response: Response, *, kind: Kind
) -> RequestFailedError | InDoubtError:
    """What to raise for a 2xx that does not tell what became of what was sent."""
    message = f"{host}: {request.method} {request.path} answered {response.status}, which does not tell what became of it"
    if kind.is_repeatable:
        return RequestFailedError(message)
    return InDoubtError(message, sent_at=response.sent_at)
