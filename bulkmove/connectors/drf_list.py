"""Pages of a list as Django REST framework sends them: `{count, next, previous, results}`, or a bare array."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bulkmove.connectors.json_text import whole_number


@dataclass(frozen=True, slots=True)
class Rows:
    """One page. `total` and `has_next` are None where the answer doesn't tell, as in a bare array."""

    rows: list[Any]
    total: int | None
    has_next: bool | None


def rows_of(answer: Any) -> Rows | None:
    """The rows of an envelope (documented by Robosize) or of a bare array; None for anything else."""
    if isinstance(answer, list):
        return Rows(answer, None, None)
    results = answer.get("results") if isinstance(answer, dict) else None
    if not isinstance(results, list):
        return None
    has_next = answer["next"] is not None if "next" in answer else None
    return Rows(results, whole_number(answer.get("count")), has_next)
