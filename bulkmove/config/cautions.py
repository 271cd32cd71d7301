"""What a migration's settings allow and a careful person would not do."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from urllib.parse import urlsplit

from bulkmove.config.credentials import LiteralSecret
from bulkmove.config.schema import FILES
from bulkmove.settings import HostSettings, MigrationSettings


def warnings_of(settings: MigrationSettings) -> tuple[str, ...]:
    """One sentence a doubt, each with its key; empty for settings without any."""
    return (*_of_hosts(settings), *_of_shared_addresses(settings), *_of_masked_lists(settings))


def _of_masked_lists(settings: MigrationSettings) -> Iterator[str]:
    for name, route in settings.routes.items():
        if settings.mask and route.is_self_route:
            yield (
                f"mask: route {name} changes its own list: where its mapping carries a masked field, the stand-in replaces"
                " the real value there for good"
            )


def _of_hosts(settings: MigrationSettings) -> Iterator[str]:
    for name, host in settings.hosts.items():
        if host.api == FILES:
            continue
        if host.settle_s <= host.timeout_s:
            yield (
                f"hosts.{name}.settle_s: {host.settle_s:g} s is not longer than timeout_s ({host.timeout_s:g} s): "
                "a write could be looked for while the host still works on it, and be sent twice"
            )
        if _is_loopback(host):
            continue
        if urlsplit(host.url).scheme == "http":
            yield f"hosts.{name}.url: http:// sends credentials and records unencrypted; use https://"
        for credential, secret in host.credentials.items():
            if isinstance(secret, LiteralSecret):
                yield (
                    f"hosts.{name}.credentials.{credential}: the credential stands in the file itself; "
                    'use "${VARIABLE}", { file = "…" } or { command = ["…"] }'
                )


def _of_shared_addresses(settings: MigrationSettings) -> Iterator[str]:
    by_address: dict[tuple[str | None, int | None], list[str]] = {}
    for name, host in settings.hosts.items():
        # On this machine a sandbox may well play several hosts.
        if host.api == FILES or _is_loopback(host):
            continue
        by_address.setdefault(_address(host), []).append(name)
    for names in by_address.values():
        if len(names) > 1:
            listed = ", ".join(f"hosts.{name}" for name in names)
            yield f"{listed}: are at one address, and each has its own budget of requests: together they may ask too much"


def _address(host: HostSettings) -> tuple[str | None, int | None]:
    parts = urlsplit(host.url)
    return parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)


def _is_loopback(host: HostSettings) -> bool:
    name = urlsplit(host.url).hostname or ""
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
