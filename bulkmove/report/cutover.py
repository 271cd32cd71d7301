"""How a cutover stands, for people or for programs: its steps, what it waits for, go or no-go with the reasons."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

import click
import orjson
from rich import box
from rich.table import Table
from rich.text import Text

from bulkmove.cutover.sequence import FREEZE, UNFREEZE, FreezeForecast, Place, Reason, Verdict
from bulkmove.ledger.milestones import Milestone
from bulkmove.report import amounts
from bulkmove.report.prose import hung, width_of
from bulkmove.report.telling import stdout_console

_SAID = {
    "full": "everything moved once",
    "delta": "what is new or changed since",
    FREEZE: "the old shop was frozen",
    UNFREEZE: "the old shop was opened again",
    "last-delta": "what was left, with the shop frozen",
    "verify": "the target held against the source",
    "verdict": "go or no-go",
}
_COMING = ("full", "delta", FREEZE, "last-delta", "verify", "verdict")
_NO_DIFFERENCE = (0, 3)


def tell_steps(done: Sequence[Milestone], place: Place) -> None:
    """A table of what was done and of what comes."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False, header_style="bold")
    for name in ("", "step", "began", "took", "found"):
        table.add_column(name, no_wrap=True, justify="right" if name in ("took", "found") else "left")
    table.add_column("", overflow="fold")
    for each in done:
        table.add_row(*_row(each))
    for step in _to_come(place):
        table.add_row(Text("·", "dim"), Text(step, "dim"), "", "", "", Text(_SAID[step], "dim"))
    stdout_console().print(table)


def _row(each: Milestone) -> tuple[Text, ...]:
    is_good = each.exit_code in (0, 3)
    mark = Text("✓", "green") if is_good else Text("✗", "red")
    began = time.strftime("%d %b %H:%M", time.localtime(each.began_at))
    is_said = each.step in (FREEZE, UNFREEZE)
    took = "" if is_said else amounts.duration(each.seconds) if each.ended_at is not None else "cut off"
    found = amounts.count(int(each.told["found"])) if "found" in each.told else ""
    said = _SAID[each.step]
    if each.step == "verdict":
        said = "go" if each.exit_code == 0 else "no-go"
    elif not is_good and each.exit_code:
        said = f"{said}: ended with {each.exit_code}"
    return mark, Text(each.step), Text(began), Text(took), Text(found), Text(said)


def _to_come(place: Place) -> list[str]:
    if place.is_over:
        return []
    now = place.next or FREEZE
    return list(_COMING[_COMING.index(now) :]) if now in _COMING else []


def tell_gate(
    found: int, *, is_small: bool, forecast: FreezeForecast, command: str, against: Sequence[Reason] = ()
) -> None:
    """What the program waits for, how long the freeze will take, and what would make it a no-go as things are."""
    how = "few enough" if is_small else "and deltas get no smaller"
    measured = (
        "a verification took so long before" if forecast.is_measured else "no verification was measured yet"
    )
    parts = (
        f"two or three deltas of {amounts.duration(forecast.delta_s)}"
        f" and a verification of {amounts.duration(forecast.verify_s)} ({measured})"
    )
    length = f"{amounts.duration(forecast.shortest_s)} to {amounts.duration(forecast.longest_s)}"
    lines = (
        f"The last delta found {amounts.of_records(found)}, {how}.",
        f"The freeze will take {length}: {parts}.",
        f"Freeze the old shop now, so that it takes no order and changes none; then: {command} --freeze",
    )
    console = stdout_console()
    for line in lines:
        console.print(Text(hung(line, width_of(sys.stdout))), soft_wrap=True)
    for reason in against:
        text = f"Before that: {reason.text}, which would be a no-go: {reason.next}"
        console.print(Text(hung(text, width_of(sys.stdout)), "yellow"), soft_wrap=True)


def tell_verdict(verdict: Verdict, *, frozen_s: float | None) -> None:
    console, width = stdout_console(), width_of(sys.stdout)
    narrower = None if width is None else width - 4
    console.print(Text("GO", "bold green") if verdict.is_go else Text("NO-GO", "bold red"))
    for reason in verdict.reasons:
        mark, style = ("✓", "green") if reason.is_good else ("✗", "red")
        text = reason.text if reason.is_good else f"{reason.text}: {reason.next}"
        console.print(Text.assemble((f"  {mark} ", style), hung(text, narrower)), soft_wrap=True)
    if frozen_s is not None:
        console.print(Text(f"  the old shop has been frozen for {amounts.duration(frozen_s)}", "dim"))


def tell_cutover_json(kind: str, **fields: Any) -> None:
    """A line of JSON of this `type`."""
    click.echo(orjson.dumps({"type": kind, **fields}))


def step_as_dict(each: Milestone) -> Mapping[str, Any]:
    return {
        "step": each.step,
        "began_at": round(each.began_at, 3),
        "seconds": None if each.ended_at is None else round(each.seconds, 3),
        "exit": each.exit_code,
        **each.told,
    }
