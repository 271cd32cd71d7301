"""The same job by bulkmove and by its peers, in one run on one machine.

    python -m benchmarks.peers [--quick] [--plot docs/peers.svg]

MerchantPro orders of 3 KB go to the external-order API of one sandbox in a process of its own, 100 a page and 100 a
request, mapped by the same mapper: at 0, 20 and 100 ms of latency, unlimited and at 50 requests a second in a strict
sliding window. All ask for the fields alone that the mapper reads, as bulkmove does by itself. Each tool runs in a process of its own, in turn with the others, with as many requests in flight (but
for the sequential script); what it imports is not timed. Rows of one second come in no fixed order, as no API
promises one: what moves between two pages is lost and doubled by whoever reads by offset.

A sliding window lets its first second's requests in at once; bulkmove spreads them, since other servers would not.
A sequential script gets fewer orders, which its rate does not depend on. Takes five minutes, one with `--quick`.
"""

from __future__ import annotations

import argparse
import os
import platform
import shlex
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import anyio

from benchmarks.peers.cells import BARE, TOOLS, Host, hosts
from benchmarks.peers.measuring import Taken, measure
from benchmarks.peers.table import HEAD, Row, goals, guarantees, lost_and_doubled, rows_of

_EXTRA = ("dlt", "requests", "matplotlib")
# A host's limit is what takes the time there, which differs little from one round to the next.
_ROUNDS, _ROUNDS_LIMITED = 3, 2


async def measured(is_quick: bool) -> list[Row]:  # noqa: FBT001  anyio.run has no keywords
    """All rows of the table, each host's printed once it is measured."""
    rows: list[Row] = []
    print(HEAD, flush=True)
    for host in hosts(is_quick=is_quick):
        there = rows_of(host, await _rounds(host, is_quick=is_quick))
        print(*there, "", sep="\n", flush=True)
        rows += there
    return rows


async def _rounds(host: Host, *, is_quick: bool) -> dict[str, list[Taken]]:
    whole = _ROUNDS if host.rate is None else _ROUNDS_LIMITED
    return await measure(host, TOOLS, rounds=1 if is_quick else whole, is_quick=is_quick, warm_by=BARE)


def heading(arguments: argparse.Namespace) -> str:
    """The command, the date and the machine."""
    command = ["python", "-m", "benchmarks.peers"]
    command += ["--quick"] if arguments.quick else []
    command += ["--plot", str(arguments.plot)] if arguments.plot else []
    today = datetime.now(UTC)
    versions = ", ".join(f"{name} {version(name)}" for name in ("aiohttp", "dlt", "requests"))
    return (
        f"{shlex.join(command)} · {today.day} {today:%B %Y} · {os.cpu_count()} cores, {platform.system()},"
        f" Python {platform.python_version()}, {versions}"
    )


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.peers",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help="a third of the orders, one round, no 20 ms")
    parser.add_argument("--plot", type=Path, metavar="SVG", help="where to write the picture")
    arguments = parser.parse_args()
    if missing := [name for name in _EXTRA if find_spec(name) is None]:
        print(f"{', '.join(missing)} missing: pip install 'bulkmove[peers]'", file=sys.stderr)
        return 2
    said = heading(arguments)
    print(said, end="\n\n")
    rows = anyio.run(measured, arguments.quick)
    wanted = goals(rows)
    print(guarantees(), "\n".join(map(str, wanted)), sep="\n\n")
    if arguments.plot:
        # Drawn with what the extra brings, which may be missing above.
        from benchmarks.peers.plot import draw  # noqa: PLC0415

        draw(
            rows,
            to=arguments.plot,
            caption=(said, f"{lost_and_doubled(rows)}. Dashed: what the limit allows."),
        )
    return 1 if any(goal.missed for goal in wanted) else 0


if __name__ == "__main__":
    sys.exit(main())
