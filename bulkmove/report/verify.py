"""What a verification found, for people: a table of its routes, of each what differs and the totals, and what to do now.

It is handed as the ledger keeps it, so that whoever shows a verification of last week shows the same.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
from rich import box
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from bulkmove.report import amounts
from bulkmove.report.prose import hung, width_of
from bulkmove.report.telling import stdout_console

Result = Mapping[str, Any]

# A sign, its word and what it means; a colour, which alone tells nothing.
_OUTCOMES = (
    ("equal", "=", "green", "as the source says"),
    ("missing", "-", "red", "missing on the target"),
    ("extra", "+", "yellow", "on the target, and no record's"),
    ("different", "*", "red", "different on the target"),
    ("doubled", "!", "red", "on the target more than once"),
    ("error", "!", "magenta", "not comparable as it is now"),
    ("stale", "*", "yellow", "changed at the source since it was moved"),
    ("new", "-", "yellow", "not moved yet"),
)
_MOST_FIELDS = 8
_WIDTH_OF_PROSE = 110


def tell_verification_text(
    result: Result, *, directory: Path | None, file: str, verbose: bool, quiet: bool
) -> None:
    """The table, of each route what differs, the totals, and what to do next; with `quiet` the table alone."""
    console = stdout_console()
    routes: Mapping[str, Result] = result["routes"]
    console.print(verification_table(routes))
    if quiet:
        return
    for name, route in routes.items():
        for part in route_block(name, route, verbose=verbose):
            console.print(part, soft_wrap=isinstance(part, Text), width=_width(console, part))
    width = width_of(sys.stdout)
    for note in result.get("notes", ()):
        console.print(Text(hung(f"note: {note}", width), "yellow"), soft_wrap=True)
    for line in next_lines(result, directory=directory, file=file):
        console.print(Text(hung(line, width)), soft_wrap=True)


def _width(console: Console, part: RenderableType) -> int | None:
    return min(console.width, _WIDTH_OF_PROSE) if isinstance(part, Padding) else None


def verification_table(routes: Mapping[str, Result]) -> Table:
    """One row a route; columns of outcomes that no route has are left out."""
    shown = [
        (name, sign, style)
        for name, sign, style, _ in _OUTCOMES
        if name in ("equal", "missing", "extra", "different") or any(route[name] for route in routes.values())
    ]
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False, header_style="bold")
    table.add_column("route", overflow="fold", min_width=8)
    for head in ("source", "target", *(f"{sign} {name}" for name, sign, _ in shown)):
        table.add_column(head, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for name, route in routes.items():
        counts = [
            Text(amounts.count(route[outcome]), style if route[outcome] else "dim")
            for outcome, _, style in shown
        ]
        table.add_row(
            Text(name),
            amounts.count(route["source"]),
            amounts.count(route["target"]),
            *counts,
            _verdict(route),
        )
    return table


def _verdict(route: Result) -> Text:
    if _differs(route):
        return Text("✗ differs", "red")
    if route.get("is_undone"):
        return Text("undone", "yellow")
    return Text("✓ equal", "green") if route["equal"] else Text("nothing to compare", "yellow")


def _differs(route: Result) -> bool:
    return any(route[outcome] for outcome, *_ in _OUTCOMES if outcome != "equal")


def route_block(name: str, route: Result, *, verbose: bool) -> Iterator[RenderableType]:
    """What there is to say of one route below the table."""
    yield Text(f"route {name}", "bold")
    if route.get("confidence"):
        yield Text(f"  {route['confidence']}")
    for outcome, sign, style, meaning in _OUTCOMES:
        if outcome != "equal" and route[outcome]:
            yield Text.assemble(
                (f"  {sign} {amounts.count(route[outcome])} ", style),
                meaning,
                (_fields_of(outcome, route), "dim"),
            )
    for line in _asides(route):
        yield Text(f"  {line}", "dim")
    yield from _totals(route["totals"], verbose=verbose)
    yield from _not_comparable(route["not_comparable"], verbose=verbose)


def _not_comparable(fields: Sequence[str], *, verbose: bool) -> Iterator[RenderableType]:
    """By why they are not, each name once."""
    by_why: dict[str, list[str]] = {}
    for each in fields:
        name, _, why = each.partition(": ")
        by_why.setdefault(why, []).append(name)
    for why, names in by_why.items():
        more = "" if verbose or len(names) <= _MOST_FIELDS else f", … (-v names all {len(names)})"
        told = ", ".join(names if verbose else names[:_MOST_FIELDS])
        yield Padding(Text(f"not comparable, {why}: {told}{more}", "dim"), (0, 0, 0, 2))


def _fields_of(outcome: str, route: Result) -> str:
    if outcome not in ("different", "stale"):
        return ""
    most = sorted(route["fields"].items(), key=lambda pair: -pair[1])
    told = ", ".join(f"{path} in {count:,}" for path, count in most[:_MOST_FIELDS])
    return f": {told}{' …' if len(most) > _MOST_FIELDS else ''}" if told else ""


def _asides(route: Result) -> Iterator[str]:
    absent = route["expected_absent"]
    if absent:
        told = ", ".join(f"{count:,} {what}" for what, count in absent.items())
        there = route["there_all_the_same"]
        yield f"{told}: not looked for" + (f", though {there:,} of them are there" if there else "")
    if route["foreign"]:
        yield f"{amounts.count(route['foreign'])} rows of the target are others': there before the first write, or without a key"
    if gone := route["gone"]:
        rows = "1 row is" if gone == 1 else f"{amounts.count(gone)} rows are"
        yield f"{rows} left of records that are gone at the source, as delta told"
    if route["not_kept"]:
        yield f"{amounts.of_records(route['not_kept'])}: looked for, but nothing tells what was written of them"
    if route["pending"]:
        yield f"{amounts.of_records(route['pending'])} have no outcome yet"


def _totals(totals: Sequence[Result], *, verbose: bool) -> Iterator[RenderableType]:
    """Those that differ, and what a business adds up; what is split by a status only where it differs."""
    shown = [
        total
        for total in totals
        if verbose or not total["is_equal"] or not (" where " in total["name"] or " = " in total["name"])
    ]
    if not shown:
        return
    table = Table(box=None, padding=(0, 2), pad_edge=False, header_style="dim")
    table.add_column("  total", overflow="fold")
    for head in ("source", "target", "difference"):
        table.add_column(head, justify="right", no_wrap=True)
    for total in shown:
        is_equal = total["is_equal"]
        table.add_row(
            f"  {total['name']}",
            _grouped(total["source"]),
            _grouped(total["target"]),
            Text("0" if is_equal else _signed(total["difference"]), "dim" if is_equal else "bold red"),
        )
    yield table
    if hidden := len(totals) - len(shown):
        yield Text(f"  {amounts.count(hidden)} more totals, by status and kind, are equal", "dim")


def _grouped(number: str) -> str:
    sign = "-" if number.startswith("-") else ""
    whole, dot, rest = number.removeprefix("-").partition(".")
    return f"{sign}{int(whole):,}{dot}{rest}"


def _signed(number: str) -> str:
    return _grouped(number) if number.startswith("-") else f"+{_grouped(number)}"


def next_lines(result: Result, *, directory: Path | None, file: str) -> Iterator[str]:
    """What a person does now."""
    where = f" {file}" if file else ""
    routes = result["routes"].values()
    not_compared = list(_not_compared(result["routes"]))
    yield from not_compared
    to_mend = sum(route[name] for route in routes for name in ("missing", "different"))
    doubled, extra = (sum(route[name] for route in routes) for name in ("doubled", "extra"))
    behind = sum(route["stale"] + route["new"] for route in routes)
    if not any(_differs(route) for route in routes):
        what = "what was looked at of the target" if result.get("sample") else "the target"
        if len(not_compared) < len(routes):
            of = " of the other routes" if not_compared else ""
            yield f"{what}{of} is as the source says"
        return
    if directory is not None:
        yield f"which ones: {directory}/ROUTE.combined, and what differs in ROUTE.differences.jsonl"
    if to_mend:
        yield f"bulkmove repair{where} mends {amounts.of_records(to_mend)}"
    if doubled:
        yield f"{doubled:,} doubled: bulkmove repair{where} --deletions takes copies away, where the API deletes"
    if extra:
        yield f"{extra:,} extra: bulkmove delta{where} names those whose records are gone, and --deletions deletes them"
    if behind:
        yield f"bulkmove delta{where} brings over what is new or changed at the source"


def _not_compared(routes: Mapping[str, Result]) -> Iterator[str]:
    """Routes whose target can't be said to be as the source says, and why."""
    for name, route in routes.items():
        if route.get("is_undone"):
            left = route["equal"]
            yield (
                f"nothing to compare: route {name} was undone"
                if not left
                else (
                    f"route {name} was undone, but for {amounts.of_records(left)} that the target still shows as the source"
                    " does"
                )
            )
        elif not route["equal"] and not _differs(route):
            yield f"nothing to compare: route {name} has no record at the target"


def tell_verification_json(result: Result, *, directory: Path | None) -> None:
    """A line a route and a total; the last line follows when the command ends."""
    for name, route in result["routes"].items():
        counts = {key: value for key, value in route.items() if key != "totals"}
        _print("verified", route=name, **counts)
        for total in route["totals"]:
            _print("total", route=name, **total)
    for note in result.get("notes", ()):
        _print("note", text=note)
    if directory is not None:
        _print("files", directory=str(directory))


def _print(kind: str, **values: object) -> None:
    sys.stdout.write(orjson.dumps({"type": kind, **values}, option=orjson.OPT_APPEND_NEWLINE).decode())
