"""A run whose terminal is closed ends as politely as one that is told to; one that `nohup` began goes on."""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import subprocess
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from tests.integration.moving import COMMAND, Job, stage

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="there are no such signals")
ENDS_WITHIN_S = 30


def begin(job: Job, *, is_ignored: bool = False) -> tuple[subprocess.Popen[bytes], int]:
    """The run on a terminal of its own, and the other end of that."""
    job.write()
    ours, theirs = pty.openpty()

    def on_it() -> None:
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        signal.signal(signal.SIGHUP, signal.SIG_IGN if is_ignored else signal.SIG_DFL)

    process = subprocess.Popen(
        [*COMMAND, "run", str(job.file)],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        cwd=job.folder,
        preexec_fn=on_it,  # noqa: PLW1509  the terminal has to be taken in the child
    )
    os.close(theirs)
    return process, ours


def until_written(job: Job) -> None:
    deadline = time.monotonic() + ENDS_WITHIN_S
    while job.stage.written() < 20:
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture
def slow(tmp_path: Path) -> Iterator[Job]:
    with stage(orders=130, products=10) as found:
        job = Job(tmp_path, found).with_orders(batch_size=1)
        job.hosts["new"] |= {"rate": "60/s", "burst": 1}
        yield job


def test_what_is_in_flight_is_finished_and_the_next_run_goes_on(slow: Job) -> None:
    process, terminal = begin(slow)
    until_written(slow)
    os.close(terminal)
    assert process.wait(ENDS_WITHIN_S) == 143
    assert 20 <= slow.stage.written() < 130
    ended = slow.run()
    assert ended.code == 0, ended.told
    slow.check_all_equal()
    with_ledger = orjson.loads(slow.run(command="status").stdout.splitlines()[-1])
    assert with_ledger["routes"]["orders"]["pending"] == 0


def test_a_run_that_nohup_began_goes_on(slow: Job) -> None:
    process, terminal = begin(slow, is_ignored=True)
    until_written(slow)
    process.send_signal(signal.SIGHUP)
    while process.poll() is None:
        os.read(terminal, 10_000)
        if slow.stage.written() == 130:
            break
    assert process.wait(ENDS_WITHIN_S) == 0
    os.close(terminal)
    slow.check_all_equal()
