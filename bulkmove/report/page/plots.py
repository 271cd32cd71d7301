"""The plots of a report, drawn by matplotlib: how fast records were worked, how each host was used, and when it rested.

Each is drawn twice, for a wide page and for a phone: letters that shrink with the screen can't be read.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullLocator

from bulkmove.events import PAUSED_BY_HAND
from bulkmove.ledger.history import RouteSpan
from bulkmove.report import amounts
from bulkmove.report.page import course as courses
from bulkmove.report.page.course import Course
from bulkmove.report.page.facts import Facts, HostFacts
from bulkmove.report.page.markup import Markup, tag
from bulkmove.report.page.moments import Moments, latency
from bulkmove.report.page.svg import COLOURS, inline

_SERIES = ("c1", "c2", "c3", "c4", "c5", "c6")
_STYLES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 1)))
_PERCENTILES = (("half", 0.5, "c3", "-"), ("95 %", 0.95, "c4", "--"), ("99 %", 0.99, "c5", ":"))
# A limit this much above what was used would press the plot flat: it is told in words.
FAR_ABOVE = 8
_POINT = 72  # units of an SVG by matplotlib to the inch
_SETTINGS: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "bulkmove",
    "text.parse_math": False,
    "font.size": 12,
    "axes.edgecolor": COLOURS["line"],
    "axes.labelcolor": COLOURS["faint"],
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": COLOURS["line"],
    "grid.linewidth": 0.7,
    "text.color": COLOURS["ink"],
    "xtick.color": COLOURS["line"],
    "ytick.color": COLOURS["line"],
    "xtick.labelcolor": COLOURS["faint"],
    "ytick.labelcolor": COLOURS["faint"],
    "legend.frameon": False,
    "legend.labelcolor": COLOURS["ink"],
    "figure.facecolor": "none",
    "axes.facecolor": "none",
}


@dataclass(frozen=True, slots=True)
class _Size:
    """A page's width in units of the drawing; how many steps and ticks find room in it."""

    name: str
    width: float
    bins: int
    ticks: int


_SIZES = (_Size("wide", 860, 240, 8), _Size("narrow", 350, 100, 4))
_Draw = Callable[[_Size], Figure]


def _figure(name: str, label: str, draw: _Draw) -> Markup:
    """Both drawings of a plot, of which the page shows one."""
    drawn = []
    with mpl.rc_context(_SETTINGS):
        for size in _SIZES:
            svg = inline(draw(size), name=f"{name}-{size.name}", label=label)
            drawn.append(tag("div", svg, class_=size.name))
    return tag("div", drawn, class_="plot")


def _axes(size: _Size, heights: Sequence[float]) -> tuple[Figure, list[Axes]]:
    """Plots below each other over one axis of time; `heights` in units of the drawing."""
    figure = Figure(
        figsize=(size.width / _POINT, (sum(heights) + 62) / _POINT),
        layout=ConstrainedLayoutEngine(w_pad=0.02, h_pad=0.04),
    )
    axes = figure.subplots(len(heights), 1, sharex=True, squeeze=False, height_ratios=list(heights))
    return figure, [row[0] for row in axes]


def _along(axes: Axes, course: Course, size: _Size, moments: Moments) -> None:
    """The axis of time, and where hours are cut out of it."""
    ticks = course.ticks(size.ticks, moments)
    axes.set_xticks([tick.at for tick in ticks], [tick.label for tick in ticks])
    axes.set_xlim(0, course.length_s)


def _mark_cuts(axes: Axes, course: Course) -> None:
    for cut in course.cuts():
        half = course.gap_s / 2
        axes.axvspan(cut.at - half, cut.at + half, facecolor=COLOURS["line"], alpha=0.35, linewidth=0)


def _edges(course: Course, bins: int) -> list[float]:
    return [course.length_s * index / bins for index in range(bins + 1)]


def _steps(
    axes: Axes, course: Course, values: Sequence[float], *, colour: str, style: Any, label: str
) -> None:
    axes.stairs(
        list(values), _edges(course, len(values)), baseline=None, color=COLOURS[colour], linestyle=style,
        linewidth=1.6, label=label,
    )  # fmt: skip


def _per_second(axes: Axes) -> None:
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))


def _legend(axes: Axes, size: _Size, entries: int) -> None:
    columns = min(entries, 6 if size.name == "wide" else 2)
    axes.legend(
        loc="lower left", bbox_to_anchor=(0, 1.0), ncols=columns, borderaxespad=0.2, handlelength=1.8,
        columnspacing=1.2, fontsize=12,
    )  # fmt: skip


def throughput(facts: Facts, course: Course, moments: Moments, *, label: str) -> Markup:
    """Records that got an outcome, a second, by route; where there are many routes, the smaller ones together."""
    routes = sorted(facts.routes, key=lambda route: -sum(max(0, span.settled) for span in route.spans))
    shown: dict[str, list[RouteSpan]] = {route.name: list(route.spans) for route in routes if route.spans}
    if len(shown) > len(_SERIES):
        names = list(shown)
        others = [span for name in names[len(_SERIES) - 1 :] for span in shown[name]]
        shown = {name: shown[name] for name in names[: len(_SERIES) - 1]} | {"others": others}

    def draw(size: _Size) -> Figure:
        figure, (axes,) = _axes(size, [190])
        for (name, spans), colour, style in zip(shown.items(), _SERIES, _STYLES, strict=False):
            values = courses.rates(course, spans, lambda span: max(0, span.settled), size.bins)
            _steps(axes, course, values, colour=colour, style=style, label=_short(name))
        _per_second(axes)
        axes.set_ylabel("records a second")
        _mark_cuts(axes, course)
        _along(axes, course, size, moments)
        _legend(axes, size, len(shown))
        return figure

    return _figure("throughput", label, draw)


def host(facts: HostFacts, course: Course, moments: Moments, *, number: int, label: str) -> Markup:
    """The rate that was used, below the one that was allowed; and how long answers took."""

    def draw(size: _Size) -> Figure:
        figure, (upper, lower) = _axes(size, [130, 110])
        used = courses.rates(course, facts.spans, lambda span: span.requests, size.bins)
        allowed = courses.rates(course, facts.spans, lambda span: span.allowed, size.bins)
        upper.stairs(used, _edges(course, size.bins), fill=True, color=COLOURS["c1"], alpha=0.25, linewidth=0)
        _steps(upper, course, used, colour="c1", style="-", label="requests a second")
        most = max((value for value in used if not math.isnan(value)), default=0.0)
        limits = [value for value in allowed if not math.isnan(value)]
        if limits and min(limits) <= FAR_ABOVE * max(most, 1e-9):
            _steps(upper, course, allowed, colour="c2", style="--", label="allowed")
        elif limits:
            upper.plot([], [], linestyle="none", label=f"allowed: {amounts.rate(min(limits))} and more")
        _per_second(upper)
        upper.set_ylabel("a second")
        _legend(upper, size, 2)
        _latencies(lower, facts, course, size)
        for axes in (upper, lower):
            _mark_cuts(axes, course)
            _shade_rests(axes, facts, course)
        _along(lower, course, size, moments)
        return figure

    return _figure(f"host{number}", label, draw)


def _latencies(axes: Axes, facts: HostFacts, course: Course, size: _Size) -> None:
    found = courses.percentiles(course, facts.spans, [share for _, share, *_ in _PERCENTILES], size.bins)
    for values, (name, _, colour, style) in zip(found, _PERCENTILES, strict=True):
        _steps(axes, course, values, colour=colour, style=style, label=f"{name} within")
    known = [value for values in found for value in values if not math.isnan(value)]
    axes.set_yscale("log")
    axes.yaxis.set_minor_locator(NullLocator())
    low, high = (min(known), max(known)) if known else (0.01, 1.0)
    marks = [mark for mark in _MARKS_S if low / 2.6 <= mark <= high * 2.6]
    axes.set_ylim(min(low / 1.3, marks[0]), max(high * 1.3, marks[-1]))
    axes.set_yticks(marks[:: max(1, math.ceil(len(marks) / 5))])
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: latency(value)))
    axes.set_ylabel("answer after")
    _legend(axes, size, 3)


_MARKS_S = [digit * 10.0**power for power in range(-3, 4) for digit in (1, 2, 5)]


def timeline(facts: Facts, course: Course, moments: Moments, *, label: str) -> Markup:
    """When a run went, how it ended, and when hosts rested."""
    resting = [each for each in facts.hosts if each.rests]

    def draw(size: _Size) -> Figure:
        lanes = 1 + len(resting)
        figure, (axes,) = _axes(size, [34.0 * lanes])
        least = course.length_s / size.width * 2  # what is shorter would not be seen
        for run in facts.runs:
            left = course.place(run.started_at)
            width = max(least, course.place(run.until) - left)
            axes.barh(0, width, left=left, height=0.56, color=COLOURS["c1"], alpha=0.85, linewidth=0)
            if run.end == "cut off":
                axes.plot([left + width], [0], marker="X", color=COLOURS["bad"], markersize=10, clip_on=False)
            axes.plot([left, left], [-0.38, 0.38], color=COLOURS["ink"], linewidth=1.2)
        if facts.verification is not None:
            left, right = (course.place(at) for at in facts.verification[:2])
            axes.barh(0, max(least, right - left), left=left, height=0.3, color=COLOURS["c3"], linewidth=0)
        for lane, each in enumerate(resting, start=1):
            _rests(axes, each, course, lane=lane, least=least)
        axes.set_ylim(lanes - 0.4, -0.6)
        axes.grid(visible=False)
        axes.set_yticks(range(lanes), ["runs", *(f"{_short(each.name)} rests" for each in resting)])
        axes.tick_params(axis="y", length=0, labelcolor=COLOURS["ink"])
        axes.spines["left"].set_visible(False)
        _mark_cuts(axes, course)
        _along(axes, course, size, moments)
        return figure

    return _figure("timeline", label, draw)


def _rests(axes: Axes, facts: HostFacts, course: Course, *, lane: int, least: float) -> None:
    for rest in facts.rests:
        left = course.place(rest.began_at)
        width = max(least, course.place(rest.ended_at) - left)
        axes.barh(lane, width, left=left, height=0.5, color=COLOURS[kind_of(rest.reason)], linewidth=0)


def kind_of(reason: str) -> str:
    """The colour of a rest: what the host asked for, what it failed with, or what a person wished."""
    if reason == PAUSED_BY_HAND:
        return "c6"
    return "rest" if any(word in reason for word in ("asked to wait", "limit")) else "bad"


def _shade_rests(axes: Axes, facts: HostFacts, course: Course) -> None:
    for rest in facts.rests:
        left, right = course.place(rest.began_at), course.place(rest.ended_at)
        axes.axvspan(left, right, facecolor=COLOURS[kind_of(rest.reason)], alpha=0.16, linewidth=0)


def _short(name: str) -> str:
    return name if len(name) <= 18 else f"{name[:17]}…"


def needed(facts: Facts) -> bool:
    """Whether there is anything to plot."""
    return any(chain((r.spans for r in facts.routes), (h.spans for h in facts.hosts)))
