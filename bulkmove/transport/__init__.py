"""HTTP to one host, and nothing else: who asks, how fast, how often, and what an answer means for a request.

opening.py   nests the layers, in one function; what its user holds
retry.py     what becomes of a request: returned, tried again, or given up
gated.py     a slot around each attempt
gate.py      one decision over windows, concurrency and pauses, first come first served
meters.py    what the gate asks: slots of a window, and the log that keeps its promise
health.py    what a host did lately, and when that is enough
waits.py     how long to wait: Retry-After and its kin, backoff
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
