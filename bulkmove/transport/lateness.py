"""Requests that were held up on their way there, as far as their answers show it.

One that the network lost and sent again, or whose host stood still for a moment, is counted by the host when it gets
there: the twentieth after it would come too soon. All that shows is that its answer takes longer than any other did.
"""

from __future__ import annotations

from dataclasses import dataclass

BLOCK = 64  # answers
# An answer that takes longer than the slowest of the block before, by this or by half of what those differed, is late.
LEAST_LATE_S, LATE_SHARE = 0.01, 0.5
# What was lost is sent again after 0.2 s, as a rule. An answer that takes longer than that beside the others was made so late.
MOST_LATE_S = 0.25
# More of them in a block are a host that takes longer now, which holds nothing up on its way.
MOST_LATE = 3
MOST_KINDS = 32


@dataclass(slots=True)
class _Block:
    answers: int = 0
    late: int = 0
    quickest_s: float = 0.0
    slowest_s: float = 0.0

    def add(self, took_s: float) -> None:
        self.quickest_s = min(self.quickest_s, took_s) if self.answers else took_s
        self.slowest_s = max(self.slowest_s, took_s)
        self.answers += 1

    @property
    def late_s(self) -> float:
        """What is too long beside these."""
        return self.slowest_s + max(LEAST_LATE_S, LATE_SHARE * (self.slowest_s - self.quickest_s))


class Lateness:
    """Told of every answer of one host. Those of a kind take the host equally long, as a rule."""

    def __init__(self) -> None:
        self._blocks: dict[str, tuple[_Block | None, _Block]] = {}

    def of(self, kind: str, took_s: float) -> float:
        """For how many seconds at most the request was held up on its way; 0 where its answer does not show that it was."""
        if kind not in self._blocks and len(self._blocks) >= MOST_KINDS:
            return 0.0
        before, block = self._blocks.get(kind) or (None, _Block())
        block.add(took_s)
        self._blocks[kind] = (block, _Block()) if block.answers == BLOCK else (before, block)
        if before is None or took_s <= before.late_s:
            return 0.0
        block.late += 1
        late_s = took_s - before.quickest_s
        return late_s if late_s <= MOST_LATE_S and block.late <= MOST_LATE else 0.0
