"""What a bench is asked for, what it works with, and whom it tells."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from bulkmove.cutover.bench.predicting import Prediction
from bulkmove.cutover.bench.probing import HostSteps, OnStep
from bulkmove.cutover.bench.schedule import Arrivals
from bulkmove.cutover.bench.suggesting import Suggestion
from bulkmove.settings import MigrationSettings, Window


class Conditions(NamedTuple):
    """What stands in for a host lets through, and the seconds that it holds answers back: from, to, mostly near the first."""

    windows: tuple[Window, ...] = ()
    low_s: float = 0.0
    high_s: float = 0.0
    has_tail: bool = False


class Staged(Protocol):
    """Hosts that stand in for the real ones. `empty`: takes away what was written to one of them, where that can be."""

    @property
    def settings(self) -> MigrationSettings: ...

    @property
    def empty(self) -> Mapping[str, Callable[[], Awaitable[None]]]: ...


class OpenStage(Protocol):
    """Opens hosts that stand in for the real ones, with so many records at each source."""

    def __call__(
        self, records: int, conditions: Mapping[str, Conditions]
    ) -> AbstractAsyncContextManager[Staged]: ...


@dataclass(frozen=True, slots=True)
class Wishes:
    """What one bench is asked for. `records`: by route, or by "" for all; what is missing the sources tell.

    `allows`: what stand-ins let through in place of what is configured; `latency`: how long they take, by host.
    `reads_real`: the real sources are asked, with `budget` requests at most.
    """

    step_s: float
    arrivals: Arrivals = "even"
    records: Mapping[str, int] = field(default_factory=dict)
    allows: Mapping[str, tuple[Window, ...]] = field(default_factory=dict)
    latency: Mapping[str, Conditions] = field(default_factory=dict)
    reads_real: bool = False
    budget: int = 200
    spent: Mapping[str, Mapping[int, int]] = field(default_factory=dict)


@dataclass(slots=True)
class Teller:
    """Whoever is told while it goes on: each step, and what is done now. `is_over`: whether it is to end soon."""

    on_step: OnStep
    on_phase: Callable[[str], None]
    is_over: Callable[[], bool] = bool


@dataclass(frozen=True, slots=True)
class Found:
    """What a bench found; `prediction` None where it was ended before."""

    hosts: tuple[HostSteps, ...]
    suggestions: tuple[Suggestion, ...]
    prediction: Prediction | None
    notes: tuple[str, ...]
