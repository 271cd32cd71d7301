"""A signal while a command still loads its modules: it ends as at any other moment, with its code and its last line.

That holds from the first line of the command line's `main` on: before it, only the package and what holds signals are loaded.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import NamedTuple

import orjson
import pytest

from tests.integration.moving import Job, Stages

# The signal comes out of the import of the module that is named, which is where it does harm.
_STRIKING = """
import atexit, os, runpy, signal, sys
module, number = sys.argv[1], int(sys.argv[2])
if number != signal.SIGINT:
    signal.signal(number, signal.SIG_DFL)  # whoever started this may ignore it

class Striking:
    is_done = False
    def find_spec(self, name, path, target=None):
        if name == module and not self.is_done:
            self.is_done = True
            os.kill(os.getpid(), number)

sys.meta_path.insert(0, Striking())
atexit.register(lambda: print("loaded", module in sys.modules, file=sys.stderr))
sys.argv[:] = ["bulkmove", *sys.argv[3:]]
runpy.run_module("bulkmove", run_name="__main__")
"""
# On a busy machine the package itself takes a while: what comes before `main` is nobody's.
_READY = """
import bulkmove.cli, runpy, sys
sys.argv[:] = ["bulkmove", *sys.argv[1:]]
print("ready", file=sys.stderr, flush=True)
runpy.run_module("bulkmove", run_name="__main__")
"""


def _struck(
    folder: Path, command: str, module: str, number: int = signal.SIGINT
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-c", _STRIKING, module, str(int(number)), *command.split()],
        cwd=folder,
        capture_output=True,
        timeout=30,
        check=False,
    )


@pytest.mark.parametrize(
    ("command", "module"),
    [
        ("run --json", "bulkmove.cli.group"),
        ("run --json", "click.core"),
        ("bench --json", "gettext"),
        ("run --json", "bulkmove.cli.run"),
        ("run --json", "bulkmove.cli.running"),
        ("retry --json", "aiohttp"),
        ("delta --json", "bulkmove.report.delta"),
        ("repair --json", "bulkmove.cutover.verify"),
        ("undo --json", "bulkmove.cli.interrupting"),
        ("cutover --json", "bulkmove.cli.walking"),
        ("bench --json", "bulkmove.cli.benching"),
        ("bench compare a.json b.json --json", "bulkmove.cli.bench_compare"),
        ("doctor --json", "bulkmove.cutover.doctor"),
    ],
)
def test_an_interrupt_while_a_command_is_loaded_waits_for_the_module_and_ends_with_the_last_line(
    tmp_path: Path, command: str, module: str
) -> None:
    done = _struck(tmp_path, command, module)
    assert done.returncode == 130, done.stderr
    assert done.stderr == b"interrupted\nloaded True\n"
    assert orjson.loads(done.stdout.splitlines()[-1])["exit"] == 130


@pytest.mark.parametrize(
    ("command", "module"),
    [
        ("failures", "bulkmove.pipeline.migration"),
        ("demo", "bulkmove.demo.story"),
        ("sandbox", "bulkmove.sandbox.server"),
        ("plan", "bulkmove.cli.plan"),
        ("verify", "bulkmove.cli.verify"),
        ("status", "click.core"),
        ("status", "gettext"),
        ("status", "locale"),
    ],
)
def test_where_there_is_no_last_line_it_says_interrupted_and_no_more(
    tmp_path: Path, command: str, module: str
) -> None:
    done = _struck(tmp_path, command, module)
    assert done.returncode == 130, done.stderr
    assert done.stderr == b"interrupted\nloaded True\n"


@pytest.mark.parametrize("command", ["run", "bench"])
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 143)])
def test_whoever_ends_services_or_closes_terminals_gets_the_last_line_too(
    tmp_path: Path, command: str, number: int, code: int
) -> None:
    done = _struck(tmp_path, f"{command} --json", f"bulkmove.cli.{command}", number)
    assert done.returncode == code, done.stderr
    assert done.stderr == b"interrupted\nloaded True\n"
    assert orjson.loads(done.stdout.splitlines()[-1])["exit"] == code


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_the_loop_of_the_sandbox_starts_ends_it_as_one_that_comes_later(
    tmp_path: Path, number: int
) -> None:
    done = _struck(tmp_path, "sandbox", "anyio._core._signals", number)
    assert done.returncode == 0, done.stderr
    assert done.stderr == b"loaded True\n"
    assert orjson.loads(done.stdout)["type"] == "sandbox"


class Interrupted(NamedTuple):
    """How a command ended, and what it told and said; `was_sent`: it had not ended before."""

    code: int
    told: bytes
    said: bytes
    was_sent: bool


def _interrupted_after(seconds: float, job: Job, *arguments: str) -> Interrupted:
    process = subprocess.Popen(
        [sys.executable, "-c", _READY, *arguments, "--json", "--progress", "never"],
        cwd=job.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    ready = process.stderr.readline()
    sent = threading.Event()

    def interrupt() -> None:
        if process.poll() is None:
            sent.set()
            process.send_signal(signal.SIGINT)

    timer = threading.Timer(seconds, interrupt)
    timer.start()
    try:
        told, said = process.communicate(timeout=30)
    finally:
        timer.cancel()
        process.kill()
    return Interrupted(process.returncode, told, ready + said, sent.is_set())


@pytest.mark.parametrize("seconds", [0.05, 0.1, 0.2, 0.3, 0.5, 0.8])
def test_an_interrupt_at_any_moment_of_the_start_ends_in_order(
    sandbox: Stages, tmp_path: Path, seconds: float
) -> None:
    job = Job(tmp_path, sandbox(latency="300ms")).with_orders()  # no run is over before the interrupt comes
    job.write()
    for arguments in (("run", "--ledger", f"{seconds}.db"), ("bench", "--step", "1")):
        code, told, said, was_sent = _interrupted_after(seconds, job, *arguments)
        # One that the interpreter raises in a finalizer is lost, and told of as ignored: then the command completes.
        is_lost = not was_sent or b"ignored" in said
        # An interrupt that hits while a class is made, as connectors are, has the interpreter end by the signal at last.
        assert code in {130, -signal.SIGINT} or (code == 0 and is_lost), (arguments, said)
        assert is_lost or b"Traceback" not in said
        assert b"Aborted" not in said
        if told:
            assert orjson.loads(told.splitlines()[-1])["exit"] == (130 if code else 0)
