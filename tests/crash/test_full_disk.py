"""A file system that is really full: a small one in memory, mounted where the kernel lets this user do so."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import anyio
import pytest

from tests.crash.points import DONE, HOST_FAILED, UNEXPECTED, ground, judge
from tests.crash.scenes import SCENES
from tests.crash.stage import Scene

_BY_NAME = {scene.name: scene for scene in SCENES}
# One namespace for both runs, since what is mounted goes with it.
_RUNS = """
mount -t tmpfs -o size="$2"k tmpfs "$1/small" || exit 99
cp -R "$1"/migration.toml "$1"/ids.csv "$1"/mappers.py "$1/small" && cd "$1/small" || exit 98
"$3" -m bulkmove run migration.toml --quiet >"$1/said" 2>&1; echo $? >"$1/first"
mount -o remount,size=64m tmpfs "$1/small" || exit 97
"$3" -m bulkmove run migration.toml --quiet >"$1/said-then" 2>&1; echo $? >"$1/second"
cp -a "$1/small/." "$1"
"""


def _may_mount(folder: Path) -> bool:
    unshare = shutil.which("unshare")
    if unshare is None:
        return False
    mount = ["mount", "-t", "tmpfs", "tmpfs", str(folder)]
    return subprocess.run([unshare, "-rm", *mount], check=False, capture_output=True).returncode == 0


# In kB: at first not even the lock can be signed; then the ledger can't be made, not begun, and not gone on with; the
# file is full of the rows that are written.
_SOON = (("array creates", 24), ("array creates", 200), ("a file, JSON lines", 380))
_LATER = tuple(("array creates", size_kb) for size_kb in (12, *range(28, 380, 16)))


@pytest.mark.parametrize(
    ("name", "size_kb"), [*_SOON, *(pytest.param(*each, marks=pytest.mark.crash_long) for each in _LATER)]
)
async def test_a_run_ends_and_says_what_is_full_and_goes_on_when_there_is_room(
    tmp_path: Path, name: str, size_kb: int
) -> None:
    if not _may_mount(tmp_path):
        pytest.skip("this user may not mount a file system")
    scene: Scene = _BY_NAME[name]
    async with ground(scene, tmp_path / "ground") as made:
        folder = made.stage.folder
        (folder / "small").mkdir()
        command = ["unshare", "-rm", "sh", "-c", _RUNS, "sh", str(folder), str(size_kb), sys.executable]
        ran = await anyio.run_process(command, check=False)
        assert ran.returncode == 0, ran.stderr
        found = judge(scene, made.stage, await made.settled())
    first, second = (int((folder / each).read_text()) for each in ("first", "second"))
    said, said_then = ((folder / each).read_text() for each in ("said", "said-then"))
    assert first in {UNEXPECTED, HOST_FAILED}, said
    assert "make room" in said, said
    assert str(folder / "small") in said, said
    assert second == DONE, said_then
    assert found.is_good, str(found)
