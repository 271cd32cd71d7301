"""Dates of records as whole epoch seconds, and back into the text that hosts filter by."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from bulkmove.errors import ConfigError
from bulkmove.settings import HostSettings

_REMEMBERED = 4096
# A day within what a date can say: the seconds around it are asked for, in any zone.
_EARLIEST, _LATEST = -62135596800 + 86400, 253402300799 - 86400


def zone_of(host: HostSettings) -> ZoneInfo | None:
    """The zone of dates that show none. Raises ConfigError for a zone that this machine does not know."""
    if host.timezone is None:
        return None
    try:
        return ZoneInfo(host.timezone)
    except (KeyError, ValueError, OSError) as error:
        raise ConfigError(
            f"hosts.{host.name}.timezone: {host.timezone!r} is no known time zone; write one like Europe/Bucharest"
        ) from error


def epoch_seconds(text: str, zone: ZoneInfo | None) -> int | None:
    """The second of an ISO 8601 date or time, fractions cut off; None where the text is none, or at the end of time.

    Raises LookupError for a date without a zone where `zone` is None.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        if zone is None:
            raise LookupError(text)
        moment = moment.replace(tzinfo=zone)
    try:
        second = math.floor(moment.timestamp())
    except (OverflowError, ValueError):
        return None
    return second if _EARLIEST < second < _LATEST else None


def iso_text(epoch_s: int) -> str:
    """`2024-01-31T22:00:00Z`: with its zone, and without the plus sign that careless servers read as a blank."""
    return datetime.fromtimestamp(epoch_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def date_reader(host: HostSettings) -> Callable[[Any], int | None]:
    """Reads the dates of one host's records; None for what is absent or no date.

    The reader raises ConfigError for a date without a zone where the host has no `timezone`: guessing it
    would move every bound of the list by hours.
    """
    zone = zone_of(host)

    @lru_cache(maxsize=_REMEMBERED)
    def read_text(text: str) -> int | None:
        try:
            return epoch_seconds(text, zone)
        except LookupError as error:
            raise ConfigError(
                f"host {host.name} sends dates without a time zone; set hosts.{host.name}.timezone, "
                'as in timezone = "Europe/Bucharest"'
            ) from error

    def read(value: Any) -> int | None:
        return read_text(value) if type(value) is str else None

    return read
