"""Two benches told apart, for people and for programs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict

from rich import box
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from bulkmove.cutover.bench.comparing import Difference
from bulkmove.report import amounts
from bulkmove.report.page.moments import latency
from bulkmove.report.prose import hung

_STYLES = {"better": "green", "worse": "red", "same": "dim"}


def comparison_lines(found: Sequence[Difference], notes: Sequence[str] = ()) -> Iterator[dict[str, object]]:
    for each in found:
        yield {"type": "difference", **asdict(each)}
    for note in notes:
        yield {"type": "note", "text": note}


def comparison_parts(
    found: Sequence[Difference], *, names: tuple[str, str], width: int | None, notes: Sequence[str] = ()
) -> Iterator[RenderableType]:
    """A table of all measures, what of it can't be compared, and a sentence of what changed beyond noise."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False, header_style="bold")
    for name in ("host", "offered", "", "before", "after", "ratio", "change"):
        table.add_column(name, justify="right" if name in {"offered", "before", "after", "ratio"} else "left")
    last = ""
    for each in found:
        host, last = ("" if each.host == last else each.host), each.host
        table.add_row(
            host,
            "" if each.offered is None else f"{amounts.rate(each.offered)}/s",
            each.what,
            _value(each.what, each.before),
            _value(each.what, each.after),
            "–" if each.ratio is None else f"{each.ratio:.2f}",
            each.change,
            style=_STYLES.get(each.change, "yellow"),
        )
    yield Text(f"before: {names[0]}, after: {names[1]}", "bold")
    yield table
    for note in notes:
        yield Text(hung(f"note: {note}", width), "yellow")
    yield Text(hung(_sum(found), width), "bold")


def _value(what: str, value: float | None) -> str:
    if value is None:
        return "–"
    if what in {"p50", "p90", "p99"}:
        return latency(value)
    if what == "expected time":
        return amounts.duration(value)
    if what == "429":
        return amounts.count(round(value))
    return f"{amounts.rate(value)}/s"


def _sum(found: Sequence[Difference]) -> str:
    better, worse = (sum(each.change == change for each in found) for change in ("better", "worse"))
    if not better and not worse:
        return "nothing changed beyond noise"
    return f"{better} better and {worse} worse of {len(found)} measures, the rest within noise"
