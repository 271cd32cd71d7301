"""The error budget of a route: a run that rejects too much ends before it goes through a whole history that way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from bulkmove.errors import BudgetSpentError
from bulkmove.settings import RejectionLimit

# A share of less says little: one bad record among the first ten is not "10 %".
FEWEST_FOR_A_SHARE = 100


class ErrorBudget:
    """Counts what one run handles of a route and what it rejects of that. Pure.

    `limit` None: any number may be rejected. A record whose bodies are refused by answers to several requests counts
    once an answer. `planned`: as many as the plan tolerates that the run is held to, whatever `limit` says.
    """

    def __init__(
        self, route: str, limit: RejectionLimit | None, planned: RejectionLimit | None = None
    ) -> None:
        self._route = route
        self._limit = limit
        self._planned = planned
        self._handled = 0
        self._rejected = 0
        self._causes: Counter[str] = Counter()

    def handle(self, records: int) -> None:
        """So many more records were mapped, or are taken up from an earlier run."""
        self._handled += records

    def reject(self, causes: Mapping[str, int]) -> None:
        """So many more records were rejected, by cause."""
        self._causes.update(causes)
        self._rejected += sum(causes.values())

    @property
    def is_spent(self) -> bool:
        return self._is_beyond(self._limit) or self._is_beyond(self._planned)

    def _is_beyond(self, limit: RejectionLimit | None) -> bool:
        if limit is None or not self._rejected:
            return False
        if limit.count is not None:
            return self._rejected > limit.count
        return self._handled >= FEWEST_FOR_A_SHARE and self._rejected > (limit.share or 0.0) * self._handled

    def error(self) -> BudgetSpentError:
        """What ends the run; it says why most were rejected."""
        [(cause, count)] = self._causes.most_common(1)
        allowed = f"max_rejected = {self._limit} allows"
        if not self._is_beyond(self._limit):
            allowed = f"the {self._planned} that the plan tolerates"
        return BudgetSpentError(
            f"route {self._route}: {self._rejected:,} of {self._handled:,} records that this run handled were rejected, more"
            f" than {allowed}; {count:,} of them for {cause}. `bulkmove failures` shows them; mend"
            " the cause, `bulkmove retry` what was rejected, and run again to go on"
        )
