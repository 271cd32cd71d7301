"""A process that has imported all that a delta needs, and forks a command for each line that it reads, one at a time.

A line is JSON: `folder`, `arguments`, and the boundary at which `deed` is done to it (0 for none). What comes back is a
line with how it ended, and the names of the boundaries that it passed.
"""

from __future__ import annotations

import gc
import importlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import orjson

from bulkmove.cli.group import main
from bulkmove.config.schema import Migration
from bulkmove.installed import installed
from tests.crash.boundaries import Boundaries, Deed, open_trace
from tests.crash.instrument import around_requests, around_sqlite

_ROOMS = (
    "bulkmove.cli.run",
    "bulkmove.cli.running",
    "bulkmove.cli.delta",
    "bulkmove.pipeline.migration",
    "bulkmove.report.delta",
    "bulkmove.report.lines",
    "bulkmove.report.telling",
    "anyio._backends._asyncio",
    "uvloop",
)
_ROOT = Path(__file__).parent.parent.parent


@dataclass(frozen=True, slots=True)
class Struck:
    """How a command ended. `code` is negative for a signal."""

    code: int
    passed: tuple[str, ...]
    said: str


class Forks:
    """Made by `forks`."""

    def __init__(self, process: subprocess.Popen[bytes], folder: Path) -> None:
        self._process = process
        self._folder = folder

    def run(self, *arguments: str, number: int = 0, deed: Deed = "kill") -> Struck:
        trace = self._folder / "trace.txt"
        trace.unlink(missing_ok=True)
        order = {"folder": str(self._folder), "arguments": arguments, "number": number, "deed": deed}
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(orjson.dumps(order) + b"\n")
        stdin.flush()
        code = int(stdout.readline())
        passed = tuple(trace.read_text().splitlines()) if trace.exists() else ()
        return Struck(code, passed, (self._folder / "said.txt").read_text())


@contextmanager
def forks(folder: Path) -> Iterator[Forks]:
    """Commands run in `folder`."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.crash.delta_forks"],
        cwd=_ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        yield Forks(process, folder)
        assert process.stdin is not None
        process.stdin.close()


def serve() -> None:
    """Until standard input ends."""
    for name in _ROOMS:
        importlib.import_module(name)
    for group in ("bulkmove.connectors", "bulkmove.mappers"):
        for point in installed(group):
            point.load()
    # What each of them would make anew: the checks of a configuration, and what is installed.
    Migration.model_rebuild()
    if threading.active_count() != 1:
        raise RuntimeError("a process with threads can't be forked")
    gc.collect()
    gc.freeze()
    for line in sys.stdin.buffer:
        child = os.fork()
        if not child:
            _run(orjson.loads(line))
        _, status = os.waitpid(child, 0)
        os.write(1, b"%d\n" % os.waitstatus_to_exitcode(status))


def _run(order: dict[str, Any]) -> NoReturn:
    folder = Path(order["folder"])
    os.chdir(folder)
    output = os.open(folder / "said.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for descriptor, place in ((nothing, 0), (output, 1), (output, 2)):
        os.dup2(descriptor, place)
    boundaries = Boundaries(open_trace(folder / "trace.txt"), order["number"], order["deed"])
    around_sqlite(boundaries, checkpoint_pages=None)
    around_requests(boundaries)
    main(order["arguments"], prog_name="bulkmove")
    raise SystemExit(0)


if __name__ == "__main__":
    serve()
