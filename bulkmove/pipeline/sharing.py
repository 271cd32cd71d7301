"""Which routes share one reading of their source: those that may begin together and ask it for the same rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import orjson

from bulkmove.pipeline.opening import is_self_route
from bulkmove.pipeline.plan import MigrationPlan, RoutePlan
from bulkmove.pipeline.shared_reading import Sharing


def sharings(plan: MigrationPlan, names: Iterable[str]) -> dict[str, Sharing]:
    """For those of the routes that can share a reading, what they share."""
    found: dict[bytes, list[str]] = {}
    for name in names:
        route = plan.routes[name].settings
        is_own_list = is_self_route(route, plan.settings.hosts)
        if not is_own_list and not route.canary and not plan.connectors[route.source.host].is_local:
            found.setdefault(_reading_of(plan, plan.routes[name]), []).append(name)
    groups = [_sharing(plan, group) for group in found.values() if len(group) > 1]
    return {name: group for group in groups for name in group.names}


def _reading_of(plan: MigrationPlan, route: RoutePlan) -> bytes:
    """What is asked for, but for the fields; and when."""
    settings = route.settings
    own = {name: settings.options.get(name) for name in plan.connectors[settings.source.host].options}
    asked = [str(settings.source), dict(settings.where), own, sorted(settings.after)]
    return orjson.dumps(asked, option=orjson.OPT_SORT_KEYS, default=str)


def _sharing(plan: MigrationPlan, names: Sequence[str]) -> Sharing:
    used = {name: plan.routes[name].settings.fields_used for name in names}
    always = plan.routes[names[0]].source.always_sent
    together: dict[str, None] = {}
    keeps: dict[str, frozenset[str] | None] = {}
    for name, fields in used.items():
        together |= dict.fromkeys(fields or ())
        keeps[name] = None if fields is None else frozenset(map(_top, fields)) | always
    return Sharing(tuple(names), None if None in used.values() else tuple(together), keeps)


def _top(path: str) -> str:
    """Parts of a field ask for the whole."""
    return path.partition(".")[0].partition("[")[0]
