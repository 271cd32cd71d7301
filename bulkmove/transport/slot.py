"""Leave to send one request, as the gate gives it out."""

from __future__ import annotations

from bulkmove.transport.meters import Entry


class Slot:
    """To be given back by `Gate.release`. `pauses` had begun when it was given."""

    __slots__ = ("entries", "given_at", "is_on_the_way", "pauses", "sent_at", "turn_at")

    def __init__(self, pauses: int, given_at: float, entries: tuple[Entry, ...]) -> None:
        self.pauses = pauses
        self.given_at = self.sent_at = given_at
        self.entries = entries
        self.is_on_the_way = True
        self.turn_at: float | None = None
