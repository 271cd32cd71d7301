"""What became of the records: the sum of each route, why records failed, what left the source."""

from __future__ import annotations

from collections.abc import Sequence

from bulkmove.model import Counts
from bulkmove.report.amounts import count
from bulkmove.report.page.facts import Facts, Group, RouteFacts
from bulkmove.report.page.markup import Child, Markup, joined, tag
from bulkmove.report.page.tables import Cell, number, table

_OUTCOMES = ("written", "unchanged", "skipped", "rejected", "unknown", "pending")
_LONGEST_WHOLE = 24  # a cause that is not broken at its hyphens
_TERMS = tuple(f"{'+' if place else '='} {name}" for place, name in enumerate(_OUTCOMES))


def section(facts: Facts) -> Markup:
    return joined(
        (
            tag("h2", "What became of the records", id="records"),
            tag(
                "p",
                "Every record that was read has exactly one outcome, or has none yet (pending). Their sum is held against"
                " the number of records that were put down, page by page, as they were read.",
            ),
            _sums(facts),
            [_bar(route) for route in facts.routes if route.counts.read],
            _legend() if facts.total.read else None,
            _causes(facts.routes),
            _gone(facts.routes),
        )
    )


def _sums(facts: Facts) -> Markup:
    columns = ("route", "read", *_TERMS, "adds up")
    rows = [_sum(route.name, route.counts, _checked(route), way=_way(route)) for route in facts.routes]
    foot = None
    if len(facts.routes) > 1:
        good = all(route.adds_up for route in facts.routes)
        foot = _sum("all routes", facts.total, _mark("yes" if good else "NO", is_good=good))
    return table(columns, rows, foot=foot, numbers=frozenset({"read", *_TERMS}))


def _way(route: RouteFacts) -> Markup | None:
    if not route.source:
        return tag("div", "no longer in the configuration", class_="faint")
    return tag("div", f"{route.source} → {route.target}", class_="faint")


def _sum(name: str, counts: Counts, checked: Child, *, way: Markup | None = None) -> list[Cell]:
    outcomes: list[Cell] = [number(getattr(counts, outcome)) for outcome in _OUTCOMES]
    return [[name, way], number(counts.read), *outcomes, checked]


def _checked(route: RouteFacts) -> Markup:
    if route.adds_up:
        return _mark("yes", is_good=True)
    if route.listed == route.counts.read:
        return _mark("NO: see above", is_good=False)
    return _mark(f"NO: {count(route.listed)} put down, {count(route.counts.read)} here", is_good=False)


def _mark(text: str, *, is_good: bool) -> Markup:
    return tag("span", f"✓ {text}" if is_good else f"✗ {text}", class_="good-text" if is_good else "act-text")


def _bar(route: RouteFacts) -> Markup:
    """The outcomes of a route as parts of a line; what is still expected is left blank."""
    counts = route.counts
    whole = counts.read if route.is_finished else max(counts.read, route.expected or 0)
    parts = [
        tag("span", class_=name, style=f"width:{100 * share:.3f}%")
        for name in _OUTCOMES
        if (share := getattr(counts, name) / whole) > 0
    ]
    accounted = f"{count(route.accounted)} of {'' if route.is_finished else 'about '}{count(whole)}"
    label = f"{route.name}: {accounted} accounted for ({route.accounted / whole:.1%})"
    return tag(
        "div",
        tag("div", label, class_="faint"),
        tag("div", parts, class_="bar", role="img", aria_label=label),
        class_="keep",
    )


def _legend() -> Markup:
    keys = [
        (tag("span", class_=f"key {name}"), name, " \N{MIDDLE DOT} " if name != _OUTCOMES[-1] else "")
        for name in _OUTCOMES
    ]
    return tag("p", keys, class_="faint", aria_hidden="true")


def _causes(routes: Sequence[RouteFacts]) -> list[Markup]:
    failed = [(route, group) for route in routes for group in route.groups]
    if not failed:
        return []
    rows = [_cause(route.name, group) for route, group in failed]
    columns = ("cause", "route", "outcome", "records", "for example", "what to do")
    return [
        tag("h3", "Why records failed"),
        table(columns, rows, numbers=frozenset({"records"})),
        tag(
            "p",
            "The ids are those of the source. Messages and records are not shown here, as they may hold personal data:"
            " ",
            tag("code", "bulkmove failures"),
            " shows messages, ",
            tag("code", "bulkmove explain ROUTE ID"),
            " one record's whole story.",
            class_="note",
        ),
    ]


def _cause(route: str, group: Group) -> list[Cell]:
    more = group.records - len(group.ids)
    ids = ", ".join(shortened(each) for each in group.ids) + (f" and {count(more)} more" if more > 0 else "")
    return [
        tag(
            "code", group.cause or "no cause", class_="whole" if len(group.cause) <= _LONGEST_WHOLE else None
        ),
        route,
        group.outcome,
        number(group.records),
        tag("span", ids, class_="long"),
        group.hint,
    ]


def shortened(text: str, most: int = 40) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _gone(routes: Sequence[RouteFacts]) -> list[Markup]:
    left = [route for route in routes if route.gone]
    if not left:
        return []
    rows: list[list[Cell]] = []
    for route in left:
        more = route.gone - len(route.gone_ids)
        ids = ", ".join(shortened(each) for each in route.gone_ids)
        rows.append([route.name, number(route.gone), ids + (f" and {count(more)} more" if more > 0 else "")])
    return [
        tag("h3", "What left the source while it was read"),
        table(("route", "records", "for example"), rows, numbers=frozenset({"records"})),
    ]
