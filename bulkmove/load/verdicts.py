"""What a reading of the target's list says of the writes in doubt. Pure.

A row counts as ours only if its key was not on the list before the first write of the migration (bodies
that found theirs there were never sent as creates) and if it holds what was sent, in the fields that come
back. Absence counts only if the list was read whole.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from bulkmove.entries import Intent, Item, Member, Settled
from bulkmove.load.batching import ATTEMPTS_IN_COMPANY
from bulkmove.load.matching import as_text, row_holds, shows_any
from bulkmove.model import JsonObject, State
from bulkmove.protocols import Target

# A record that nothing settled this often, over this long, while its host served others, is set aside. The last times it
# went alone: what became of those before may have been another's fault.
ATTEMPTS_ALONE = 3
MOST_ATTEMPTS = ATTEMPTS_IN_COMPANY + ATTEMPTS_ALONE
ATTEMPTS_OVER_S = 60.0


@dataclass(slots=True)
class Doubts:
    """The bodies in doubt on one list, and the rows found for them so far.

    `found`: per member, the ids of the rows that are there for it and whether each holds the body. Rows may
    be shown more than once (a list is read in several passes): an id counts once, as it was shown last.
    `can_prove_absence`: False where the host may have dropped the keys of what was created.
    """

    target: Target
    natural_key: str
    can_prove_absence: bool = True
    _by_key: dict[str, Item] = field(default_factory=dict)
    _by_id: dict[str, list[Item]] = field(default_factory=dict)
    _by_loose_key: dict[str, list[Item]] = field(default_factory=dict)
    _found: dict[Member, dict[str, bool]] = field(default_factory=dict)
    _alike: dict[Member, dict[str, str]] = field(default_factory=dict)
    _silent: set[Member] = field(default_factory=set)
    _updates: set[Member] = field(default_factory=set)
    rows: int = 0
    rows_with_key: int = 0

    def add(self, items: Iterable[Item]) -> None:
        for item in items:
            self._found[item.member] = {}
            if item.target_id is not None:
                self._updates.add(item.member)
                self._by_id.setdefault(item.target_id, []).append(item)
            elif item.key is not None:
                self._by_key[item.key] = item
                self._by_loose_key.setdefault(loosely(item.key), []).append(item)

    def show(self, row: JsonObject) -> None:
        """One row of the list."""
        row_id = as_text(row.get(self.target.id_field)) or ""
        for update in self._by_id.get(row_id, ()):
            self._found[update.member][row_id] = row_holds(self.target, update.body, row)
            if not shows_any(self.target, update.body, row):
                self._silent.add(update.member)
        key = as_text(row.get(self.natural_key))
        self.rows += 1
        self.rows_with_key += key is not None
        for alike in self._by_loose_key.get(loosely(key), ()) if key is not None else ():
            self._alike.setdefault(alike.member, {})[row_id] = key or ""
        if key is not None and (create := self._by_key.get(key)) is not None:
            self._found[create.member][row_id] = row_holds(self.target, create.body, row)

    def alike_keys(self) -> list[str]:
        """Keys of rows that were taken for the key of a body in doubt, as the host may have changed it."""
        return list({key for rows in self._alike.values() for key in rows.values()})

    def forget_alike(self, others: Mapping[str, int]) -> None:
        """So many rows with each of these keys are others' own. Where there are more, one of them may be ours."""
        for member, rows in self._alike.items():
            counts = Counter(rows.values())
            self._alike[member] = {
                row_id: key for row_id, key in rows.items() if counts[key] > others.get(key, 0)
            }

    def is_absent(self, member: Member) -> bool:
        """Whether the body was not written, for certain."""
        can_tell = member in self._updates or self.can_prove_absence
        return can_tell and not self.is_found(member) and not self._alike.get(member)

    def is_found(self, member: Member) -> bool:
        """Whether the body was written: a row is there for a create, or holds what an update says."""
        rows = self._found.get(member, {})
        return any(rows.values()) if member in self._updates else bool(rows)

    def judge(self, items: Sequence[Item], *, was_rejected: bool = False) -> list[Settled]:
        """Outcomes for what the list shows; the rest is proven not written and may go again.

        `was_rejected`: the host refused them, so that none is there by us, whatever the list does not show.
        """
        outcomes = (
            self._judge_update(item, was_rejected=was_rejected)
            if item.target_id is not None
            else self._judge_create(item, was_rejected=was_rejected)
            for item in items
        )
        return [outcome for outcome in outcomes if outcome is not None]

    def _judge_create(self, item: Item, *, was_rejected: bool) -> Settled | None:
        rows = self._found[item.member]
        if not rows and (alike := self._alike.get(item.member)):
            row_id = max(alike)
            text = (
                f"row {row_id} of the target has almost its {self.natural_key}: the host may have changed it"
            )
            return _outcome(item, State.UNKNOWN, "differs", text)
        if not rows and not self.can_prove_absence and not was_rejected:
            text = f"no row of the target has its {self.natural_key}, which the host may not have kept"
            return _outcome(item, State.UNKNOWN, "key-not-kept", text)
        if not rows:
            return None
        if len(rows) > 1:
            ids = ", ".join(sorted(rows))
            return _outcome(
                item, State.UNKNOWN, "found-twice", f"rows {ids} of the target have its {self.natural_key}"
            )
        [(row_id, holds)] = rows.items()
        if holds:
            return Settled(item.member, State.WRITTEN, target_id=row_id or None, encoded=item.encoded)
        return _outcome(
            item,
            State.UNKNOWN,
            "differs",
            f"row {row_id} of the target has its {self.natural_key}, but not its values",
        )

    def _judge_update(self, item: Item, *, was_rejected: bool) -> Settled | None:
        rows = self._found[item.member]
        if not rows:
            return _outcome(
                item, State.REJECTED, "not-found", f"the target has no row {item.target_id} any more"
            )
        if item.member in self._silent and was_rejected:
            return None
        if item.member in self._silent:
            text = f"row {item.target_id} of the target shows no field of what was sent"
            return _outcome(item, State.UNKNOWN, "not-shown", text)
        if all(rows.values()):
            return Settled(item.member, State.WRITTEN, target_id=item.target_id, encoded=item.encoded)
        return None


def loosely(key: str) -> str:
    """What a host may make of a key that it trims, folds or normalises."""
    return unicodedata.normalize("NFKC", key).strip().casefold()


def has_failed_enough(item: Item, *, now: float, served_at: float, over_s: float = ATTEMPTS_OVER_S) -> bool:
    """Whether a record failed often and long enough, while its host served others, to be set aside.

    `served_at`: when the host last did what was asked of it for any record.
    """
    return (
        item.attempts >= MOST_ATTEMPTS
        and item.failed_at is not None
        and now - item.failed_at >= over_s
        and served_at > item.failed_at
    )


def set_aside(item: Item) -> Settled:
    """The outcome of a record that failed enough. What was in doubt was read back before: a create is not there."""
    if item.target_id is None:
        text = f"the target failed on it {item.attempts} times; it is not there"
        return _outcome(item, State.REJECTED, "kept-failing", text)
    text = f"the target failed on it {item.attempts} times; whether row {item.target_id} changed is not known"
    return _outcome(item, State.UNKNOWN, "kept-failing", text)


def _outcome(item: Item, state: State, cause: str, message: str) -> Settled:
    return Settled(item.member, state, cause=cause, message=message)


def atomicity(intents: Iterable[Intent], doubts: Doubts) -> bool | None:
    """Whether a 400 on an array left nothing written, as the refused batches in doubt show it; None: they don't.

    Only a batch whose bad items were named has items that are surely good, whose absence says something.
    """
    verdict: bool | None = None
    for intent in intents:
        if intent.refusal in {None, "rejected"}:
            continue
        if any(doubts.is_found(member) for member in intent.members):
            return False
        if intent.refusal == "named" and intent.members and all(map(doubts.is_absent, intent.members)):
            verdict = True
    return verdict
