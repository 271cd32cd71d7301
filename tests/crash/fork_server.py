"""A process that has imported all that a run needs, and forks one for each order that it reads.

An order is a line of JSON (see `forks.Order`); what comes back is a line with the process id, and one with how it ended.
"""

from __future__ import annotations

import gc
import importlib
import os
import select
import signal
import threading
from pathlib import Path
from typing import Any, NoReturn

import orjson

from bulkmove.cli.group import main
from bulkmove.config.schema import Migration
from bulkmove.installed import installed
from tests.crash import vfs
from tests.crash.boundaries import Boundaries, open_trace
from tests.crash.instrument import around_files, around_requests, around_sqlite
from tests.crash.sabotage import SABOTAGE

_ROOMS = (
    "bulkmove.cli.run",
    "bulkmove.cli.running",
    "bulkmove.cutover.undo",
    "bulkmove.cutover.verify",
    "bulkmove.pipeline.retried",
    "bulkmove.report.lines",
    "bulkmove.report.telling",
    "anyio._backends._asyncio",
    "uvloop",
    "zstandard",
)


def serve() -> None:
    """Until standard input ends. A forked process leaves from here with its order done."""
    _import_all()
    wake_reader, wake_writer = os.pipe()
    os.set_blocking(wake_writer, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake_writer)
    running: dict[int, int] = {}
    rest = b""
    _tell({"ready": os.getpid()})
    while True:
        readable, _, _ = select.select([0, wake_reader], [], [])
        if wake_reader in readable:
            os.read(wake_reader, 4096)
            _reap(running)
        if 0 in readable:
            data = os.read(0, 65536)
            if not data:
                return
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                order = orjson.loads(line)
                running[_begin(order, (wake_reader, wake_writer))] = order["id"]


def _import_all() -> None:
    for name in _ROOMS:
        importlib.import_module(name)
    for group in ("bulkmove.connectors", "bulkmove.mappers"):
        for point in installed(group):
            point.load()
    # What each of them would make anew: the checks of a configuration, and what is installed.
    Migration.model_rebuild()
    if threading.active_count() != 1:
        raise RuntimeError("a process with threads can't be forked")
    # What is there by now is nobody's garbage: no forked process has to look at it, and copy it.
    gc.collect()
    gc.freeze()


def _begin(order: dict[str, Any], own: tuple[int, int]) -> int:
    """Fork a run; its process id. `own` are descriptors that it has nothing to do with."""
    child = os.fork()
    if not child:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for descriptor in own:
            os.close(descriptor)
        _run(order)
    _tell({"id": order["id"], "pid": child})
    return child


def _reap(running: dict[int, int]) -> None:
    while running:
        child, status = os.waitpid(-1, os.WNOHANG)
        if not child:
            return
        _tell({"id": running.pop(child), "code": os.waitstatus_to_exitcode(status)})


def _tell(what: dict[str, Any]) -> None:
    os.write(1, orjson.dumps(what) + b"\n")


def _run(order: dict[str, Any]) -> NoReturn:
    """What the command line does, with boundaries around its I/O."""
    folder = Path(order["folder"])
    os.chdir(folder)
    output = os.open(folder / "said.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    trace = open_trace(Path(order["trace"]))
    boundaries = Boundaries(trace, order["number"], order["deed"], only=order["only"])
    if order["is_deep"]:
        vfs.around_pages(boundaries)
    around_sqlite(boundaries, checkpoint_pages=order["checkpoint_pages"])
    around_requests(boundaries)
    around_files(boundaries)
    if order["sabotage"]:
        SABOTAGE[order["sabotage"]]()
    main(order["arguments"], prog_name="bulkmove")
    raise SystemExit(0)


if __name__ == "__main__":
    serve()
