"""The result of a verification: counted, written to the mismatch files and noted in the ledger."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import orjson

from bulkmove import clock
from bulkmove.cutover.verify import kept
from bulkmove.cutover.verify.comparing import Comparison
from bulkmove.cutover.verify.files import write_files
from bulkmove.cutover.verify.kept import Outcome
from bulkmove.cutover.verify.result import DIFFERENCES, SIGNS, RouteVerification, Verification
from bulkmove.cutover.verify.sampling import Sample, confidence_text
from bulkmove.cutover.verify.totals import RECORDS
from bulkmove.cutover.verify.working import Working
from bulkmove.events import Note
from bulkmove.ledger import SqliteLedger, undone, verified
from bulkmove.ledger.verified import Finding
from bulkmove.pipeline.job import Run
from bulkmove.settings import MigrationSettings

_SLICE = 1000
_EXPECTED_ABSENT = ("skipped", "rejected", "unknown")
_MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class Asked:
    """What a verification is asked for. `values`: what differs is written down with its values, which may be personal."""

    sample: Sample | None = None
    seed: int | None = None
    fresh: bool = False
    values: bool = False
    out: Path | None = None


@dataclass(slots=True)
class Going:
    """A verification while it goes."""

    run: Run
    ledger: SqliteLedger
    working: Working
    asked: Asked
    seed: int
    comparisons: dict[str, Comparison] = field(default_factory=dict)
    samples: dict[str, tuple[int, int]] = field(default_factory=dict)
    foreign: Counter[str] = field(default_factory=Counter)
    gone: Counter[str] = field(default_factory=Counter)


def directory_of(settings: MigrationSettings) -> Path:
    """Where mismatch files go by default: beside the ledger."""
    name = settings.ledger.name.removesuffix(".db").removesuffix(".ledger")
    return settings.ledger.with_name(f"{name}.verify")


async def conclude(going: Going, started_at: float) -> Verification:
    """The result: counted, written to the mismatch files and noted in the ledger."""
    settings, asked = going.run.plan.settings, going.asked
    directory = asked.out or directory_of(settings)
    routes: dict[str, RouteVerification] = {}
    for name, comparison in going.comparisons.items():
        fields = await going.working.change(partial(write_files, route=name, directory=directory))
        routes[name] = await _route_result(going, comparison, fields)
    exit_code = DIFFERENCES if any(route.has_differences for route in routes.values()) else 0
    verification = Verification(
        exit_code,
        routes,
        directory=directory,
        sample=None if asked.sample is None else str(asked.sample),
        seed=None if asked.sample is None else going.seed,
        notes=list(dict.fromkeys(going.run.notes)),
    )
    return replace(verification, id=await _save(going, verification, started_at))


async def _route_result(going: Going, comparison: Comparison, fields: Mapping[str, int]) -> RouteVerification:
    job, working = comparison.job, going.working
    found = await working.change(lambda c: kept.outcomes(c, job.name))
    there, first = await working.change(lambda c: kept.there(c, job.name, _MOST_NAMED))
    if there:
        more = f" and {there - len(first):,} more" if there > len(first) else ""
        text = f"{', '.join(first)}{more}: not written, by the ledger, and there all the same"
        going.run.emit(Note(f"route {job.name}: {text}", route=job.name))
    totals = list(comparison.sums.totals())
    by_name = {total.name: total for total in totals}
    target = int(by_name[RECORDS].target) if RECORDS in by_name else 0
    confidence = None
    if job.name in going.samples:
        population, looked_at = going.samples[job.name]
        differ = sum(found[name] for name in ("missing", "different", "doubled", "stale", "error"))
        confidence = confidence_text(population=population, looked_at=looked_at, found=min(differ, looked_at))
    return RouteVerification(
        name=job.name,
        source=await working.change(lambda c: kept.records(c, job.name)),
        target=target,
        counts={name: found[name] for name in SIGNS if found[name]},
        expected_absent={name: found[name] for name in _EXPECTED_ABSENT if found[name]},
        there=there,
        foreign=going.foreign[job.name],
        gone=going.gone[job.name],
        not_kept=found["not-kept"],
        pending=found["pending"],
        fields=dict(sorted(fields.items())),
        not_comparable=_not_comparable(going, comparison),
        totals=totals,
        confidence=confidence,
        is_finished=(await going.ledger.progress(job.name)).is_finished,
        is_undone=job.name in await going.ledger.ask(undone.undone_routes),
    )


def _not_comparable(going: Going, comparison: Comparison) -> list[str]:
    never = [f"{name}: no row shows it" for name in comparison.sums.never_shown]
    no_place = going.run.plan.routes[comparison.job.name].mapper.no_place
    return [*never, *(f"{name}: the target has no place for it" for name in no_place)]


async def _save(going: Going, verification: Verification, started_at: float) -> int:
    """The findings first: whoever repairs looks at them only behind a verification that is noted."""
    ledger = going.ledger
    number = await ledger.ask(verified.next_verification)
    numbers = {name: ledger.number_of(name) for name in verification.routes}
    await ledger.change(partial(verified.forget_findings, routes=list(numbers.values())))
    for name, route in numbers.items():
        await _save_findings(going, name, number, route)
    save = partial(
        verified.save,
        number=number,
        started_at=started_at,
        ended_at=clock.now(),
        exit_code=verification.exit_code,
        is_sample=verification.is_sample,
        result=orjson.dumps(verification.as_dict()).decode(),
    )
    await ledger.change(save)
    return number


async def _save_findings(going: Going, name: str, number: int, route: int) -> None:
    after: tuple[str, int] = ("", -1)
    while found := await going.working.change(partial(kept.to_mend, route=name, after=after, most=_SLICE)):
        after = (found[-1].source_id, found[-1].body)
        await _add(going, number, route, found)
    row = ""
    while extra := await going.working.change(partial(kept.extra_rows, route=name, after=row, most=_SLICE)):
        row = extra[-1].row or ""
        await _add(going, number, route, extra)


async def _add(going: Going, number: int, route: int, found: Sequence[Outcome]) -> None:
    findings = [_finding(each) for each in found]

    def change(connection: sqlite3.Connection) -> None:
        verified.add_findings(connection, verification=number, route=route, findings=findings)

    await going.ledger.change(change)


def _finding(each: Outcome) -> Finding:
    detail = each.detail if isinstance(each.detail, dict) else {}
    return Finding(
        id=0,
        kind=each.outcome,
        source_id=each.source_id or str(detail.get("source_id", "")),
        part=each.body,
        row=each.row or "",
        rows=[str(row) for row in detail.get("rows", ())],
        key=detail.get("key"),
        is_ours=bool(detail.get("is_ours", True)),
    )
