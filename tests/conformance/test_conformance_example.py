"""The example for authors of connectors runs as it is written."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
MOST_LINES = 20
CONNECTOR = """
from tests.conformance.tiny import TinySource, TinyTarget

class MyConnector:
    def source(self, stream, transport, route):
        return TinySource(transport)

    def target(self, stream, transport, route):
        return TinyTarget(transport)

CONNECTOR = MyConnector()
"""
EMULATION = """
from tests.conformance.tiny import TinyHost

class MyShop:
    def __init__(self, rows):
        self.host = TinyHost.of(rows)
        self.ids, self.answer = list(self.host.rows), self.host.answer
"""


def example() -> str:
    text = (ROOT / "docs" / "apis.md").read_text("utf-8").partition("## A connector of your own")[2]
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    return str(code)


def run(directory: Path, connector: str = CONNECTOR) -> subprocess.CompletedProcess[str]:
    package = directory / "my_shop"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "connector.py").write_text(connector)
    (package / "emulation.py").write_text(EMULATION)
    (directory / "test_my_shop.py").write_text(example())
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(directory)]
    return subprocess.run(
        [*command, "-x", "-o", "addopts=", str(directory / "test_my_shop.py")],
        cwd=directory,
        env={"PYTHONPATH": f"{ROOT}:{directory}", "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )


def test_an_author_needs_twenty_lines() -> None:
    assert sum(1 for line in example().splitlines() if line.strip()) <= MOST_LINES


def test_the_example_holds_a_connector_to_its_promises(tmp_path: Path) -> None:
    done = run(tmp_path)
    assert done.returncode == 0, done.stdout
    assert re.search(r"\d\d passed", done.stdout)


def test_the_example_fails_where_a_promise_is_not_kept(tmp_path: Path) -> None:
    done = run(
        tmp_path,
        CONNECTOR.replace("TinySource(transport)", "TinySource(transport, read_row=lambda row: row)"),
    )
    assert done.returncode == 1
    assert "test_my_list" in done.stdout
