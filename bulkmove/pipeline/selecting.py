"""Which failures a person means: names held against what the ledger holds."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from bulkmove.connectors.asking import nearest
from bulkmove.errors import ConfigError
from bulkmove.ledger import failing, questions
from bulkmove.ledger.failing import Selection
from bulkmove.pipeline.causes import HINTS
from bulkmove.settings import MigrationSettings

_MOST_NEAR = 3


def selected(
    connection: sqlite3.Connection,
    settings: MigrationSettings,
    *,
    routes: Sequence[str] = (),
    causes: Sequence[str] = (),
    ids: Sequence[str] = (),
) -> Selection:
    """The failures of these routes, for these causes, with these source ids; each text may hold several, with commas.

    Raises ConfigError, with the nearest, for a route, a cause or an id that is not there.
    """
    check_routes(settings, routes, connection)
    known = failing.causes(connection) | HINTS.keys()
    wanted = [cause for text in causes for cause in ([text] if text in known else _parts(text))]
    for cause in wanted:
        if cause not in known:
            there = failing.causes(connection)
            raise ConfigError(f"no record failed for cause {cause!r}{nearest(cause, there or known)}")
    found: dict[str, None] = {}
    for text in ids:
        for source_id in [text] if failing.outcomes(connection, text, routes) else _parts(text):
            if not failing.outcomes(connection, source_id, routes):
                raise unknown_record(connection, source_id, routes)
            found[source_id] = None
    return Selection(tuple(routes), tuple(dict.fromkeys(wanted)), tuple(found))


def check_routes(
    settings: MigrationSettings, routes: Sequence[str], connection: sqlite3.Connection | None = None
) -> None:
    """Raises ConfigError for a route that neither the migration nor its ledger knows."""
    begun = () if connection is None else questions.routes(connection)
    known = {**settings.routes, **dict.fromkeys(begun)}
    for name in routes:
        if name not in known:
            where = settings.file or settings.name
            raise ConfigError(f"{where}: there is no route {name!r}{nearest(name, known)}")


def unknown_record(connection: sqlite3.Connection, source_id: str, routes: Sequence[str]) -> ConfigError:
    """What to say of an id that no record has."""
    near = failing.near(connection, routes, source_id)[:_MOST_NEAR]
    where = f"route {' or '.join(routes)}" if routes else "any route"
    end = f"; near it: {', '.join(near)}" if near else ""
    return ConfigError(f"no record {source_id!r} was read by {where}{end}")


def _parts(text: str) -> list[str]:
    return [part for each in text.split(",") if (part := each.strip())]
