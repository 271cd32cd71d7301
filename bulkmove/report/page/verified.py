"""The verification: what was found when the target was read back."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from bulkmove.report.amounts import count
from bulkmove.report.page.facts import Facts
from bulkmove.report.page.markup import Markup, joined, tag
from bulkmove.report.page.moments import Moments, lasted
from bulkmove.report.page.records import shortened
from bulkmove.report.page.tables import Cell, Number, table

_ALWAYS = {
    "source": "source",
    "target": "target",
    "equal": "equal",
    "missing": "missing",
    "extra": "extra",
    "different": "different",
    "doubled": "doubled",
}
_GOOD = ("source", "target", "equal")
_IF_ANY = {"stale": "changed since", "new": "not moved yet", "error": "not comparable"}
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")
MOST_TOTALS = 200
MOST_FIELDS = 30
MOST_UNCOMPARED = 500


def section(facts: Facts, moments: Moments) -> Markup:
    found = facts.verification
    head = tag("h2", "Verification", id="verification")
    if found is None:
        return joined(
            (head, tag("p", "The target was not read back yet; ", tag("code", "bulkmove verify"), " does."))
        )
    what = "a sample of the records" if found.is_sample else "all records"
    took = lasted(found.ended_at - found.started_at)
    said = f"On {moments.minute(found.ended_at)}, the target was read back and {what} compared field by field ({took})."
    return joined(
        (
            head,
            tag("p", said),
            _rows(found.routes),
            [_beside(name, route) for name, route in found.routes.items()],
            [_totals(name, route) for name, route in found.routes.items()],
            [_not_comparable(name, route) for name, route in found.routes.items()],
        )
    )


def _rows(routes: Mapping[str, Mapping[str, Any]]) -> Markup | None:
    if not routes:
        return None
    shown = _ALWAYS | {
        name: said for name, said in _IF_ANY.items() if any(route.get(name) for route in routes.values())
    }
    rows: list[list[Cell]] = [
        [name, *(_number(route.get(column), is_bad=column not in _GOOD) for column in shown)]
        for name, route in routes.items()
    ]
    return table(("route", *shown.values()), rows, numbers=frozenset(shown.values()))


def _number(value: object, *, is_bad: bool) -> Number:
    if not isinstance(value, int):
        return Number("–", is_zero=True)
    return Number(count(value), is_zero=not value, is_bad=is_bad)


def _beside(name: str, route: Mapping[str, Any]) -> list[Markup]:
    """What the numbers of a route rest on, where it isn't every record."""
    said = []
    if isinstance(route.get("confidence"), str):
        said.append(f"{name}: {shortened(route['confidence'], 300)}")
    absent = [
        f"{count(number)} {outcome}"
        for outcome, number in (route.get("expected_absent") or {}).items()
        if isinstance(number, int) and number
    ]
    if absent:
        said.append(
            f"{name}: not looked for, as the ledger says that they are not there: {', '.join(absent)}."
        )
    fields = [
        f"{shortened(str(field), 60)} ({number})" for field, number in (route.get("fields") or {}).items()
    ]
    if fields:
        said.append(f"{name}: fields that differ, and how often: {', '.join(fields[:MOST_FIELDS])}.")
    return [tag("p", each, class_="note") for each in said]


def _totals(name: str, route: Mapping[str, Any]) -> Markup | None:
    totals = route.get("totals") or []
    if not totals:
        return None
    rows: list[list[Cell]] = [
        [
            shortened(str(total.get("name", "")), 80),
            Number(_amount(total.get("source"))),
            Number(_amount(total.get("target"))),
            tag("span", "✓ equal", class_="good-text")
            if total.get("is_equal")
            else tag("span", "✗ different", class_="act-text"),
        ]
        for total in totals[:MOST_TOTALS]
    ]
    left_out = len(totals) - MOST_TOTALS
    caption = f"Business totals of {name}, as the source and the target tell them"
    return table(
        ("total", "source", "target", "compared"),
        rows,
        caption=caption + (f" (and {count(left_out)} more)" if left_out > 0 else ""),
        numbers=frozenset({"source", "target"}),
    )


def _amount(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return count(value)
    text = "–" if value is None else str(value)
    return f"{Decimal(text):,}" if _NUMBER.fullmatch(text) else shortened(text, 60)


def _not_comparable(name: str, route: Mapping[str, Any]) -> list[Markup]:
    """The fields of which the target can tell nothing, by the reason why; folded, since they may be many."""
    by_reason: dict[str, list[str]] = {}
    for each in route.get("not_comparable") or ():
        field, _, reason = str(each).partition(": ")
        by_reason.setdefault(reason, []).append(shortened(field, 80))
    return [
        tag(
            "details",
            tag(
                "summary",
                f"{name}: {count(len(fields))} field{'' if len(fields) == 1 else 's'} not comparable"
                f"{f': {shortened(reason, 120)}' if reason else ''}",
            ),
            tag("p", ", ".join(fields[:MOST_UNCOMPARED]), class_="note"),
        )
        for reason, fields in by_reason.items()
    ]
