"""The hosts: how much was asked of each, how fast it answered, and why it rested."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from bulkmove.report import amounts
from bulkmove.report.amounts import count
from bulkmove.report.page import plots
from bulkmove.report.page.course import Course
from bulkmove.report.page.facts import Facts, HostFacts
from bulkmove.report.page.markup import Markup, joined, tag
from bulkmove.report.page.moments import Moments, lasted, latency
from bulkmove.report.page.records import shortened
from bulkmove.report.page.tables import Cell, Number, number, table

MOST_REASONS = 20
_SHARES = (("half within", 0.5), ("95 % within", 0.95), ("99 % within", 0.99), ("slowest", 1.0))


def section(facts: Facts, course: Course | None, moments: Moments) -> Markup:
    asked = [host for host in facts.hosts if host.spans]
    if not asked or course is None:
        return Markup()
    return joined(
        (
            tag("h2", "Hosts", id="hosts"),
            tag(
                "p",
                "A host is an address that was read from or written to. Rates are requests a second while a run went; a 429 is"
                " a host's answer that it was asked too often, after which it is left alone for a while.",
            ),
            _asked(asked),
            _answered(asked),
            _rested(asked),
            [_plot(host, number, course, moments) for number, host in enumerate(asked)],
        )
    )


def _asked(hosts: Sequence[HostFacts]) -> Markup:
    columns = ("host", "requests", "a second", "allowed", "share used", "429", "asked again", "most at once")
    rows: list[list[Cell]] = [
        [
            [host.name, tag("div", f"{host.api}, {host.place}", class_="faint")],
            number(host.requests),
            Number(amounts.rate(host.requests / host.seconds) if host.seconds else "–"),
            Number("no limit" if host.allowed is None else amounts.rate(host.allowed / host.seconds)),
            Number("–" if not host.allowed else f"{min(1.0, host.requests / host.allowed):.0%}"),
            number(host.throttled),
            number(host.retries),
            number(max((span.most_in_flight for span in host.spans), default=0)),
        ]
        for host in hosts
    ]
    return table(
        columns,
        rows,
        caption="What was asked. The first requests of a run go at once: over a short run, a rate can come out above what is allowed",
        numbers=frozenset(columns[1:]),
    )


def _answered(hosts: Sequence[HostFacts]) -> Markup:
    columns = ("host", "answers", *(name for name, _ in _SHARES))
    rows: list[list[Cell]] = [
        [
            host.name,
            number(sum(sum(span.latencies.values()) for span in host.spans)),
            *(Number(latency(host.latency_s(share))) for _, share in _SHARES),
        ]
        for host in hosts
    ]
    caption = (
        "How long answers took, from the moment that a request could go to its whole answer (within 5 %)"
    )
    return table(columns, rows, caption=caption, numbers=frozenset(columns[1:]))


def _rested(hosts: Sequence[HostFacts]) -> Markup | None:
    reasons: defaultdict[tuple[str, str], list[float]] = defaultdict(lambda: [0, 0.0])
    for host in hosts:
        for rest in host.rests:
            found = reasons[host.name, rest.reason]
            found[0] += rest.times
            found[1] += rest.seconds
    if not reasons:
        return None
    ranked = sorted(reasons.items(), key=lambda item: -item[1][1])
    rows: list[list[Cell]] = [
        [host, shortened(reason, 120), number(int(times)), Number(lasted(seconds))]
        for (host, reason), (times, seconds) in ranked[:MOST_REASONS]
    ]
    more = len(ranked) - MOST_REASONS
    caption = "When a host was left alone, and why" + (
        f" (and {count(more)} reasons more)" if more > 0 else ""
    )
    return table(
        ("host", "reason", "times", "in all"), rows, caption=caption, numbers=frozenset({"times", "in all"})
    )


def _plot(host: HostFacts, number: int, course: Course, moments: Moments) -> Markup:
    rate = amounts.rate(host.requests / host.seconds) if host.seconds else "0"
    allowed = "no limit" if host.allowed is None else f"allowed {amounts.rate(host.allowed / host.seconds)}"
    half, most = latency(host.latency_s(0.5)), latency(host.latency_s(0.99))
    label = (
        f"Host {host.name} over time. Above: requests a second, on average {rate} ({allowed})."
        f" Below: how long answers took, half within {half}, 99 % within {most}."
        + (" Shaded: the host was left alone." if host.rests else "")
    )
    return tag(
        "figure",
        tag("h3", f"Host {host.name}"),
        tag("figcaption", label),
        plots.host(host, course, moments, number=number, label=label),
    )
