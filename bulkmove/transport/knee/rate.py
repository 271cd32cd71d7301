"""How many requests a second a host takes that tells no limit: additive increase, multiplicative decrease. Pure.

doubling   nothing was refused yet: twice as many each half second, while they are used and latency stays flat
climbing   a 429 came: from what went well before, in steps of a quarter of the way, towards where it came
holding    near enough; now and then one step past the place, less often each time that a 429 comes there again
"""

from __future__ import annotations

import math

START_PER_S = 10.0
LEAST_PER_S = 0.1
# Requests until a rate has shown anything, and the seconds that it holds at least: limits count by the second.
FEWEST = 8
DOUBLED_AFTER_S = 0.5
CLIMBED_AFTER_S = 1.1
# Less than this of the rate was used: it was not the rate that held them up, and nothing is learnt of it.
USED = 0.85
USED_WEIGHT = 0.2  # of the last look in what is told of it
USED_ALIKE = 0.25  # what differs by more begins it anew

# A step towards the place of the last 429 is a part of the way, at least so much of the rate; this near to it is there.
PART_OF_WAY = 0.25
LEAST_STEP = 0.02
NEAR = 0.96
NEAR_ENOUGH = 0.9  # where each 429 costs a long pause
LONG_REST_S = 15.0
PAST = 1.06

BACK_TO = 0.98  # of what went well, after a step too far
# Of what went well until now, when it is refused: it may be chance; soon after, what was served since tells how much.
REFUTED_TO = 0.93
LEAST_OF_REFUTED = 0.8
REFUTED_AGAIN_TO = 0.9
LEAST_OF_REFUTED_AGAIN = 0.4
# So many times as long as its pause: what was served between two 429s is then about what it takes.
LONG_FOR_PAUSE = 4.0
RESTED_TO = 0.7  # after a pause that was no 429's

AGAIN_AFTER = 1.5  # what is found once more is found in smaller steps than at first

FIRST_PROBE_S = 15.0
PROBE_LESS_OFTEN = 1.25
LONGEST_PROBE_S = 1800.0
# Of what the rate would have let out between two refusals; and how much the counts of two such times may differ.
LITTLE = 0.5
ALIKE = 0.1
MOST_ALIKE = 2
# It may have been chance: soon it is tried with more than a step.
SETTLED_FOR = 3.0
PAST_SETTLED = 1.5
# A refusal this soon after the last pause, or sooner than that pause was long, says that it was no chance.
SOON_S = 10.0
# Looking for more costs a pause each time that there is none: it may take so many times as long until the next.
PROBE_PER_PAUSE = 25.0

# A timer of an event loop is late by some milliseconds, which must not be lost; less where the host may look at each gap.
LATE_CREDIT_S = 0.01
LATE_CREDIT_REFUTED_TO = 0.1


class RateSearch:
    """The rate that may be used now, evenly spaced. `most_per_s`: never more than that."""

    def __init__(self, *, most_per_s: float = math.inf) -> None:
        self._most = most_per_s
        self.rate = min(START_PER_S, most_per_s)
        self.good = 0.0  # the highest that went well
        self.bad = math.inf  # the lowest above it that was refused lately
        self.used: float | None = None  # what was sent lately, while it was held up by rate or room alone
        self._next_at = self._since = -math.inf
        self._count = 0
        self._growth = 2.0
        self._late_credit_s = LATE_CREDIT_S
        self._probe_at = math.inf
        self._probe_every_s = self._first_probe_s = FIRST_PROBE_S
        self._refused_at = -math.inf
        self._is_lowered = False
        self._rests_until = -math.inf
        self._rest_s = self._proven_after_s = 0.0
        self._was_refuted = False
        self._sent = self._sent_before = self._alike = 0
        self._past = PAST

    @property
    def is_found(self) -> bool:
        """Whether a 429 told where it ends."""
        return self.bad < math.inf

    def wait_s(self, now: float) -> float:
        """Seconds until the next one may go."""
        return max(0.0, self._next_at - now)

    def take(self, now: float) -> None:
        """One goes now."""
        if self._since == -math.inf:
            self._since = self._refused_at = now
        self._sent += 1
        self._next_at = max(self._next_at, now - self._late_credit_s) + 1 / self.rate
        self._count += 1

    def look(self, now: float, *, latency_s: float, may_rise: bool, is_held_up: bool) -> bool:
        """Go on where the rate has held for long enough. `is_held_up`: by the room, so that the rate can't be used.

        Whether the host was then used to the full, by one or the other.
        """
        lasted_s = now - self._since
        shortest_s = max(CLIMBED_AFTER_S, self._proven_after_s) if self.is_found else DOUBLED_AFTER_S
        if lasted_s < max(shortest_s, FEWEST / self.rate) + latency_s:
            return False
        sent = self._count / lasted_s
        is_used = sent >= USED * self.rate
        if is_used or is_held_up:
            is_alike = self.used is not None and abs(sent - self.used) < USED_ALIKE * self.used
            self.used = self.used + USED_WEIGHT * (sent - self.used) if self.used and is_alike else sent
        if is_used:
            self.good = max(self.good, self.rate)
            if may_rise:
                self._raise(now)
        self._begin(now)
        return is_used or is_held_up

    def throttled(self, now: float, *, probe_after_s: float = FIRST_PROBE_S) -> None:
        """The host answered 429: back to what went well, or below it where that is what was refused.

        `probe_after_s`: how long it is held at least before it is tried whether there is more.
        """
        self._first_probe_s = probe_after_s
        self._probe_every_s = max(self._probe_every_s, probe_after_s)
        lasted_s, sent, before = now - self._refused_at, self._sent, self._sent_before
        is_alike = sent < LITTLE * lasted_s * self.rate and abs(sent - before) <= ALIKE * sent + 1
        self._alike = self._alike + 1 if is_alike else 0
        if self._alike == MOST_ALIKE:
            self._settle(now, sent / lasted_s, lasted_s)
        elif self.rate > self.bad:
            self._was_refuted = False
            self.rate = min(self.good, NEAR * self.bad)
            self._probe_every_s = min(LONGEST_PROBE_S, PROBE_LESS_OFTEN * self._probe_every_s)
            self._probe_at = now + self._probe_every_s
        elif 0 < self.good < self.rate:
            self.bad, self.rate = self.rate, BACK_TO * self.good
            self._was_refuted = False
        else:
            self._refute(now, sent / lasted_s if lasted_s > 0 else self.rate, lasted_s)
        self._growth = AGAIN_AFTER
        self._is_lowered = True
        self._refused_at = now
        self._sent, self._sent_before = 0, sent
        self._begin(now)

    def _settle(self, now: float, served_per_s: float, lasted_s: float) -> None:
        """It rests for most of the time, after as many requests each time: a limit that counts by the minute, say."""
        self.rate = self.good = max(LEAST_PER_S, BACK_TO * served_per_s)
        self.bad = self.rate / NEAR
        self._proven_after_s, self._alike = lasted_s, 0
        self._past = PAST_SETTLED
        self._probe_every_s = SETTLED_FOR * lasted_s
        self._probe_at = now + self._probe_every_s

    def _refute(self, now: float, served_per_s: float, lasted_s: float) -> None:
        """What went well does no longer, or never did for long."""
        is_again = self._was_refuted and now - self._rests_until < max(SOON_S, self._rest_s)
        self._was_refuted = True
        self._late_credit_s *= LATE_CREDIT_REFUTED_TO
        self.bad = rate = self.rate
        if is_again:
            rate = min(REFUTED_AGAIN_TO * rate, max(served_per_s, LEAST_OF_REFUTED_AGAIN * rate))
        elif lasted_s > LONG_FOR_PAUSE * self._rest_s:
            rate = min(REFUTED_TO * rate, max(served_per_s, LEAST_OF_REFUTED * rate))
        else:
            rate = REFUTED_TO * rate
        self.rate = max(LEAST_PER_S, rate)
        self.good = min(self.good, self.rate)
        self._probe_every_s, self._probe_at = self._first_probe_s, math.inf

    def lower(self, now: float, share: float) -> None:
        """The host is in trouble: less, and quickly back to what went well."""
        self.rate = max(LEAST_PER_S, share * self.rate)
        self._is_lowered = True
        self._begin(now)

    def rest_until(self, now: float, moment: float) -> None:
        """While the host rests nothing is learnt of it; it is begun again with a share of what went well."""
        if now >= self._rests_until:
            if not self._is_lowered:
                self.lower(now, RESTED_TO)
            self._is_lowered = False
        self._rest_s = moment - now if now >= self._rests_until else max(self._rest_s, moment - now)
        self._rests_until = max(moment, self._rests_until)
        self._begin(self._rests_until)
        if self.is_found and self._past == PAST:
            self._probe_every_s = max(
                self._probe_every_s, min(LONGEST_PROBE_S, PROBE_PER_PAUSE * self._rest_s)
            )
        if self._probe_at < math.inf:
            self._probe_at = max(self._probe_at, moment + self._probe_every_s)

    def _raise(self, now: float) -> None:
        rate = self.rate
        if rate > self.bad:  # more is there than there was
            self.bad, self._probe_at, self._probe_every_s = math.inf, math.inf, self._first_probe_s
            self._proven_after_s = 0.0
        if rate < BACK_TO * self.good:
            self.rate = min(2 * rate, BACK_TO * self.good)
        elif not self.is_found:
            self.rate = self._growth * rate
        elif rate >= self._near * self.bad:
            self._hold(now)
        else:
            step = max(LEAST_STEP * rate, PART_OF_WAY * (self.bad - rate))
            self.rate = min(rate + step, self._near * self.bad)
        self.rate = min(self.rate, self._most)

    @property
    def _near(self) -> float:
        return NEAR if self._rest_s < LONG_REST_S else NEAR_ENOUGH

    def _hold(self, now: float) -> None:
        if self._probe_at == math.inf:
            self._probe_at = now + self._probe_every_s
        elif now >= self._probe_at:
            self.rate, self._past = self._past * self.bad, PAST

    def _begin(self, moment: float) -> None:
        self._since = moment
        self._count = 0
