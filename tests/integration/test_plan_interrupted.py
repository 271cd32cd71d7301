"""Ctrl-C ends a plan at once: there is nothing to finish."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

from tests.integration.moving import COMMAND, Job, stage


def test_ctrl_c_ends_a_plan_at_once(tmp_path: Path) -> None:
    with stage(orders=400, latency="300ms") as found:
        Job(tmp_path, found).with_orders().write()
        process = subprocess.Popen(
            [*COMMAND, "plan", "--json", "--progress", "never"],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        try:
            while found.count("merchantpro") == 0:
                assert process.poll() is None
            process.send_signal(signal.SIGINT)
            sent_at = time.monotonic()
            told, said = process.communicate(timeout=20)
        finally:
            if process.poll() is None:
                os.kill(process.pid, signal.SIGKILL)
    assert process.returncode == 130
    assert time.monotonic() - sent_at < 5
    assert b'"exit":130' in told.splitlines()[-1]
    assert b"interrupted: nothing was written to any host" in said
    assert b"finishing" not in said
