"""A retry: records that failed are put to work again, and nothing else is.

What was rejected with its body kept is sent again as it was mapped, once a look at the target's list showed that nobody
made its row meanwhile; what has no such body is read again and mapped anew; what is of unknown fate is looked for.
Each step is one change of the ledger: a retry that is cut off anywhere goes on with the next, or with the next run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import anyio
import orjson

from bulkmove.errors import LedgerRefusedError, single_error
from bulkmove.events import Note, RouteFinished, RouteStarted
from bulkmove.ledger import SqliteLedger
from bulkmove.ledger.again import RETRY
from bulkmove.ledger.choosing import Asked, Plan
from bulkmove.ledger.retrying import Retrying
from bulkmove.model import Summary
from bulkmove.pipeline.job import RouteJob, Run, RunOptions
from bulkmove.pipeline.opening import OpenHost, open_host
from bulkmove.pipeline.plan import MigrationPlan, RoutePlan, changed_keys
from bulkmove.pipeline.remapping import map_anew
from bulkmove.pipeline.route import finish_writing, list_open, loader_of, note_finished
from bulkmove.pipeline.summing_up import summarise
from bulkmove.pipeline.undone import refuse_undone
from bulkmove.pipeline.working import work_routes
from bulkmove.protocols import Observer, SeesDeletions, StagedTarget

# Parts of a fingerprint that say which migration it is; all others say how records are mapped, which may be mended.
_FIXED = frozenset({"source", "target", "natural_key", "where", "mode", "file options", "mask"})
_MOST_NAMED = 3


@dataclass(slots=True)
class Survey:
    """What a retry will do on one route. `going_on`: bodies that a retry which was cut off left open.

    `left`: why records can't be retried, how many, and the first of them.
    """

    sent: int = 0
    looked_for: int = 0
    mapped: Counter[str] = field(default_factory=Counter)
    left: dict[str, tuple[int, list[str]]] = field(default_factory=dict)
    going_on: int = 0

    @property
    def is_empty(self) -> bool:
        return not (self.sent or self.looked_for or self.mapped or self.going_on)

    def add(self, plan: Plan) -> None:
        self.sent += len(plan.creates) + len(plan.updates)
        self.looked_for += len(plan.look) + plan.swept
        self.mapped.update(row.cause for row in plan.map.values())
        for left in plan.left:
            count, ids = self.left.get(left.why, (0, []))
            self.left[left.why] = (count + 1, [*ids, left.source_id][:_MOST_NAMED])

    def __str__(self) -> str:
        parts = [
            f"{count:,} {what}"
            for count, what in (
                (self.sent, "sent again as they were mapped"),
                (self.mapped.total(), "mapped anew"),
                (self.looked_for, "looked for once more"),
                (self.going_on, "left open by a retry that was cut off"),
            )
            if count
        ]
        return ", ".join(parts)


async def retry_migration(
    plan: MigrationPlan,
    ledger: SqliteLedger,
    asked: Asked,
    *,
    observer: Observer | None,
    stop: anyio.Event,
    only_tells: bool = False,
    open_host: OpenHost = open_host,
) -> Summary:
    """Work the chosen failures of the plan's routes; the summary is of these routes.

    `only_tells`: say what would be done, and do nothing.

    Raises LedgerError, and LedgerRefusedError where more of the migration changed than how records are mapped.
    """
    await refuse_undone(
        ledger, [name for name in plan.routes if name in (asked.selection.routes or plan.routes)]
    )
    surveys = await _surveys(plan, ledger, asked)
    chosen = {name: plan.routes[name] for name, survey in surveys.items() if not survey.is_empty}
    changed = {name: await _changed(route, ledger) for name, route in chosen.items()}
    run = Run(replace(plan, routes=chosen), ledger, RunOptions(has_budget=False), observer, stop)
    if only_tells:
        chosen, changed = {}, {}
    if chosen:
        await ledger.begin_run(RETRY)
    _tell(run, surveys, is_done=not only_tells)
    for name, keys in changed.items():
        await _accept(run, name, keys, is_mapping=bool(surveys[name].mapped))

    async def work(run: Run, route: RoutePlan) -> bool | None:
        name = route.settings.name
        for before in route.settings.after:
            if before in run.ended:
                await run.ended[before].wait()
        return await retry_route(run.jobs[name], ledger, Retrying(ledger, name, asked), surveys[name])

    mapping = [name for name in chosen if surveys[name].mapped]
    if chosen:
        await work_routes(run, work, mapping=mapping, open_host=open_host)
    run.plan = replace(plan, routes={name: plan.routes[name] for name in surveys})
    for name in surveys:
        run.finished.setdefault(name, (await ledger.progress(name)).is_finished)
    summary = await summarise(run)
    if chosen:
        await ledger.end_run(summary.exit_code or 0, was_stopped=run.stop.is_set())
    return summary


async def _surveys(plan: MigrationPlan, ledger: SqliteLedger, asked: Asked) -> dict[str, Survey]:
    """What there is to do, by route; routes that were never begun left out."""
    known = await ledger.fingerprints()
    surveys: dict[str, Survey] = {}
    for name in plan.routes:
        if name not in known or (asked.selection.routes and name not in asked.selection.routes):
            continue
        retrying, survey, after = Retrying(ledger, name, asked), Survey(), None
        while (found := await retrying.plan(after=after)).last_id is not None:
            survey.add(found)
            after = found.last_id
        survey.going_on = await retrying.left_open()
        surveys[name] = survey
    return surveys


async def _changed(route: RoutePlan, ledger: SqliteLedger) -> list[str]:
    """What of the route's mapping changed since the ledger was begun. Raises LedgerRefusedError for anything else."""
    name = route.settings.name
    changed = changed_keys(orjson.loads((await ledger.fingerprints())[name]), route.fingerprint)
    if refused := [key for key in changed if key in _FIXED]:
        raise LedgerRefusedError(
            f"route {name} has changed since this ledger was begun: {', '.join(refused)}; a retry takes up a mended"
            " mapping alone: put this back, or begin anew with --fresh"
        )
    return changed


async def _accept(run: Run, name: str, changed: Sequence[str], *, is_mapping: bool) -> None:
    """Take up a mended mapping, where records are mapped by it."""
    if not changed:
        return
    said = "nothing is mapped anew without --remap"
    if is_mapping:
        await run.ledger.save_route(name, orjson.dumps(run.plan.routes[name].fingerprint).decode())
        said = "it holds for what is mapped from here on"
    text = f"route {name}: the mapping has changed ({', '.join(changed)}): {said}"
    run.emit(Note(text, route=name))


def _tell(run: Run, surveys: Mapping[str, Survey], *, is_done: bool) -> None:
    for name, survey in surveys.items():
        if not survey.is_empty:
            run.emit(Note(f"route {name}: {'' if is_done else 'not done: '}{survey}", route=name))
        for why, (count, ids) in survey.left.items():
            more = f" and {count - len(ids):,} more" if count > len(ids) else ""
            records = f"record {ids[0]} is" if count == 1 else f"records {', '.join(ids)}{more} are"
            run.emit(Note(f"route {name}: {records} left alone: {why}", route=name))
    if all(survey.is_empty for survey in surveys.values()):
        run.emit(Note("nothing to retry: no failed record is meant"))


async def retry_route(job: RouteJob, ledger: SqliteLedger, retrying: Retrying, survey: Survey) -> bool:
    """Put the chosen failures to work and work them to their end; whether the route is finished.

    Raises what `run_route` raises.
    """
    await ledger.check_balance(job.name, whole=False)
    if not isinstance(job.target, StagedTarget):
        ledger.work_on_retried_alone(job.name)
    await _reopen_kept(job, retrying)
    await ledger.sweep(job.name, job.target_list.name).reopen()
    if survey.mapped and not job.stop.is_set():
        await map_anew(job, ledger, retrying, survey.mapped)
    counts = await ledger.counts(job.name)
    job.emit(RouteStarted(job.name, counts, counts.read))
    if counts.written and isinstance(job.target, SeesDeletions):
        job.target.has_deleted = True
    job.target_list.learn(await ledger.list_state(job.target_list.name))
    with single_error():
        async with list_open(job):
            async with loader_of(job) as loader:
                await finish_writing(job, loader)
            await note_finished(job)
    counts = await ledger.counts(job.name)
    is_finished = (await ledger.progress(job.name)).is_finished
    job.emit(RouteFinished(job.name, counts, is_finished))
    return is_finished


async def _reopen_kept(job: RouteJob, retrying: Retrying) -> None:
    """What is sent as it was mapped, and what is looked for: open again, and parked until the list was read."""
    is_repeatable = job.target.rules["update"].is_repeatable
    after: str | None = None
    while not job.stop.is_set() and (found := await retrying.plan(after=after)).last_id is not None:
        after = found.last_id
        await retrying.reopen(found.creates, is_looked_for=True)
        # Absolute values: what somebody set by hand meanwhile is what they set again.
        await retrying.reopen(found.updates, is_looked_for=not is_repeatable)
        await retrying.reopen(found.look, is_looked_for=True, is_unknown=True)
