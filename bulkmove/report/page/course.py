"""Time as a report's plots show it: hours in which nothing ran are cut out, and what was counted is put in even steps."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from bulkmove.ledger.history import HostSpan, RouteSpan
from bulkmove.report.page.moments import Moments
from bulkmove.transport.latencies import percentile_s

# A gap longer than this share of the time shown is cut; what is left of it is so wide.
LONGEST_GAP = 1 / 12
CUT_WIDTH = 1 / 40
_STEPS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)
_DAY_S = 86400

_Span = TypeVar("_Span", HostSpan, RouteSpan)


class Tick(NamedTuple):
    at: float
    label: str


class Cut(NamedTuple):
    """Time left out: where it stands on the axis, and how long it was."""

    at: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Course:
    """The times that are shown, one after the other, in seconds from the left edge.

    `parts`: from when to when (epoch seconds), in order; `gap_s`: how far they stand apart.
    """

    parts: tuple[tuple[float, float], ...]
    gap_s: float

    @property
    def length_s(self) -> float:
        shown = sum(end - start for start, end in self.parts)
        return shown + self.gap_s * (len(self.parts) - 1)

    def place(self, at: float) -> float:
        """Where a moment stands; one in a gap stands at the edge that is nearer in order."""
        index = max(0, bisect_right([start for start, _ in self.parts], at) - 1)
        before = sum(end - start for start, end in self.parts[:index]) + self.gap_s * index
        start, end = self.parts[index]
        return before + min(max(at, start), end) - start

    def cuts(self) -> list[Cut]:
        return [
            Cut(self.place(right[0]) - self.gap_s / 2, right[0] - left[1])
            for left, right in zip(self.parts, self.parts[1:], strict=False)
        ]

    def ticks(self, most: int, moments: Moments) -> list[Tick]:
        """About so many moments that people count by, the day with the first of each day."""
        step_s = next((step for step in _STEPS_S if self.length_s / step <= most), None)
        if step_s is None:
            step_s = _DAY_S * math.ceil(self.length_s / most / _DAY_S)
        found: list[Tick] = []
        day = ""
        for start, end in self.parts:
            offset_s = (
                moments.at(start).utcoffset() or moments.at(start) - moments.at(start)
            ).total_seconds()
            at = math.ceil((start + offset_s) / step_s) * step_s - offset_s
            times = [at + step_s * n for n in range(max(0, math.floor((end - at) / step_s) + 1))] or [start]
            for each in times:
                place = self.place(each)
                if found and place - found[-1].at < 0.7 * self.length_s / most:
                    continue
                moment = moments.at(each)
                today = f"{moment.day} {moment:%b}"
                clock = f"{moment:%H:%M:%S}" if step_s < 60 else f"{moment:%H:%M}"
                label = today if step_s >= _DAY_S else clock if today == day else f"{clock}\n{today}"
                found.append(Tick(place, label))
                day = today
        return found


def course_of(spans: Iterable[tuple[float, float]]) -> Course | None:
    """The course of what went on from when to when; None where nothing did."""
    merged: list[tuple[float, float]] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, max(end, start + 1.0)))
    if not merged:
        return None
    active_s = sum(end - start for start, end in merged)
    parts = merged[:1]
    for start, end in merged[1:]:
        if start - parts[-1][1] <= LONGEST_GAP * active_s:
            parts[-1] = (parts[-1][0], end)
        else:
            parts.append((start, end))
    shown_s = sum(end - start for start, end in parts)
    # However many runs there were, the gaps between them take no more than a fifth of the width.
    return Course(tuple(parts), shown_s * min(CUT_WIDTH, 0.2 / len(parts)))


def _shares(course: Course, span: _Span, bins: int) -> list[tuple[int, float]]:
    """In which of so many even steps a row stands, and with which share of itself."""
    left, right = course.place(span.began_at), course.place(span.ended_at)
    width = course.length_s / bins
    first, last = int(left / width), min(bins - 1, int(right / width))
    if right <= left:
        return [(min(first, bins - 1), 1.0)]
    found = []
    for index in range(min(first, bins - 1), last + 1):
        overlap = min(right, (index + 1) * width) - max(left, index * width)
        found.append((index, max(0.0, overlap) / (right - left)))
    return found


def rates(
    course: Course, spans: Sequence[_Span], value: Callable[[_Span], float | None], bins: int
) -> list[float]:
    """How much a second, in even steps of the course; not a number where nothing is known."""
    amounts, seconds = [0.0] * bins, [0.0] * bins
    for span in spans:
        amount = value(span)
        if amount is None:
            continue
        for index, share in _shares(course, span, bins):
            amounts[index] += share * amount
            seconds[index] += share * span.seconds
    return [amount / s if s > 0 else math.nan for amount, s in zip(amounts, seconds, strict=True)]


def percentiles(
    course: Course, spans: Sequence[HostSpan], shares: Sequence[float], bins: int
) -> list[list[float]]:
    """The latencies in even steps of the course, a list a share; not a number where nothing answered."""
    counted: list[Counter[int]] = [Counter() for _ in range(bins)]
    for span in spans:
        for index, share in _shares(course, span, bins):
            if share > 0:
                counted[index].update(span.latencies)
    return [
        [math.nan if (found := percentile_s(each, share)) is None else found for each in counted]
        for share in shares
    ]
