"""What a verification found, as a value: of each route the counts, the totals, and what could not be compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bulkmove.cutover.verify.totals import Total
from bulkmove.model import Counts

DIFFERENCES = 4

# Outcomes of bodies, and of rows that no body belongs to. The first makes no difference; the signs are those of
# `rclone check --combined`.
SIGNS: Mapping[str, str] = {
    "equal": "=",
    "missing": "-",
    "extra": "+",
    "different": "*",
    "doubled": "!",
    "stale": "*",
    "new": "-",
    "error": "!",
}
DIFFERING = tuple(name for name in SIGNS if name != "equal")


@dataclass(frozen=True, slots=True)
class RouteVerification:
    """One route. `source`: records that were read there; `target`: rows that belong to this migration.

    `counts`: bodies by outcome (see SIGNS), extra rows among them. `expected_absent`: records that are not looked for, by what
    the ledger says of them; `there`: how many of those have a row all the same. `foreign`: rows that stood there before the first write, or
    are none of this migration's. `gone`: rows of records that a delta found gone at the source, and left. `not_kept`: bodies of which nothing tells what was written. `confidence`: of a sample,
    what it lets one say. `fields`: how many bodies differ in each field. `is_finished`: the route, by the ledger;
    `is_undone`: so is it that it was undone as a whole.
    """

    name: str
    source: int = 0
    target: int = 0
    counts: Mapping[str, int] = field(default_factory=dict)
    expected_absent: Mapping[str, int] = field(default_factory=dict)
    there: int = 0
    foreign: int = 0
    gone: int = 0
    not_kept: int = 0
    pending: int = 0
    fields: Mapping[str, int] = field(default_factory=dict)
    not_comparable: Sequence[str] = ()
    totals: Sequence[Total] = ()
    confidence: str | None = None
    is_finished: bool = True
    is_undone: bool = False

    @property
    def has_differences(self) -> bool:
        return any(self.counts.get(name) for name in DIFFERING)

    def as_dict(self) -> dict[str, Any]:
        return {
            "source": self.source,
            "target": self.target,
            **{name: self.counts.get(name, 0) for name in SIGNS},
            "expected_absent": dict(self.expected_absent),
            "there_all_the_same": self.there,
            "foreign": self.foreign,
            "gone": self.gone,
            "not_kept": self.not_kept,
            "pending": self.pending,
            "fields": dict(self.fields),
            "not_comparable": list(self.not_comparable),
            "totals": [total.as_dict() for total in self.totals],
            "confidence": self.confidence,
            "is_finished": self.is_finished,
            "is_undone": self.is_undone,
        }


@dataclass(frozen=True, slots=True)
class Verification:
    """How a verification ended. `exit_code`: 0 nothing differs, 4 something does, else why it could not be told.

    `directory`: where the mismatch files are, None where none were written. `seed`: of a sample. `notes`: what a person
    should know; `errors`: what ended a route before its end. `id`: in the ledger, None where it is not noted.
    """

    exit_code: int
    routes: Mapping[str, RouteVerification]
    directory: Path | None = None
    sample: str | None = None
    seed: int | None = None
    notes: Sequence[str] = ()
    errors: Sequence[str] = ()
    id: int | None = None

    @property
    def is_sample(self) -> bool:
        return self.sample is not None

    def as_dict(self) -> dict[str, Any]:
        """As the ledger keeps it."""
        return {
            "routes": {name: route.as_dict() for name, route in self.routes.items()},
            "sample": self.sample,
            "seed": self.seed,
            "notes": list(self.notes),
        }


@dataclass(frozen=True, slots=True)
class Repair:
    """How a repair ended. `mended`: by route, how many findings of each kind were worked; `left`: why others were not.

    `exit_code` as of a run. `summary`: the routes' counts by the ledger.
    """

    exit_code: int
    counts: Mapping[str, Counts]
    mended: Mapping[str, Mapping[str, int]]
    left: Sequence[str] = ()
    notes: Sequence[str] = ()
    errors: Sequence[str] = ()
    is_dry: bool = False
