"""Another program may look into a ledger that a run holds."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

from anyio import to_thread

from tests.unit.ledger.conftest import Opened

# Opened as a database browser opens it: to read and write, and closed again.
_LOOK = (
    "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('SELECT count(*) FROM runs'); c.close()"
)


def _look(path: Path) -> None:
    subprocess.run([sys.executable, "-c", _LOOK, str(path)], check=True)


async def test_another_program_that_opens_and_closes_the_ledger_takes_nothing_of_what_follows(
    opened: Opened, path: Path
) -> None:
    async with opened() as ledger:
        await ledger.save_route("before", "{}")
        await to_thread.run_sync(_look, path)
        await ledger.save_route("after", "{}")
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
            names = {name for (name,) in connection.execute("SELECT name FROM routes")}
    assert {"before", "after"} <= names
