"""When two addresses are one place, however they are spelled."""

from __future__ import annotations

import os
from urllib.parse import urlsplit

from bulkmove.settings import MigrationSettings, StreamName


def address_of(url: str) -> str:
    """One spelling of an address: no default port, small letters, one name for this machine, no slash at the end.

    A directory is told by its real path.
    """
    if "://" not in url:
        return os.path.realpath(url)
    parts = urlsplit(url)
    name = (parts.hostname or "").lower()
    name = "127.0.0.1" if name in {"localhost", "::1"} else name
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme.lower(), 0)
    return f"{parts.scheme.lower()}://{name}:{port}{parts.path.rstrip('/')}"


def place_of(settings: MigrationSettings, name: StreamName) -> str:
    """What a ledger keeps of a route's end: where its host is, and which stream of it."""
    return f"{settings.hosts[name.host].url} {name.stream}"
