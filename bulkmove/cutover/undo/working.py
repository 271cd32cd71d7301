"""One route undone, newest row first: read back, judged, sent, noted; what stays unsettled is looked at again."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import anyio

from bulkmove import clock
from bulkmove.cutover.undo.judging import LEFT, NO_ID, SETTLED, WORK
from bulkmove.cutover.undo.result import MOST_NAMED, RouteUndo
from bulkmove.cutover.undo.sending import Progress, note_done, send_rows
from bulkmove.cutover.undo.surveying import (
    A_SLICE,
    Work,
    list_rows,
    look_at,
    next_unseen,
    survey,
    survey_list,
)
from bulkmove.entries import Settled
from bulkmove.errors import RequestFailedError
from bulkmove.events import Phase
from bulkmove.ledger import keeping, undoing, undone, unplaced
from bulkmove.ledger.undoing import Refused
from bulkmove.model import State
from bulkmove.pipeline.settling import settle_doubts

# Changes are read back where no answer tells of each row, and sent once more where they did not take.
_MOST_ROUNDS = 4


async def preview_route(work: Work) -> RouteUndo:
    """What undoing the route would do. Nothing is written to the host."""
    await list_rows(work)
    await survey(work)
    found = await found_of(work, None)
    await work.ledger.change(partial(undoing.forget, route=work.route))
    return found


async def undo_route(work: Work, progress: Progress) -> None:
    """Undo the route, as far as it goes; what came of it, `found_of` tells.

    Raises RequestFailedError where changes do not take, round after round, and what reading and sending raise; what was
    done is noted then.
    """
    await _settle_before(work)
    await list_rows(work)
    for round_ in range(_MOST_ROUNDS):
        if round_:
            await _wait_for(work, progress.last_doubt)
            await work.ledger.change(partial(undoing.look_again, route=work.route, steps=WORK))
        if work.finds is None:
            await survey_list(work)
        else:
            await _work_by_ids(work, progress)
            await survey_list(work)
        await _work_judged(work, progress)
        left = await work.ledger.ask(partial(undoing.steps, route=work.route))
        if work.job.stop.is_set() or not any(left[step] for step in ("", *WORK)):
            break
    else:
        left = await work.ledger.ask(partial(undoing.steps, route=work.route))
        raise RequestFailedError(
            f"route {work.job.name}: {sum(left[step] for step in ('', *WORK)):,} rows of {work.job.settings.target} are not"
            f" undone after {_MOST_ROUNDS} attempts; undo again goes on"
        )


async def _begin(work: Work) -> None:
    """From here on nothing is written by the route any more, unless some of its records alone are undone.

    Not before: an undo that comes to nothing, or is interrupted while it waits, leaves the route as it was.
    """
    if not work.asked.ids:
        await work.ledger.change(partial(undone.note_begun, route=work.route, at=clock.now()))


async def _settle_before(work: Work) -> None:
    """What a run left in doubt may be at the target: it is looked for, so that its rows are known.

    A change that a run or an undo sent before may land yet, on top of what undoes it.
    """
    job = work.job
    if intents := await work.ledger.intents(job.name):
        await settle_doubts(job, intents)
    if (await work.ledger.counts(job.name)).read:  # else the route never sent anything
        await _wait_for(work, await work.ledger.may_land_since())
    if not job.stop.is_set() and not work.asked.ids and job.target.rules["update"].is_repeatable:
        await _take_for_written(work)


async def _take_for_written(work: Work) -> None:
    """Changes that were on their way when a run was cut off may be at the target: their rows are looked at like all others.

    A row is kept before a change of it is sent; one that stands as it was kept has nothing to be undone.
    """
    job, chunk = work.job, 0
    while (found := await job.ledger.next_pending(job.name, chunk)) is not None:
        chunk, items = found
        ids = [item.target_id for item in items if item.target_id is not None]
        kept = await work.ledger.ask(partial(keeping.befores, route=work.route, target_ids=ids))
        settled = [
            Settled(item.member, State.WRITTEN, target_id=item.target_id, encoded=item.encoded)
            for item in items
            if item.target_id in kept
        ]
        if settled:
            await _begin(work)  # a run would believe that they were written
            await job.ledger.settle(job.name, settled)


async def _wait_for(work: Work, sent_at: float) -> None:
    """Wait until a change that was sent then can't land any more."""
    rest_s = sent_at + work.job.target_host.settle_s - clock.now()
    if sent_at and rest_s > 0:
        work.job.emit(Phase(work.job.name, f"waiting {rest_s:.0f} s until changes in doubt have settled"))
        with anyio.move_on_after(rest_s):
            await work.job.stop.wait()


async def _work_by_ids(work: Work, progress: Progress) -> None:
    """Read some rows, and undo them at once: as little time as can be lies between the two."""
    place = 0
    while not work.job.stop.is_set() and (rows := await next_unseen(work, place)):
        await look_at(work, rows)
        await _work_judged(work, progress, after=place, until=rows[-1].place)
        place = rows[-1].place


async def _work_judged(work: Work, progress: Progress, *, after: int = 0, until: int | None = None) -> None:
    """Undo what was judged, in its order; `after`, `until`: places."""
    while not work.job.stop.is_set():
        rows = await work.ledger.ask(
            partial(undoing.next_rows, route=work.route, after=after, most=A_SLICE, steps=(*WORK, *SETTLED))
        )
        rows = [row for row in rows if until is None or row.place <= until]
        if not rows:
            return
        await _begin(work)
        after = rows[-1].place
        if settled := [row for row in rows if row.step in SETTLED]:
            await note_done(work, settled, progress)
        await send_rows(work, [row for row in rows if row.step in WORK], progress)
        work.job.emit(Phase(work.job.name, f"{progress.done.total():,} rows undone"))


async def found_of(work: Work, progress: Progress | None) -> RouteUndo:
    """What came of it; without `progress`, what would."""
    steps = await work.ledger.ask(partial(undoing.steps, route=work.route))
    counts = await work.ledger.counts(work.job.name)
    doubts = sum(len(intent.members) for intent in await work.ledger.intents(work.job.name))
    steps[NO_ID] = await work.ledger.ask(partial(unplaced.count, route=work.route, ids=work.asked.ids))
    left = RouteUndo(
        left={step: steps[step] for step in LEFT if steps[step]},
        named=await _named(work),
        unknown=counts.unknown + doubts,
    )
    if progress is None:
        aims = (*WORK, *SETTLED)
        return replace(
            left,
            rows={step: steps[step] for step in aims if steps[step]},
            partly=await work.ledger.ask(partial(undoing.partly, route=work.route, steps=aims)),
            requests=await _requests(work),
        )
    return replace(
        left,
        rows=dict(progress.done),
        open=sum(steps[step] for step in ("", *WORK)),
        partly=progress.partly,
        requests=progress.requests,
    )


async def _named(work: Work) -> list[Refused]:
    """The first rows that are left; last those whose ids are not known, each by the key that it was created with."""
    named = await work.ledger.ask(partial(undoing.refused, route=work.route, steps=LEFT, most=MOST_NAMED))
    question = partial(
        unplaced.first,
        route=work.route,
        name=work.job.name,
        list_id=work.ledger.number_of_list(work.job.target_list.name),
        ids=work.asked.ids,
        most=MOST_NAMED - len(named),
    )
    key_field = work.ways.target.natural_key
    for each in await work.ledger.ask(question):
        rows = each.rows or ""
        shown = f", which rows {rows} show" if ", " in rows else f", which row {rows} shows" if rows else ""
        why = None if each.key is None else f"its {key_field} is {each.key}{shown}"
        named.append(Refused(each.source_id, None, NO_ID, why))
    return named


async def _requests(work: Work) -> int:
    """How many requests the changes and deletions take, at the least."""
    steps = await work.ledger.ask(partial(undoing.steps, route=work.route))
    rule = work.ways.target.rules["update"]
    deletions, changes = steps["delete"], steps["set"] + steps["restore"]
    if rule.shape == "joined":
        changes = await work.ledger.ask(
            partial(undoing.joined_requests, route=work.route, most=rule.max_items)
        )
        return deletions + changes
    looks = changes if rule.looks_first else 0
    return deletions + looks + -(-changes // rule.max_items)
