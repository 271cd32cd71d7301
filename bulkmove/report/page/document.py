"""The numbers of a report as one JSON document."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bulkmove.ledger.history import HostSpan, RouteSpan, thinned
from bulkmove.report.page.facts import Facts, HostFacts, RouteFacts, RunFacts
from bulkmove.report.page.moments import Moments
from bulkmove.report.page.verdict import differences, verdict_on
from bulkmove.transport.latencies import percentile_s

# As fine as the plots are.
MOST_ROWS = 240
_SHARES = (("p50_s", 0.5), ("p95_s", 0.95), ("p99_s", 0.99), ("slowest_s", 1.0))
_STATES = ("written", "unchanged", "skipped", "rejected", "unknown", "pending")


def document_of(facts: Facts, moments: Moments) -> dict[str, Any]:
    """`{"type": "report", …}`. Times are epoch seconds; durations and latencies, seconds."""
    verdict = verdict_on(facts, moments)
    return {
        "type": "report",
        "name": facts.settings.name,
        "made_at": facts.made_at,
        "verdict": {
            "level": verdict.level,
            "title": verdict.title,
            "sentence": verdict.sentence,
            "points": [{"level": point.level, "text": point.text} for point in verdict.points],
        },
        "is_going": facts.is_going,
        "totals": facts.total.as_dict(),
        "routes": {route.name: _route(route) for route in facts.routes},
        "hosts": {host.name: _host(host) for host in facts.hosts},
        "runs": [_run(run) for run in facts.runs],
        "passes": [{**each._asdict(), "route": route} for route, each in facts.passes],
        "steps": [
            {name: value for name, value in each._asdict().items() if name != "told"} for each in facts.steps
        ],
        "undone": facts.undone,
        "verification": _verification(facts),
        "versions": {**facts.versions, "schema": facts.schema},
    }


def _route(route: RouteFacts) -> dict[str, Any]:
    return {
        "source": route.source,
        "target": route.target,
        **route.counts.as_dict(),
        "listed": route.listed,
        "expected": route.expected,
        "adds_up": route.adds_up,
        "faults": route.faults,
        "is_finished": route.is_finished,
        "causes": [
            {
                "outcome": group.outcome,
                "cause": group.cause,
                "records": group.records,
                "ids": group.ids,
                "hint": group.hint,
            }
            for group in route.groups
        ],
        "gone": {"records": route.gone, "ids": route.gone_ids},
        "course": [_route_row(span) for span in thinned(route.spans, MOST_ROWS)],
    }


def _route_row(span: RouteSpan) -> dict[str, Any]:
    times = {"began_at": span.began_at, "ended_at": span.ended_at, "seconds": span.seconds}
    return times | {state: getattr(span, state) for state in _STATES}


def _host(host: HostFacts) -> dict[str, Any]:
    return {
        "api": host.api,
        "place": host.place,
        "requests": host.requests,
        "seconds": host.seconds,
        "allowed": host.allowed,
        "throttled": host.throttled,
        "retries": host.retries,
        "latency": {name: host.latency_s(share) for name, share in _SHARES},
        "rests": [
            {name: value for name, value in rest._asdict().items() if name not in {"host", "number"}}
            for rest in host.rests
        ],
        "course": _host_rows(host.spans),
    }


def _host_rows(spans: Sequence[HostSpan]) -> list[dict[str, Any]]:
    return [
        {name: value for name, value in span._asdict().items() if name not in {"host", "latencies"}}
        | {name: percentile_s(span.latencies, share) for name, share in _SHARES}
        for span in thinned(spans, MOST_ROWS)
    ]


def _run(run: RunFacts) -> dict[str, Any]:
    return {
        "run": run.number,
        "kind": run.kind,
        "started_at": run.started_at,
        "until": run.until,
        "end": run.end,
        "exit": run.exit_code,
        "settled": run.settled,
        "requests": run.requests,
    }


def _verification(facts: Facts) -> dict[str, Any] | None:
    found = facts.verification
    if found is None:
        return None
    return {
        "started_at": found.started_at,
        "ended_at": found.ended_at,
        "exit": found.exit_code,
        "is_sample": found.is_sample,
        "differences": sum(differences(route) for route in found.routes.values()),
        "routes": found.routes,
    }
