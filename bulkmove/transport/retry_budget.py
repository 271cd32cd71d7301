"""How many retries a host gets: a tenth of the requests, never under fifty. Pure: told how long a retry has waited.

Without it, a host that fails on half of what it gets would be given twice as much. When it is spent, retries wait
until other requests have earned them, so that the run slows down; none waits for ever, and nothing fails for it.
"""

from __future__ import annotations

SHARE = 0.1
LEAST = 50
# As long as the longest backoff: a retry that has waited so long goes, and is not counted.
LONGEST_WAIT_S = 30.0


class RetryBudget:
    """Of one host, for one run. `requests` are those that were asked for, each counted once, however often it is sent."""

    __slots__ = ("_spent", "requests")

    def __init__(self) -> None:
        self.requests = 0
        self._spent = 0

    @property
    def left(self) -> int:
        return max(LEAST, int(SHARE * self.requests)) - self._spent

    def earn(self) -> None:
        """A request is about to be sent for the first time."""
        self.requests += 1

    def spend(self, waited_s: float, *, longest_s: float = LONGEST_WAIT_S) -> bool:
        """Whether a retry that has waited so long may go now; then it is counted."""
        if self.left > 0:
            self._spent += 1
            return True
        return waited_s >= longest_s

    def charge(self) -> None:
        """Count a resend that does not wait here, since a pause of its host holds it already; it makes no debts."""
        if self.left > 0:
            self._spent += 1
