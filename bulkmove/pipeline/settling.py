"""Writes in doubt: wait until the host must be done with them, read the list back, and decide each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import anyio

from bulkmove import clock
from bulkmove.entries import Intent
from bulkmove.errors import HostUnavailableError, UnprovenError
from bulkmove.events import Phase
from bulkmove.load.loader import Loader
from bulkmove.load.matching import as_text
from bulkmove.load.verdicts import (
    MOST_ATTEMPTS,
    Doubts,
    atomicity,
    has_failed_enough,
    set_aside,
)
from bulkmove.model import Record
from bulkmove.pipeline.job import RouteJob
from bulkmove.pipeline.keys import read_target
from bulkmove.pipeline.until import until
from bulkmove.protocols import WatchesKeys

# Bodies that one reading of the list answers for; more would not stay in bounded memory.
MAX_PER_READING = 20_000
# Rounds of sending again in which a host does nothing at all before it counts as failing.
MOST_IDLE_ROUNDS = 3


async def settle_doubts(job: RouteJob, intents: Sequence[Intent]) -> None:
    """Decide what is in doubt: written, unknown, set aside, or proven absent and free to go again.

    Waits until `settle_s` after the last send of each. Returns early, with nothing decided, where the run is
    to stop. Raises UnprovenError where the list can't be read whole, and what the transport raises.
    """
    for group in _groups(intents):
        due = max(intent.sent_at for intent in group) + job.target_host.settle_s
        if not await _wait_until(job, due):
            return
        await _settle_group(job, group)


def _groups(intents: Sequence[Intent]) -> Iterator[list[Intent]]:
    group: list[Intent] = []
    size = 0
    for intent in intents:
        if group and size + len(intent.members) > MAX_PER_READING:
            yield group
            group, size = [], 0
        group.append(intent)
        size += len(intent.members)
    if group:
        yield group


async def _wait_until(job: RouteJob, due: float) -> bool:
    """False where the run is to stop instead."""
    if (rest_s := due - clock.now()) > 0:
        job.emit(Phase(job.name, f"waiting {rest_s:.0f} s until writes in doubt have settled"))
        with anyio.move_on_after(rest_s):
            await job.stop.wait()
    return not job.stop.is_set()


async def _settle_group(job: RouteJob, group: Sequence[Intent]) -> None:
    items = await job.ledger.items(job.name, [member for intent in group for member in intent.members])
    is_key_kept = job.target.is_key_kept if isinstance(job.target, WatchesKeys) else True
    doubts = Doubts(job.target, job.rules.natural_key, can_prove_absence=is_key_kept is True)
    doubts.add(items)
    job.emit(Phase(job.name, f"reading back {len(items)} writes in doubt"))
    is_whole = False
    async with job.target_list.gate.reading(), until(job.stop, name=f"{job.name} settling"):

        async def show(records: Sequence[Record]) -> None:
            for record in records:
                doubts.show(record.data)
            if is_key_kept is None and not doubts.can_prove_absence:
                doubts.can_prove_absence = await _shows_ours(job, records)

        await read_target(job, show)
        is_whole = True
    if not is_whole:
        job.emit(Phase(job.name, ""))
        return
    await _forget_others_keys(job, doubts)
    sent = {member for intent in group if intent.refusal != "rejected" for member in intent.members}
    is_key_needed = any(item.target_id is None and item.member in sent for item in items)
    if doubts.rows and not doubts.rows_with_key and is_key_needed:
        raise UnprovenError(
            f"route {job.name}: no row of {job.settings.target} shows its {job.rules.natural_key}, so that nothing tells"
            " which writes in doubt are there; set natural_key to a field that comes back"
        )
    await _note_atomicity(job, group, doubts)
    by_member = {(item.member.source_id, item.member.part): item for item in items}
    for intent in group:
        mine = [by_member[m.source_id, m.part] for m in intent.members if (m.source_id, m.part) in by_member]
        settled = doubts.judge(mine, was_rejected=intent.refusal == "rejected")
        await job.ledger.settle(job.name, settled, intent=intent.id)
        job.note_settled(settled)
    job.emit(Phase(job.name, ""))


async def _shows_ours(job: RouteJob, records: Sequence[Record]) -> bool:
    """Whether a row shows a key that only this migration can have given it: then the host keeps what is sent.

    An earlier run may have learnt it from an answer, and ended since.
    """
    keys = [key for each in records if (key := as_text(each.data.get(job.rules.natural_key))) is not None]
    known = await job.ledger.find_keys(job.target_list.name, keys) if keys else {}
    return any(found.owner is not None and not found.rows for found in known.values())


async def _forget_others_keys(job: RouteJob, doubts: Doubts) -> None:
    """Rows whose key another record claims, or that were there before the first write, are not ours in another spelling."""
    if keys := doubts.alike_keys():
        known = await job.ledger.find_keys(job.target_list.name, keys)
        doubts.forget_alike({key: found.rows + (found.owner is not None) for key, found in known.items()})


async def _note_atomicity(job: RouteJob, group: Sequence[Intent], doubts: Doubts) -> None:
    if job.target_list.is_atomic is not None:
        return
    verdict = atomicity(group, doubts)
    if verdict is not None:
        job.target_list.is_atomic = verdict
        await job.ledger.set_atomic(job.target_list.name, is_atomic=verdict)


async def resend_open(job: RouteJob, loader: Loader, *, before: int | None = None) -> int:
    """Give the loader every mapped body (of chunks `before` this one) that has no outcome and is not in doubt; how many.

    Those that failed enough while their host served others are set aside instead.
    """
    doubtful = {
        (m.source_id, m.part) for intent in await job.ledger.intents(job.name) for m in intent.members
    }
    count, chunk = 0, 0
    while not job.stop.is_set() and (found := await job.ledger.next_pending(job.name, chunk)) is not None:
        chunk, items = found
        if before is not None and chunk >= before:
            break
        free = [item for item in items if (item.member.source_id, item.member.part) not in doubtful]
        # Chunks come in the order of their mapping: what is in doubt is not overtaken by a later change of its row.
        for item in items if len(free) < len(items) else ():
            if (item.member.source_id, item.member.part) in doubtful:
                loader.leave_open(item)
        now = clock.now()
        spent = [
            item
            for item in free
            if has_failed_enough(item, now=now, served_at=job.served_at, over_s=job.attempts_over_s)
        ]
        if spent:
            settled = [set_aside(item) for item in spent]
            await job.ledger.settle(job.name, settled)
            job.note_settled(settled)
        rest = await job.admitted([item for item in free if item not in spent] if spent else free)
        count += len(rest)
        await loader.put(rest)
    return count


async def settle_all(job: RouteJob, loader: Loader) -> None:
    """Until nothing of the route is open: read back what is in doubt, send again what is proven absent.

    Raises HostUnavailableError where the target fails on everything, round after round: then no record is to
    blame, all of it stays pending, and the next run goes on.
    """
    idle_rounds = 0
    await loader.flush()
    while not job.stop.is_set():
        served_at = job.served_at
        intents = await job.ledger.intents(job.name)
        if intents:
            await settle_doubts(job, intents)
        loader.begin_round()
        sent = await resend_open(job, loader)
        await loader.flush()
        if not intents and not sent:
            return
        # A refusal is an answer: what was refused goes in ever smaller requests, until the bad body is alone.
        was_refused = any(intent.refusal is not None for intent in intents)
        idle_rounds = 0 if was_refused or job.served_at > served_at else idle_rounds + 1
        if idle_rounds >= MOST_IDLE_ROUNDS:
            await _blame(job, len(intents) + sent)


async def _blame(job: RouteJob, still_open: int) -> None:
    """Raise where the host failed on everything since the open records failed first; else let them have their tries."""
    chunk, is_open = 0, False
    while (found := await job.ledger.next_pending(job.name, chunk)) is not None:
        chunk, items = found
        is_open = is_open or bool(items)
        failing = [item for item in items if item.failed_at is not None and item.failed_at < job.served_at]
        if failing:
            wait_s = max(
                0.0, max(item.failed_at or 0.0 for item in failing) + job.attempts_over_s - clock.now()
            )
            if min(item.attempts for item in failing) >= MOST_ATTEMPTS:
                with anyio.move_on_after(wait_s):
                    await job.stop.wait()
            return
    if not is_open:
        return  # the last of them was set aside
    raise HostUnavailableError(
        f"host {job.target_host.name}: kept failing on the last {still_open} writes of route {job.name};"
        " they stay pending, run again to go on"
    )
