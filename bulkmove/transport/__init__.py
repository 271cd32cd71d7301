"""HTTP to one host, and nothing else: who asks, how fast, how often, and what an answer means for a request.

opening.py   nests the layers, in one function; what its user holds
retry.py     what becomes of a request: returned, tried again, or given up
gated.py     a slot around each attempt
circuit.py   the host held after repeated failures or a 429, probed by one request, resumed, or given up
health.py    what a host did lately, and when that is enough
retry_budget.py  how many retries a host gets
gate.py      one decision over windows, concurrency, pace and pauses, first come first served
slot.py      leave to send one request
pauses.py    when a host gets nothing, and why
comeback.py  how it is met again afterwards: by one request first
leaving.py   the end of a run: who still waits for the host
waking.py    the first in the queue, who can be woken
meters.py    what the gate asks: slots of a window, and the log that keeps its promise
wire.py      the line before the wire, where short windows are kept to the very moment
lately.py    what was let out, whatever windows held: what new ones are told
lateness.py  what was held up on its way, as its answer shows
steering.py  pauses and limits that a person or the timetable changes while a run goes
timetable.py the windows that hold at a time of the host's day
pace.py      how much of its rate a host gets after a 429
knee/        how fast a host may be asked whose rate nobody states: found by its 429s and its latency
latencies.py how long answers took, in buckets that can be added
rests.py     when a host rested, and why
spent.py     what was let out, for windows that outlive a run
hints.py     what a host tells of its limits: RateLimit headers
waits.py     how long to wait: Retry-After, backoff
client.py    one attempt over aiohttp
tls.py       why no secure connection came about
answers.py   what comes back from an attempt, and what it means
auth.py      address, query and headers of a signed request
messages.py  the texts of its errors
timing.py    clock, sleep and chance, so that all of this can be tested without them
"""

from bulkmove.transport.client import open_client
from bulkmove.transport.opening import HostTransport, OpenClient, open_transport
from bulkmove.transport.timing import Timing

__all__ = ["HostTransport", "OpenClient", "Timing", "open_client", "open_transport"]
