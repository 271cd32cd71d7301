"""`bulkmove plan`: what a run would do, and what does not resolve, before anything is written."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from bulkmove.cli.ending import Ending, EndingCommand, last_line
from bulkmove.cli.exits import exits, tell
from bulkmove.cli.options import Output, migration_file, output_options


@click.command("plan", cls=EndingCommand)
@migration_file
@click.option("--route", "routes", metavar="NAME", multiple=True, help="This route alone; may be repeated.")
@click.option(
    "--sample",
    metavar="N",
    type=click.IntRange(min=1),
    help="Read and map no more than N records a route; without it all of them.",
)
@click.option(
    "--show",
    metavar="N",
    type=click.IntRange(min=0),
    default=0,
    help="Print the first N records of each route as they were read, beside what they were mapped to.",
)
@output_options
def command(*, file: Path, routes: tuple[str, ...], sample: int | None, show: int, output: Output) -> None:
    """Read and map what FILE (default: migration.toml) describes, write nothing, and say what a run would do.

    Values that no look-up resolves are listed with their number and the nearest candidates, and put into the
    decisions file, where a person says what becomes of them; the next plan and run take that up.

    Ends with 0 when no record would be rejected, else 3; 2 for a mistake in the
    configuration, 5 when a host stayed unreachable or a list could not be proven read, 6 when credentials were
    refused, 130 or 143 when interrupted.
    """
    with last_line(output) as ending:
        with exits():
            code = _plan(file, routes=routes, sample=sample, show=show, output=output, ending=ending)
        sys.exit(code)


def _plan(
    file: Path, *, routes: tuple[str, ...], sample: int | None, show: int, output: Output, ending: Ending
) -> int:
    from functools import partial

    from bulkmove.cli.running import Interruption, ended_by_itself, errors_of, run_interruptible, style_of
    from bulkmove.cli.warned import warn
    from bulkmove.config import load_migration
    from bulkmove.pipeline.migration import Migration
    from bulkmove.report.preview import tell_preview_json, tell_preview_text
    from bulkmove.report.progress import shown
    from bulkmove.report.standing import Standing

    settings = load_migration(file)
    warn(settings)
    migration, standing, interruption = (
        Migration(settings),
        Standing(),
        Interruption(has_nothing_to_lose=True),
    )
    with ended_by_itself(ending), shown(standing, style_of(output), sys.stderr) as observer:
        work = partial(migration.plan, observer, routes=routes, sample=sample, show=show)
        preview = run_interruptible(work, migration, interruption)
    if preview is None:
        return interruption.exit_code or 0
    ending.routes = {name: counts.as_dict() for name, counts in preview.summary.routes.items()}
    errors = errors_of(preview.summary, standing)
    for error in errors:
        tell(f"error: {error}")
    if output.as_json:
        tell_preview_json(preview)
    else:
        tell_preview_text(preview, told=errors, quiet=output.quiet)
    return interruption.exit_code or preview.summary.exit_code or 0
