"""Simulated migrations from the command line.

python -m tests.simulation 12345             that seed again, with its trace
python -m tests.simulation 0..20000          all of these, and a table of what became of them
python -m tests.simulation 0..20000 --jobs 2
"""

from __future__ import annotations

import argparse
import sys
import time

from tests.simulation.campaign import memory, run, told_of
from tests.simulation.life import live


def main() -> int:
    parser = argparse.ArgumentParser("python -m tests.simulation", description="Simulated migrations.")
    parser.add_argument("seeds", help="one seed, or FROM..TO (TO is left out)")
    parser.add_argument("--jobs", type=int, default=1, help="processes side by side")
    options = parser.parse_args()
    first, _, last = options.seeds.partition("..")
    if not last:
        return _replay(int(first))
    began_at = time.monotonic()
    tally = run(range(int(first), int(last)), jobs=options.jobs)
    sys.stdout.write(tally.told(time.monotonic() - began_at) + "\n")
    return 1 if tally.broken else 0


def _replay(seed: int) -> int:
    with memory() as folder:
        story = live(seed, folder, is_traced=True)
    sys.stdout.write("\n".join([*story.trace, "", told_of(story) if story.violations else "all holds", ""]))
    return 1 if story.violations else 0


if __name__ == "__main__":
    sys.exit(main())
