"""A run that holds itself to a plan: not begun where configuration or sources moved, ended where it rejects far more."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from bulkmove.errors import ConfigError
from bulkmove.events import Note
from bulkmove.model import PageQuery
from bulkmove.pipeline.job import Run
from bulkmove.pipeline.plan import MigrationPlan, changed_keys
from bulkmove.pipeline.saved_plan import SavedPlan, SavedRoute
from bulkmove.pipeline.staging import written_by
from bulkmove.settings import RejectionLimit

# By how much a source may have moved, where nobody says: a share of its rows, and this many at least.
USUAL_SHARE = 0.05
USUAL_LEAST = 100
_LONGEST_VALUE = 60
_AGAIN = "plan again, or run without --plan"


@dataclass(frozen=True, slots=True)
class Tolerance:
    """By how many records a source may differ from its plan: a number, a share, or the usual of both."""

    count: int | None = None
    share: float | None = None

    def of(self, rows: int) -> int:
        if self.count is not None:
            return self.count
        if self.share is not None:
            return math.floor(self.share * rows)
        return max(USUAL_LEAST, math.floor(USUAL_SHARE * rows))


def tolerance_of(text: str | None) -> Tolerance:
    """`250`, `2%`, or the usual where nothing is said. Raises ConfigError for anything else."""
    if text is None:
        return Tolerance()
    found = re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?)\s*%|(\d{1,12})", text.strip())
    if found is None:
        raise ConfigError(
            f"--plan-tolerance {text!r} is no number of records such as 250, and no share such as 2%"
        )
    share, count = found.groups()
    return Tolerance(share=float(share) / 100) if share else Tolerance(count=int(count))


@dataclass(frozen=True, slots=True)
class HeldTo:
    """The plan that a run is held to. `file` names it in messages."""

    file: Path
    plan: SavedPlan
    tolerance: Tolerance = Tolerance()

    def check_configuration(self, plan: MigrationPlan, *, only: Sequence[str] = ()) -> None:
        """Raises ConfigError naming route, what the plan said and what is now. `only`: the routes that are run."""
        problems = list(self._problems(plan, only))
        if problems:
            listed = "\n".join(f"{self.file}: {each}" for each in problems)
            raise ConfigError(f"{listed}\n{self.file}: the configuration moved since it was saved: {_AGAIN}")

    def _problems(self, plan: MigrationPlan, only: Sequence[str]) -> Iterator[str]:
        if plan.settings.name != self.plan.name:
            yield f"is the plan of {self.plan.name}, not of {plan.settings.name}"
            return
        known = self.plan.routes
        for name, route in plan.routes.items():
            if name not in known:
                yield f"route {name}: the plan does not have it; it has {', '.join(known)}"
                continue
            now: Mapping[str, Any] = orjson.loads(orjson.dumps(route.fingerprint))
            then = known[name].fingerprint
            for key in changed_keys(then, now):
                yield f"route {name}: {key} was {_shown(then.get(key))}, is {_shown(now.get(key))} now"
        for name in known if not only else ():
            if name not in plan.routes:
                yield f"route {name}: the plan has it, and the configuration does not"

    async def check_sources(self, run: Run) -> None:
        """Ask each source that is still to be read for its count. Raises ConfigError where one moved too far."""
        problems: list[str] = []
        for name, job in run.jobs.items():
            if (await run.ledger.progress(name)).is_read:
                continue
            then = self.plan.routes[name].source_rows
            is_made_here = written_by(job.settings, run.plan.settings, run.plan.connectors) is not None
            now = None if then is None or is_made_here else (await job.source.fetch(PageQuery(limit=1))).total
            if then is None or now is None:
                text = f"route {name}: {job.settings.source} tells no count: whether it moved since the plan is not known"
                run.emit(Note(text, route=name))
                continue
            allowed = self.tolerance.of(then)
            if abs(now - then) > allowed:
                problems.append(
                    f"route {name}: {job.settings.source} held {then:,} records when it was planned"
                    f" ({self.plan.made_at}), and holds {now:,} now: {abs(now - then):,}"
                    f" {'more' if now > then else 'fewer'}, and {allowed:,} are tolerated"
                )
        if problems:
            listed = "\n".join(f"{self.file}: {each}" for each in problems)
            raise ConfigError(f"{listed}\n{self.file}: nothing was written: {_AGAIN}")

    def most_rejected(self, route: str) -> RejectionLimit:
        """As many as the plan said, and as many more as its source may have moved."""
        planned: SavedRoute = self.plan.routes[route]
        return RejectionLimit(count=planned.rejected + self.tolerance.of(planned.read))


def _shown(value: object) -> str:
    text = orjson.dumps(value).decode()
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 1]}…"
