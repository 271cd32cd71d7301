"""`bulkmove bench compare A.json B.json`: two saved benches told apart."""

from __future__ import annotations

import sys
from collections.abc import Collection, Sequence
from pathlib import Path

import click
import orjson
from click.core import ParameterSource

from bulkmove.cli.options import Output
from bulkmove.cutover.bench.comparing import compare_benches, notes_of
from bulkmove.cutover.bench.result import load_bench
from bulkmove.errors import ConfigError
from bulkmove.report.bench_compare import comparison_lines, comparison_parts
from bulkmove.report.prose import width_of
from bulkmove.report.telling import stdout_console


def compare(words: Sequence[str], options: Collection[str], output: Output) -> int:
    """Tell the differences on stdout; 0 whatever they are. `options`: names of those that a bench alone takes.

    Raises ConfigError for a file that is no saved bench, and where one of the options is given.
    """
    _refuse_given(options)
    if len(words) != 2:
        raise ConfigError(
            "compare takes two saved benches, as in: bulkmove bench compare before.json after.json"
        )
    before, after = (load_bench(Path(word)) for word in words)
    found, notes = compare_benches(before, after), notes_of(before, after)
    if output.as_json:
        for line in comparison_lines(found, notes):
            click.echo(orjson.dumps(line))
        return 0
    console, width = stdout_console(), width_of(sys.stdout)
    for part in comparison_parts(found, names=(words[0], words[1]), width=width, notes=notes):
        console.print(part, soft_wrap=not hasattr(part, "columns"))
    return 0


def _refuse_given(options: Collection[str]) -> None:
    context = click.get_current_context()
    for option in context.command.params:
        name = option.name or ""
        if name in options and context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise ConfigError(f"{option.opts[0]}: compare only tells two saved benches apart")
