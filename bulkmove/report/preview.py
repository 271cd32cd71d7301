"""What a run would do, for people and for programs: counts, what does not resolve, and records before and after."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from rich import box
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from bulkmove.exact import encode_json
from bulkmove.mapping.lookups.collecting import Unresolved
from bulkmove.pipeline.preview import Cause, Preview, RoutePreview
from bulkmove.pipeline.watching import EmptyField
from bulkmove.report import amounts
from bulkmove.report.beside import LEGEND, beside, first_line, plain_text
from bulkmove.report.summary import no_place_of, notes_of
from bulkmove.report.telling import stdout_console

NOTHING_WRITTEN = "nothing was written to any host; the counts say what a run would do"
_WIDEST = 140
_MOST_UNRESOLVED = 50
_ALIKE = 100.0


def tell_preview_text(preview: Preview, *, told: Sequence[str] = (), quiet: bool = False) -> None:
    """On stdout: samples first, then the counts, so that what matters stands last; with `quiet` no hints.

    `told`: notes that stand on stderr already.
    """
    console = Console(width=min(stdout_console().width, _WIDEST), highlight=False)
    # A terminal that shows both streams has the errors already.
    shown = told if sys.stdout.isatty() and sys.stderr.isatty() else ()
    notes = [note for note in notes_of(preview.summary) if note not in shown]
    for part in preview_parts(preview, notes, quiet=quiet):
        console.print(part, soft_wrap=isinstance(part, Text) and not console.is_terminal)


def preview_parts(preview: Preview, notes: Sequence[str], *, quiet: bool) -> Iterator[RenderableType]:
    """All that there is to say, in order; with `quiet` without hints."""
    if preview.samples:
        for sample in preview.samples:
            yield from beside(sample, preview.routes[sample.route].readings)
        yield Text(LEGEND, "dim")
    yield _counts(preview.routes)
    for name, route in preview.routes.items():
        for cause in route.causes:
            yield Text(f"route {name}: {_of_cause(cause)}", "red")
        yield from (Text(f"route {name}: {_of_empty(each, route.bodies)}", "yellow") for each in route.empty)
    if preview.unresolved:
        yield from _unresolved(preview.unresolved)
        if not quiet:
            yield from _of_spelling(preview.unresolved)
    for note in notes:
        yield Text(f"note: {note}", "yellow")
    if quiet:
        return
    yield from no_place_of({name: route.no_place for name, route in preview.routes.items()})
    yield from _unread_of(preview.routes)
    if (said := _of_decisions(preview)) is not None:
        yield Text(said, "bold")
    yield Text(NOTHING_WRITTEN, "bold")


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
    rows = {name: _numbers(route) for name, route in routes.items()}
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


def _numbers(route: RoutePreview) -> dict[str, int]:
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


def tell_preview_json(preview: Preview) -> None:
    """A JSON line each; the summary line follows when the command ends."""
    for sample in preview.samples:
        bodies = [part.body for part in sample.parts if part.body is not None]
        first = sample.parts[0]
        _print(
            "preview",
            route=sample.route,
            source_id=sample.source_id,
            source=sample.source,
            mapped=bodies[0] if len(bodies) == 1 else bodies or None,
            outcome=[part.outcome for part in sample.parts] if len(sample.parts) > 1 else first.outcome,
            message=next((part.message for part in sample.parts if part.message), None),
        )
    for miss in preview.unresolved:
        _print("unresolved", **miss.as_dict())
    for name, route in preview.routes.items():
        numbers = {key.replace(" ", "_"): number for key, number in _numbers(route).items()}
        _print("plan", route=name, **numbers)
        for cause in route.causes:
            _print("cause", route=name, **cause._asdict())
        for each in route.empty:
            _print("empty", route=name, field=each.target, paths=list(each.texts), records=route.bodies)
        if route.no_place:
            _print("no-place", route=name, fields=list(route.no_place))
        if route.unread:
            _print("unread", route=name, fields=list(route.unread))
    for note in notes_of(preview.summary):
        _print("note", text=note)
    if preview.decisions is not None and (preview.unresolved or preview.is_written):
        _print("decisions", file=str(preview.decisions), is_written=preview.is_written)
    _print("note", text=NOTHING_WRITTEN)


def _print(kind: str, **values: object) -> None:
    sys.stdout.write(encode_json({"type": kind, **values}).decode() + "\n")
