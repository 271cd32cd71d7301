"""What a run sends in windows of a minute and more, noted in the ledger, and told to the hosts of the next run.

A run that was killed may have sent for up to a tenth of a second, or ten requests, what is not noted.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

import anyio

from bulkmove import clock
from bulkmove.ledger import SqliteLedger
from bulkmove.pipeline.opening import place_of
from bulkmove.settings import HostSettings
from bulkmove.transport import HostTransport

SAVE_EVERY_S = 1.0
LOOK_EVERY_S = 0.1
MOST_UNSAVED = 10
_SAVE_WITHIN_S = 5.0


class SpendingBook:
    """The hosts of a run by place: two that stand for one place are counted together there, and told the same."""

    def __init__(
        self,
        ledger: SqliteLedger,
        before: Mapping[str, Mapping[int, int]],
        hosts: Mapping[str, list[HostTransport]],
    ) -> None:
        self._ledger = ledger
        self._before = before
        self._hosts = hosts
        self._saved: dict[str, dict[int, int]] = {}
        self._saved_requests = 0
        self._saved_at = 0.0

    async def keep(self) -> None:
        """Save about every second, sooner where many went out, and when cancelled. Returns at once where no host counts."""
        if not self._hosts:
            return
        try:
            while True:
                await anyio.sleep(LOOK_EVERY_S)
                unsaved = self._requests - self._saved_requests
                if unsaved >= MOST_UNSAVED or (
                    unsaved and anyio.current_time() - self._saved_at >= SAVE_EVERY_S
                ):
                    await self._save()
        finally:
            with anyio.move_on_after(_SAVE_WITHIN_S, shield=True):
                await self._save()

    @property
    def _requests(self) -> int:
        return sum(host.requests for hosts in self._hosts.values() for host in hosts)

    async def _save(self) -> None:
        self._saved_requests, self._saved_at = self._requests, anyio.current_time()
        for place, hosts in self._hosts.items():
            sums: defaultdict[int, int] = defaultdict(int)
            for host in hosts:
                for at, count in host.spent():
                    sums[at] += count
            before, saved = self._before.get(place, {}), self._saved.get(place, {})
            now = {at: before.get(at, 0) + count for at, count in sums.items()}
            self._saved[place] = now
            if changed := {at: count for at, count in now.items() if saved.get(at) != count}:
                oldest = clock.now() - max(host.longest_window_s for host in hosts)
                await self._ledger.save_spent(place, changed, forget_before=oldest)


async def recall_spending(
    ledger: SqliteLedger, settings: Mapping[str, HostSettings], transports: Mapping[str, HostTransport]
) -> SpendingBook:
    """Tell the hosts what earlier runs of this ledger sent, before anything is sent; the book to note it in."""
    before = await ledger.spent()
    hosts: defaultdict[str, list[HostTransport]] = defaultdict(list)
    for name, transport in transports.items():
        if transport.longest_window_s:
            place = place_of(settings[name], settings)
            transport.remember(before.get(place, {}).items())
            hosts[place].append(transport)
    return SpendingBook(ledger, before, hosts)
