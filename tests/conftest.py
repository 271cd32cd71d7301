"""For all tests: what their processes inherit; the event loop must not be blocked by the package's own code."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from blockbuster import BlockBuster

# A shell that starts the tests in the background ignores Ctrl-C for them, and for every process that they start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# The processes that are started, more than a thousand, would compile the whole package each where nothing is kept.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

_WATCHED = ("unit", "integration")
_HERE = Path(__file__).parent
_WATCHED_CALLS = ("time.sleep", "os.read", "os.write", "socket.", "ssl.", "io.Buffered")
# What reads files before anything else is on the loop.
_MAY_BLOCK = (
    ("bulkmove/ledger/file.py", {"locked", "is_locked", "migrations", "connect"}),
    ("bulkmove/config/load.py", {"load_migration"}),
    ("bulkmove/connectors/discover.py", {"connectors", "_load"}),
    ("bulkmove/mapping/resolve.py", {"resolve_mapper"}),
    ("bulkmove/pipeline/plan.py", {"plan_migration"}),
)


@pytest.fixture(autouse=True)
def no_blocking_calls(request: pytest.FixtureRequest) -> Iterator[None]:
    """A blocking call on the loop out of the package is an error.

    SQLite is left out: it runs in lanes of its own, and is opened on the loop before anything else is there.
    """
    place = request.path.relative_to(_HERE) if request.path.is_relative_to(_HERE) else Path()
    if place.parts[:1] not in {(each,) for each in _WATCHED}:
        yield
        return
    watch = BlockBuster("bulkmove", excluded_modules=["bulkmove.sandbox", "bulkmove.demo"])
    watched = [each for name, each in watch.functions.items() if name.startswith(_WATCHED_CALLS)]
    for function in watched:
        for file, names in _MAY_BLOCK:
            function.can_block_in(file, names)
        function.activate()
    yield
    for function in watched:
        function.deactivate()
