"""What is noted and told of a reading for several routes: it holds for each of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from bulkmove.entries import RouteProgress, Span
from bulkmove.ledger import SqliteLedger, open_ledger
from bulkmove.pipeline.for_all import NotesForAll

ROUTES = ("first", "second")
NOWHERE = RouteProgress(cutoff=None, is_read=False, is_finished=False, spans=[])


def span(reached: int | None = None) -> Span:
    return Span(id=0, lower=1, upper=90, reached=reached, is_done=False, evidence=0)


@asynccontextmanager
async def begun_ledger(directory: Path) -> AsyncIterator[SqliteLedger]:
    async with open_ledger(directory / "ledger.db") as ledger:
        await ledger.begin_run()
        for name in (*ROUTES, "apart"):
            await ledger.save_route(name, "{}")
        yield ledger


async def test_what_is_noted_of_the_reading_is_noted_of_each_route_and_of_no_other(tmp_path: Path) -> None:
    async with begun_ledger(tmp_path) as ledger:
        notes = NotesForAll(ledger, ROUTES, NOWHERE)
        await notes.mark("first", cutoff=90, expected=7)
        await notes.save_spans("first", [span()])
        await notes.note_gone("first", ["a", "b"])
        for name in ROUTES:
            progress = await ledger.progress(name)
            assert (progress.cutoff, progress.expected, progress.spans) == (90, 7, [span()])
            assert await ledger.gone_at_source(name, 1) == (2, ["a"])
        assert (await ledger.progress("apart")).cutoff is None
        assert await ledger.gone_at_source("apart", 1) == (0, [])


async def test_a_reading_begins_where_it_was_decided_and_else_where_it_was_planned(tmp_path: Path) -> None:
    async with begun_ledger(tmp_path) as ledger:
        begun = RouteProgress(cutoff=90, is_read=False, is_finished=False, spans=[span(reached=40)])
        assert await NotesForAll(ledger, ROUTES, begun).progress("first") is begun
        notes = NotesForAll(ledger, ROUTES, NOWHERE)
        await notes.save_spans("first", [span()])
        assert (await notes.progress("first")).spans == [span()]
