"""How fast the hosts of a migration can be asked, and how long it takes then; found before it begins.

benching.py    a bench from its beginning to its end
wishes.py      what it is asked for, and what it works with
sizing.py      rehearsals of sizes that tell; rehearsing.py: one of them; watching.py: what is counted of it
climbing.py    the ladders of all hosts; probing.py: one ladder; offering.py: one step of it; live.py: the real sources
schedule.py    which rates, and when each request is due
samples.py     percentiles
steps.py       what a step showed, and which is the highest safe one
suggesting.py  the rate and concurrency that a ladder speaks for; writing.py: put into the migration's file
predicting.py  how long the migration takes
result.py      all of it, and in a file; comparing.py: two of these held against each other
"""

from bulkmove.cutover.bench.benching import bench
from bulkmove.cutover.bench.result import Bench, load_bench, save_bench
from bulkmove.cutover.bench.wishes import Conditions, Found, Teller, Wishes
from bulkmove.cutover.bench.writing import write_suggestions

__all__ = [
    "Bench",
    "Conditions",
    "Found",
    "Teller",
    "Wishes",
    "bench",
    "load_bench",
    "save_bench",
    "write_suggestions",
]
