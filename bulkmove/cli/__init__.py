"""The command line: one command a file, exit codes, and nothing that the library lacks."""

from __future__ import annotations

from collections.abc import Sequence

from bulkmove.cli.loading import hold

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Do what the command line says, or these arguments, and exit.

    From its first line on signals wait until the command's body has begun, which ends in order.
    """
    hold()
    from bulkmove.cli.group import main as group

    group(arguments)
