"""What is installed beside bulkmove and says so: the entry points of a group, looked up once a process."""

from __future__ import annotations

import sys
from functools import lru_cache
from importlib.metadata import EntryPoints, entry_points
from typing import Any


def installed(group: str) -> EntryPoints:
    """The entry points of a group. What is installed while the process goes is seen where it is on a new path alone."""
    found: EntryPoints = _all_of(tuple(sys.path)).select(group=group)
    return found


@lru_cache(maxsize=1)
def _all_of(path: tuple[str, ...]) -> Any:  # noqa: ARG001  what was found holds for this path alone
    # A look reads a file of every distribution that is installed. What it returns has another type since Python 3.12.
    return entry_points()
