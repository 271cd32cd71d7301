"""How fast a host takes requests where nobody says it: found while it is used, by its 429s and its latency. Pure.

rate.py   how many a second: a 429 tells where it ends
room.py   how many at once: latency that rises above its baseline tells that they only wait there
knee.py   both, as the gate asks them; what was found, in words
"""

from bulkmove.transport.knee.knee import Found, Knee, kind_of
from bulkmove.transport.knee.rate import START_PER_S

__all__ = ["START_PER_S", "Found", "Knee", "kind_of"]
