"""Bodies matched with the rows of the target's list: each becomes an entry, and claims the key that it goes by."""

from __future__ import annotations

from collections.abc import Container, Sequence

from bulkmove.entries import Entry, TargetKey
from bulkmove.load.matching import Body, match, rejected
from bulkmove.model import JsonObject, State
from bulkmove.pipeline.bodies import refusal
from bulkmove.pipeline.job import RouteJob
from bulkmove.pipeline.keys import ensure_keys


async def match_all(
    job: RouteJob, bodies: Sequence[Body], own_rows: dict[str, JsonObject], *, is_again: bool = False
) -> list[Entry]:
    """The entries of the bodies, one by one. `is_again`: what a record claimed when it was mapped before is free to it."""
    keys = [body.key for body in bodies if body.key is not None and body.target_id is None]
    if keys:
        await ensure_keys(job)
    known = await job.ledger.find_keys(job.target_list.name, keys) if keys else {}
    if is_again:
        mine = {(body.key, body.source_id) for body in bodies}
        known = {key: _unclaimed(found, job.name, mine) for key, found in known.items()}
    there = dict(known) if job.witness is not None else {}
    entries: list[Entry] = []
    claimed: dict[str, str] = {}  # by whom, of this page: a later body with the same key shall find it taken
    for body in bodies:
        if (key := body.key) in claimed:
            known[key] = TargetKey(key, None, 0, None, owner=(job.name, claimed[key]))
        entry = checked(job, body, match(body, job.rules, known, own_rows.get(body.source_id)))
        if (
            (key := entry.key) is not None
            and key not in claimed
            and (key not in known or known[key].owner is None)
        ):
            claimed[key] = entry.source_id
        entries.append(entry)
    if job.witness is not None:
        await job.witness.matched(job, bodies, entries, known=there, own_rows=own_rows)
    return entries


async def without_strays(job: RouteJob, matched: list[Entry], bodies: Sequence[Body]) -> list[Entry]:
    """Reject updates of rows that are not there: the whole list was read, and a joined change tells nothing of an id."""
    ids = [body.target_id for body in bodies if body.target_id is not None]
    known = await job.ledger.known(job.name, ids) if ids else set()
    return [
        entry
        if body.target_id is None or body.target_id in known or entry.state is not State.PENDING
        else rejected(body, "not-found", f"the list that was read has no row {body.target_id}")
        for entry, body in zip(matched, bodies, strict=True)
    ]


def checked(job: RouteJob, body: Body, entry: Entry) -> Entry:
    """The entry, rejected where the target would refuse its body; only a matched body tells what it is to be."""
    if entry.state is not State.PENDING:
        return entry
    return refusal(job, body, is_update=entry.target_id is not None) or entry


def _unclaimed(found: TargetKey, route: str, mine: Container[tuple[str | None, str]]) -> TargetKey:
    """The key without its owner, where that is the very record that is mapped to it again."""
    is_own = found.owner is not None and found.owner[0] == route and (found.key, found.owner[1]) in mine
    return found._replace(owner=None) if is_own else found
