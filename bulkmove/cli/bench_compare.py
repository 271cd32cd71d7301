"""`bulkmove bench compare A.json B.json`: two saved benches told apart."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import click
import orjson

from bulkmove.cli.options import Output
from bulkmove.cutover.bench.comparing import compare_benches
from bulkmove.cutover.bench.result import load_bench
from bulkmove.errors import ConfigError
from bulkmove.report.bench_compare import comparison_lines, comparison_parts
from bulkmove.report.prose import width_of
from bulkmove.report.telling import stdout_console

# What every other option stands at where it was not given.
_NOT_GIVEN: Mapping[str, object] = {
    "step_s": 3.0,
    "arrivals": "even",
    "live_read": False,
    "write": False,
    "routes": (),
    "records": (),
    "allows": (),
    "latency": (),
}


def compare(words: Sequence[str], asked: Mapping[str, object], output: Output) -> int:
    """Tell the differences on stdout; 0 whatever they are. Raises ConfigError for a file that is no saved bench."""
    for name, value in asked.items():
        if value is not None and value != _NOT_GIVEN.get(name):
            option = {"step_s": "step", "routes": "route"}.get(name, name.replace("_", "-"))
            raise ConfigError(f"--{option}: compare only tells two saved benches apart")
    if len(words) != 2:
        raise ConfigError(
            "compare takes two saved benches, as in: bulkmove bench compare before.json after.json"
        )
    before, after = (load_bench(Path(word)) for word in words)
    found = compare_benches(before, after)
    if output.as_json:
        for line in comparison_lines(found):
            click.echo(orjson.dumps(line))
        return 0
    console, width = stdout_console(), width_of(sys.stdout)
    for part in comparison_parts(found, names=(words[0], words[1]), width=width):
        console.print(part, soft_wrap=not hasattr(part, "columns"))
    return 0
