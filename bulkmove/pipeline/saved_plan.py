"""A plan on disk: what it counted, and what it was made for; no record, and no credential."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from bulkmove import clock
from bulkmove.errors import ConfigError
from bulkmove.pipeline.placing import refuse_place
from bulkmove.pipeline.preview import Preview, RoutePreview
from bulkmove.pipeline.saved_file import SavedKind
from bulkmove.settings import MigrationSettings

_FORMAT = 1


@dataclass(frozen=True, slots=True)
class SavedRoute:
    """What a plan said of one route. `source_rows`: the source's own count when it was made, None where it tells none."""

    source_rows: int | None
    read: int
    create: int
    change: int
    unchanged: int
    skipped: int
    rejected: int
    fingerprint: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class SavedPlan:
    """A plan of a whole migration, or of some routes of it. `requests`: by host; times are seconds."""

    format: int
    name: str
    made_at: str
    routes: Mapping[str, SavedRoute]
    requests: Mapping[str, int]
    low_s: float
    high_s: float
    ledger_bytes: int


# Its counts are nobody else's business.
_KIND = SavedKind("plan", SavedPlan, _FORMAT, mode=0o600)


def refuse_to_save(path: Path) -> None:
    """Raises ConfigError where no plan can be saved: its folder lets nothing in, or something else is there."""
    refuse_place(path, "--save")
    _KIND.refuse_foreign(path)


def save_plan(path: Path, preview: Preview, settings: MigrationSettings) -> None:
    """Write the plan to a file of mode 0600, whole or not at all.

    Raises ConfigError for a plan that is not of all records, and where the file can't be written.
    """
    if not preview.is_whole:
        raise ConfigError(
            f"{path}: was not saved: the plan is not of all records, and a run can't be held to it"
        )
    told = preview.forecast
    saved = SavedPlan(
        format=_FORMAT,
        name=settings.name,
        made_at=datetime.fromtimestamp(clock.now(), UTC).isoformat(timespec="seconds"),
        routes={name: _of_route(route) for name, route in preview.routes.items()},
        requests={} if told is None else {host.name: host.requests for host in told.hosts},
        low_s=0.0 if told is None else round(told.low_s, 1),
        high_s=0.0 if told is None else round(told.high_s, 1),
        ledger_bytes=0 if preview.disk is None else preview.disk.size,
    )
    _KIND.save(path, saved)


def _of_route(route: RoutePreview) -> SavedRoute:
    return SavedRoute(
        source_rows=route.source_rows,
        read=route.counts.read,
        create=route.created,
        change=route.changed,
        unchanged=route.counts.unchanged,
        skipped=route.counts.skipped,
        rejected=route.counts.rejected,
        fingerprint=orjson.loads(orjson.dumps(dict(route.fingerprint))),
    )


def load_plan(path: Path) -> SavedPlan:
    """Raises ConfigError for a file that can't be read, or is no plan."""
    return _KIND.load(path)
