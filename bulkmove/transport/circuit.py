"""The circuit of a host: held after repeated failures or a 429, probed by one request, resumed. All routes share it.

closed     it serves: requests flow as the gate lets them
open       nothing goes out: for as long as a 429 or a 503 says, or, from the second failure in a row, for a
           while that grows with each rest (0.5 s to 30 s, jittered)
half open  the rest is over: one request goes out alone. If it fails, the host rests again, for longer; if it is
           served, the circuit closes, and each request that comes back lets one more out beside its successor
given up   it failed at least 6 times over `give_up_after_s` with nothing served (a host that never answered:
           3 times over 10 s; see `HostHealth`), or asked to wait more than 10 times in a row: those who ask it
           raise HostUnavailableError, which ends their routes with 5. Nothing is rejected for it, and routes
           between other hosts go on
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from bulkmove.model import Request
from bulkmove.transport.gate import Gate
from bulkmove.transport.gated import Tries, is_write
from bulkmove.transport.health import HostHealth
from bulkmove.transport.hints import hints_in
from bulkmove.transport.timing import Timing
from bulkmove.transport.waits import rest_s

# Where windows space the requests, a limit that starts anew sooner is one that they keep; hints count in whole seconds.
SHORTEST_HOLD_S = 2.0


class HostCircuit:
    """Told of what every attempt came to; holds the gate of the host, and slows it down, where that asks for it."""

    def __init__(self, gate: Gate, health: HostHealth, timing: Timing) -> None:
        self._gate = gate
        self._timing = timing
        self.health = health
        self._held_until = -math.inf
        self._has_room = True

    def served(self, request: Request) -> None:
        self.health.served(self._timing.clock(), is_write=is_write(request))

    @property
    def held_s(self) -> float:
        """For how many seconds in all a person held the host."""
        return self._gate.held_s

    @property
    def is_left(self) -> bool:
        """Whether the run has been ending for a while, so that nothing is tried again."""
        return self._gate.is_left

    def throttled(self, tries: Tries, told_s: float | None, *, otherwise_s: float) -> None:
        """A 429 holds the host; the first since something was served lowers its rate.

        Of several that meet one 429 together only the first to come back counts. `told_s` is 0 where it need not
        be long, None where the host tells no time: then it rests `otherwise_s`.
        """
        reason = "it asked to wait (429)" if told_s is not None else "it answered 429 and told no time"
        wait_s = otherwise_s if told_s is None else told_s
        if tries.pauses == self._gate.pauses:
            is_first = not self.health.throttle_pauses
            self.health.throttled()
            wait_s = wait_s or rest_s(self.health.tripped(), self._timing.chance())
            if is_first:
                self._gate.lower(rest_s=wait_s)
        self._gate.pause(wait_s, reason)

    def failed(self, request: Request, tries: Tries, what: str, *, told_s: float | None = None) -> None:
        """An attempt failed; the host rests where it was not the first in a row. `told_s`: what a 503 asks for."""
        now = self._timing.clock()
        write = hash((request.method, request.path, request.body)) if is_write(request) else None
        self.health.failed(started_at=tries.started_at, now=now, what=what, write=write)
        if told_s is not None:
            self._gate.pause(told_s, "it asked to wait (503)")
        if self.health.is_failing and tries.pauses == self._gate.pauses:
            rest = rest_s(self.health.tripped(), self._timing.chance())
            self._gate.pause(self.health.shortened(rest, now, is_write=is_write(request)), what)

    def heed(self, headers: Mapping[str, str], tries: Tries, host_now: float) -> None:
        """Hold the host until its limit starts anew, where an answer says that the limit is spent.

        A hint that says so again right after it was waited out is not believed until one says that there is room:
        a 429 would tell.
        """
        hints = [hint for hint in hints_in(headers, host_now) if hint.remaining is not None]
        if not hints:
            return
        waits = [hint.reset_s for hint in hints if not hint.remaining and hint.reset_s is not None]
        if not waits:
            self._has_room = True
            return
        if max(waits) < SHORTEST_HOLD_S and self._gate.is_spaced:
            return
        now = self._timing.clock()
        if tries.started_at >= self._held_until:
            if not self._has_room:
                return
            self._has_room = False
        self._held_until = max(self._held_until, now + max(waits))
        self._gate.hold(max(waits), "its limit is spent, as it says")
