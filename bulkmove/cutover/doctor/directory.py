"""A host that is a directory on this machine: is it there, may it be read and written, and is there room?"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from bulkmove.cutover.doctor.finding import WRONG_CONFIGURATION, Findings

_LITTLE_ROOM_BYTES = 1_000_000_000
_GIGABYTE = 1e9


def look_at_directory(path: Path, *, is_target: bool, findings: Findings) -> bool:
    """Whether its files can be looked at. A target's directory is made by the run that writes it."""
    if not path.exists():
        if is_target:
            return _look_at_parent(path, findings)
        findings.bad("directory", f"{path} is not there", code=WRONG_CONFIGURATION)
        return False
    if not path.is_dir():
        findings.bad("directory", f"{path} is no directory", code=WRONG_CONFIGURATION)
        return False
    if not os.access(path, os.R_OK | os.X_OK):
        findings.bad("directory", f"{path} can't be read", code=WRONG_CONFIGURATION)
        return False
    if is_target and not os.access(path, os.W_OK):
        findings.bad("directory", f"{path} can't be written", code=WRONG_CONFIGURATION)
    else:
        findings.good("directory", "can be read and written" if is_target else "can be read")
    if is_target:
        _judge_room(path, findings)
    return True


def _look_at_parent(path: Path, findings: Findings) -> bool:
    parent = next(each for each in path.parents if each.exists())
    if not os.access(parent, os.W_OK | os.X_OK):
        findings.bad("directory", f"{path} is not there and can't be made", code=WRONG_CONFIGURATION)
        return False
    findings.good("directory", "is not there yet; a run makes it")
    _judge_room(parent, findings)
    return False


def _judge_room(path: Path, findings: Findings) -> None:
    free = shutil.disk_usage(path).free
    text = f"{free / _GIGABYTE:,.1f} GB are free"
    if free < _LITTLE_ROOM_BYTES:
        findings.note("disk", text)
    else:
        findings.good("disk", text)
