"""What a plan's look-ups did not resolve, put down where a person decides of it."""

from __future__ import annotations

from pathlib import Path

from anyio import to_thread

from bulkmove.mapping.lookups.collecting import Unresolved
from bulkmove.mapping.lookups.deciding import merge_decisions
from bulkmove.mapping.lookups.resolver import DECISIONS_FILE, Lookups
from bulkmove.pipeline.plan import MigrationPlan


async def put_down_unresolved(
    plan: MigrationPlan, lookups: Lookups, *, is_whole: bool
) -> tuple[list[Unresolved], Path | None]:
    """What the look-ups did not resolve, and the decisions' file where that was changed.

    `is_whole`: all routes of the plan were read to their end, so that undecided values that did not occur are gone.
    Raises ConfigError where the file can't be read or written.
    """
    unresolved = await to_thread.run_sync(lookups.unresolved)
    settings = plan.settings
    if settings.decisions is None or not settings.lookups:
        return unresolved, None
    # What a route that was left out asks for is not known.
    is_whole = is_whole and not lookups.left_out and set(plan.routes) == set(settings.routes)
    is_written = await to_thread.run_sync(
        lambda: merge_decisions(
            settings.decisions or Path(DECISIONS_FILE),
            unresolved,
            lookups=settings.lookups,
            is_whole=is_whole,
        )
    )
    return unresolved, settings.decisions if is_written else None
