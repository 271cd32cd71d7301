"""A whole verification: the target's lists read, the sources read and mapped again, each body held against its row.

Nothing is written to any host.
"""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import anyio
import orjson

from bulkmove import clock
from bulkmove.cutover.verify import kept
from bulkmove.cutover.verify.comparing import Comparison
from bulkmove.cutover.verify.concluding import Asked, Going, conclude
from bulkmove.cutover.verify.pages import compare_deleted, compare_found, compare_kept, compare_source
from bulkmove.cutover.verify.result import SIGNS, Verification
from bulkmove.cutover.verify.rows import find_rows, list_of, name_extra, read_rows
from bulkmove.cutover.verify.sampling import chosen_places
from bulkmove.cutover.verify.working import kept_seed, open_working
from bulkmove.errors import INTERRUPTED, BulkmoveError, ConfigError, LedgerRefusedError, single_error
from bulkmove.events import Note, RouteFinished, RouteStarted
from bulkmove.ledger import SqliteLedger, open_ledger, verifying
from bulkmove.model import Counts
from bulkmove.pipeline.job import RouteJob, Run, RunOptions
from bulkmove.pipeline.opening import OpenHost, open_host
from bulkmove.pipeline.plan import MigrationPlan, RoutePlan, changed_keys, plan_migration
from bulkmove.pipeline.until import until
from bulkmove.pipeline.working import work_routes
from bulkmove.protocols import FindsById, Observer, StagedTarget
from bulkmove.settings import MigrationSettings


async def verify_migration(
    settings: MigrationSettings,
    *,
    routes: Sequence[str] = (),
    asked: Asked | None = None,
    observer: Observer | None = None,
    stop: anyio.Event | None = None,
    open_host: OpenHost = open_host,
) -> Verification:
    """Hold the target as it is now against what the source says as mapped; all routes, or those named.

    Cut off anywhere, the next one with the same question goes on where it was; when `stop` is set, it ends with 130.
    Hosts that fail, refused credentials and lists that can't be proven read stand in the result's exit code and errors.
    Raises ConfigError, and LedgerError and its kinds.
    """
    asked = asked or Asked()
    plan = plan_migration(settings, only=tuple(routes))
    if not settings.ledger.exists():
        raise ConfigError(
            f"{settings.ledger}: there is no ledger yet: nothing was run that could be verified"
        )
    with single_error():
        async with open_ledger(settings.ledger, synchronous=settings.synchronous) as ledger:
            return await _verify(plan, ledger, asked, observer, stop or anyio.Event(), open_host)


def working_file(ledger: Path) -> Path:
    return ledger.with_name(f"{ledger.name}.verifying")


async def _verify(
    plan: MigrationPlan,
    ledger: SqliteLedger,
    asked: Asked,
    observer: Observer | None,
    stop: anyio.Event,
    open_host: OpenHost,
) -> Verification:
    started_at = clock.now()
    run = Run(plan, ledger, RunOptions(has_budget=False), observer, stop)
    run.plan = plan = await _begun(run)
    path = working_file(ledger.path)
    seed = asked.seed
    if seed is None and asked.sample is not None:
        seed = None if asked.fresh else kept_seed(path)
        seed = secrets.randbits(32) if seed is None else seed
    identity = await _identity(plan, ledger, asked, seed)
    async with open_working(path, identity=identity, fresh=asked.fresh) as working:
        going = Going(run, ledger, working, asked, seed or 0)
        if working.is_resumed:
            started_at = await working.change(kept.started_at)
            run.emit(Note("goes on with a verification that was cut off; --fresh begins anew"))
        mapping = [name for name, route in plan.routes.items() if _is_mapped(route)]
        await work_routes(run, partial(_work, going), mapping=mapping, open_host=open_host)
        if run.errors or stop.is_set():
            code = gravest(run.errors) or INTERRUPTED
            text = "run it again to go on where it stopped"
            return Verification(
                code, {}, notes=[*run.notes, text], errors=[str(error) for error in run.errors]
            )
        if asked.sample is None:
            await _name_extra(going)
        verification = await conclude(going, started_at)
        working.is_done = True
    return verification


def gravest(errors: Sequence[BulkmoveError]) -> int:
    """What to end with where several things went wrong; 0 where nothing did."""
    codes = {error.exit_code for error in errors}
    return next((code for code in (6, 2, 1, 7, 5) if code in codes), max(codes, default=0))


def _is_mapped(route: RoutePlan) -> bool:
    return route.settings.mode != "delete"


async def _begun(run: Run) -> MigrationPlan:
    """The routes that were begun. Raises LedgerRefusedError where one leads elsewhere by now, ConfigError where none was."""
    known = await run.ledger.fingerprints()
    routes: dict[str, RoutePlan] = {}
    for name, route in run.plan.routes.items():
        if name not in known:
            run.emit(Note(f"route {name}: was never begun, and is left out", route=name))
            continue
        changed = changed_keys(orjson.loads(known[name]), route.fingerprint)
        if refused := [key for key in changed if key in ("source", "target", "natural_key", "mode")]:
            raise LedgerRefusedError(
                f"route {name} has changed since this ledger was begun: {', '.join(refused)}; what it moved can't be held"
                " against this: put it back"
            )
        if changed:
            text = f"the mapping has changed ({', '.join(changed)}): rows are held against what it makes now"
            run.emit(Note(f"route {name}: {text}", route=name))
        routes[name] = route
    if not routes:
        raise ConfigError(f"{run.ledger.path}: none of these routes was begun: there is nothing to verify")
    return MigrationPlan(run.plan.settings, run.plan.connectors, routes, run.plan.decisions)


async def _identity(
    plan: MigrationPlan, ledger: SqliteLedger, asked: Asked, seed: int | None
) -> dict[str, object]:
    """What has to be the same for a verification to go on with what an earlier one read."""
    return {
        "run": await ledger.ask(verifying.newest_run),
        "routes": {name: orjson.dumps(route.fingerprint).decode() for name, route in plan.routes.items()},
        "sample": None if asked.sample is None else str(asked.sample),
        "seed": seed,
        "values": asked.values,
    }


async def _work(going: Going, run: Run, route: RoutePlan) -> bool | None:
    """One route; False where the verification is to stop."""
    async with until(run.stop, name=f"{route.settings.name} verifying"):
        await _compare_route(going, run.jobs[route.settings.name])
        return True
    return False


async def _compare_route(going: Going, job: RouteJob) -> None:
    ledger, working = going.ledger, going.working
    counts, progress = await ledger.counts(job.name), await ledger.progress(job.name)
    job.emit(RouteStarted(job.name, Counts(), counts.read))
    if not progress.is_finished:
        job.emit(
            Note(f"route {job.name}: is not finished: what it did not move yet counts as new", route=job.name)
        )
        if isinstance(job.target, StagedTarget):
            job.emit(
                Note(
                    f"route {job.name}: its file is not in its place yet, and is not compared", route=job.name
                )
            )
            return
    ids = await _sampled(going, job) if going.asked.sample is not None else None
    comparison = await _begin(going, job, ids)
    going.comparisons[job.name] = comparison
    if job.settings.mode == "delete":
        await compare_deleted(comparison, ledger)
    elif job.is_self_route:
        await compare_kept(comparison, ledger, ids=ids)
    elif ids is None:
        await compare_source(comparison, ledger)
    elif isinstance(job.source, FindsById) and job.derive is None:
        await compare_found(comparison, ledger, job.source, ids)
    else:
        text = f"{job.settings.source} can't be asked by ids: its list was read whole for the sample"
        job.emit(Note(f"route {job.name}: {text}", route=job.name))
        await compare_source(comparison, ledger, among=frozenset(ids))
    found = await working.change(lambda c: kept.outcomes(c, job.name))
    differ = sum(found[name] for name in SIGNS if name != "equal")
    job.emit(RouteFinished(job.name, Counts(unchanged=found["equal"], rejected=differ), is_complete=True))


async def _sampled(going: Going, job: RouteJob) -> list[str]:
    """The ids that the sample takes of the route's records that are at the target, by the ledger."""
    sample = going.asked.sample
    number = going.ledger.number_of(job.name)
    population = await going.ledger.ask(partial(verifying.at_target, route=number))
    wanted = 0 if sample is None else sample.of(population)
    going.samples[job.name] = (population, wanted)
    places = chosen_places(population, wanted, seed=going.seed, route=job.name)
    return await going.ledger.ask(partial(verifying.ids_at, route=number, places=places))


async def _begin(going: Going, job: RouteJob, ids: Sequence[str] | None) -> Comparison:
    """Read the target's rows, all or those of the sample."""
    ledger, working, plain = going.ledger, going.working, going.asked.values
    number = ledger.number_of(job.name)
    rows = list_of(going.run, job)
    if ids is not None and isinstance(rows, FindsById):
        known = await ledger.ask(partial(verifying.known, route=number, ids=ids))
        row_ids = [each.target_id for some in known.values() for each in some if each.target_id is not None]
        list_id = await find_rows(job, working, rows, row_ids, plain=plain)
    else:
        if ids is not None:
            text = f"{job.settings.target} can't be asked by ids: its list was read whole for the sample"
            job.emit(Note(f"route {job.name}: {text}", route=job.name))
        list_id = await read_rows(going.run, job, working, plain=plain)
    return Comparison(
        job=job,
        working=working,
        number=number,
        list_number=ledger.number_of_list(job.target_list.name),
        list_id=list_id,
        has_keys=(await ledger.list_state(job.target_list.name)).is_read,
        plain=plain,
        sums=await working.change(lambda c: kept.load_sums(c, job.name)),
        by_key=isinstance(job.target, StagedTarget),
    )


async def _name_extra(going: Going) -> None:
    """Rows that no record accounts for, of each list that was written to by routes that are all compared."""
    by_list: dict[int, list[Comparison]] = defaultdict(list)
    for comparison in going.comparisons.values():
        job = comparison.job
        if not job.is_self_route and job.settings.mode != "delete":
            by_list[comparison.list_id].append(comparison)
    for comparisons in by_list.values():
        unclaimed = await name_extra(comparisons, going.ledger)
        going.foreign.update(unclaimed.foreign)
        going.gone.update(unclaimed.gone)
