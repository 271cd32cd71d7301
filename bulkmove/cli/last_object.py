"""The last line of a command whose end is told as one JSON object."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import click
import orjson

from bulkmove.cli.ending import end_on_sigterm, ignore_signals
from bulkmove.cli.exits import UNEXPECTED
from bulkmove.cli.options import Output
from bulkmove.errors import INTERRUPTED


@contextmanager
def last_object(output: Output, told: Mapping[str, object]) -> Iterator[dict[str, Any]]:
    """However the command ends, with --json the last line of stdout tells it, and the exit code.

    `told`: what it tells unless the block, which is given it, adds to it or puts something else there.
    """
    ending, code = dict(told), UNEXPECTED
    try:
        end_on_sigterm()
        yield ending
    except click.Abort:  # Ctrl-C at a question
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
            click.echo(orjson.dumps({**ending, "exit": code}))
