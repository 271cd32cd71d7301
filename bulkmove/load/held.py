"""Rows with an attempt that nothing settled: another body waits until it can't land on top of it any more."""

from __future__ import annotations

from bulkmove import clock

# With more of them, those are forgotten that can't land any more.
MOST_HELD = 10_000


class HeldRows:
    """The rows of one stream of a host, shared by all routes of a run that write to it, whatever keys they match by."""

    def __init__(self) -> None:
        self._rows: dict[str, tuple[float, bytes]] = {}
        self._most = MOST_HELD

    def __contains__(self, target_id: str) -> bool:
        return target_id in self._rows

    def hold(self, target_id: str, body: bytes, *, until: float) -> None:
        """Until then (epoch seconds) this body may land on its row."""
        if len(self._rows) >= self._most:
            now = clock.now()
            self._rows = {row: held for row, held in self._rows.items() if held[0] > now}
            self._most = max(MOST_HELD, 2 * len(self._rows))
        known, other = self._rows.get(target_id, (0.0, body))
        if known > clock.now():  # that may land, too: on top of this body as of any other
            until, body = max(until, known), body if other == body else b""
        self._rows[target_id] = (until, body)

    def until(self, target_id: str, body: bytes, *, otherwise: float = 0.0) -> float:
        """Until when something else may land on top of this body; `otherwise` for a row of which nothing is known."""
        held = self._rows.get(target_id)
        if held is None:
            return otherwise
        return 0.0 if held[1] == body else held[0]
