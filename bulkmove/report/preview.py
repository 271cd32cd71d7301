"""What a run would do, for people: counts, what does not resolve, what would change, and records before and after."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from rich import box
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from bulkmove.mapping.lookups.collecting import Unresolved
from bulkmove.pipeline.preview import Cause, Preview, RoutePreview
from bulkmove.pipeline.watching import EmptyField
from bulkmove.report import amounts
from bulkmove.report.beside import LEGEND, beside, first_line, plain_text
from bulkmove.report.foretold import changes_of, foretold, lists_of
from bulkmove.report.summary import notes_of
from bulkmove.report.telling import stdout_console

_COUNTS_OF_ALL = "the counts say what a run would do"
_COUNTS_OF_SOME = "not all could be planned: the counts are of what was read"
_WIDEST = 140
_MOST_UNRESOLVED = 50
_MOST_NAMES = 30
_ALIKE = 100.0


def tell_preview_text(preview: Preview, *, told: Sequence[str] = (), quiet: bool = False) -> None:
    """On stdout: samples first, then the counts, so that what matters stands last; with `quiet` no hints.

    `told`: notes that stand on stderr already, and not here.
    """
    console = Console(width=min(stdout_console().width, _WIDEST), highlight=False)
    notes = [note for note in notes_of(preview.summary) if note not in told]
    for part in preview_parts(preview, notes, quiet=quiet):
        console.print(part, soft_wrap=isinstance(part, Text) and not console.is_terminal)


def preview_parts(preview: Preview, notes: Sequence[str], *, quiet: bool) -> Iterator[RenderableType]:
    """All that there is to say, in order; with `quiet`, and where not all could be planned, without hints."""
    is_complete = preview.summary.is_complete
    if preview.samples:
        for sample in preview.samples:
            yield from beside(sample, preview.routes[sample.route].readings)
        yield Text(LEGEND, "dim")
    yield _counts(preview.routes)
    yield from lists_of(preview.lists)
    yield from changes_of(preview.routes)
    yield from _troubles_of(preview.routes)
    if preview.unresolved:
        yield from _unresolved(preview.unresolved)
        if is_complete and not quiet:
            yield from _of_spelling(preview.unresolved)
    if is_complete and not quiet:
        yield from _hints_of(preview.routes)
    yield from foretold(preview)
    for note in notes:
        yield Text(f"note: {note}", "yellow")
    if quiet:
        return
    if (said := _of_decisions(preview)) is not None:
        yield Text(said, "bold")
    yield Text(nothing_written(preview), "bold")


def nothing_written(preview: Preview) -> str:
    """The last sentence: that nothing was written, and what the counts are of."""
    counts = _COUNTS_OF_ALL if preview.summary.is_complete else _COUNTS_OF_SOME
    return f"nothing was written to any host; {counts}"


def _troubles_of(routes: Mapping[str, RoutePreview]) -> Iterator[RenderableType]:
    for name, route in routes.items():
        for cause in route.causes:
            yield Text(f"route {name}: {_of_cause(cause)}", "red")
        yield from (Text(f"route {name}: {_of_empty(each, route.bodies)}", "yellow") for each in route.empty)


def _hints_of(routes: Mapping[str, RoutePreview]) -> Iterator[RenderableType]:
    yield from _fields_without_a_place(routes)
    yield from _unread_of(routes)


def _fields_without_a_place(routes: Mapping[str, RoutePreview]) -> Iterator[RenderableType]:
    """Fields within others are counted at the outermost, and of many the first are named."""
    for name, route in routes.items():
        if route.no_place:
            have = "field has" if len(route.no_place) == 1 else "fields have"
            yield Text(f"route {name}: {len(route.no_place)} source {have} no place at the target:")
            outer = Counter(each.partition(".")[0].removesuffix("[]") for each in route.no_place)
            listed = [each if count == 1 else f"{each} ({count})" for each, count in outer.items()]
            if (more := len(listed) - _MOST_NAMES) > 1:
                listed[_MOST_NAMES:] = [f"and {more} more: --json"]
            yield Padding(Text(", ".join(listed), "dim"), (0, 0, 0, 2))


def _unread_of(routes: Mapping[str, RoutePreview]) -> Iterator[RenderableType]:
    for name, route in routes.items():
        if route.unread:
            fields = "field of the source is" if len(route.unread) == 1 else "fields of the source are"
            yield Text(f"route {name}: {len(route.unread)} documented {fields} not read by the mapping:")
            yield Padding(Text(", ".join(route.unread), "dim"), (0, 0, 0, 2))


def _of_decisions(preview: Preview) -> str | None:
    if preview.is_written and not preview.unresolved:
        return f"{preview.decisions} was updated: nothing is left to decide"
    if not preview.unresolved or preview.decisions is None:
        return None
    done = "was written" if preview.is_written else "is as it was"
    return f"{preview.decisions} {done}: say there what becomes of what does not resolve, and plan again"


def _of_cause(cause: Cause) -> str:
    said = f": {first_line(cause.message)}" if cause.message else ""
    return f"{cause.records:,} would be {cause.outcome}: {plain_text(cause.cause)} (record {plain_text(cause.source_id)}, say{said})"


def _of_empty(each: EmptyField, bodies: int) -> str:
    records = "the one mapped record" if bodies == 1 else f"all {bodies:,} mapped records"
    paths = "its path is" if len(each.texts) == 1 else "its paths are"
    listed = ", ".join(first_line(text) for text in each.texts)
    return f"{each.target} was empty in {records}; {paths} {listed}"


def _counts(routes: Mapping[str, RoutePreview]) -> Table:
    rows = {name: numbers_of(route) for name, route in routes.items()}
    always = ("read", "create", "update")
    columns = dict.fromkeys(name for row in rows.values() for name in row)
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False, header_style="bold")
    table.add_column("route", overflow="fold")
    shown = [name for name in columns if name in always or any(row[name] for row in rows.values())]
    for name in shown:
        table.add_column(name, justify="right", no_wrap=True)
    for name, row in rows.items():
        table.add_row(Text(name), *(_number(column, row[column]) for column in shown))
    return table


def numbers_of(route: RoutePreview) -> dict[str, int]:
    """A route's records by what would become of them."""
    is_delete = route.mode == "delete"
    return {
        "read": route.counts.read,
        "create": route.created,
        "update": 0 if is_delete else route.changed,
        "delete": route.changed if is_delete else 0,
        "unchanged": route.counts.unchanged,
        "skip": route.counts.skipped,
        "reject": route.counts.rejected,
        "unknown": route.counts.unknown,
        "not mapped": route.counts.pending,
    }


def _number(column: str, number: int) -> Text:
    style = {"create": "green", "update": "green", "delete": "red", "reject": "red"}.get(column, "")
    return Text(amounts.count(number), style if number else "dim")


def _unresolved(found: Sequence[Unresolved]) -> Iterator[RenderableType]:
    values = "1 value does" if len(found) == 1 else f"{amounts.count(len(found))} values do"
    yield Text(f"{values} not resolve:", "bold red")
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False, header_style="bold")
    for name in ("look-up", "value", "records", "say", "becomes", "nearest"):
        is_number = name == "records"
        is_one_word = name in {"look-up", "records", "becomes"}
        justify: Literal["left", "right"] = "right" if is_number else "left"
        table.add_column(name, justify=justify, no_wrap=is_one_word, overflow="fold")
    for each in found[:_MOST_UNRESOLVED]:
        near = plain_text(", ".join(f"{c.key} = {c.value} ({c.score:.0f} %)" for c in each.candidates))
        value = plain_text(each.value if each.within is None else f"{each.value} (in {each.within})")
        table.add_row(
            Text(each.lookup),
            Text(value),
            amounts.count(each.records),
            Text(plain_text(each.first_id or "")),
            Text(each.becomes, "red" if each.becomes == "rejected" else "yellow"),
            Text(f"any of {near}" if each.is_ambiguous else near or "nothing"),
        )
    yield table
    if (more := len(found) - _MOST_UNRESOLVED) > 0:
        yield Text(f"and {amounts.count(more)} more; --json lists all of them")


def _of_spelling(found: Sequence[Unresolved]) -> Iterator[Text]:
    """Where values differ from a key in case, spaces and diacritics alone, nobody has to decide on each of them."""
    alike = Counter(
        each.lookup
        for each in found
        if each.candidates and not each.is_ambiguous and each.candidates[0].score >= _ALIKE
    )
    for lookup, count in alike.items():
        values = "1 of them differs" if count == 1 else f"{amounts.count(count)} of them differ"
        yield Text(
            f'{values} in case, spaces or diacritics alone: lookups.{lookup}.match = "normalised" finds such values'
        )
