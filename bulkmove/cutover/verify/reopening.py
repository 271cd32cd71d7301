"""What is written once more, mapped again and put down in the ledger, each page of it in one change."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import anyio

from bulkmove import clock
from bulkmove.entries import Entry
from bulkmove.events import Phase
from bulkmove.exact import encode_json
from bulkmove.ledger import SqliteLedger, mending, verified, verifying
from bulkmove.ledger.keeping import written_bodies
from bulkmove.ledger.verified import Finding
from bulkmove.ledger.verifying import Known
from bulkmove.load.matching import Body, as_text, digest_of
from bulkmove.model import Record, State
from bulkmove.pipeline.as_read import mark_of
from bulkmove.pipeline.bodies import attempt
from bulkmove.pipeline.job import RouteJob
from bulkmove.pipeline.whole import find_all, read_list
from bulkmove.protocols import FindsById

KINDS = ("missing", "different", "doubled", "extra")
WRITTEN_ANEW = ("missing", "different")
REMOVED = ("doubled", "extra")
_AT_TARGET = (State.UNCHANGED, State.WRITTEN)
_SLICE = 500
_MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a repair is asked for. `kinds`: of what was found, these; what is on the target too often goes only with `deletions`."""

    kinds: Sequence[str] = KINDS
    deletions: bool = False
    dry_run: bool = False


@dataclass(slots=True)
class Mending:
    """A repair while it goes. `left`: by route and why, the records that are left as they are."""

    wanted: Wanted
    ledger: SqliteLedger
    mended: dict[str, Counter[str]] = field(default_factory=dict)
    left: dict[tuple[str, str], tuple[int, list[str]]] = field(default_factory=dict)

    def leave(self, route: str, name: str, why: str) -> None:
        count, names = self.left.get((route, why), (0, []))
        self.left[route, why] = (count + 1, [*names, name][:_MOST_NAMED])

    def told(self) -> list[str]:
        lines = []
        for (route, why), (count, names) in self.left.items():
            more = f" and {count - len(names):,} more" if count > len(names) else ""
            lines.append(f"route {route}: {', '.join(names)}{more} left as they are: {why}")
        return lines


async def reopen(going: Mending, job: RouteJob, kinds: Sequence[str]) -> None:
    job.emit(Phase(job.name, "mapping again what is to be mended"))
    if job.is_self_route:
        await _each_slice(going, job, kinds, partial(_reopen_kept, going, job))
    elif isinstance(job.source, FindsById) and job.derive is None:
        await _each_slice(going, job, kinds, partial(_reopen_found, going, job, job.source))
    else:
        await _reopen_listed(going, job, kinds)
    job.emit(Phase(job.name, ""))


async def _each_slice(
    going: Mending,
    job: RouteJob,
    kinds: Sequence[str],
    reopen: Callable[[Sequence[Finding]], Awaitable[None]],
) -> None:
    after = 0
    route = going.ledger.number_of(job.name)
    while not job.stop.is_set() and (
        found := await going.ledger.ask(
            partial(verified.findings, route=route, kinds=kinds, after=after, most=_SLICE)
        )
    ):
        after = found[-1].id
        await reopen(found)


async def _reopen_kept(going: Mending, job: RouteJob, found: Sequence[Finding]) -> None:
    """The source was changed by us: what was written there last is written there again."""
    route = going.ledger.number_of(job.name)
    ids = [each.source_id for each in found]
    fields = await going.ledger.ask(partial(written_bodies, route=route, source_ids=ids))
    known = await going.ledger.ask(partial(verifying.known, route=route, ids=ids))
    bodies = []
    for each in found:
        written = fields.get((each.source_id, each.part))
        was = next((k for k in known.get(each.source_id, ()) if k.part == each.part), None)
        if written is None or was is None:
            continue
        key = as_text(written.get(job.rules.natural_key))
        bodies.append(
            Body(
                each.source_id,
                each.part,
                was.version,
                was.source_digest,
                written,
                encode_json(written),
                was.target_id,
                key,
            )
        )
    await _put_to_work(going, job, found, bodies)


async def _reopen_found(going: Mending, job: RouteJob, source: FindsById, found: Sequence[Finding]) -> None:
    ids = list(dict.fromkeys(each.source_id for each in found))
    records: list[Record] = []
    for start in range(0, len(ids), source.find_at_once):
        records += (await find_all(source, ids[start : start + source.find_at_once])).values()
    await _put_to_work(going, job, found, await _mapped(job, records))


async def _reopen_listed(going: Mending, job: RouteJob, kinds: Sequence[str]) -> None:
    """Out of the whole list, proven read."""
    route = going.ledger.number_of(job.name)
    turn = anyio.Lock()

    async def sink(records: Sequence[Record]) -> None:
        by_id = {record.id: record for record in records if record.id is not None and record.fault is None}
        async with turn:
            found = await going.ledger.ask(
                partial(verified.findings_of, route=route, kinds=kinds, ids=list(by_id))
            )
            if found and not job.stop.is_set():
                wanted = [by_id[each] for each in dict.fromkeys(f.source_id for f in found)]
                await _put_to_work(going, job, found, await _mapped(job, wanted))

    await read_list(job.source, sink, readers=job.readers, derive=job.derive)

    async def not_there(found: Sequence[Finding]) -> None:
        await _put_to_work(going, job, found, [])

    await _each_slice(going, job, kinds, not_there)


async def _mapped(job: RouteJob, records: Sequence[Record]) -> list[Body]:
    """The bodies of the records as they are now, with the marks by which a later change of them shows."""
    digests = {record.id: mark_of(record) for record in records}  # first: a mapper may change its record
    bodies, _ = await attempt(job, records)
    return [body._replace(source_digest=digests.get(body.source_id)) for body in bodies]


async def _put_to_work(
    going: Mending, job: RouteJob, found: Sequence[Finding], bodies: Sequence[Body]
) -> None:
    """Open what can be mended, in one change of the ledger; the rest is told."""
    ledger = going.ledger
    route = ledger.number_of(job.name)
    known = await ledger.ask(
        partial(verifying.known, route=route, ids=list({each.source_id for each in found}))
    )
    by_name = {(body.source_id, body.part): body for body in bodies}
    states = {(each.source_id, each.part): each for some in known.values() for each in some}
    mended: list[tuple[int, Entry]] = []
    for each in found:
        name = (each.source_id, each.part)
        body = by_name.get(name)
        why = _why_not(job, each, body, states.get(name))
        if why is not None or body is None:
            going.leave(job.name, each.source_id, why or "")
        else:
            mended.append((each.id, _entry(each, body)))
    if not mended:
        return
    change = partial(
        mending.reopen,
        route=route,
        run=ledger.run,
        page=ledger.reserve_chunk(),
        put_at=clock.now(),
        mended=mended,
        intent=ledger.reserve_request(),
        claim_of=(ledger.number_of_list(job.target_list.name), job.name),
    )
    await ledger.change(change)
    by_id = {each.id: each.kind for each in found}
    going.mended[job.name].update(by_id[number] for number, _ in mended)


def _why_not(job: RouteJob, finding: Finding, body: Body | None, known: Known | None) -> str | None:
    if known is None or known.state not in _AT_TARGET:
        return "something else became of them since they were verified: verify again"
    only_changes = (
        job.rules.mode == "update" or job.is_self_route or (body is not None and body.target_id is not None)
    )
    if finding.kind == "missing" and only_changes:
        return "their rows are gone, and this route only changes rows that are there"
    if body is None:
        return "they are not mapped to this any more, or are gone from the source: verify again"
    if finding.kind == "different":
        return None
    if body.key is None:
        return f"they have no {job.rules.natural_key}, by which what is made could be found again"
    return None


def _entry(finding: Finding, body: Body) -> Entry:
    return Entry(
        source_id=body.source_id,
        part=body.part,
        state=State.PENDING,
        body=body.encoded,
        target_id=finding.row if finding.kind == "different" else None,
        key=body.key,
        digest=digest_of(body.encoded),
        version=body.version,
        source_digest=body.source_digest,
    )
