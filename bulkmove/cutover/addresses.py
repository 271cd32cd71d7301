"""Addresses that look as if they said a part of their connector's paths a second time."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from bulkmove.connectors.discover import connector
from bulkmove.settings import HostSettings, MigrationSettings


def doubled_paths(settings: MigrationSettings) -> Iterator[str]:
    """A sentence a host whose url ends in what its paths begin with, with its key."""
    for host in settings.hosts.values():
        if "://" in host.url and (warning := _doubled(host)) is not None:
            yield warning


def _doubled(host: HostSettings) -> str | None:
    base = urlsplit(host.url).path.rstrip("/")
    paths = {**connector(host.api).paths, **host.paths}
    for path in dict.fromkeys(paths.values()):
        parts = path.strip("/").split("/")
        for count in range(len(parts) - 1, 0, -1):
            start = "/" + "/".join(parts[:count])
            # A single word, such as /external, may well be where a shop stands; a path that begins anew is not.
            if base == start or (count > 1 and base.endswith(start)):
                return (
                    f"hosts.{host.name}.url: ends in {start}, with which the paths of {host.api} begin already: "
                    f"{base}{path} would be asked for; leave it out of the url"
                )
    return None
