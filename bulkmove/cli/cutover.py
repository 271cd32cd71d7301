"""`bulkmove cutover`: the written sequence from the first full run to go or no-go."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar

import click

from bulkmove.cli.ending import EndingCommand
from bulkmove.cli.exits import exits
from bulkmove.cli.guarding import execute_option
from bulkmove.cli.last_object import last_object
from bulkmove.cli.loading import loading
from bulkmove.cli.options import Output, ledger_option, output_options

if TYPE_CHECKING:
    from bulkmove.cli.walking import Sequence

STATUS = "status"
_REFUSED: Mapping[str, object] = MappingProxyType({"type": "cutover", "exit": 2})


class _Command(EndingCommand):
    refused: ClassVar[Mapping[str, object]] = _REFUSED


@click.command("cutover", cls=_Command)
@click.argument("words", metavar="[status] [FILE]", nargs=-1)
@click.option(
    "--freeze", is_flag=True, help="Say that the old shop is frozen now: it takes no order and changes none."
)
@click.option("--unfreeze", is_flag=True, help="Say that the old shop is open again, and go back to deltas.")
@click.option(
    "--small",
    metavar="N",
    type=click.IntRange(min=0),
    default=100,
    show_default=True,
    help="Deltas of at most N records are few enough for the freeze.",
)
@click.option(
    "--accept-failures",
    is_flag=True,
    help="What was rejected or is unknown was looked at, and is no reason to stay.",
)
@click.option("--yes", is_flag=True, help="Answer what the first run's canary asks.")
@ledger_option
@execute_option
@output_options
def command(
    *,
    words: tuple[str, ...],
    freeze: bool,
    unfreeze: bool,
    small: int,
    accept_failures: bool,
    yes: bool,
    ledger: Path | None,
    execute: bool,
    output: Output,
) -> None:
    """Go on with the cutover of FILE (default: migration.toml), up to where a person is needed; status says where it stands.

    A full run, deltas until they are small, and the predicted length of the freeze; then it waits. Once the old shop is
    frozen and --freeze says so: the last deltas until one finds nothing, the verification, go or no-go with the reasons.
    Each step stands in the ledger: cut off anywhere, the same command goes on with the step that was cut off.

    Ends with 0 where it waits for the freeze and with a go; with 4 for a no-go where the target differs, with 3 for any
    other; and as run, delta and verify do where a step of it ends early.
    """
    with last_object(output, _REFUSED) as ending:
        with exits():
            with loading():
                from bulkmove.errors import ConfigError

            if freeze and unfreeze:
                raise ConfigError("--freeze and --unfreeze exclude each other")
            is_status, file = _meant(words)
            sequence = _opened(
                file,
                ledger,
                small=small,
                accepts=accept_failures,
                yes=yes,
                execute=execute,
                output=output,
                with_credentials=not is_status,
            )
            code = sequence.tell() if is_status else sequence.walk(freeze=freeze, unfreeze=unfreeze)
            ending.update(sequence.as_dict())
        sys.exit(code)


def _meant(words: tuple[str, ...]) -> tuple[bool, Path]:
    is_status = words[:1] == (STATUS,)
    rest = words[1:] if is_status else words
    if len(rest) > 1:
        raise click.UsageError(f"Got unexpected extra argument ({rest[1]})")
    return is_status, Path(rest[0]) if rest else Path("migration.toml")


def _opened(
    file: Path,
    ledger: Path | None,
    *,
    small: int,
    accepts: bool,
    yes: bool,
    execute: bool,
    output: Output,
    with_credentials: bool,
) -> Sequence:
    with loading():
        from bulkmove.cli.walking import Sequence
        from bulkmove.config import load_migration
        from bulkmove.cutover.sequence import Limits

    settings = load_migration(file, ledger=ledger, with_credentials=with_credentials)
    return Sequence(
        file=file,
        settings=settings,
        limits=Limits(small=small),
        accepts_failures=accepts,
        yes=yes,
        execute=execute,
        output=output,
        ledger=ledger,
    )
