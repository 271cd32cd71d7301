"""All that a bench found, and the same in a file, which holds no address, no credential and no record."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bulkmove.cutover.bench.predicting import Prediction
from bulkmove.cutover.bench.probing import HostSteps
from bulkmove.cutover.bench.suggesting import Suggestion
from bulkmove.pipeline.saved_file import SavedKind

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Bench:
    """`against`: the sandbox, or the real sources. `notes`: what a person should know of how it was found."""

    format: int
    name: str
    made_at: str
    version: str
    against: str
    arrivals: str
    hosts: tuple[HostSteps, ...]
    suggestions: tuple[Suggestion, ...]
    prediction: Prediction | None = None
    notes: tuple[str, ...] = ()


_KIND = SavedKind("bench", Bench, FORMAT, mode=0o644)


def save_bench(path: Path, bench: Bench) -> None:
    """Write it, whole or not at all. Raises ConfigError where something else is there, or it can't be written."""
    _KIND.save(path, bench)


def refuse_foreign(path: Path) -> None:
    """Raises ConfigError where something is there that is no saved bench."""
    _KIND.refuse_foreign(path)


def load_bench(path: Path) -> Bench:
    """Raises ConfigError for a file that can't be read, or is none."""
    return _KIND.load(path)
