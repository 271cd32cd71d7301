"""Values as dates: read in a stated form and zone, written in a stated form and zone. No zone is ever guessed."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from bulkmove.errors import RejectRecordError
from bulkmove.mapping.declarative.refusals import shown
from bulkmove.mapping.declarative.values import Compute, is_empty
from bulkmove.protocols import MapContext

_Read = Callable[[Any], datetime]
_Write = Callable[[datetime], Any]


def as_date(inner: Compute, *, reads: str, writes: str, zone: str | None, to_zone: str | None) -> Compute:
    """`reads` and `writes` are "iso", "epoch" or a pattern of strftime. `zone` is that of dates that name none.

    Cause "bad-date" for what is no date, and for one without a zone where none is stated.
    """
    read = _reader(reads)
    write = _writer(writes)
    own = None if zone is None else ZoneInfo(zone)
    other = None if to_zone is None else ZoneInfo(to_zone)

    def compute(element: Any, record: Any, context: MapContext) -> Any:
        value = inner(element, record, context)
        if is_empty(value):
            return None
        try:
            moment = read(value)
            if moment.tzinfo is None:
                moment = _in_zone(moment, own)
            return write(moment if other is None else moment.astimezone(other))
        except (ValueError, OverflowError, OSError) as error:
            raise RejectRecordError(f"{shown(value)} {_told(error, reads)}", cause="bad-date") from None

    return compute


class _DateError(ValueError):
    """Says what is wrong with a date, after the date itself."""


def _told(error: Exception, reads: str) -> str:
    if isinstance(error, _DateError):
        return str(error)
    forms = {"iso": "no date of ISO 8601", "epoch": "no time in seconds since 1970"}
    return f"is {forms.get(reads, f'no date like {reads}')}"


def _in_zone(moment: datetime, zone: ZoneInfo | None) -> datetime:
    """Of an hour that the clocks repeat, the first is meant. Raises _DateError for one that they leave out."""
    if zone is None:
        raise _DateError('names no time zone; state it, as zone = "Europe/Bucharest"')
    local = moment.replace(tzinfo=zone)
    if local.astimezone(UTC).astimezone(zone).replace(tzinfo=None) != moment:
        raise _DateError(f"does not exist in {zone.key}, where the clocks were put forward")
    return local


def _reader(form: str) -> _Read:
    if form == "iso":
        return _from_iso
    if form == "epoch":
        return _from_epoch
    return lambda value: datetime.strptime(_text(value), form)  # noqa: DTZ007  its zone is stated beside it


def _from_iso(value: Any) -> datetime:
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise _DateError('is a number, no text; input = "epoch" reads seconds since 1970')
    return datetime.fromisoformat(_text(value))


def _from_epoch(value: Any) -> datetime:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal | str):
        raise ValueError  # noqa: TRY004  told as what is no time
    seconds = float(value)
    if not math.isfinite(seconds):
        raise ValueError
    return datetime.fromtimestamp(seconds, UTC)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError  # noqa: TRY004  told as what is no date
    return value.strip()


def _writer(form: str) -> _Write:
    if form == "iso":
        return datetime.isoformat
    if form == "epoch":
        return lambda moment: math.floor(moment.timestamp())
    return lambda moment: moment.strftime(form)
