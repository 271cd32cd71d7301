"""Go or no-go, and each reason for it. Pure: what is judged is handed in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from bulkmove.model import Summary


@dataclass(frozen=True, slots=True)
class Reason:
    """One thing that was looked at. `is_good` False speaks against the cutover; `next` says what to do about it."""

    text: str
    is_good: bool
    next: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    reasons: tuple[Reason, ...]

    @property
    def is_go(self) -> bool:
        return all(reason.is_good for reason in self.reasons)


def judge(
    summary: Summary,
    *,
    verified: Mapping[str, Any] | None,
    is_moving: bool,
    accepts_failures: bool,
    gone: Mapping[str, int] = MappingProxyType({}),
    undone: int = 0,
) -> Verdict:
    """What speaks for and against opening the new shop.

    `summary`: how far the migration is, from its ledger. `verified`: what the last verification after the freeze came
    to: `exit_code`, and by route `result["routes"]` with its counts; None where there is none. `is_moving`: the source
    changed after it was said to be frozen. `accepts_failures`: a person looked at what was rejected or is unknown.
    `gone`: how many records left each route's source since they were moved; `undone`: how many were taken back.
    """
    return Verdict(
        (
            *_of_completeness(summary),
            *_of_failures(summary, accepts_failures=accepts_failures),
            _of_freeze(is_moving=is_moving),
            *_of_losses(summary, gone, undone),
            *_of_verification(verified, routes=set(summary.routes)),
        )
    )


def foreseen(
    summary: Summary, *, accepts_failures: bool, gone: Mapping[str, int], undone: int
) -> tuple[Reason, ...]:
    """What would speak against a go whatever the freeze and the verification come to."""
    reasons = (
        *_of_failures(summary, accepts_failures=accepts_failures),
        *_of_losses(summary, gone, undone),
    )
    return tuple(reason for reason in reasons if not reason.is_good)


def _of_completeness(summary: Summary) -> Iterator[Reason]:
    unfinished = [name for name in summary.routes if name not in summary.finished]
    for name in unfinished:
        yield Reason(f"route {name} is not finished", is_good=False, next="bulkmove run")
    if not unfinished:
        read = sum(counts.read for counts in summary.routes.values())
        yield Reason(f"all routes are finished, and their {read:,} records are accounted for", is_good=True)


def _of_failures(summary: Summary, *, accepts_failures: bool) -> Iterator[Reason]:
    for outcome in ("rejected", "unknown"):
        count = sum(getattr(counts, outcome) for counts in summary.routes.values())
        said = "of unknown fate" if outcome == "unknown" else outcome
        records = "1 record is" if count == 1 else f"{count:,} records are"
        if not count:
            yield Reason(f"no record is {said}", is_good=True)
        elif accepts_failures:
            yield Reason(f"{records} {said}, and accepted", is_good=True)
        else:
            yield Reason(
                f"{records} {said}",
                is_good=False,
                next="bulkmove failures names them; bulkmove retry, or --accept-failures once they were looked at",
            )


def _of_freeze(*, is_moving: bool) -> Reason:
    if is_moving:
        return Reason(
            "the source still changed after it was said to be frozen",
            is_good=False,
            next="freeze it, and say so again with --freeze",
        )
    return Reason("the source is quiet: the last delta found nothing", is_good=True)


def _of_losses(summary: Summary, gone: Mapping[str, int], undone: int) -> Iterator[Reason]:
    for name, count in gone.items():
        read = summary.routes[name].read if name in summary.routes else 0
        if 2 * count > read:
            yield Reason(
                f"{count:,} of the {read:,} records of route {name} are gone at the source",
                is_good=False,
                next="look whether its address and filters are right",
            )
    if undone:
        records = "1 record was" if undone == 1 else f"{undone:,} records were"
        yield Reason(f"{records} undone", is_good=False, next="begin anew with bulkmove run --fresh")


def _of_verification(verified: Mapping[str, Any] | None, *, routes: set[str]) -> Iterator[Reason]:
    if verified is None:
        yield Reason("the target was not verified after the freeze", is_good=False, next="bulkmove verify")
        return
    if left := sorted(routes - verified.get("result", {}).get("routes", {}).keys()):
        names = ", ".join(left)
        yield Reason(f"not verified: route {names}", is_good=False, next="bulkmove verify, of all routes")
    differences: dict[str, int] = {}
    equal = 0
    for counts in verified.get("result", {}).get("routes", {}).values():
        equal += int(counts.get("equal", 0))
        for name in ("missing", "extra", "different", "doubled", "stale", "new", "error"):
            differences[name] = differences.get(name, 0) + int(counts.get(name, 0))
    found = ", ".join(f"{count:,} {name}" for name, count in differences.items() if count)
    if found or verified.get("exit_code") not in (0, 3):
        yield Reason(
            f"the target differs: {found or 'the verification did not end well'}",
            is_good=False,
            next="bulkmove repair, then bulkmove cutover again",
        )
    elif verified.get("is_sample"):
        yield Reason(f"a sample of the target was verified: {equal:,} records are equal", is_good=True)
    else:
        yield Reason(f"the target was verified whole: {equal:,} records are equal", is_good=True)
