"""The report's page: what stands in it, and that nothing in it can do anything but be read."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from datetime import UTC
from html.parser import HTMLParser
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from bulkmove.ledger.history import HostSpan, RestSpan, RouteSpan
from bulkmove.ledger.reporting import VerificationRow
from bulkmove.model import Counts
from bulkmove.report.page.facts import Facts, Group, HostFacts, RouteFacts, RunFacts
from bulkmove.report.page.markup import Markup, tag
from bulkmove.report.page.moments import Moments
from bulkmove.report.page.page import page_of
from bulkmove.report.page.verdict import verdict_on
from bulkmove.settings import HostSettings, MigrationSettings, RouteSettings, StreamName

MOMENTS = Moments(UTC)
START = 1_795_000_000.0
HOSTILE = "<script>alert(1)</script>&\"'\x00\ud800"
_EMPTY = {"br", "meta", "link", "hr", "col", "img", "input"}


def settings(**routes: RouteSettings) -> MigrationSettings:
    hosts = {
        "old": HostSettings("old", "merchantpro", "https://shop.example.ro/api"),
        "new": HostSettings("new", "external-order", "https://user:word@shop.example.md"),
    }
    usual = {"orders": RouteSettings("orders", StreamName("old", "orders"), StreamName("new", "orders"), "m")}
    return MigrationSettings(
        name="cutover",
        directory=Path("/shop"),
        hosts=MappingProxyType(hosts),
        routes=MappingProxyType(routes or usual),
        ledger=Path("/shop/cutover.ledger.db"),
        decisions=Path("/shop/decisions.toml"),
    )


def route(**values: Any) -> RouteFacts:
    counts = values.pop("counts", Counts(written=83_912, unchanged=61, rejected=27))
    usual = {
        "source": "old.orders",
        "target": "new.orders",
        "listed": counts.read,
        "is_finished": True,
        "spans": tuple(
            RouteSpan(1, START + 5 * n, START + 5 * n + 5, 5, 40, 1, 0, 0, 0, 0) for n in range(9)
        ),
    }
    return RouteFacts("orders", counts=counts, **{**usual, **values})


def run(number: int = 1, **values: Any) -> RunFacts:
    usual = {
        "kind": "run",
        "started_at": START,
        "until": START + 45,
        "end": "ended",
        "exit_code": 0,
        "settled": 360,
        "requests": 90,
    }
    return RunFacts(number, **{**usual, **values})


def host(**values: Any) -> HostFacts:
    spans = tuple(
        HostSpan("old", START + 5 * n, START + 5 * n + 5, 5, 18, 0, 0, 2, 20.0, {60: 17, 80: 1})
        for n in range(9)
    )
    rests = (RestSpan(1, "old", 1, START + 9, START + 12, 3, 1, "it asked to wait (429)"),)
    return HostFacts("old", "merchantpro", "shop.example.ro", **{"spans": spans, "rests": rests, **values})


NEW = HostFacts("new", "external-order", "shop.example.md")
VERIFIED = VerificationRow(START + 100, START + 200, 0, is_sample=False, routes={"orders": {"equal": 83_973}})


def facts(**values: Any) -> Facts:
    usual: dict[str, Any] = {
        "is_begun": True,
        "routes": (route(),),
        "hosts": (host(), NEW),
        "runs": (run(),),
        "verification": VERIFIED,
        "versions": {"bulkmove": "1"},
    }
    return Facts(settings(), START + 300, **{**usual, **values})


class Page(HTMLParser):
    """Elements, texts and attributes; raises where tags don't nest."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: Counter[str] = Counter()
        self.texts: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in _EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())


DOCUMENT: Mapping[str, Any] = {
    "name": "cutover",
    "hosts": {"old": {}, "new": {}},
    "routes": {"orders": {}},
}


def html(found: Facts) -> str:
    return page_of(found, DOCUMENT, MOMENTS)


@pytest.fixture(scope="module")
def usual() -> str:
    return html(facts())


def page(found: Facts) -> Page:
    return Page(html(found))


def test_whatever_stands_in_names_ids_and_reasons_is_text() -> None:
    group = Group("rejected", HOSTILE, 1, (HOSTILE,), "look")
    rest = RestSpan(1, "old", 1, START, START + 1, 1, 1, HOSTILE)
    verification = VERIFIED._replace(
        routes={
            HOSTILE: {
                "equal": 1,
                "totals": [{"name": HOSTILE, "source": HOSTILE}],
                "not_comparable": [HOSTILE],
            }
        }
    )
    found = page(
        facts(
            routes=(route(groups=(group,), gone=1, gone_ids=(HOSTILE,)),),
            hosts=(host(rests=(rest,)), NEW),
            verification=verification,
        )
    )
    assert found.tags["script"] == 0
    assert found.text.count("<script>alert(1)</script>") >= 6
    html(facts(routes=(route(groups=(group,)),))).encode("utf-8")


def test_the_page_asks_nothing_of_a_network_and_holds_no_script(usual: str) -> None:
    text = usual
    found = Page(text)
    assert not {"script", "link", "img", "iframe", "object", "embed", "a"} & set(found.tags)
    assert not [name for name, _ in found.attributes if name.startswith("on") or name == "src"]
    assert all(value.startswith("#") for name, value in found.attributes if name == "href")
    style = text[text.index("<style>") : text.index("</style>")]
    assert "url(" not in style
    assert "@import" not in style
    assert ("content", "default-src 'none'; style-src 'unsafe-inline'") in found.attributes


def test_ids_are_unique_and_all_that_is_pointed_to_is_there(usual: str) -> None:
    text = usual
    ids = [value for name, value in Page(text).attributes if name == "id"]
    assert len(ids) == len(set(ids))
    pointed = {*re.findall(r"url\(#([^)]+)\)", text), *re.findall(r'href="#([^"]+)"', text)}
    assert pointed
    assert pointed <= set(ids)


def test_plots_are_in_the_colours_of_the_page_alone(usual: str) -> None:
    text = usual
    plots = text[text.index('<div class="plot">') :]
    assert "var(--c1)" in plots
    assert re.findall(r"#[0-9a-f]{6}\b", plots) == []


def test_plots_say_what_they_show_to_who_cannot_see_them(usual: str) -> None:
    found = Page(usual)
    labels = [value for name, value in found.attributes if name == "aria-label"]
    assert any("Records that got an outcome" in label and "8.2" in label for label in labels)
    assert any("Host old over time" in label and "allowed 4.0" in label for label in labels)
    assert any("1 rests of hosts, 3.0 s together" in label for label in labels)


def test_the_sums_shown_are_those_of_the_routes() -> None:
    other = RouteFacts(
        "products", "old.products", "new.products", Counts(written=1_000, skipped=5), listed=1_005
    )
    text = page(facts(routes=(route(), other))).text
    assert "orders old.orders → new.orders 84,000 83,912 61 0 27 0 0 ✓ yes" in text
    assert "all routes 85,005 84,912 61 5 27 0 0 ✓ yes" in text


def test_addresses_are_shown_without_credentials(usual: str) -> None:
    text = usual
    assert "shop.example.ro" in text
    header = text[text.index("<header>") : text.index("</header>")]
    assert "word" not in header


def test_the_verdict_of_a_verified_migration_is_one_sentence_and_green() -> None:
    found = verdict_on(facts(routes=(route(counts=Counts(written=83_939, unchanged=61)),)), MOMENTS)
    assert found.level == "good"
    assert found.points == ()
    assert found.sentence == (
        "84,000 of 84,000 orders accounted for: 83,939 written, 61 unchanged."
        " Verified 18 Nov 2026, no differences."
    )


@pytest.mark.parametrize(
    ("change", "level", "said"),
    [
        ({}, "look", "27 rejected"),
        ({"routes": (route(counts=Counts(written=9, unknown=2)),)}, "act", "2 of unknown fate"),
        ({"routes": (route(faults=("2 are missing",)),)}, "act", "does not add up: 2 are missing"),
        ({"verification": None}, "look", "not read back yet"),
        ({"verification": VERIFIED._replace(exit_code=4, routes={"r": {"missing": 3}})}, "act", "3 differences"),
        (
            {"verification": VERIFIED._replace(routes={"orders": {"totals": [{"is_equal": False}]}})},
            "look",
            "1 total differs",
        ),
        ({"verification": VERIFIED._replace(routes={"r": {"equal": 3}})}, "look", "orders was not part"),
        ({"runs": (run(), run(2, started_at=START + 250, kind="delta"))}, "look", "verify again"),
        ({"runs": (run(exit_code=6),)}, "act", "a host refused the credentials"),
        ({"routes": (route(is_finished=False),)}, "look", "Not finished: orders"),
        ({"is_going": True, "runs": (run(end="going"),)}, "look", "A run is going"),
    ],
)  # fmt: skip
def test_what_speaks_against_signing_stands_below_the_verdict(
    change: dict[str, Any], level: str, said: str
) -> None:
    found = verdict_on(facts(**change), MOMENTS)
    assert found.level == level
    assert any(said in point.text and point.level == level for point in found.points), found.points


def test_a_list_that_is_still_read_counts_towards_what_its_source_tells() -> None:
    going = route(counts=Counts(written=300, pending=20), expected=84_000, is_finished=False)
    found = verdict_on(facts(routes=(going,), is_going=True), MOMENTS)
    assert found.title == "In progress"
    assert found.sentence.startswith("300 of about 84,000 orders accounted for: 300 written.")


def test_a_migration_that_was_not_begun_has_a_page_that_says_so() -> None:
    routes = (RouteFacts("orders", "old.orders", "new.orders"),)
    text = page(Facts(settings(), START, routes=routes, hosts=(host(spans=()), NEW))).text
    assert "Not begun" in text
    assert "How it went" not in text


def test_a_run_that_was_cut_off_is_told_as_one_and_so_is_what_went_on_from_it() -> None:
    text = page(
        facts(runs=(run(end="cut off", exit_code=None), run(2, started_at=START + 60, until=START + 90)))
    ).text
    assert "1 of them was cut off" in text
    assert "cut off; last sign of life" in text


def test_what_is_no_markup_is_escaped_in_texts_and_attributes() -> None:
    made = tag("p", "a<b", Markup("<i>"), title='"x"', hidden=True, lang=None)
    assert made == '<p title="&quot;x&quot;" hidden>a&lt;b<i></p>'
