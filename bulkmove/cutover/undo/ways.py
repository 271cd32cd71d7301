"""How the rows of a route can be undone: deleted, set to fields that the configuration names, or put back as they were."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from bulkmove.load.checking import BodyCheck, body_checker
from bulkmove.pipeline.job import Run
from bulkmove.pipeline.plan import RoutePlan
from bulkmove.protocols import RemovesLines, StagedTarget, StreamSpec, Target
from bulkmove.settings import RouteSettings


@dataclass(frozen=True, slots=True)
class Ways:
    """What undoes the rows of one route. `why_not`: nothing does, and why.

    `deletes`: deletes a row that was created; `sets`: the fields that one gets instead; both may be missing. `check` holds
    a body against what the target documents of a change.
    """

    spec: StreamSpec
    target: Target
    deletes: Target | None = None
    sets: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    check: BodyCheck | None = None
    why_not: str | None = None


def ways_of(run: Run, route: RoutePlan) -> Ways:
    """By what the target's stream can do, and what the route's `undo_with` says."""
    settings, spec = route.settings, route.target
    name = settings.target
    transport, connector = run.transports[name.host], run.plan.connectors[name.host]
    target = connector.target(name.stream, transport, settings)
    if isinstance(target, RemovesLines):
        target.removes_lines = True
    if (why_not := _why_not(settings, spec, target)) is not None:
        return Ways(spec, target, why_not=why_not)
    deletes = None
    if "delete" in spec.modes:
        deletes = connector.target(name.stream, transport, replace(settings, mode="delete"))
    check = body_checker(spec, "update")
    return Ways(spec, target, deletes=deletes, sets=settings.undo_with or {}, check=check)


def _why_not(settings: RouteSettings, spec: StreamSpec, target: Target) -> str | None:
    if settings.mode == "delete":
        return "what a route deleted can't be made again"
    if isinstance(target, StagedTarget):
        return f"{settings.target} is a file: delete it by hand"
    if not spec.can_read:
        return f"{settings.target} can't be read back"
    return None
