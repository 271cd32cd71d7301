"""What a dry run reads in place of files that only a run would write."""

from __future__ import annotations

import anyio.lowlevel

from bulkmove.errors import ConfigError
from bulkmove.events import Note, RouteRehearsed
from bulkmove.model import Listing, Page, PageQuery
from bulkmove.pipeline.job import Run
from bulkmove.pipeline.staging import written_by
from bulkmove.protocols import Source, StagedTarget, Target
from bulkmove.settings import RouteSettings


async def source_in_rehearsal(run: Run, route: RouteSettings, source: Source, target: Target) -> Source:
    """What a dry run reads: nothing in place of a file that another route would have written. Tells what is not tried."""
    run.emit(RouteRehearsed(route.name))
    if isinstance(target, StagedTarget) and await target.obstacle() is not None:
        # Whose it is, the ledger of the migration would know; a rehearsal has one of its own.
        run.emit(
            Note(
                f"route {route.name}: {route.target} is there already, or begun: a run goes on with its own, and refuses"
                " to begin where another's is",
                route=route.name,
            )
        )
    writer = written_by(route, run.plan.settings, run.plan.connectors)
    if writer is None:
        return source
    try:
        await source.fetch(PageQuery(limit=1))
    except ConfigError:
        run.emit(
            Note(
                f"route {route.name}: {route.source} is not there before route {writer} has written it; not rehearsed",
                route=route.name,
            )
        )
        return _Unwritten()
    return source


class _Unwritten:
    """A list without rows."""

    @property
    def listing(self) -> Listing:
        return Listing(reading="once", page_limit=1)

    async def fetch(self, query: PageQuery) -> Page:
        del query
        await anyio.lowlevel.checkpoint()
        return Page((), total=0, has_next=False)
