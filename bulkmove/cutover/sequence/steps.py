"""What comes next in a cutover, from what was done. Pure: the steps are handed in, and nothing is asked or written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from bulkmove.ledger.milestones import Milestone
from bulkmove.pipeline.reading import CUTOFF_MARGIN_S

# What the program does, in this order; "delta" before the freeze, "last-delta" after it.
Step = Literal["full", "delta", "last-delta", "verify", "verdict"]
# What a person says.
FREEZE, UNFREEZE = "freeze", "unfreeze"
# A run, a delta or a verification that ended so did its work: all moved, some rejected, or differences found.
_DONE = {"full": (0, 3), "delta": (0, 3), "last-delta": (0, 3), "verify": (0, 3, 4), "verdict": (0, 3, 4)}
_NO_DIFFERENCE = (0, 3)
# What is younger than the first by the host's clock is left to a later pass; clocks tell whole seconds.
QUIET_S = CUTOFF_MARGIN_S + 2
# A delta that found at least this share of what the one before it found is no step towards a shorter freeze.
_NO_SMALLER = 0.8


@dataclass(frozen=True, slots=True)
class Limits:
    """When deltas are small enough for the freeze: so many records at most, or they get no smaller.

    `most_last`: how many last deltas may be needed until one finds nothing, before the source counts as not frozen.
    """

    small: int = 100
    most_last: int = 3


@dataclass(frozen=True, slots=True)
class Gate:
    """The program waits for a person here. `is_small`: the last delta was; else they got no smaller."""

    found: int
    is_small: bool


@dataclass(frozen=True, slots=True)
class Place:
    """Where a cutover stands. `next`: what the program does now; None where it waits at `gate`, or all is done.

    `frozen_at`: when a person said that the source is frozen (epoch seconds). `is_moving`: it changed all the same.
    """

    next: Step | None
    gate: Gate | None = None
    frozen_at: float | None = None
    is_moving: bool = False

    @property
    def is_over(self) -> bool:
        return self.next is None and self.gate is None


def place_of(done: Sequence[Milestone], limits: Limits, *, written_at: float = 0.0) -> Place:
    """Where a cutover stands after these steps. `written_at`: when the last run, delta or repair began (epoch seconds).

    After a no-go it goes on: with the verdict alone where the last verification found nothing and nothing was written
    since, else with a last delta.
    """
    frozen = _frozen(done)
    if not any(_is_done(each, "full") for each in done):
        return Place(next="full")
    if frozen is None:
        deltas = [each for each in _since_thaw(done) if _is_done(each, "delta")]
        gate = _gate(deltas, limits)
        return Place(next=None, gate=gate) if gate is not None else Place(next="delta")
    frozen_at, since = frozen
    refused = [place for place, each in enumerate(since) if each.step == "verdict" and each.exit_code]
    if refused:
        checked = [each for each in since if _is_done(each, "verify")]
        is_current = bool(checked) and written_at <= checked[-1].began_at and _is_quiet(since)
        if is_current and checked[-1].exit_code in _NO_DIFFERENCE:
            is_over = since[refused[-1] + 1 :] and _is_done(since[-1], "verdict")
            return Place(next=None if is_over else "verdict", frozen_at=frozen_at)
        since = since[refused[-1] + 1 :]
    return _after_freeze(_since_written(since, written_at), limits, frozen_at)


def _since_written(since: Sequence[Milestone], written_at: float) -> Sequence[Milestone]:
    """A verification, and a verdict, from before the last write say nothing of what was written: nor does what led there."""
    checked = [place for place, each in enumerate(since) if each.step == "verify"]
    if checked and written_at > since[checked[-1]].began_at:
        return since[checked[-1] + 1 :] if since[-1].step != "verdict" else ()
    return since


def _is_quiet(since: Sequence[Milestone]) -> bool:
    lasts = [each for each in since if _is_done(each, "last-delta")]
    return bool(lasts) and not found_by(lasts[-1])


def _after_freeze(since: Sequence[Milestone], limits: Limits, frozen_at: float) -> Place:
    lasts = [each for each in since if _is_done(each, "last-delta")]
    is_quiet = _is_quiet(since)
    is_moving = not is_quiet and len(lasts) >= limits.most_last
    if not is_quiet and not is_moving:
        return Place(next="last-delta", frozen_at=frozen_at)
    for step in ("verify", "verdict"):
        if not any(_is_done(each, step) for each in since):
            return Place(next=step, frozen_at=frozen_at, is_moving=is_moving)
    return Place(next=None, frozen_at=frozen_at, is_moving=is_moving)


def _gate(deltas: Sequence[Milestone], limits: Limits) -> Gate | None:
    if not deltas:
        return None
    found = found_by(deltas[-1])
    if found <= limits.small:
        return Gate(found, is_small=True)
    if len(deltas) > 1 and found >= _NO_SMALLER * found_by(deltas[-2]):
        return Gate(found, is_small=False)
    return None


def _frozen(done: Sequence[Milestone]) -> tuple[float, Sequence[Milestone]] | None:
    """When the source was frozen, and what was done since; None where it is not, or not any more."""
    for place in range(len(done) - 1, -1, -1):
        if done[place].step == UNFREEZE:
            return None
        if done[place].step == FREEZE:
            return done[place].began_at, done[place + 1 :]
    return None


def _since_thaw(done: Sequence[Milestone]) -> Sequence[Milestone]:
    """What was done since the source was open again: deltas from before a freeze say nothing of it."""
    thaws = [place for place, each in enumerate(done) if each.step == UNFREEZE]
    return done[thaws[-1] + 1 :] if thaws else done


def _is_done(each: Milestone, step: str) -> bool:
    return each.step == step and each.ended_at is not None and each.exit_code in _DONE[step]


def settled_in(frozen_at: float | None, *, now: float) -> float:
    """Seconds until a pass reads all that was made before the source was frozen."""
    return 0.0 if frozen_at is None else min(QUIET_S, max(0.0, frozen_at + QUIET_S - now))


def found_by(delta: Milestone) -> int:
    """How many records a delta found new, changed or gone."""
    return int(delta.told.get("found", 0))
