"""The table as a picture: orders a second of each tool, a panel for each latency and limit.

Grey letters on nothing: they can be read on a white page and on a dark one.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.peers.cells import BARE, BULKMOVE, LIMITS, TOOLS
from benchmarks.peers.job import PAGE
from benchmarks.peers.table import Row

_GREY, _OURS = "#768390", "#2f81f7"
_SETTINGS: dict[Any, Any] = {
    "svg.fonttype": "none",  # DejaVu, which is measured, is the widest: letters of another fit too
    "svg.hashsalt": "bulkmove",
    "text.parse_math": False,
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Verdana", "Arial"],
    "font.size": 9.5,
    "text.color": _GREY,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.titlecolor": _GREY,
    "axes.edgecolor": _GREY,
    "ytick.labelcolor": _GREY,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
}
# The longest bar's share of a panel: the figures stand beside it.
_LONGEST, _LONGEST_LIMITED = 0.7, 0.53


def draw(rows: Sequence[Row], *, to: Path, caption: Sequence[str]) -> None:
    """An SVG at `to`; `caption` are the lines below it."""
    with mpl.rc_context(_SETTINGS):
        latencies_ms = sorted({row.host.latency_ms for row in rows})
        figure = Figure(figsize=(9.4, 4.5))
        panels = figure.subplots(len(LIMITS), len(latencies_ms), sharex="row", sharey=True, squeeze=False)
        for rate, line in zip(LIMITS, panels, strict=True):
            limited = [row for row in rows if row.host.rate == rate]
            allowed = None if rate is None else rate * PAGE
            for latency_ms, axes in zip(latencies_ms, line, strict=True):
                title = f"{latency_ms} ms, " + ("unlimited" if rate is None else f"{rate} requests/s")
                axes.set_title(title)
                _panel(axes, [row for row in limited if row.host.latency_ms == latency_ms], allowed=allowed)
            longest = max(row.orders_per_s for row in limited)
            line[0].set_xlim(0, longest / _LONGEST if allowed is None else allowed / _LONGEST_LIMITED)
        figure.suptitle(
            "Orders moved a second, from page to target",
            x=0.012, y=0.98, ha="left", va="top", fontsize=12.5, weight="bold",
        )  # fmt: skip
        figure.text(0.012, 0.015, "\n".join(caption), fontsize=8, va="bottom", linespacing=1.6)
        figure.subplots_adjust(left=0.14, right=0.995, top=0.85, bottom=0.15, wspace=0.07, hspace=0.34)
        figure.savefig(to, format="svg", metadata={"Date": None, "Creator": None})


def _panel(axes: Axes, rows: Sequence[Row], *, allowed: int | None) -> None:
    """A bar for each tool, its figure beside it; `allowed`: the orders a second that the limit lets through."""
    axes.set_ylim(len(TOOLS) - 0.45, -0.55)
    axes.set_xticks([])
    axes.set_yticks(range(len(TOOLS)), [tool.name for tool in TOOLS])
    axes.tick_params(length=0)
    axes.spines[["top", "right", "bottom"]].set_visible(False)
    if allowed is not None:
        axes.axvline(allowed, color=_GREY, linewidth=1, linestyle=(0, (3, 2)))
    by_tool = {row.tool: row for row in rows}
    for place, tool in enumerate(TOOLS):
        row, is_ours = by_tool[tool.name], tool == BULKMOVE
        colour = _OURS if is_ours else _GREY
        # The bare loop is no peer but the measure: it does the job without any of its care.
        face = "none" if tool == BARE else colour
        axes.barh(place, row.orders_per_s, height=0.55, facecolor=face, edgecolor=colour, linewidth=1)
        axes.annotate(
            _said(row),
            (max(row.orders_per_s, allowed or 0), place),
            xytext=(6, 0),
            textcoords="offset points",
            va="center",
            color=colour,
            weight="bold" if is_ours else "normal",
        )
    for label in axes.get_yticklabels():
        if label.get_text() == BULKMOVE.name:
            label.set(color=_OURS, weight="bold")


def _said(row: Row) -> str:
    said = f"{row.orders_per_s:,.0f}"
    return f"{said}, {row.refused:,} × 429" if row.refused else said
