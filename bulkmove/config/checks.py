"""Checks of single values, for the schema. Each raises ValueError with a "must be …" that repeats no value."""

from __future__ import annotations

import datetime as dt
import math
import re
import zoneinfo
from typing import Any
from urllib.parse import urlsplit

# What JSON's whole numbers are written and read as.
_LEAST, _MOST = -(2**63), 2**64 - 1


def check_name(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._-]+", text) or text.startswith("."):
        raise ValueError(
            "must be letters, digits and . _ - (it names the ledger's file), and not begin with a dot"
        )
    return text


def check_url(text: str) -> str:
    """An address that paths can be appended to: without a slash at its end, a query, a fragment or a password."""
    try:
        parts = urlsplit(text)
        has_host, _ = bool(parts.hostname), parts.port
    except ValueError:
        raise ValueError(
            "must be an address as https://shop.example.ro; host or port can't be read"
        ) from None
    if parts.scheme not in {"http", "https"}:
        raise ValueError("must begin with https:// (or http://)")
    if not has_host or re.search(r"[\s\x00-\x1f\x7f]", text):
        raise ValueError("must name a host, as in https://shop.example.ro, without spaces")
    if "@" in parts.netloc:
        raise ValueError("must not hold a user or password; they belong in credentials")
    if "?" in text or "#" in text:
        raise ValueError("must not hold a ?query or a #fragment; keys belong in credentials")
    return text.rstrip("/")


def check_path(text: str) -> str:
    """A path of an API, as /api/v2/orders/{id}, on its own."""
    if "?" in text or "#" in text:
        raise ValueError("must be a path alone, without a ?query or a #fragment")
    if any(part in (".", "..") for part in text.split("/")):
        raise ValueError("must be the whole path, without . or .. in it")
    return check_filled(text)


def check_timezone(text: str) -> str:
    try:
        zoneinfo.ZoneInfo(text)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("must be a time zone's name, as Europe/Bucharest") from None
    return text


def check_stream(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+", text):
        raise ValueError("must be a host and its stream joined by a dot, as old.orders")
    return text


def check_filled(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be empty")
    return text


def filter_text(value: Any) -> str:
    """What a filter's value is in a query: lists joined with commas, true and false in small letters."""
    match value:
        case bool():
            return "true" if value else "false"
        case str() | int():
            return str(value)
        case [_, *_] if not any(isinstance(item, list) for item in value):
            return ",".join(filter_text(item) for item in value)
        case dt.date() | dt.time():
            raise ValueError('must be in quotes: a date is text here, as "2024-01-01T00:00:00+02:00"')
        case _:
            raise ValueError("must be text, a whole number, true, false, or a list of these")


def check_json(value: Any) -> Any:
    """Options are kept and compared as JSON: no dates, no inf, no nan, no whole numbers beyond 64 bits."""
    match value:
        case dict():
            check_json(list(value.values()))
        case list():
            for inner in value:
                check_json(inner)
        case dt.date() | dt.time():
            raise ValueError("must not hold a date without quotes: write it as text")
        case float() if not math.isfinite(value):
            raise ValueError("must not hold inf or nan")
        case int() if not _LEAST <= value <= _MOST:
            raise ValueError("must not hold a whole number of more than 64 bits; write it as text")
    return value
