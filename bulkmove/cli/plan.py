"""`bulkmove plan`: what a run would do, and what does not resolve, before anything is written."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bulkmove.cli.ending import Ending, EndingCommand, last_line
from bulkmove.cli.exits import exits, tell
from bulkmove.cli.loading import loading
from bulkmove.cli.options import Output, migration_file, output_options, routes_option

if TYPE_CHECKING:
    from bulkmove.pipeline.preview import Preview
    from bulkmove.report.standing import Standing


@dataclass(frozen=True, slots=True)
class PlanRequest:
    """What one `bulkmove plan` is asked for."""

    file: Path
    routes: tuple[str, ...]
    output: Output
    sample: int | None = None
    show: int = 0
    no_compare: bool = False
    save: Path | None = None


@click.command("plan", cls=EndingCommand)
@migration_file
@routes_option
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
@click.option(
    "--no-compare",
    is_flag=True,
    help="Don't read a target's list just to tell what updates would change that name their rows by id.",
)
@click.option(
    "--save",
    metavar="PLAN.json",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Keep the plan, no record of it, for `bulkmove run --plan`, which holds itself to it.",
)
@output_options
def command(*, output: Output, **asked: Any) -> None:
    """Read and map what FILE (default: migration.toml) describes, write nothing, and say what a run would do.

    It tells what would be created, changed (field by field) and rejected; the requests that each host would get, their
    share of its limits, how long that takes and what holds it up; and what the ledger needs on disk.

    Values that no look-up resolves are listed with their number and the nearest candidates, and put into the
    decisions file, where a person says what becomes of them; the next plan and run take that up.

    Ends with 0 when no record would be rejected, else 3; 2 for a mistake in the
    configuration, 5 when a host stayed unreachable or a list could not be proven read, 6 when credentials were
    refused, 130 or 143 when interrupted.
    """
    # The options are named as the request's fields are.
    request = PlanRequest(output=output, **asked)
    with last_line(output) as ending:
        with exits():
            code = _plan(request, ending)
        sys.exit(code)


def _plan(request: PlanRequest, ending: Ending) -> int:
    with loading():
        from functools import partial

        from bulkmove.cli.interrupting import Interruption, ended_by_itself, run_interruptible
        from bulkmove.cli.showing import shown, style_of
        from bulkmove.cli.warned import warn
        from bulkmove.config import load_migration
        from bulkmove.pipeline.migration import Migration
        from bulkmove.pipeline.saved_plan import save_plan
        from bulkmove.report.preview_json import tell_saved
        from bulkmove.report.standing import Standing

    _refuse_to_save(request)
    settings = load_migration(request.file)
    warn(settings)
    migration, standing, interruption = (
        Migration(settings),
        Standing(),
        Interruption(has_nothing_to_lose=True),
    )
    output = request.output
    with ended_by_itself(ending), shown(standing, style_of(output), sys.stderr) as observer:
        work = partial(
            migration.plan,
            observer,
            routes=request.routes,
            sample=request.sample,
            show=request.show,
            compare=not request.no_compare,
        )
        preview = run_interruptible(work, migration, interruption)
    if preview is None:
        return interruption.exit_code or 0
    ending.routes = {name: counts.as_dict() for name, counts in preview.summary.routes.items()}
    _tell(preview, standing, output)
    if request.save is not None and (interruption.exit_code or not preview.summary.is_complete):
        tell(f"error: {request.save}: was not saved, since not all could be planned")
    elif request.save is not None:
        save_plan(request.save, preview, settings)
        tell_saved(request.save, as_json=output.as_json)
    return interruption.exit_code or preview.summary.exit_code or 0


def _refuse_to_save(request: PlanRequest) -> None:
    """Raises ConfigError where the plan is to be saved, and can't be."""
    with loading():
        from bulkmove.errors import ConfigError
        from bulkmove.pipeline.saved_plan import refuse_to_save

    if request.save is None:
        return
    if request.sample is not None:
        raise ConfigError(
            "--save and --sample exclude each other: a run is held to a plan of all records alone"
        )
    refuse_to_save(request.save)


def _tell(preview: Preview, standing: Standing, output: Output) -> None:
    """What went wrong, and then the plan, with what the errors did not tell."""
    with loading():
        from bulkmove.cli.running import errors_of
        from bulkmove.report.preview import tell_preview_text
        from bulkmove.report.preview_json import tell_preview_json

    errors = errors_of(preview.summary, standing)
    for error in errors:
        tell(f"error: {error}")
    if output.as_json:
        tell_preview_json(preview)
    else:
        tell_preview_text(preview, told=errors, quiet=output.quiet)
