"""`bulkmove completion`: the script by which a shell completes commands, options and names."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from bulkmove.cli.exits import exits

_PROGRAM = "bulkmove"
_VARIABLE = "_BULKMOVE_COMPLETE"


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(*, shell: str) -> None:
    r"""Print the script that completes commands, options, routes and hosts in SHELL.

    \b
    bash   source <(bulkmove completion bash)                    in ~/.bashrc
    zsh    source <(bulkmove completion zsh)                     in ~/.zshrc
    fish   bulkmove completion fish > ~/.config/fish/completions/bulkmove.fish
    """
    with exits():
        kind = get_completion_class(shell)
        if kind is None:
            raise click.UsageError(f"no completion for {shell}")
        click.echo(kind(click.get_current_context().find_root().command, {}, _PROGRAM, _VARIABLE).source())
