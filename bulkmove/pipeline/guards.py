"""What keeps a rehearsal from writing to a shop that is open."""

from __future__ import annotations

from collections.abc import Sequence

from bulkmove.settings import MigrationSettings


def live_targets(settings: MigrationSettings, routes: Sequence[str] = ()) -> tuple[str, ...]:
    """The hosts with `live = true` that these routes (none: all) write to, in the order of the configuration."""
    written = {route.target.host for name, route in settings.routes.items() if not routes or name in routes}
    return tuple(name for name, host in settings.hosts.items() if host.live and name in written)
