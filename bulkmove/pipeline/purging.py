"""What the ledger of a migration keeps beyond need: told, and erased."""

from __future__ import annotations

from bulkmove.ledger.looking import looked_at
from bulkmove.ledger.purging import Erasable, erasable, purge_file
from bulkmove.pipeline.selecting import check_routes
from bulkmove.settings import MigrationSettings


def purgeable_of(
    settings: MigrationSettings, route: str | None, *, messages: bool, written: bool
) -> Erasable:
    """What `Migration.purgeable` promises."""
    with looked_at(settings.ledger, is_newest=True) as connection:
        if route is not None:
            check_routes(settings, [route], connection)
        if connection is None:
            return Erasable()
        return erasable(connection, route, messages=messages, written=written)


def perform_purge(
    settings: MigrationSettings, route: str | None, *, messages: bool, written: bool
) -> Erasable:
    """What `Migration.purge` promises."""
    is_nothing = purgeable_of(settings, route, messages=messages, written=written).is_nothing
    if is_nothing and not settings.ledger.exists():
        return Erasable()
    return purge_file(
        settings.ledger, route, messages=messages, written=written, synchronous=settings.synchronous
    )
