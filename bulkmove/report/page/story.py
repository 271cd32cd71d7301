"""How it went: throughput over time, runs and where they resumed, rests of hosts, later passes."""

from __future__ import annotations

from collections.abc import Sequence

from bulkmove.report import amounts
from bulkmove.report.amounts import count
from bulkmove.report.page import plots
from bulkmove.report.page.course import Course
from bulkmove.report.page.facts import Facts, RunFacts
from bulkmove.report.page.markup import Child, Markup, joined, tag
from bulkmove.report.page.moments import Moments, lasted
from bulkmove.report.page.tables import Cell, Number, number, table
from bulkmove.report.page.verdict import ENDS

MOST_RUNS = 60


def section(facts: Facts, course: Course | None, moments: Moments) -> Markup:
    if not facts.runs or course is None:
        return Markup()
    return joined(
        (
            tag("h2", "How it went", id="course"),
            tag("p", _told(facts, moments)),
            _throughput(facts, course, moments),
            _timeline(facts, course, moments),
            tag("h3", "Runs"),
            _runs(facts.runs, moments),
            _passes(facts, moments),
            _steps(facts, moments),
        )
    )


def _told(facts: Facts, moments: Moments) -> str:
    first, last = facts.runs[0], facts.runs[-1]
    runs = "1 run" if len(facts.runs) == 1 else f"{count(len(facts.runs))} runs"
    worked = lasted(sum(run.seconds for run in facts.runs))
    cut_off = sum(run.end == "cut off" for run in facts.runs)
    said = (
        f" {count(cut_off)} of them {'was' if cut_off == 1 else 'were'} cut off (killed, or the machine stopped); the run"
        " after each went on where it stopped."
    )
    return (
        f"{runs} between {moments.minute(first.started_at)} and {moments.minute(last.until)}, {worked} of work in all."
        + (said if cut_off else "")
    )


def _throughput(facts: Facts, course: Course, moments: Moments) -> Markup | None:
    routes = {route.name: route.spans for route in facts.routes if route.spans}
    if not routes:
        return tag("p", "What happened over time was not recorded, or is not yet.", class_="note")
    mean = {}
    for name, spans in routes.items():
        seconds = sum(span.seconds for span in spans if span.settled)
        mean[name] = sum(max(0, span.settled) for span in spans) / seconds if seconds else 0.0
    parts = ", ".join(f"{name} {amounts.rate(rate)}" for name, rate in mean.items())
    label = f"Records that got an outcome, a second, over time. While it worked, on average: {parts}."
    caption = tag("figcaption", label, _about_cuts(course))
    return tag("figure", caption, plots.throughput(facts, course, moments, label=label))


def _about_cuts(course: Course) -> str | None:
    cuts = course.cuts()
    if not cuts:
        return None
    times = ", ".join(lasted(cut.seconds) for cut in cuts[:5]) + (", …" if len(cuts) > 5 else "")
    return f" A grey stripe stands for time in which nothing ran, left out here: {times}."


def _timeline(facts: Facts, course: Course, moments: Moments) -> Markup:
    rests = [rest for host in facts.hosts for rest in host.rests]
    told = (
        f"{count(sum(rest.times for rest in rests))} rests of hosts, {lasted(sum(rest.seconds for rest in rests))} together"
        if rests
        else "no host had to rest"
    )
    label = (
        f"When runs went (a line: it began; a cross: it was cut off) and when hosts rested: {told}."
        f"{' Green: the last verification.' if facts.verification else ''}"
        " Amber: the host asked to wait. Red: it failed. Grey: a person paused it."
    )
    return tag("figure", tag("figcaption", label), plots.timeline(facts, course, moments, label=label))


def _runs(runs: Sequence[RunFacts], moments: Moments) -> Markup:
    columns = ("run", "began", "lasted", "ended", "exit code", "records settled", "requests")
    left_out = len(runs) - MOST_RUNS
    caption = f"The last {MOST_RUNS} of {count(len(runs))} runs." if left_out > 0 else None
    return table(
        columns,
        [_run(run, moments) for run in runs[-MOST_RUNS:]],
        caption=caption,
        numbers=frozenset({"exit code", "records settled", "requests"}),
    )


def _run(run: RunFacts, moments: Moments) -> list[Cell]:
    return [
        f"{run.kind} {run.number}",
        moments.second(run.started_at),
        lasted(run.seconds),
        _end(run, moments),
        Number("–" if run.exit_code is None else str(run.exit_code)),
        number(run.settled),
        number(run.requests),
    ]


def _end(run: RunFacts, moments: Moments) -> Child:
    if run.end == "going":
        return tag("span", "is going", class_="look-text")
    if run.end == "cut off":
        said = f"cut off; last sign of life {moments.second(run.until)}"
        return tag("span", said, class_="act-text")
    if run.kind == "undo" and run.exit_code == 3:
        return "ended; some rows were left as they are"
    return ENDS.get(run.exit_code or 0, "ended")


def _passes(facts: Facts, moments: Moments) -> Markup | None:
    if not facts.passes:
        return None
    columns = ("pass", "route", "lasted", "new", "changed", "gone", "requests")
    rows: list[list[Cell]] = [
        [
            moments.second(each.started_at),
            route,
            "not finished" if each.ended_at is None else lasted(each.ended_at - each.started_at),
            number(each.new),
            number(each.changed),
            number(each.gone),
            number(each.requests),
        ]
        for route, each in facts.passes[-MOST_RUNS:]
    ]
    return joined(
        (
            tag("h3", "Catching up (delta passes)"),
            tag("p", "Each pass looks for what is new, changed or gone at the source since the one before."),
            table(columns, rows, numbers=frozenset({"new", "changed", "gone", "requests"})),
        )
    )


def _steps(facts: Facts, moments: Moments) -> Markup | None:
    """The written sequence of the cutover, where there is one."""
    if not facts.steps:
        return None
    rows: list[list[Cell]] = [
        [
            each.step,
            moments.second(each.began_at),
            "not ended" if each.ended_at is None else lasted(each.ended_at - each.began_at),
            Number("–" if each.exit_code is None else str(each.exit_code)),
        ]
        for each in facts.steps[-MOST_RUNS:]
    ]
    columns = ("step", "began", "lasted", "exit code")
    return joined((tag("h3", "Steps of the cutover"), table(columns, rows, numbers=frozenset({"exit code"}))))
