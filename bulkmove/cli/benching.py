"""One bench as the command line does it: the sandbox shaped, steps told as they come, the result told, written and kept."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import anyio
import click
import orjson
from rich.console import Console

from bulkmove import clock
from bulkmove.cli.bench_asked import BenchRequest, settings_for, wishes_of
from bulkmove.cli.exits import UNEXPECTED
from bulkmove.cli.interrupting import Interruption, Stopping, run_interruptible
from bulkmove.cli.loading import loading
from bulkmove.cli.options import Output
from bulkmove.cli.showing import style_of
from bulkmove.cli.tuning import tune
from bulkmove.cli.warned import warn
from bulkmove.connectors.discover import connector
from bulkmove.cutover.bench import (
    Bench,
    Conditions,
    Found,
    Teller,
    bench,
    save_bench,
    write_suggestions,
)
from bulkmove.cutover.bench.result import FORMAT, refuse_foreign
from bulkmove.cutover.bench.steps import Step
from bulkmove.cutover.bench.writing import refuse_unwritable
from bulkmove.errors import INTERRUPTED, ConfigError
from bulkmove.pipeline.placing import refuse_place, replace_file
from bulkmove.report.bench import NOTHING_WRITTEN, bench_parts, step_text, written_text
from bulkmove.report.bench_json import bench_lines, step_line, summary_line
from bulkmove.report.logged import entry
from bulkmove.report.prose import width_of
from bulkmove.report.telling import stdout_console
from bulkmove.sandbox.conditions import Latency, RateWindow
from bulkmove.sandbox.shaped import Shape, ShapedHosts, shaped_hosts
from bulkmove.settings import MigrationSettings

_MATPLOTLIB = "matplotlib"
_READABLE = 0o644  # no record, address or credential is in it


def perform(request: BenchRequest, ending: dict[str, Any]) -> int:
    """Bench, report on stdout all but the last line, and return the exit code.

    Raises ConfigError for what can't be benched, and what the hosts raise.
    """
    settings, read = settings_for(request)
    warn(settings)
    wishes = wishes_of(request, settings)
    _check_places(request, settings, read)
    interruption, stopping = Interruption(has_nothing_to_lose=True), Stopping(anyio.Event())
    tune()
    with _shown(request.output) as shows:
        teller = replace(shows, is_over=stopping.event.is_set)
        work = partial(bench, settings, wishes, partial(_stage, settings), teller)
        found = run_interruptible(work, stopping, interruption, max_duration_s=request.max_duration)
    if found is None:
        return interruption.exit_code or INTERRUPTED
    told = _result(settings, request, found)
    ending.update(summary_line(UNEXPECTED, told))
    _tell(told, request.output)
    if request.save is not None:
        save_bench(request.save, told)
        _say(request.output, {"type": "saved", "file": str(request.save)}, f"saved in {request.save}")
    if request.plot is not None:
        _draw(told, request.plot)
        _say(request.output, {"type": "plot", "file": str(request.plot)}, f"drawn in {request.plot}")
    if request.write:
        lines = write_suggestions(request.file, read, told.suggestions)
        line = {"type": "written", "file": str(request.file), "changes": list(lines)}
        _say(request.output, line, written_text(lines, str(request.file), told.suggestions))
    return interruption.exit_code or 0


def _stage(
    settings: MigrationSettings, records: int, conditions: Mapping[str, Conditions]
) -> AbstractAsyncContextManager[ShapedHosts]:
    shapes = {
        name: Shape(
            tuple(RateWindow(window.count, window.period_s) for window in each.windows),
            Latency(each.low_s, each.high_s, each.has_tail),
        )
        for name, each in conditions.items()
    }
    return shaped_hosts(settings, records=records, shapes=shapes)


@contextmanager
def _shown(output: Output) -> Iterator[Teller]:
    """Steps on stdout as JSON, where that is asked for; what goes on, on stderr, as it is for other commands."""
    with _progress(output) as say:

        def on_step(host: str, step: Step) -> None:
            if output.as_json:
                click.echo(orjson.dumps(step_line(host, step)))
            say(step_text(host, step))

        yield Teller(on_step, say)


@contextmanager
def _progress(output: Output) -> Iterator[Callable[[str], None]]:
    style = style_of(output)
    if style == "bars":
        with Console(file=sys.stderr, highlight=False).status("bench") as status:
            yield status.update
    elif style == "json":
        yield lambda text: click.echo(orjson.dumps(entry("bench", text=text)), file=sys.stderr)
    elif style == "text":
        yield lambda text: click.echo(text, file=sys.stderr)
    else:
        yield lambda _: None


def _result(settings: MigrationSettings, request: BenchRequest, found: Found) -> Bench:
    return Bench(
        format=FORMAT,
        name=settings.name,
        made_at=datetime.fromtimestamp(clock.now(), UTC).isoformat(timespec="seconds"),
        version=version("bulkmove"),
        against="the real sources" if request.live_read else "the sandbox",
        arrivals=request.arrivals,
        hosts=found.hosts,
        suggestions=found.suggestions,
        prediction=found.prediction,
        notes=found.notes,
    )


def _tell(told: Bench, output: Output) -> None:
    if output.as_json:
        for line in bench_lines(told):
            click.echo(orjson.dumps(line))
        return
    console, width = stdout_console(), width_of(sys.stdout)
    for part in bench_parts(told, width=width):
        console.print(part, soft_wrap=not hasattr(part, "columns"))
    if not output.quiet:
        console.print(NOTHING_WRITTEN)


def _say(output: Output, line: Mapping[str, object], text: str) -> None:
    click.echo(orjson.dumps(dict(line)) if output.as_json else text)


def _check_places(request: BenchRequest, settings: MigrationSettings, read: bytes) -> None:
    """A bench takes a minute: what could not be left behind at its end is told before. Raises ConfigError."""
    if request.save is not None:
        refuse_place(request.save, "--save")
        refuse_foreign(request.save)
    if request.plot is not None:
        _check_plot(request.plot)
    if request.write:
        hosts = (name for name, host in settings.hosts.items() if not connector(host.api).is_local)
        refuse_unwritable(request.file, read, hosts)


def _check_plot(path: Path) -> None:
    if path.suffix != ".svg":
        raise ConfigError(f"--plot {path}: is drawn as SVG: name it .svg")
    if importlib.util.find_spec(_MATPLOTLIB) is None:
        raise ConfigError("--plot needs matplotlib: pip install 'bulkmove[report]' brings it")
    refuse_place(path, "--plot")
    if path.exists() and not os.access(path, os.W_OK):
        raise ConfigError(f"--plot {path}: is there already, and may not be written")


def _draw(told: Bench, path: Path) -> None:
    with loading():
        from bulkmove.report.bench_plot import plot_of

    try:
        replace_file(path, plot_of(told).encode(), mode=_READABLE)
    except OSError as error:
        raise ConfigError(f"{path}: the plot can't be written: {error.strerror}") from error
