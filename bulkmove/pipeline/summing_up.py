"""How a run ended: its counts, notes and errors as one summary, with the code of what is gravest."""

from __future__ import annotations

from collections.abc import Mapping

from bulkmove.model import Counts, Summary
from bulkmove.pipeline.job import Run
from bulkmove.pipeline.status import FAILURES

# What to say first where several things went wrong; a run that was stopped is told by its signal, in the CLI.
_CODES_GRAVEST_FIRST = (6, 2, 1, 7, 4, 5)


async def summarise(run: Run) -> Summary:
    counts = {name: await run.ledger.counts(name) for name in run.plan.routes}
    notes = [*run.notes, *(str(error) for error in run.errors)]
    finished = frozenset(name for name, is_finished in run.finished.items() if is_finished)
    return Summary(exit_code=_exit_code(run, counts), routes=counts, notes=tuple(notes), finished=finished)


def _exit_code(run: Run, counts: Mapping[str, Counts]) -> int:
    codes = {error.exit_code for error in run.errors}
    for code in _CODES_GRAVEST_FIRST:
        if code in codes:
            return code
    return FAILURES if any(c.rejected or c.unknown for c in counts.values()) else 0
