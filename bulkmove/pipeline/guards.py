"""What keeps a rehearsal from writing to a shop that is open, and from carrying what its customers are known by."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bulkmove.errors import ConfigError
from bulkmove.mapping.masking import masks_field
from bulkmove.mapping.reading import Reading
from bulkmove.pipeline.addresses import address_of
from bulkmove.settings import MigrationSettings, RouteSettings

DRY_RUN = "this is a dry run"


def live_targets(settings: MigrationSettings, routes: Sequence[str] = ()) -> tuple[str, ...]:
    """The hosts that these routes (none: all) write to and that are live, in the order of the configuration.

    One is live, too, where another host of its API at its address has `live = true`.
    """
    written = {route.target.host for name, route in settings.routes.items() if not routes or name in routes}
    return tuple(name for name in settings.hosts if name in written and is_live(settings, name))


def is_live(settings: MigrationSettings, host_name: str) -> bool:
    host = settings.hosts[host_name]
    place = (host.api, address_of(host.url))
    return any(
        other.live and (other.api, address_of(other.url)) == place for other in settings.hosts.values()
    )


def check_may_write(settings: MigrationSettings, routes: Sequence[str] = (), *, execute: bool) -> None:
    """Raises ConfigError where a live host of these routes may not be written to."""
    why = why_held_back(settings, routes, execute=execute)
    if why is not None:
        raise ConfigError(f"{why} (execute=True, from code)")


def why_held_back(settings: MigrationSettings, routes: Sequence[str] = (), *, execute: bool) -> str | None:
    """Why nothing may be written, and what lets it be; None where it may.

    It goes behind DRY_RUN. Raises ConfigError where stand-ins for personal data would be written to a live host.
    """
    live = live_targets(settings, routes)
    if not live:
        return None
    names = " and ".join(live)
    are = "is live" if len(live) == 1 else "are live"
    if not execute:
        return f"{names} {are} (live = true), so that nothing is written without --execute"
    if settings.mask:
        where = settings.file or settings.name
        raise ConfigError(
            f"{where}: mask: {names} {are}, where customers would get stand-ins for their names and addresses; a mask is"
            " for rehearsals: leave it out, or write to another host"
        )
    return None


def check_mask(
    where: str,
    mask: Sequence[str],
    route: RouteSettings,
    *,
    id_field: str,
    natural_key: str,
    readings: Iterable[Reading],
) -> None:
    """Raises ConfigError where the mask means what records of the route are known by, as far as that can be told."""
    if (pattern := masks_field(mask, id_field)) is not None:
        raise ConfigError(
            f"{where}: mask: {pattern!r} means {id_field}, by which records of {route.source} are known; name the fields"
            " that hold personal data"
        )
    for reading in readings:
        if reading.parent or reading.name != natural_key:
            continue
        for name in sorted(reading.names):
            if (pattern := masks_field(mask, name)) is not None:
                raise ConfigError(
                    f"{where}: mask: {pattern!r} means {name}, of which route {route.name} makes {natural_key}, by which"
                    f" a record is found again on {route.target}"
                )
