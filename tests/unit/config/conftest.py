"""A migration's text that is right, for tests to spoil."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

_ENVIRON = {"OLD_KEY": "k-3f9a1c7e", "OLD_SECRET": "s-77d0b2e4", "NEW_TOKEN": "t-c01dbeef"}

GOOD = """
name = "cutover-2026"

[hosts.old]
api = "merchantpro"
url = "https://shop.example.ro/"
credentials = { key = "${OLD_KEY}", secret = "${OLD_SECRET}" }
rate = ["4/s", "80/min"]

[hosts.new]
api = "external-order"
url = "https://shop.example.md"
credentials = { token = "${NEW_TOKEN}" }

[routes.orders]
source = "old.orders"
target = "new.orders"
mapper = "merchantpro-to-external-order"

[routes.again]
source = "new.orders"
target = "new.orders"
mapper = "mappers.py:again"
after = ["orders"]
"""


@pytest.fixture(autouse=True)
def environ(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The variables that the good text names, set in this process's environment."""
    for name, value in _ENVIRON.items():
        monkeypatch.setenv(name, value)
    return dict(_ENVIRON)


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Writes the good text, each (old, new) pair replaced in it, and returns the file's path."""

    def write_file(*changes: tuple[str, str]) -> Path:
        text = GOOD
        for old, new in changes:
            assert old in text, f"{old!r} is not in the good text"
            text = text.replace(old, new, 1)
        path = tmp_path / "migration.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write_file
