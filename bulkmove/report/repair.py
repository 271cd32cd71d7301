"""What a repair mended and what it left, on stdout, for people or for programs."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

import orjson
from rich import box
from rich.table import Table
from rich.text import Text

from bulkmove.report import amounts
from bulkmove.report.prose import hung, width_of
from bulkmove.report.telling import stdout_console

_DRY = "dry run: nothing was written; the numbers say what there is to mend"
_KINDS = ("missing", "different", "doubled", "extra")
_NOTHING = "nothing to mend: all that the last verification found is mended, or it found nothing"


def tell_repair(
    mended: Mapping[str, Mapping[str, int]],
    *,
    left: Sequence[str],
    notes: Sequence[str],
    is_dry: bool,
    file: str,
    as_json: bool,
) -> None:
    """A row a route: how many findings of each kind were mended; then what was left, and what to do now."""
    if as_json:
        _tell_json(mended, left=left, notes=notes, is_dry=is_dry)
        return
    console = stdout_console()
    is_any = any(any(counts.values()) for counts in mended.values())
    if is_any:
        console.print(_table(mended))
    elif not left:
        console.print(_NOTHING)
    width = width_of(sys.stdout)
    for text in left:
        console.print(Text(hung(f"left: {text}", width), "yellow"), soft_wrap=True)
    for text in notes:
        console.print(Text(hung(f"note: {text}", width), "yellow"), soft_wrap=True)
    if is_dry:
        console.print(Text(hung(_DRY, width), "bold"), soft_wrap=True)
    elif is_any:
        console.print(
            Text(f"bulkmove verify{f' {file}' if file else ''} looks at all of it again"), soft_wrap=True
        )


def _tell_json(
    mended: Mapping[str, Mapping[str, int]], *, left: Sequence[str], notes: Sequence[str], is_dry: bool
) -> None:
    for name, counts in mended.items():
        _print("repaired", route=name, is_dry=is_dry, **{kind: counts.get(kind, 0) for kind in _KINDS})
    for text in left:
        _print("left", text=text)
    for text in notes:
        _print("note", text=text)


def _table(mended: Mapping[str, Mapping[str, int]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False, header_style="bold")
    table.add_column("route", overflow="fold", min_width=8)
    heads = {
        "missing": "made again",
        "different": "written again",
        "doubled": "doubles",
        "extra": "extra rows",
    }
    for kind in _KINDS:
        table.add_column(heads[kind], justify="right", no_wrap=True)
    for name, counts in mended.items():
        cells = [
            Text(amounts.count(counts.get(kind, 0)), "green" if counts.get(kind) else "dim")
            for kind in _KINDS
        ]
        table.add_row(Text(name), *cells)
    return table


def _print(kind: str, **values: object) -> None:
    sys.stdout.write(orjson.dumps({"type": kind, **values}, option=orjson.OPT_APPEND_NEWLINE).decode())
