"""`bulkmove verify`: the target held against the source."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import click

from bulkmove.cli.ending import EndingCommand
from bulkmove.cli.exits import exits, tell
from bulkmove.cli.last_object import last_object
from bulkmove.cli.loading import loading
from bulkmove.cli.options import Output, ledger_option, migration_file, output_options, routes_option
from bulkmove.errors import INTERRUPTED, ConfigError

if TYPE_CHECKING:
    from bulkmove.cutover.verify import Asked, Verification

_REFUSED: Mapping[str, object] = MappingProxyType(
    {"type": "verify-summary", "exit": 2, "is_sample": False, "routes": {}}
)
_NO_OPTIONS: Mapping[str, Any] = MappingProxyType({})


class _VerifyCommand(EndingCommand):
    refused = _REFUSED


@click.command("verify", cls=_VerifyCommand)
@migration_file
@routes_option
@click.option(
    "--sample",
    metavar="N|P%",
    help="A random sample of each route's records: a number, as 500, or a share, as 2%.",
)
@click.option("--seed", metavar="N", type=click.IntRange(min=0), help="The same sample for the same number.")
@click.option(
    "--out",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where the mismatch files go; NAME.verify beside the ledger without it.",
)
@click.option(
    "--values",
    is_flag=True,
    help="Write differing values into the mismatch files: they may be personal data.",
)
@click.option("--fresh", is_flag=True, help="Begin anew, also where an earlier one was cut off.")
@ledger_option
@output_options
def command(
    *,
    file: Path,
    routes: tuple[str, ...],
    sample: str | None,
    seed: int | None,
    out: Path | None,
    values: bool,
    fresh: bool,
    ledger: Path | None,
    output: Output,
) -> None:
    """Read back what the targets of FILE (default: migration.toml) hold, and hold it against what their sources say.

    Named are records that are missing, extra, different field by field, or doubled, and totals over what both sides
    tell. Nothing is written to any host. Cut off anywhere, the next one goes on where it was.

    Ends with 0 when nothing differs, 4 when something does; 2 for a mistake in the configuration, 5 when a host stayed
    unreachable or a list could not be proven read, 6 when credentials were refused, 11 while a run is going, 130 or 143
    when interrupted.
    """
    with last_object(output, _REFUSED) as ending:
        with exits():
            code = perform_verify(
                file,
                ledger=ledger,
                routes=routes,
                sample=sample,
                options={"seed": seed, "out": out, "values": values, "fresh": fresh},
                output=output,
                ending=ending,
            )
        sys.exit(code)


def perform_verify(
    file: Path,
    *,
    ledger: Path | None,
    output: Output,
    ending: dict[str, Any],
    routes: tuple[str, ...] = (),
    sample: str | None = None,
    options: Mapping[str, Any] = _NO_OPTIONS,
) -> int:
    """Verify, print what was found but for the last line, which is made of `ending`, and return the exit code.

    `options`: the rest of `bulkmove.cutover.verify.Asked`. Raises what `verify_migration` raises.
    """
    with loading():
        from functools import partial

        from bulkmove.cli.interrupting import Interruption, run_interruptible
        from bulkmove.cli.showing import shown, style_of
        from bulkmove.cli.tuning import tune
        from bulkmove.cli.warned import warn
        from bulkmove.config import load_migration
        from bulkmove.cutover.verify import verify_migration
        from bulkmove.pipeline.migration import Migration
        from bulkmove.report.standing import Standing

    asked = _asked(sample, options)
    settings = load_migration(file, ledger=ledger)
    warn(settings)
    tune()
    standing, interruption = Standing(), Interruption(has_nothing_to_lose=True)
    with shown(standing, style_of(output), sys.stderr) as observer:
        work = partial(verify_migration, settings, routes=routes, asked=asked, observer=observer)
        verification = run_interruptible(work, Migration(settings), interruption)
    if verification is None or interruption.exit_code is not None:
        tell("what was read is kept: the next verify goes on with it")
        return interruption.exit_code or INTERRUPTED
    for text in verification.errors:
        tell(f"error: {text}")
    ending["is_sample"] = verification.is_sample
    ending["routes"] = {
        name: {key: value for key, value in route.items() if isinstance(value, int)}
        for name, route in verification.as_dict()["routes"].items()
    }
    _tell(verification, file, output)
    return verification.exit_code


def _asked(sample: str | None, options: Mapping[str, Any]) -> Asked:
    """Raises ConfigError for a sample that can't be taken, and for the seed of none."""
    with loading():
        from bulkmove.cutover.verify import Asked, parse_sample

    try:
        asked = Asked(sample=None if sample is None else parse_sample(sample), **options)
    except ValueError as error:
        raise ConfigError(f"--sample {sample}: {error}") from error
    if asked.seed is not None and asked.sample is None:
        raise ConfigError("--seed chooses the records of a sample: give --sample, too")
    return asked


def _tell(verification: Verification, file: Path, output: Output) -> None:
    """What was found; to people nothing of it before all is read."""
    with loading():
        from bulkmove.report.verify import tell_verification_json, tell_verification_text

    result = verification.as_dict()
    if output.as_json:
        tell_verification_json(result, directory=verification.directory)
    elif verification.errors:
        tell("nothing is told before all is read: run it again to go on where it stopped")
    else:
        tell_verification_text(
            result,
            directory=verification.directory,
            file="" if str(file) == "migration.toml" else str(file),
            verbose=output.verbose,
            quiet=output.quiet,
        )
