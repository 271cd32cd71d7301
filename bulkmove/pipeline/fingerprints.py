"""What a ledger was begun with, held against what the migration is now: what may change, and what is refused."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import orjson

from bulkmove.errors import LedgerRefusedError
from bulkmove.ledger import SqliteLedger, questions, tallies
from bulkmove.pipeline.plan import MigrationPlan, changed_keys
from bulkmove.pipeline.undone import refuse_undone

# Parts of a fingerprint that a body is made for: matched with these rows, by this key, to be written so.
_MADE_FOR = frozenset({"target", "natural_key", "mode"})


async def check_fingerprints(plan: MigrationPlan, ledger: SqliteLedger, *, accept_changes: bool) -> None:
    """Note what the routes are now. Raises LedgerRefusedError where what is there does not go with it.

    `accept_changes`: what changed holds for what is not yet mapped.
    """
    known = await ledger.fingerprints()
    await refuse_undone(ledger, plan.routes)
    for name, route in plan.routes.items():
        now = orjson.dumps(route.fingerprint).decode()
        if name in known and not (await ledger.counts(name)).read:
            known[name] = now  # a typo that was mended before anything was read changes nothing
            await ledger.save_route(name, now)
        changed = changed_keys(orjson.loads(known[name]), orjson.loads(now)) if name in known else []
        refuse_other_mask(name, changed)
        if changed and not accept_changes:
            raise _refusal(name, changed)
        if {"target", "natural_key"} & set(changed) or _deletes_differ(known.get(name), now):
            await _refuse_open(ledger, name, changed)
        if _MADE_FOR & set(changed):
            await ledger.drop_rejected_bodies(name)
        if known.get(name) != now:
            await ledger.save_route(name, now)


def refuse_changed(plan: MigrationPlan, connection: sqlite3.Connection) -> None:
    """The same of a ledger that is only looked at, before a command that takes no changes. Raises LedgerRefusedError."""
    known, ids = questions.fingerprints(connection), questions.routes(connection)
    for name, route in plan.routes.items():
        changed = changed_keys(orjson.loads(known[name]), route.fingerprint) if name in known else []
        if changed and tallies.counts(connection, ids[name]).read:
            raise _refusal(name, changed)


def _refusal(route: str, changed: Sequence[str]) -> LedgerRefusedError:
    return LedgerRefusedError(
        f"route {route} has changed since this ledger was begun: {', '.join(changed)}; put it back, or let the change"
        " hold for what is not yet mapped with bulkmove run --accept-changes, or begin anew with bulkmove run --fresh"
    )


def refuse_other_mask(route: str, changed: Sequence[str]) -> None:
    """Half of a target in clear and half in stand-ins helps nobody. Raises LedgerRefusedError."""
    if "mask" in changed:
        raise LedgerRefusedError(
            f"route {route}: mask has changed since this ledger was begun, and what is masked can't go on in clear, nor the"
            " other way round: put it back, or use another ledger (--ledger PATH, or --fresh)"
        )


def _deletes_differ(before: str | None, now: str) -> bool:
    """Whether what was mapped to be written would be deleted, or the other way round."""
    modes = [orjson.loads(text).get("mode") for text in (before, now) if text is not None]
    return len(set(modes)) > 1 and "delete" in modes


async def _refuse_open(ledger: SqliteLedger, route: str, changed: Sequence[str]) -> None:
    """What is mapped was matched against the old target, by the old key, for the old purpose: it can't go another way."""
    counts = await ledger.counts(route)
    if still := counts.pending + counts.unknown:
        raise LedgerRefusedError(
            f"route {route}: {' and '.join(changed)} changed while {still} records are mapped for what was there before;"
            " put it back and finish them, or begin anew with --fresh"
        )
