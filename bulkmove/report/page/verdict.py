"""The verdict on top of a report: one sentence for whoever signs, and below it what speaks against signing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from bulkmove.ledger.reporting import VerificationRow
from bulkmove.report.amounts import count
from bulkmove.report.page.facts import Facts
from bulkmove.report.page.moments import Moments

Level = Literal["good", "look", "act"]
_DIFFERENCES = ("missing", "extra", "different", "doubled", "stale", "new", "error")
_OUTCOMES = ("written", "unchanged", "skipped", "rejected", "unknown")
_TITLES: dict[Level, str] = {"good": "All is well", "look": "Needs a look", "act": "Needs action"}
# What a run ended with, for people who have no list of exit codes beside them.
ENDS = {
    0: "ended",
    1: "ended by an unexpected error",
    2: "ended by a mistake in the configuration",
    3: "ended; some records rejected or unknown",
    4: "ended with differences",
    5: "ended early: a host stayed unreachable, or a list could not be proven read",
    6: "ended early: a host refused the credentials",
    7: "ended early: more records were rejected than is allowed",
    130: "interrupted",
    143: "interrupted",
}
_FAILED = (1, 2, 5, 6, 7)


@dataclass(frozen=True, slots=True)
class Point:
    """Something that speaks against signing, and what to do about it."""

    level: Level
    text: str


@dataclass(frozen=True, slots=True)
class Verdict:
    level: Level
    title: str
    sentence: str
    points: tuple[Point, ...]


def verdict_on(facts: Facts, moments: Moments) -> Verdict:
    """Red where a person must act, amber where one must look or wait, green where nothing speaks against signing."""
    if not facts.is_begun:
        return Verdict("look", "Not begun", "Nothing was read or written yet: there is no ledger.", ())
    points = tuple(_points(facts, moments))
    levels = {point.level for point in points}
    level: Level = "act" if "act" in levels else "look" if "look" in levels else "good"
    title = "In progress" if facts.is_going and level == "look" else _TITLES[level]
    return Verdict(level, title, f"{_accounted(facts)} {_verified(facts, moments)}", points)


def _accounted(facts: Facts) -> str:
    total = facts.total
    accounted = total.read - total.pending
    is_finished = all(route.is_finished for route in facts.routes)
    # A source's own count is for planning: where all was read, the ledger knows better.
    expected = sum(max(r.counts.read, 0 if r.is_finished else r.expected or 0) for r in facts.routes)
    about = "" if is_finished or expected == total.read else "about "
    parts = [f"{count(getattr(total, name))} {name}" for name in _OUTCOMES if getattr(total, name)]
    said = f": {', '.join(parts)}" if parts else ""
    return f"{count(accounted)} of {about}{count(expected)} {facts.noun} accounted for{said}."


def _verified(facts: Facts, moments: Moments) -> str:
    found = facts.verification
    if found is None:
        return "Not verified."
    when = moments.day(found.ended_at)
    sample = " on a sample" if found.is_sample else ""
    total = sum(differences(route) for route in found.routes.values())
    if found.exit_code == 0 and not total:
        return f"Verified {when}{sample}, no differences."
    if found.exit_code not in (0, 4):
        return f"The verification of {when} did not come to its end."
    return f"Verified {when}{sample}: {count(total)} difference{'' if total == 1 else 's'}."


def differences(route: Mapping[str, Any]) -> int:
    """How many records or rows of a verified route are not as they shall be."""
    found = (route.get(name) for name in _DIFFERENCES)
    return sum(each for each in found if isinstance(each, int))


def _unequal(route: Mapping[str, Any]) -> int:
    return sum(not total.get("is_equal", True) for total in route.get("totals") or ())


def _points(facts: Facts, moments: Moments) -> Iterator[Point]:
    yield from _of_conservation(facts)
    yield from (Point("look", f"{note[:1].upper()}{note[1:]}.") for note in facts.undone)
    total = facts.total
    if total.unknown:
        yield Point(
            "act",
            f"{count(total.unknown)} of unknown fate: nothing proves whether they are at the target."
            " `bulkmove run` looks for them once more.",
        )
    yield from _of_the_verification(facts, facts.verification, moments)
    yield from _of_the_last_run(facts, moments)
    if total.rejected:
        yield Point(
            "look",
            f"{count(total.rejected)} rejected: not at the target. See why below; once that is mended,"
            " `bulkmove retry` works them again.",
        )


def _of_conservation(facts: Facts) -> Iterator[Point]:
    for route in facts.routes:
        for fault in route.faults:
            yield Point("act", f"Route {route.name} does not add up: {fault}.")


def _of_the_verification(facts: Facts, found: VerificationRow | None, moments: Moments) -> Iterator[Point]:
    if found is None:
        if all(route.is_finished for route in facts.routes) and not facts.is_going:
            yield Point("look", "The target was not read back yet: `bulkmove verify` does.")
        return
    total = sum(differences(route) for route in found.routes.values())
    if found.exit_code == 4 or total:
        yield Point(
            "act",
            f"The verification found {count(total)} difference{'' if total == 1 else 's'} (see below):"
            " `bulkmove repair` mends what can be mended; verify again afterwards.",
        )
    elif found.exit_code != 0:
        yield Point("look", "The last verification did not come to its end: `bulkmove verify` goes on.")
    elif unequal := sum(_unequal(route) for route in found.routes.values()):
        totals = "1 total differs" if unequal == 1 else f"{count(unequal)} totals differ"
        yield Point(
            "look", f"{totals} between source and target, though each record is as it shall be (see below)."
        )
    for route in facts.routes:
        if route.counts.written + route.counts.unchanged and route.name not in found.routes:
            yield Point("look", f"Route {route.name} was not part of the last verification.")
    later = [run for run in facts.runs if run.started_at > found.started_at and run.settled]
    if later:
        when = moments.minute(later[-1].started_at)
        yield Point("look", f"Records were worked after the verification (run of {when}): verify again.")


def _of_the_last_run(facts: Facts, moments: Moments) -> Iterator[Point]:
    if facts.is_going:
        at = moments.minute(facts.made_at)
        yield Point("look", f"A run is going: these are the numbers of {at}, and they still change.")
        return
    if not facts.runs:
        yield Point("look", "No run was begun yet.")
        return
    last = facts.runs[-1]
    if last.end == "ended" and last.exit_code in _FAILED:
        yield Point("act", f"The last run {ENDS[last.exit_code]}: mend that, then `bulkmove run` goes on.")
    unfinished = [route.name for route in facts.routes if not route.is_finished]
    if unfinished:
        was = "was cut off" if last.end == "cut off" else "is over"
        yield Point(
            "look",
            f"Not finished: {', '.join(unfinished)}. The last run {was}; `bulkmove run` goes on where it stopped.",
        )
    elif facts.total.pending:
        yield Point("look", f"{count(facts.total.pending)} have no outcome yet: `bulkmove run` goes on.")
