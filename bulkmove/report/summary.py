"""How a run ended, or how far it is: a table of its routes, and the lines below it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from rich import box
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.measure import Measurement
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from bulkmove.model import Summary
from bulkmove.report import amounts

# More than any table needs.
_ANY_WIDTH = 1000
_SHORTEST_ROUTE = 8
_ALWAYS = ("read", "written")
_COLUMNS = ("read", "written", "unchanged", "skipped", "rejected", "unknown", "pending")
# Colours of the terminal's own palette, without white, black or bright ones, are read on light and on dark.
_STYLES = {"written": "green", "rejected": "red", "unknown": "magenta", "pending": "yellow"}


@dataclass(frozen=True, slots=True)
class SummaryTable:
    """A rich renderable. Where it is too wide, columns of nothing but zeros are left out: numbers are never cut."""

    summary: Summary
    finished: Mapping[str, bool] | None

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        table = self._table(_COLUMNS)
        if Measurement.get(console, options.update(width=_ANY_WIDTH), table).maximum > options.max_width:
            counts = [counts.as_dict() for counts in self.summary.routes.values()]
            table = self._table(
                [name for name in _COLUMNS if name in _ALWAYS or any(each[name] for each in counts)]
            )
            if Measurement.get(console, options.update(width=_ANY_WIDTH), table).maximum > options.max_width:
                yield from self._lines()
                return
        yield table

    def _lines(self) -> Iterator[Text]:
        """For a narrow terminal: a route, and below it what there is to say, which wraps."""
        for route, counts in self.summary.routes.items():
            yield Text(route, "bold")
            parts = [
                f"{amounts.count(number)} {name}"
                for name, number in counts.as_dict().items()
                if number or name in _ALWAYS
            ]
            if self.finished is not None:
                parts.append(self._end_of(route).plain)
            yield Text("  " + ", ".join(parts))

    def _table(self, columns: Sequence[str]) -> Table:
        table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False, header_style="bold")
        table.add_column("route", overflow="fold", min_width=_SHORTEST_ROUTE)
        for name in columns:
            table.add_column(name, justify="right", no_wrap=True)
        if self.finished is not None:
            table.add_column("", no_wrap=True)
        for route, counts in self.summary.routes.items():
            numbers = counts.as_dict()
            cells = [Text(route), *(_number(name, numbers[name]) for name in columns)]
            if self.finished is not None:
                cells.append(self._end_of(route))
            table.add_row(*cells)
        return table

    def _end_of(self, route: str) -> Text:
        if route in self.summary.undone:
            return Text("undone", "yellow")
        is_finished = (self.finished or {}).get(route, False)
        return Text("finished", "green") if is_finished else Text("not finished", "yellow")


def summary_table(summary: Summary, *, finished: Mapping[str, bool] | None = None) -> SummaryTable:
    """One row a route. `finished` adds whether it is; without it that is left out."""
    return SummaryTable(summary, finished)


def _number(name: str, number: int) -> Text:
    return Text(amounts.count(number), _STYLES.get(name, "") if number else "dim")


def notes_of(summary: Summary) -> tuple[str, ...]:
    """What the run noted, each once, in order."""
    return tuple(dict.fromkeys(summary.notes))


def next_steps(
    summary: Summary,
    *,
    finished: Mapping[str, bool],
    file: str = "",
    was_finished: bool = False,
    command: str = "run",
) -> tuple[str, ...]:
    """What a person does now, a line each. `file`: what to name after a command, empty for the default.

    `was_finished`: the migration was finished before this run began. `command`: what goes on with what was cut off.
    """
    where = f" {file}" if file else ""
    lines: list[str] = []
    rejected = sum(counts.rejected for counts in summary.routes.values())
    unknown = sum(counts.unknown for counts in summary.routes.values())
    if rejected:
        verb = "was" if rejected == 1 else "were"
        lines.append(
            f"{amounts.of_records(rejected)} {verb} rejected: bulkmove failures{where} says why; once that is mended,"
            f" bulkmove retry{where}"
        )
    if unknown:
        said = "is of unknown fate" if unknown == 1 else "are of unknown fate"
        lines.append(
            f"{amounts.of_records(unknown)} {said}: bulkmove failures{where} names them; "
            "run again to look for them once more"
        )
    going = [name for name in summary.routes if name not in summary.undone]
    if summary.undone:
        lines.append(_of_undone(summary, where))
    if going and all(finished.get(name, False) for name in going):
        rest = "all other records are accounted for" if rejected or unknown else "nothing is left to do"
        lines.append(
            f"finished before this run, which read nothing: {rest}" if was_finished else f"finished: {rest}"
        )
    elif (going or not summary.routes) and summary.exit_code is not None:
        lines.append(f"not finished: bulkmove {command}{where} goes on where this one stopped")
    return tuple(lines)


def _of_undone(summary: Summary, where: str) -> str:
    """Of routes that nothing is written by again."""
    named = "" if summary.undone >= summary.routes.keys() else f"{' and '.join(sorted(summary.undone))} "
    if left := sum(summary.routes[name].written for name in summary.undone if name in summary.routes):
        rows = amounts.of_records(left)
        return f"{named}undone but for {rows}: bulkmove undo{where} goes on, bulkmove run{where} --fresh begins anew"
    return f"{named}undone: bulkmove run{where} --fresh begins anew"


def no_place_of(fields: Mapping[str, Sequence[str]]) -> Iterator[RenderableType]:
    """What a dry run says of source fields that the target has no place for: a line a route, and their names."""
    for route, names in fields.items():
        if names:
            have = "field has" if len(names) == 1 else "fields have"
            yield Text(f"route {route}: {len(names)} source {have} no place at the target:")
            yield Padding(Text(", ".join(names), "dim"), (0, 0, 0, 2))
