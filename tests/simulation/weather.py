"""What goes wrong in a simulated migration, and when: all of it drawn from one seed before anything begins."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Literal, NamedTuple

# Instead of the call, nothing done.
NOTHING_DONE = (
    "refused", "reset before", "time-out before", "500 before", "502 before", "503 with a wait", "429", "html 200",
    "passing error",
)  # fmt: skip
# The call is done at once, and its answer is spoilt or lost.
DONE = ("reset after", "time-out after", "502 after", "500 after", "cut body", "slow")
# The call is done after the host gave up answering, or after its client did.
DONE_LATER = ("504, done later", "silence, done later", "reset, done later")
REFUSED_KEY = "401"
ON_THE_WIRE = (*NOTHING_DONE, *DONE, *DONE_LATER, REFUSED_KEY)
_FOR_A_WHILE = ", for a while"
_WRITES_ALONE = frozenset(DONE_LATER)
_ONE_API = {"passing error": "merchantpro"}

End = Literal["at its end", "killed at a boundary", "killed at a time", "stopped", "limited"]


class Share(NamedTuple):
    """A fault meets this share of the requests to one API; of its writes alone, or of all."""

    api: str
    fault: str
    share: float
    writes_only: bool


class Spell(NamedTuple):
    """From one moment to another, every request to one API meets a fault."""

    api: str
    fault: str
    begins_at: float
    ends_at: float


class RunPlan(NamedTuple):
    """How one run ends. `at`: the boundary, the seconds since its start, or how many records a route may map.

    `rest_s`: how long nothing runs afterwards.
    """

    end: End
    at: float = 0.0
    rest_s: float = 0.0


@dataclass
class Weather:
    """`counted`: how often each fault came about. When it is calm, nothing goes wrong any more.

    `jump_s`: by how much the machine's clock is set, now and then, while a host is late with what it was asked.
    """

    dice: Random
    shares: Sequence[Share] = ()
    spells: Sequence[Spell] = ()
    runs: Sequence[RunPlan] = ()
    jump_s: float = 0.0
    slow_disk_s: float = 0.0
    most_faults: int = 60
    is_calm: bool = False
    counted: Counter[str] = field(default_factory=Counter)
    _drawn: int = 0

    @property
    def failures(self) -> int:
        """How many requests met a fault on their way."""
        return self._drawn + sum(
            times for fault, times in self.counted.items() if fault.endswith(_FOR_A_WHILE)
        )

    def draw(self, api: str, kind: str, now: float) -> str | None:
        """The fault that a request meets."""
        if self.is_calm:
            return None
        for spell in self.spells:
            if spell.api == api and spell.begins_at <= now < spell.ends_at:
                self.counted[spell.fault + _FOR_A_WHILE] += 1
                return spell.fault
        drawn = None
        is_write = kind in {"write", "set"}
        for share in self.shares:
            if share.api != api or (share.writes_only and not is_write):
                continue
            if share.fault in _WRITES_ALONE and not is_write:
                continue
            if self.dice.random() < share.share:
                drawn = drawn or share.fault
        if drawn is None or self._drawn >= self.most_faults:
            return None
        self._drawn += 1
        self.counted[drawn] += 1
        return drawn


def make_weather(
    seed: int, *, apis: Sequence[str], writable: Sequence[str], is_late: bool = False
) -> Weather:
    """`apis`: those of the hosts; `writable`: those that are written to.

    `is_late`: hosts do what they are asked when nobody waits for it any more; meanwhile the machine's clock is set, and
    the process is killed.
    """
    dice = Random(f"weather {seed}")
    shares = _shares(dice, apis, writable)
    late = [Share(api, fault, 0.3, writes_only=True) for api in writable for fault in DONE_LATER]
    return Weather(
        dice=Random(f"faults {seed}"),
        shares=late if is_late else shares,
        spells=_spells(dice, apis),
        runs=[RunPlan("killed at a boundary", at, rest_s=0.0) for at in _boundaries(dice)]
        if is_late
        else _runs(dice),
        jump_s=3600.0 if is_late else _jump_s(dice),
        slow_disk_s=dice.choice((0.0, 0.0, 0.0, 0.01, 0.3)),
        most_faults=dice.choice((5, 20, 60)),
    )


def _shares(dice: Random, apis: Sequence[str], writable: Sequence[str]) -> list[Share]:
    shares = []
    for _ in range(dice.choice((0, 1, 1, 1, 2, 3, 5))):
        fault = dice.choice((*NOTHING_DONE, *DONE, *DONE, *DONE_LATER, *DONE_LATER, *DONE_LATER))
        writes_only = fault in DONE_LATER or dice.random() < 0.5
        api = dice.choice(writable if writes_only else apis)
        if _ONE_API.get(fault, api) == api:
            shares.append(Share(api, fault, dice.choice((0.05, 0.1, 0.3, 0.6)), writes_only))
    if dice.random() < 0.02:
        shares.append(Share(dice.choice(apis), REFUSED_KEY, 0.05, writes_only=False))
    return shares


def _spells(dice: Random, apis: Sequence[str]) -> list[Spell]:
    if dice.random() > 0.12:
        return []
    begins_at = dice.random() * 4
    fault = dice.choice(("refused", "429", "500 before", "502 before", "time-out before", "503 with a wait"))
    return [Spell(dice.choice(apis), fault, begins_at, begins_at + dice.choice((0.5, 3, 10, 40)))]


def _runs(dice: Random) -> list[RunPlan]:
    ends: tuple[End, ...] = (
        "at its end", "killed at a boundary", "killed at a boundary", "killed at a boundary", "killed at a time",
        "stopped", "limited",
    )  # fmt: skip
    plans = []
    for _ in range(dice.choice((0, 0, 1, 1, 2, 3))):
        end = dice.choice(ends)
        at = 0.0
        if end == "killed at a boundary":
            at = float(int(2 ** (dice.random() * 8.5)))
        elif end == "limited":
            at = float(dice.choice((1, 3, 10)))
        elif end != "at its end":
            at = dice.random() ** 2 * 8
        plans.append(RunPlan(end, at, dice.choice((0.0, 0.1, 1.0, 30.0))))
    return plans


def _boundaries(dice: Random) -> list[float]:
    """Those at which writes go out and come back are among the first hundred or two."""
    return [float(dice.randint(20, 200)) for _ in range(2)]


def _jump_s(dice: Random) -> float:
    """An hour forwards makes a write look long done that the host has only begun."""
    return dice.choice((-3600.0, 5.0, 3600.0)) if dice.random() < 0.15 else 0.0
