"""How a simulated MerchantPro shop answers, and how much of it moves."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

MOVES = ("insert", "delete", "purge", "backdate", "touch", "swap")


@dataclass(frozen=True, slots=True)
class Habits:
    """How the shop answers. `moves`: how many changes on average between two lists, of these `kinds`.

    `crowd`: about so many orders share each second; 0: some do, some don't. `answers`: what a POST says of the new order.
    """

    clamp: int = 100
    has_stable_ties: bool = True
    is_inclusive: bool = False
    lies: bool = False
    moves: float = 0.0
    kinds: tuple[str, ...] = MOVES
    skew_s: float = 0.0
    crowd: int = 0
    keeps_key: bool = True
    answers: str = "order"

    @classmethod
    def drawn(cls, dice: Random, *, orders: int) -> Habits:
        return cls(
            clamp=dice.choice((max(2, orders // 8), max(3, orders // 4), max(4, orders // 2), 100, 100)),
            has_stable_ties=dice.random() < 0.5,
            is_inclusive=dice.random() < 0.5,
            lies=dice.random() < 0.15,
            moves=dice.choice((0.0, 0.0, 0.0, 0.2, 0.6, 1.5)),
            kinds=tuple(dice.sample(MOVES, dice.randint(1, len(MOVES)))),
            skew_s=dice.choice((0.0, 0.0, -3600.0, 7.0, 86_400.0)),
        )

    @classmethod
    def written_to(cls, dice: Random) -> Habits:
        return cls(
            clamp=dice.choice((4, 10, 100)),
            has_stable_ties=dice.random() < 0.5,
            is_inclusive=dice.random() < 0.5,
            keeps_key=dice.random() < 0.9,
            answers=dice.choice(("order", "order", "id alone", "nothing")),
            skew_s=dice.choice((0.0, 0.0, -3600.0, 7.0, 86_400.0)),
        )

    @classmethod
    def busy(cls, dice: Random) -> Habits:
        """Two neighbouring seconds fill a page or nearly, and orders go away while they are read."""
        return cls(
            clamp=dice.choice((4, 5, 6)),
            has_stable_ties=dice.random() < 0.3,
            is_inclusive=dice.random() < 0.8,
            lies=dice.random() < 0.3,
            moves=dice.choice((1.0, 2.0)),
            kinds=dice.choice((("purge",), ("purge",), ("delete", "purge"), MOVES)),
            crowd=dice.choice((3, 4)),
        )
