"""A bench drawn by matplotlib, a column a host: records a second, latency, and 429s over the offered rate."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullLocator

from bulkmove.cutover.bench.probing import HostSteps
from bulkmove.cutover.bench.result import Bench
from bulkmove.cutover.bench.steps import Step
from bulkmove.report import amounts
from bulkmove.report.page.moments import latency

_INK, _FAINT, _LINE, _PAPER = "#1d2330", "#5b6475", "#d5dae3", "#ffffff"
_BLUE, _GREEN, _RED = "#2b6cb0", "#2f855a", "#c53030"
_PERCENTILES = (
    ("p50", "p50", "-", "o", "#2b6cb0"),
    ("p90", "p90", "--", "s", "#2f855a"),
    ("p99", "p99", "-.", "D", "#b7791f"),
    ("p999", "p99.9", (0, (3, 1, 1, 1)), "v", "#9b2c2c"),
    ("max", "max", ":", "x", "#5b6475"),
)
# Measured by a font that is everywhere, and shown in the reader's own, which are no wider.
_DRAWN_WITH, _SHOWN_WITH = "'DejaVu Sans'", "system-ui, 'Segoe UI', Helvetica, Arial, 'DejaVu Sans'"
_MARKS_S = [digit * 10.0**power for power in range(-4, 3) for digit in (1, 2, 5)]
_HOST_WIDTH, _HEIGHT = 5.2, 7.4
# From the lowest to the highest rate: more than so many times, and the axis is logarithmic.
_WIDE = 12
_SETTINGS: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "bulkmove",
    "text.parse_math": False,
    "font.size": 10,
    "axes.edgecolor": _LINE,
    "axes.labelcolor": _FAINT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": _LINE,
    "grid.linewidth": 0.7,
    "text.color": _INK,
    "xtick.color": _LINE,
    "ytick.color": _LINE,
    "xtick.labelcolor": _FAINT,
    "ytick.labelcolor": _FAINT,
    "legend.frameon": False,
    "legend.labelcolor": _INK,
    "figure.facecolor": _PAPER,
    "axes.facecolor": "none",
}


def plot_of(bench: Bench) -> str:
    """The whole plot as SVG, the same for the same bench."""
    with mpl.rc_context(_SETTINGS):
        text = io.StringIO()
        figure_of(bench).savefig(text, format="svg", metadata={"Date": None, "Creator": "bulkmove bench"})
    return text.getvalue().replace(_DRAWN_WITH, _SHOWN_WITH)


def figure_of(bench: Bench) -> Figure:
    """Three plots below each other for each host."""
    hosts = [host for host in bench.hosts if host.steps]
    width = _HOST_WIDTH * max(1, len(hosts))
    figure = Figure(figsize=(width, _HEIGHT), layout="constrained")
    figure.suptitle(f"{bench.name}: what the hosts serve, against {bench.against}", fontsize=12, color=_INK)
    if not hosts:
        return figure
    grid = figure.subplots(3, len(hosts), squeeze=False, sharex="col", height_ratios=[3, 3, 1.2])
    for column, host in enumerate(hosts):
        steps = sorted(host.steps, key=lambda step: step.offered)
        throughput, latencies, refusals = (grid[row][column] for row in range(3))
        throughput.set_title(f"{host.host}  ({host.api})", loc="left", fontsize=11, color=_INK, pad=26)
        _throughput(throughput, host, steps)
        _latencies(latencies, steps)
        _refusals(refusals, steps)
        for axes in (throughput, latencies, refusals):
            _mark_safe(axes, host)
        _along(refusals, steps)
        if column == 0:
            throughput.set_ylabel("records a second")
            latencies.set_ylabel("answer after it was due")
            refusals.set_ylabel("429s")
    figure.align_ylabels(grid[:, 0])
    return figure


def _throughput(axes: Axes, host: HostSteps, steps: Sequence[Step]) -> None:
    rates, records = [step.offered for step in steps], [step.records for step in steps]
    axes.plot(rates, records, marker="o", markersize=5, color=_BLUE, linewidth=1.6, label="records a second")
    bad = [step for step in steps if step.fault is not None]
    if bad:
        axes.plot(
            [step.offered for step in bad], [step.records for step in bad],
            linestyle="none", marker="o", markersize=6, color=_RED, label="not safe",
        )  # fmt: skip
    if host.safe is not None:
        axes.plot(
            [],
            [],
            color=_GREEN,
            linewidth=1.4,
            linestyle="--",
            label=f"safe: {amounts.rate(host.safe.offered)}/s",
        )
    axes.set_ylim(0, max(*records, 1.0) * 1.08)
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    _legend(axes)


def _latencies(axes: Axes, steps: Sequence[Step]) -> None:
    known: list[float] = []
    for name, label, style, marker, colour in _PERCENTILES:
        points = [
            (step.offered, value) for step in steps if (value := getattr(step.latency, name)) is not None
        ]
        if not points:
            continue
        known += [value for _, value in points]
        axes.plot(
            *zip(*points, strict=True), linestyle=style, marker=marker, markersize=4, color=colour,
            linewidth=1.4, label=label,
        )  # fmt: skip
    axes.set_yscale("log")
    axes.yaxis.set_minor_locator(NullLocator())
    if known:
        low, high = max(min(known), 1e-4), max(*known, 1e-4)
        marks = [mark for mark in _MARKS_S if low / 2.1 <= mark <= high * 2.1]
        axes.set_ylim(min(low / 1.3, marks[0]), max(high * 1.3, marks[-1]))
        axes.set_yticks(marks[:: max(1, math.ceil(len(marks) / 6))])
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: latency(value)))
    _legend(axes)


def _refusals(axes: Axes, steps: Sequence[Step]) -> None:
    counts = [step.throttled for step in steps]
    axes.vlines([step.offered for step in steps], 0, counts, color=_RED, linewidth=5)
    axes.plot(
        [step.offered for step in steps], counts, linestyle="none", marker="o", markersize=4,
        color=_FAINT, clip_on=False,
    )  # fmt: skip
    axes.set_ylim(0, max(1, *counts) * 1.15)
    axes.yaxis.set_major_locator(MaxNLocator(3, integer=True))


def _mark_safe(axes: Axes, host: HostSteps) -> None:
    if host.safe is not None:
        axes.axvline(host.safe.offered, color=_GREEN, linewidth=1.2, linestyle="--", zorder=1)


def _along(axes: Axes, steps: Sequence[Step]) -> None:
    low, high = steps[0].offered, steps[-1].offered
    if high > _WIDE * low:
        axes.set_xscale("log")
        axes.xaxis.set_minor_locator(NullLocator())
        ticks = [step.offered for step in steps]
        axes.set_xticks(ticks[:: max(1, math.ceil(len(ticks) / 7))])
        axes.set_xlim(low / 1.2, high * 1.2)
    else:
        axes.set_xlim(0, high * 1.06)
        axes.xaxis.set_major_locator(MaxNLocator(6))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.3g}"))
    axes.set_xlabel("requests offered a second")


def _legend(axes: Axes) -> None:
    axes.legend(
        loc="lower left", bbox_to_anchor=(-0.02, 1.0), ncols=5, borderaxespad=0.1, handlelength=1.6,
        columnspacing=1.0, fontsize=9,
    )  # fmt: skip
