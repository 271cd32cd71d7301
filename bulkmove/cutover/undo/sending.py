"""What undoes rows, sent: deletions one by one, changes as many at a time as the target takes."""

from __future__ import annotations

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

import anyio

from bulkmove import clock
from bulkmove.cutover.undo.judging import ALREADY, DELETE, GONE, REFUSED, RESTORE, SET
from bulkmove.cutover.undo.surveying import Work
from bulkmove.entries import Sent
from bulkmove.errors import BulkmoveError, InDoubtError, RequestFailedError
from bulkmove.exact import encode_json
from bulkmove.ledger import sending, undoing, undone
from bulkmove.ledger.undoing import Judged, PlannedRow
from bulkmove.model import Verdict, WriteItem, WriteResult
from bulkmove.protocols import Target
from bulkmove.transport.attempts import Attempt, noted_attempts
from bulkmove.transport.senders import Senders

_DONE = frozenset({Verdict.WRITTEN, Verdict.UNCHANGED})
_SAID = {
    DELETE: "its row was deleted",
    SET: "its row was set as undo_with says",
    RESTORE: "its row is as it was before",
    GONE: "its row was gone already",
    ALREADY: "its row is as it shall be already",
}


@dataclass(slots=True)
class Progress:
    """What came of it so far: rows by what was done with them, those put back but for a field, requests that wrote.

    `last_doubt`: when a change was sent that no answer settled (epoch seconds).
    """

    done: Counter[str] = field(default_factory=Counter)
    partly: int = 0
    requests: int = 0
    last_doubt: float = 0.0


class _Batch(NamedTuple):
    target: Target
    rows: Sequence[PlannedRow]
    is_joined: bool


async def send_rows(work: Work, rows: Sequence[PlannedRow], progress: Progress) -> None:
    """Undo these rows; what is not settled afterwards keeps its step. Where the run stops, what is in flight is finished.

    Raises what ends the route, once nothing is in flight any more.
    """
    limiter = anyio.CapacityLimiter(work.job.target_host.concurrency)
    failed: list[BulkmoveError] = []
    senders = Senders()

    async def send(batch: _Batch) -> None:
        async with limiter:
            if failed or work.job.stop.is_set():
                return
            try:
                with senders.sending():
                    await _send(work, batch, progress)
            except BulkmoveError as error:
                # Kept, so that what others sent is answered and noted.
                failed.append(error)
                senders.leave("refused or failed others")

    async with anyio.create_task_group() as tasks:
        for batch in _batches(work, rows):
            tasks.start_soon(send, batch, name=f"undo of {len(batch.rows)} rows of {work.job.name}")
    if failed:
        raise failed[0]


def _batches(work: Work, rows: Sequence[PlannedRow]) -> Iterator[_Batch]:
    deletes = work.ways.deletes
    if deletes is not None:
        for row in rows:
            if row.step == DELETE:
                yield _Batch(deletes, [row], is_joined=False)
    changed = [row for row in rows if row.step in (SET, RESTORE)]
    rule = work.ways.target.rules["update"]
    groups: dict[bytes, list[PlannedRow]] = defaultdict(list)
    for row in changed:
        groups[encode_json(row.send) if rule.shape == "joined" else b""].append(row)
    for group in groups.values():
        for start in range(0, len(group), rule.max_items):
            yield _Batch(work.ways.target, group[start : start + rule.max_items], rule.shape == "joined")


async def _outwait(work: Work, items: Sequence[WriteItem]) -> bool:
    """Wait until what another route sent for these rows can't land on top of this; False where the undo is to stop."""
    held, stop = work.job.target_list.held, work.job.stop
    for item in items:
        while (
            rest_s := held.until(item.target_id or "", item.encoded) - clock.now()
        ) > 0 and not stop.is_set():
            with anyio.move_on_after(rest_s):
                await stop.wait()
    return not stop.is_set()


async def _hold(work: Work, items: Sequence[WriteItem], unsettled: Sequence[float]) -> None:
    """What nothing settled may land yet: on top of what another route sends for the row, or a later run."""
    if not unsettled:
        return
    until = max(unsettled) + work.job.target_host.settle_s
    for item in items:
        if item.target_id is not None:
            work.job.target_list.held.hold(item.target_id, item.encoded, until=until)
    noted = partial(sending.note_unsettled, run=work.ledger.run, at=max(unsettled))
    await work.ledger.writer.put(noted, wait=False)


async def _send(work: Work, batch: _Batch, progress: Progress) -> None:
    items = [
        WriteItem(row.target_id, row.send or {}, encode_json(row.send or {}), attempts=0)
        for row in batch.rows
    ]
    if not await _outwait(work, items):
        return
    with noted_attempts() as attempts:
        try:
            results = await batch.target.write(items)
        except InDoubtError as error:
            progress.last_doubt = max(progress.last_doubt, error.sent_at)
            results = ()
        except RequestFailedError:
            results = ()
        finally:
            progress.requests += len(attempts)
            await _hold(work, items, [each.sent_at for each in attempts if each.is_unsettled])
    if not results:
        return
    await _note(work, batch, results, attempts, progress)
    # Refused for another's sake, each is sent by itself.
    for row, result in zip(batch.rows, results, strict=True):
        if result.verdict in (Verdict.HELD, Verdict.TOO_LARGE) and len(batch.rows) > 1:
            await _send(work, batch._replace(rows=[row]), progress)


async def _note(
    work: Work,
    batch: _Batch,
    results: Sequence[WriteResult],
    attempts: Sequence[Attempt],
    progress: Progress,
) -> None:
    """Rows that are undone, and those that the host refused. A joined change tells of no row: they are read back."""
    done: list[PlannedRow] = []
    refused: list[Judged] = []
    for row, result in zip(batch.rows, results, strict=True):
        is_alone = len(batch.rows) == 1
        if result.verdict in _DONE:
            if not batch.is_joined:
                done.append(row)
        elif result.verdict is Verdict.DOUBT:
            progress.last_doubt = clock.now()
        elif result.verdict is Verdict.REJECTED or is_alone:
            why = f"{result.cause or 'refused'}: {result.message or 'the host refused it'}"
            refused.append(Judged(row.target_id, REFUSED, why))
    if refused:
        await work.ledger.change(partial(undoing.judge, route=work.route, judged=refused))
    if done:
        await note_done(work, done, progress, attempts=attempts)


async def note_done(
    work: Work, rows: Sequence[PlannedRow], progress: Progress, *, attempts: Sequence[Attempt] = ()
) -> None:
    """These rows are undone. `attempts`: of the request that did it."""
    said: dict[str, str] = {}
    for row in rows:
        step = row.was or row.step or GONE
        progress.done[step] += 1
        progress.partly += row.why is not None
        said[row.target_id] = _SAID[step] if row.why is None else f"{_SAID[step]}, but {row.why}"
    sent = None
    if attempts:
        last = attempts[-1]
        sent = Sent(work.ledger.reserve_request(), last.sent_at, clock.now(), len(rows), last.said)
    number, run = work.route, work.ledger.run

    def change(connection: sqlite3.Connection) -> None:
        if sent is not None:
            sending.note_request(connection, route=number, run=run, sent=sent)
        undone.note_undone(
            connection, route=number, run=run, said=said, request=None if sent is None else sent.id
        )

    # What follows in order is durable after it: a kill before that finds the row gone, or as it shall be.
    await work.ledger.writer.put(change, wait=False)
