"""The last line of a `bulkmove bench`; without the rooms that a bench brings, so that it is told while they are loaded, too."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import click
import orjson

from bulkmove.cli.ending import end_on_sigterm, ignore_signals
from bulkmove.cli.exits import UNEXPECTED
from bulkmove.cli.options import Output
from bulkmove.errors import INTERRUPTED

REFUSED: Mapping[str, object] = MappingProxyType(
    {"type": "bench-summary", "exit": 2, "hosts": {}, "prediction": None}
)


@dataclass(slots=True)
class BenchEnding:
    """What the last line tells, but for the code."""

    told: Mapping[str, object] = field(default_factory=lambda: REFUSED)


@contextmanager
def last_bench_line(output: Output) -> Iterator[BenchEnding]:
    """However it ends, with --json the last line says so."""
    ending, code = BenchEnding(), UNEXPECTED
    try:
        end_on_sigterm()
        yield ending
    except click.Abort:
        code = INTERRUPTED
        sys.exit(code)
    except SystemExit as end:
        ignore_signals()
        code = end.code if isinstance(end.code, int) else UNEXPECTED
        raise
    except BrokenPipeError:
        output = replace(output, as_json=False)
        raise  # nobody reads stdout any more
    finally:
        if output.as_json:
            click.echo(orjson.dumps({**ending.told, "exit": code}))
