"""What the keys of one host have to be beside each other, and the certificates that it is to be known by."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bulkmove.config.problems import Problems
from bulkmove.config.rates import minutes_of, parse_hours, parse_window
from bulkmove.config.schema import Host, Migration

_PARTS_OF_TIMEOUT = ("connect_timeout_s", "first_byte_timeout_s")


def check_hosts(migration: Migration, directory: Path, problems: Problems) -> None:
    """Reads the files of certificates that hosts name; sends nothing."""
    for name, host in migration.hosts.items():
        _check_burst(name, host, problems)
        _check_rate_at(name, host, problems)
        _check_deadlines(name, host, problems)
        if host.ca_file is not None:
            _check_ca_file(name, host, directory / host.ca_file, problems)


def _check_burst(name: str, host: Host, problems: Problems) -> None:
    smallest = min((parse_window(rate).count for rate in host.rate or ()), default=host.burst)
    if host.burst > smallest:
        problems.add_bad_value(("hosts", name, "burst"), f"must be at most {smallest}, which `rate` allows")


def _check_rate_at(name: str, host: Host, problems: Problems) -> None:
    if host.rate_at and host.timezone is None:
        problems.add(("hosts", name, "timezone"), "is missing: `rate_at` is by the clocks of a time zone")
    taken: dict[int, str] = {}
    for hours in host.rate_at:
        minutes = minutes_of(*parse_hours(hours))
        other = next((taken[minute] for minute in sorted(minutes) if minute in taken), None)
        if other is not None:
            problems.add(("hosts", name, "rate_at", hours), f"must not hold at a time when {other} holds")
        taken.update(dict.fromkeys(minutes, hours))


def _check_deadlines(name: str, host: Host, problems: Problems) -> None:
    for key in _PARTS_OF_TIMEOUT:
        part_s: float | None = getattr(host, key)
        if part_s is not None and part_s > host.timeout_s:
            problems.add_bad_value(
                ("hosts", name, key),
                f"must be at most {host.timeout_s:g}, which `timeout_s` gives the whole request",
            )


def _check_ca_file(name: str, host: Host, path: Path, problems: Problems) -> None:
    key = ("hosts", name, "ca_file")
    if urlsplit(host.url).scheme != "https":
        problems.add(key, "belongs to a host whose url begins with https://")
        return
    shown = _as_written(problems.document, name)
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cafile=path)
    except ssl.SSLError:
        problems.add(key, f"the file {shown} holds no certificates in PEM")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "its name can't be one of a file"
        problems.add(key, f"can't read the file {shown}: {reason}")
    else:
        if not context.cert_store_stats()["x509"]:
            problems.add(key, f"the file {shown} holds no certificates in PEM")


def _as_written(document: Mapping[str, Any], host: str) -> str:
    """The path as the file spells it: who writes a secret's variable there shall not see its value."""
    return str(document["hosts"][host]["ca_file"])
