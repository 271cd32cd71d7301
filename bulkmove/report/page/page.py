"""The whole page: one HTML file that asks no network for anything and needs no script."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from typing import Any

from bulkmove.config import show
from bulkmove.report.amounts import count
from bulkmove.report.page import hosts, records, story, verified
from bulkmove.report.page.course import Course, course_of
from bulkmove.report.page.facts import Facts
from bulkmove.report.page.markup import Child, Markup, joined, tag
from bulkmove.report.page.moments import Moments, lasted
from bulkmove.report.page.verdict import Verdict, verdict_on

# Without a script, a frame or an address in it, whatever stands in a record's id can't do anything.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_WORDS = (
    ("route", "records of one list at the source, mapped, and written to one list at the target"),
    ("written", "the target confirmed that it holds the record"),
    ("unchanged", "the target held exactly this already; nothing was sent"),
    ("skipped", "left out on purpose by the mapping, deleted at the source before it was mapped, or undone"),
    ("rejected", "not at the target, for the cause that is named"),
    ("unknown", "sent, and nothing proves whether the target took it"),
    ("pending", "read, without an outcome yet"),
    (
        "resumed",
        "a later run went on from what the ledger holds; nothing is read or sent twice without a check",
    ),
    ("ledger", "the file in which the outcome of every record is put down before anything relies on it"),
)


def page_of(facts: Facts, document: Mapping[str, Any], moments: Moments) -> str:
    """The HTML. `document`: the migration's file as it is written."""
    verdict = verdict_on(facts, moments)
    course = _course(facts)
    body = tag(
        "body",
        tag(
            "main",
            _header(facts, moments),
            _verdict(verdict),
            _figures(facts),
            records.section(facts),
            verified.section(facts, moments) if facts.is_begun else None,
            story.section(facts, course, moments),
            hosts.section(facts, course, moments),
            _words(),
            _configuration(facts, document),
        ),
        _footer(facts, moments),
    )
    title = tag("title", f"{facts.settings.name}: report of a migration")
    style = (resources.files(__package__) / "style.css").read_text("utf-8")
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("meta", name="generator", content=f"bulkmove {facts.versions.get('bulkmove', '')}".strip()),
        title,
        tag("style", Markup(style)),
    )
    return f"<!DOCTYPE html>\n{tag('html', head, body, lang='en')}\n"


def _course(facts: Facts) -> Course | None:
    """All times in which anything was asked or worked: runs, and what is no run, as the last verification."""
    spans = [(run.started_at, run.until) for run in facts.runs]
    spans += [(span.began_at, span.ended_at) for host in facts.hosts for span in host.spans]
    if facts.verification is not None:
        spans.append(facts.verification[:2])
    return course_of(spans)


def _header(facts: Facts, moments: Moments) -> Markup:
    made = (
        f"Made {moments.minute(facts.made_at)} ({moments.zone_name(facts.made_at)}, as are all times here)."
    )
    return tag(
        "header",
        tag("h1", facts.settings.name),
        [tag("p", way, class_="ways") for way in _ways(facts)],
        tag("p", made, class_="faint"),
    )


def _ways(facts: Facts) -> list[str]:
    """`old (merchantpro, shop.example.ro) → new (…)`, each pair of hosts once."""
    named = {host.name: f"{host.name} ({host.api}, {host.place})" for host in facts.hosts}
    pairs: dict[tuple[str, str], None] = {}
    for route in facts.settings.routes.values():
        pairs[route.source.host, route.target.host] = None
    return [
        f"{named[source]}, changed in place" if source == target else f"{named[source]} → {named[target]}"
        for source, target in pairs
    ]


def _verdict(verdict: Verdict) -> Markup:
    points = [
        tag("li", _with_code(point.text), class_=f"{point.level}-text" if point.level == "act" else None)
        for point in verdict.points
    ]
    return tag(
        "section",
        tag("h2", verdict.title),
        tag("p", verdict.sentence),
        tag("ul", points) if points else None,
        class_=f"verdict {verdict.level}",
        aria_label="Verdict",
    )


def _with_code(text: str) -> Child:
    """What stands between backticks, as code."""
    return [tag("code", part) if place % 2 else part for place, part in enumerate(text.split("`"))]


def _figures(facts: Facts) -> Markup | None:
    if not facts.is_begun:
        return None
    total = facts.total
    requests = sum(host.requests for host in facts.hosts)
    worked_s = sum(run.seconds for run in facts.runs)
    settled = total.read - total.pending
    shown = [
        (
            "records read",
            count(total.read),
            f"{count(total.pending)} pending" if total.pending else "all accounted for",
        ),
        ("written", count(total.written), f"{count(total.unchanged)} unchanged"),
        ("rejected", count(total.rejected), f"{count(total.unknown)} unknown"),
        ("requests", count(requests), _each(settled, requests)),
        (
            "time worked",
            lasted(worked_s),
            f"{count(len(facts.runs))} run{'' if len(facts.runs) == 1 else 's'}",
        ),
    ]
    return tag(
        "dl",
        [
            tag("div", tag("dt", name), tag("dd", value, tag("small", said) if said else None))
            for name, value, said in shown
        ],
        class_="figures",
    )


def _each(records: int, requests: int) -> str:
    if not records or not requests:
        return ""
    return (
        f"{records / requests:,.1f} records each"
        if records >= requests
        else f"{requests / records:,.1f} a record"
    )


def _words() -> Markup:
    listed = [(tag("dt", word), tag("dd", said)) for word, said in _WORDS]
    return joined((tag("h2", "Words", id="words"), tag("dl", listed, class_="words")))


def _configuration(facts: Facts, document: Mapping[str, Any]) -> Markup:
    return joined(
        (
            tag("h2", "Configuration", id="configuration"),
            tag(
                "details",
                tag("summary", "As it is now, with all defaults; credentials are never shown"),
                tag("pre", show(facts.settings, document)),
            ),
        )
    )


def _footer(facts: Facts, moments: Moments) -> Markup:
    versions = ", ".join(f"{name} {number}" for name, number in facts.versions.items())
    ledger = f"{facts.settings.ledger.name} (schema {facts.schema})" if facts.is_begun else "none yet"
    return tag(
        "footer",
        tag("p", f"{versions}. Ledger: {ledger}. Made {moments.second(facts.made_at)}."),
    )
