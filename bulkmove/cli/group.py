"""The commands by name, each imported when it is asked for, and how a group of them ends."""

from __future__ import annotations

import gc
import importlib
from difflib import get_close_matches
from typing import Any

import click

from bulkmove.cli.loading import deliver, end_interrupted, hold

# Commands are imported when they are asked for, so that `bulkmove --help` answers at once.
_COMMANDS = {
    "init": "Write a migration.toml to start from.",
    "doctor": "Look at the hosts before anything is moved, by read-only calls.",
    "plan": "Read and map everything, write nothing, and say what does not resolve.",
    "bench": "Find how fast the hosts can be asked, and foretell how long a run takes.",
    "run": "Run a migration, or go on where it stopped.",
    "delta": "Bring over what is new or changed at the sources since the last pass.",
    "verify": "Hold the targets against their sources: what is missing, extra, different or doubled.",
    "repair": "Mend exactly what the last verification found.",
    "undo": "Take back what the migration wrote: delete, or put back, row by row.",
    "cutover": "Go on with a cutover, up to where a person is needed.",
    "status": "Say how far a migration is.",
    "pause": "Let a run that is going send nothing more to a host, or to any.",
    "resume": "Let a run go on with a host that was paused.",
    "set": "Give a host another rate or concurrency in a run that is going.",
    "failures": "Show why records failed, list them, or write them to a file.",
    "retry": "Put failed records to work again, and nothing else.",
    "explain": "Tell one record's whole story.",
    "purge": "Erase what the ledger keeps of records.",
    "report": "Tell a migration in one HTML file, for who signs it and who works on it.",
    "read": "Print the rows of a host's stream.",
    "call": "Make one documented call of a host's API.",
    "map": "Try a route's mapping on one record.",
    "config": "Show, check or describe a configuration.",
    "sandbox": "Emulate the four APIs on loopback.",
    "demo": "Move 5,000 orders, kill the run half way, resume, and prove the result.",
    "completion": "Print the script by which a shell completes all this.",
}


# A hundred thousand objects are imported, and none of them is garbage: with the default of 700 the collector takes a
# tenth of the time until a run sends its first request.
_YOUNG_OBJECTS = 150_000


class _LazyGroup(click.Group):
    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Signals wait, here at the latest, until the command's body has begun, where `exits` knows how to end."""
        hold()
        try:
            try:
                return super().main(*args, **kwargs)
            finally:
                deliver()
        except KeyboardInterrupt:
            end_interrupted()

    def invoke(self, ctx: click.Context) -> Any:
        """Click calls an interrupt that gets this far an abortion, with 1."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            end_interrupted()

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """An option before the command is meant for the command, as nearly all are."""
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            raise click.UsageError(
                f"No such option {error.option_name!r} here: options go after the command, as in"
                f" bulkmove COMMAND {error.option_name}.",
                ctx,
            ) from None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in _COMMANDS and not name.startswith("-") and not ctx.resilient_parsing:
            near = "".join(f" Did you mean {each}?" for each in get_close_matches(name, _COMMANDS, n=1))
            raise click.UsageError(f"No such command {name!r}.{near}", ctx)
        return super().resolve_command(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  click's signature
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  click's signature
        if cmd_name not in _COMMANDS:
            return None
        gc.set_threshold(_YOUNG_OBJECTS, *gc.get_threshold()[1:])
        command: click.Command = importlib.import_module(f"bulkmove.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  click's signature
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="bulkmove")
def main() -> None:
    """Move a shop's orders and products between REST APIs, with nothing lost and nothing doubled."""
