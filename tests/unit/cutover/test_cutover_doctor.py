"""What the doctor makes of hosts with habits, asked through doubles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from bulkmove.connectors.scripted import ScriptedTransport, answer
from bulkmove.cutover.doctor import HostReport, examine_host, examine_hosts, exit_code_of
from bulkmove.cutover.doctor.finding import Findings
from bulkmove.cutover.doctor.surroundings import judge_clock, judge_latency, judge_paths, judge_rate
from bulkmove.cutover.doctor.uses import uses_of
from bulkmove.cutover.doctor.witness import WitnessedTransport
from bulkmove.errors import (
    BadAnswerError,
    BulkmoveError,
    ConfigError,
    CredentialsError,
    HostUnavailableError,
    RefusedError,
    RequestFailedError,
)
from bulkmove.extract.testing import Habits, MovingList, Row, make_rows
from bulkmove.model import Finding, Listing, Page, PageQuery, Record, Request
from bulkmove.protocols import Derive, Source, StreamSpec, Transport
from bulkmove.settings import (
    HostSettings,
    LookupSettings,
    MigrationSettings,
    RouteSettings,
    StreamName,
    Window,
)
from tests.doubles import Shop, ShopConnector

HOST = HostSettings(name="old", api="shop", url="http://127.0.0.1:9")
ROUTE = RouteSettings(
    name="orders", source=StreamName("old", "orders"), target=StreamName("new", "orders"), mapper=""
)
CROWD = [{"key": f"k{number}"} for number in range(60)]


@dataclass
class ListConnector(ShopConnector):
    """A shop whose streams can also be lists with habits, and which tells what it is told to of itself."""

    lists: Mapping[str, Source] = field(default_factory=dict)
    says: Sequence[Finding] = ()
    error: BulkmoveError | None = None
    searchable: bool = False
    derive: Derive | None = None

    @property
    def streams(self) -> Mapping[str, StreamSpec]:
        return {
            name: replace(spec, can_search=self.searchable, derive=self.derive)
            for name, spec in super().streams.items()
        }

    def source(self, stream: str, transport: Transport, route: RouteSettings) -> Source:
        return self.lists.get(stream) or super().source(stream, transport, route)

    async def examine(self, transport: Transport) -> Sequence[Finding]:
        del transport
        if self.error is not None:
            raise self.error
        return self.says


def migration(
    *routes: RouteSettings, lookups: Mapping[str, LookupSettings] | None = None
) -> MigrationSettings:
    hosts = {name: replace(HOST, name=name) for name in ("old", "new", "spare")}
    return MigrationSettings(
        name="m",
        directory=Path(),
        hosts=hosts,
        routes={route.name: route for route in routes},
        ledger=Path("m.db"),
        lookups=lookups or {},
    )


async def examined(connector: ShopConnector, *routes: RouteSettings, **more: Any) -> HostReport:
    settings = migration(*(routes or (ROUTE,)), **more)
    return await examine_host(HOST, connector, uses_of(settings, "old", connector))


async def seen(rows: list[Row] | None = None, **habits: Any) -> tuple[HostReport, MovingList]:
    given = make_rows(1, groups=20) if rows is None else rows
    moving = MovingList(Habits(**habits), given)
    report = await examined(ListConnector(shops={"orders": Shop()}, lists={"orders": moving}))
    return report, moving


def verdicts(report: HostReport) -> dict[str, str]:
    return {finding.question: finding.verdict for finding in report.findings}


def text_of(report: HostReport, question: str) -> str:
    return next(finding.text for finding in report.findings if finding.question == question)


# Lists.


@pytest.mark.parametrize("is_inclusive", [True, False])
async def test_a_list_that_does_as_it_is_told_is_good_in_all(*, is_inclusive: bool) -> None:
    report, moving = await seen(is_after_inclusive=is_inclusive, is_before_inclusive=is_inclusive)
    assert verdicts(report) == {
        "orders: rows": "good",
        "orders: page size": "good",
        "orders: pages": "good",
        "orders: order": "good",
        "orders: filter": "good",
        "rate": "good",
    }
    assert report.exit_code == 0
    assert moving.requests <= 10


@pytest.mark.parametrize(
    ("ignored", "question", "said"),
    [
        ("offset", "orders: pages", "offsets are not heeded"),
        ("sort", "orders: order", "sorting takes no effect"),
        ("after", "orders: filter", "takes no effect"),
        ("before", "orders: filter", "a bound takes no effect"),
    ],
)
async def test_what_a_host_ignores_is_bad(ignored: str, question: str, said: str) -> None:
    report, _ = await seen(ignores=frozenset({ignored}), has_stable_ties=True)
    assert [name for name, verdict in verdicts(report).items() if verdict == "bad"] == [question]
    assert said in text_of(report, question)
    assert report.exit_code == 5


async def test_a_filter_coarser_than_a_second_is_bad() -> None:
    report, _ = await seen(filter_grain_s=3600)
    assert verdicts(report)["orders: filter"] == "bad"
    assert "coarser than a second" in text_of(report, "orders: filter")


async def test_a_list_that_is_newest_first_is_told_as_such() -> None:
    rows = make_rows(1, groups=20)
    turned = {row.id: row.key for row in rows}

    class NewestFirst(MovingList):
        def _sorted(self) -> list[Row]:
            return sorted(self.rows, key=lambda row: -(turned[row.id] or 0))

    moving = NewestFirst(Habits(), rows)
    report = await examined(ListConnector(shops={"orders": Shop()}, lists={"orders": moving}))
    assert "newest first" in text_of(report, "orders: order")


async def test_a_clamped_page_is_worth_a_note_with_what_a_run_will_get() -> None:
    report, _ = await seen(clamp=4)
    assert verdicts(report)["orders: page size"] == "note"
    assert "pages of 4" in text_of(report, "orders: page size")
    assert report.exit_code == 0


async def test_a_short_list_is_not_taken_for_a_clamp() -> None:
    report, _ = await seen(make_rows(1, groups=3, most=1), page_limit=100)
    assert "orders: page size" not in verdicts(report)


async def test_a_total_that_is_not_told_is_worth_a_note() -> None:
    report, _ = await seen(totals="absent")
    assert verdicts(report)["orders: rows"] == "note"
    assert "more follow" in text_of(report, "orders: rows")


async def test_numbered_pages_are_compared_by_numbers() -> None:
    report, moving = await seen(reading="passes", can_overlap=False)
    assert verdicts(report)["orders: pages"] == "good"
    assert all(query.offset % query.limit == 0 for query in moving.asked)


async def test_offsets_without_effect_on_a_list_that_comes_whole_are_a_note() -> None:
    report, _ = await seen(
        make_rows(1, groups=9), reading="passes", page_limit=500, ignores=frozenset({"offset"})
    )
    assert verdicts(report)["orders: pages"] == "note"
    assert "whole list" in text_of(report, "orders: pages")
    assert report.exit_code == 0


@pytest.mark.parametrize("says_next", [True, False])
async def test_few_rows_that_come_in_the_same_order_by_chance_are_not_called_ignored_offsets(
    *, says_next: bool
) -> None:
    """Rows of one second come in a new order each time: a page of one of them often repeats the first."""
    found = set()
    for seed in range(20):
        rows = [Row(name, 1_700_000_000) for name in "ab"]
        moving = MovingList(Habits(says_next=says_next), rows, seed=seed)
        report = await examined(ListConnector(shops={"orders": Shop()}, lists={"orders": moving}))
        found.add(verdicts(report)["orders: pages"])
    assert found == {"good", "note" if says_next else "assumed"}


async def test_of_an_empty_list_what_could_not_be_seen_is_assumed() -> None:
    report, _ = await seen([])
    assert verdicts(report) == {
        "orders: rows": "good",
        "orders: pages": "assumed",
        "orders: order": "assumed",
        "orders: filter": "assumed",
        "rate": "good",
    }
    assert report.exit_code == 0


async def test_rows_without_an_id_are_told() -> None:
    shop = Shop(rows={"1": {"key": "a"}, "2": {"id": "2", "key": "b"}})
    report = await examined(ShopConnector({"orders": shop}))
    assert [finding.text for finding in report.findings if finding.question == "orders: rows"] == [
        "2 rows, as the host counts them",
        "1 of the first 2 rows show no id",
    ]
    assert text_of(report, "orders: pages") == "row 2 follows the first"


async def test_a_date_filter_that_reading_does_without_is_looked_at_all_the_same() -> None:
    heeded, _ = await seen(reading="passes")
    ignored, _ = await seen(reading="passes", ignores=frozenset({"after"}))
    assert verdicts(heeded)["orders: filter"] == "good"
    assert verdicts(ignored)["orders: filter"] == "note"
    assert ignored.exit_code == 0


async def test_a_filter_of_the_user_bounds_what_is_looked_at() -> None:
    rows = make_rows(1, groups=40)
    keys = sorted(row.key for row in rows if row.key is not None)
    _, moving = await seen(rows, first_key=keys[10], last_key=keys[60])
    assert (moving.asked[0].after, moving.asked[0].before) == (keys[10] - 1, keys[60] + 1)


async def test_a_list_that_is_read_once_is_asked_for_one_page() -> None:
    shop = Shop.of(CROWD, listing=Listing(reading="once", page_limit=20))
    await examined(ShopConnector({"orders": shop}))
    assert shop.fetches == 1


# Streams.


def written(**keys: Any) -> RouteSettings:
    return replace(ROUTE, source=StreamName("new", "orders"), target=StreamName("old", "orders"), **keys)


@pytest.mark.parametrize(
    ("rows", "verdict", "code"), [(CROWD, "good", 0), ([{"x": 1}], "bad", 5), ([], "assumed", 0)]
)
async def test_a_target_has_to_show_the_key_by_which_rows_are_found_again(
    rows: list[dict[str, Any]], verdict: str, code: int
) -> None:
    report = await examined(ShopConnector({"orders": Shop.of(rows)}), written())
    assert verdicts(report)["orders: key"] == verdict
    assert report.exit_code == code


async def test_filters_of_each_route_are_tried_once() -> None:
    shop = Shop.of(CROWD)
    routes = [
        replace(ROUTE, name=name, where=where)
        for name, where in (("a", {}), ("b", {"status": "new"}), ("c", {"status": "new"}))
    ]
    alone, several = Shop.of(CROWD), shop
    await examined(ShopConnector({"orders": alone}), routes[0])
    report = await examined(ShopConnector({"orders": several}), *routes)
    assert "filters of b" in text_of(report, "orders: where")
    assert several.fetches == alone.fetches + 1


def looked_up(**keys: Any) -> dict[str, LookupSettings]:
    return {"product": LookupSettings(name="product", stream=StreamName("old", "products"), **keys)}


async def test_a_search_has_to_find_a_row_that_the_list_shows() -> None:
    shops = {"orders": Shop(), "products": Shop.of(CROWD)}
    connector = ListConnector(shops=shops, searchable=True)
    good = await examined(connector, lookups=looked_up(key="key", load="on-demand"))
    # The double finds rows by `key` alone.
    bad = await examined(connector, lookups=looked_up(key="id", load="on-demand"))
    assert verdicts(good)["products: search"] == "good"
    assert verdicts(bad)["products: search"] == "bad"


async def test_a_field_that_a_look_up_names_and_no_row_has_is_a_wrong_configuration() -> None:
    connector = ShopConnector({"orders": Shop(), "products": Shop.of(CROWD)})
    good = await examined(connector, lookups=looked_up(key="key"))
    bad = await examined(connector, lookups=looked_up(key="kye"))
    assert text_of(good, "products: look-up") == "rows show key and id, as product needs"
    assert "did you mean 'key'" in text_of(bad, "products: look-up")
    assert (good.exit_code, bad.exit_code) == (0, 2)


async def test_fields_of_derived_rows_are_those_that_a_look_up_sees() -> None:
    def parts(record: Record) -> list[Record]:
        return [Record(part["sku"], None, None, part) for part in record.data["parts"]]

    rows: list[dict[str, Any]] = [{"parts": [{"sku": "a"}, {"sku": "b"}]}, {"parts": []}]
    connector = ListConnector(shops={"orders": Shop(), "products": Shop.of(rows)}, derive=parts)
    report = await examined(connector, lookups=looked_up(key="sku", value="sku"))
    assert verdicts(report)["products: look-up"] == "good"


async def test_a_filter_by_the_outer_value_that_is_ignored_is_worth_a_note() -> None:
    """The double takes no notice of `where`."""
    one_region = [{"key": "a", "region": 1}, {"key": "b", "region": 1}]
    lookups = looked_up(key="key", within="region", load="on-demand")
    for rows, verdict in ((one_region, "good"), ([*one_region, {"key": "c", "region": 2}], "note")):
        connector = ShopConnector({"orders": Shop(), "products": Shop.of(rows)})
        report = await examined(connector, lookups=lookups)
        assert verdicts(report)["products: search"] == verdict


async def test_an_error_of_one_stream_leaves_the_others_to_be_looked_at() -> None:
    async def fail(query: PageQuery) -> None:
        del query
        raise ConfigError("old: GET /orders is not there (404)")

    shops = {"orders": Shop(on_fetch=fail), "products": Shop.of(CROWD)}
    other = replace(ROUTE, name="products", source=StreamName("old", "products"))
    report = await examined(ShopConnector(shops), ROUTE, other)
    assert verdicts(report)["orders"] == "bad"
    assert verdicts(report)["products: rows"] == "good"
    assert report.exit_code == 2


# Hosts.


@pytest.mark.parametrize(
    ("error", "question", "code"),
    [
        (CredentialsError("refused (401)"), "credentials", 6),
        (HostUnavailableError("it has not answered"), "address", 5),
    ],
)
async def test_a_host_that_is_down_or_refuses_is_asked_nothing_further(
    error: BulkmoveError, question: str, code: int
) -> None:
    async def fail(query: PageQuery) -> None:
        del query
        raise error

    shops = {"orders": Shop(on_fetch=fail), "products": Shop.of(CROWD)}
    other = replace(ROUTE, name="products", source=StreamName("old", "products"))
    report = await examined(ListConnector(shops=shops, error=AssertionError("asked on")), ROUTE, other)  # type: ignore[arg-type]  # must not be raised
    assert verdicts(report)[question] == "bad"
    assert text_of(report, question) == str(error)
    assert shops["products"].fetches == 0
    assert report.exit_code == code


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (RefusedError("answered 404", status=404), 2),
        (RefusedError("answered 400", status=400), 5),
        (BadAnswerError("no list"), 5),
        (RequestFailedError("answered 500"), 5),
    ],
)
async def test_an_error_of_the_connectors_own_questions_is_a_finding(error: BulkmoveError, code: int) -> None:
    report = await examined(ListConnector(shops={"orders": Shop.of(CROWD)}, error=error))
    assert verdicts(report)["dialect"] == "bad"
    assert report.exit_code == code


async def test_what_the_connector_finds_is_told_and_a_line_that_mends_it_makes_it_a_wrong_configuration() -> (
    None
):
    says = [Finding("paging", "bad", "by limit and offset", 'options.paging = "limit-offset"')]
    report = await examined(ListConnector(shops={"orders": Shop.of(CROWD)}, says=says))
    assert says[0] in report.findings
    assert report.exit_code == 2
    says = [Finding("paging", "bad", "none at all")]
    assert (await examined(ListConnector(shops={"orders": Shop.of(CROWD)}, says=says))).exit_code == 5


async def test_an_address_that_can_not_be_used_is_a_finding_too() -> None:
    connector = ShopConnector({"orders": Shop()})
    uses = uses_of(migration(ROUTE), "old", connector)
    report = await examine_host(replace(HOST, url="ftp://nowhere"), connector, uses)
    assert verdicts(report)["address"] == "bad"
    assert report.exit_code == 2


async def test_hosts_in_use_are_looked_at_and_others_only_by_name() -> None:
    connectors = {name: ShopConnector({"orders": Shop.of(CROWD)}) for name in ("old", "new", "spare")}
    usual = await examine_hosts(migration(ROUTE), connectors)
    named = await examine_hosts(migration(ROUTE), connectors, only=("spare",))
    assert [report.host.name for report in usual] == ["old", "new"]
    assert [report.host.name for report in named] == ["spare"]
    assert verdicts(named[0])["orders: rows"] == "good"


async def test_a_host_that_look_ups_alone_use_is_in_use() -> None:
    lookups = {"place": LookupSettings(name="place", stream=StreamName("spare", "orders"))}
    connectors = {name: ShopConnector({"orders": Shop.of(CROWD)}) for name in ("old", "new", "spare")}
    reports = await examine_hosts(migration(ROUTE, lookups=lookups), connectors)
    assert [report.host.name for report in reports] == ["old", "new", "spare"]


@pytest.mark.parametrize(("codes", "gravest"), [((0, 0), 0), ((0, 5), 5), ((5, 2), 2), ((2, 6, 5), 6)])
def test_the_gravest_code_wins(codes: tuple[int, ...], gravest: int) -> None:
    assert exit_code_of([HostReport(HOST, (), code) for code in codes]) == gravest


# What the calls tell beside their rows.


@pytest.mark.parametrize(
    ("skew_s", "verdict", "said"),
    [
        (None, "note", "tells no time"),
        (0.4, "good", "the same"),
        (-4.0, "good", "4 s behind"),
        (12.0, "note", "12 s ahead"),
        (-3600.0, "bad", "3,600 s behind"),
    ],
)
def test_a_clock_that_is_off_is_judged_by_how_much(skew_s: float | None, verdict: str, said: str) -> None:
    findings = Findings()
    judge_clock(skew_s, findings)
    assert findings.found[0].verdict == verdict
    assert said in findings.found[0].text
    assert findings.codes == ({5} if verdict == "bad" else set())


async def test_the_clock_and_the_latency_are_those_of_the_answers_not_of_the_wait_for_a_slot() -> None:
    scripted = ScriptedTransport(HOST, lambda _: answer(200, [], date=1029.6))
    transport = WitnessedTransport(scripted, wall_clock=lambda: 1000.2)  # a scripted answer is sent at 1000.0
    for _ in range(3):
        await transport.send(Request("GET", "/orders"))
    assert transport.skew_s == pytest.approx(30.0)
    assert transport.latency_s == pytest.approx(0.2)
    findings = Findings()
    judge_latency(transport, findings)
    assert findings.found[0].text == "200 ms, the median of 3 calls"


@pytest.mark.parametrize(
    ("yours", "published", "verdict", "said"),
    [
        ((Window(3, 1.0),), (Window(4, 1.0),), "good", "3/s (yours)"),
        (None, (Window(4, 1.0), Window(80, 60.0)), "good", "4/s, 80/min (published)"),
        (None, (), "assumed", "10/s to begin with"),
        (None, (Window(10, 1.0),), "good", "10/s (published)"),
    ],
)
def test_the_rate_names_its_source(
    yours: tuple[Window, ...] | None, published: tuple[Window, ...], verdict: str, said: str
) -> None:
    findings = Findings()
    judge_rate(replace(HOST, windows=yours), ShopConnector({}, windows=published), findings)
    assert findings.found[0].verdict == verdict
    assert said in findings.found[0].text
    assert (findings.found[0].setting == 'rate = ["10/s"]') == (verdict == "assumed")


def test_paths_that_no_document_shows_are_told_where_they_are_in_use() -> None:
    paths = {
        "orders": "/o/", "search": "/o/", "regions": "/r/", "groups": "/r/", "row": "/w/{id}/", "shops": "/s/",
        "order_items": "/i/{id}/", "cities": "/c/", "unused": "/x/",
    }  # fmt: skip
    connector = ShopConnector({}, paths=paths, unconfirmed=frozenset(paths) - {"orders"})
    host = replace(HOST, paths={"shops": "/mine/"})
    statuses = {"/o/": 200, "/r/": 200, "/w/7/": 404, "/mine/": 200, "/c/": 200}
    findings = Findings()
    findings.good("path cities", "told by the connector")
    streams = ["orders", "order-items", "regions", "shops", "cities"]
    judge_paths(host, connector, streams, statuses=statuses, findings=findings)
    assert {finding.question: finding.verdict for finding in findings.found[1:]} == {
        "path regions": "good",
        "path row": "note",
        "path order_items": "assumed",
    }
    assert findings.found[-1].setting == 'paths.order_items = "/i/{id}/"'


# Directories.


async def local(path: Path, *, is_target: bool = False) -> HostReport:
    shop = Shop.of(CROWD, listing=Listing(reading="once", page_limit=20))
    connector = ShopConnector({"orders": shop}, is_local=True)
    settings = migration(written() if is_target else ROUTE)
    return await examine_host(replace(HOST, url=str(path)), connector, uses_of(settings, "old", connector))


async def test_a_directory_that_is_read_has_to_be_there(tmp_path: Path) -> None:
    report = await local(tmp_path / "none")
    assert verdicts(report) == {"directory": "bad"}
    assert report.exit_code == 2


async def test_a_file_is_no_directory(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "is no directory" in text_of(await local(tmp_path / "file"), "directory")


async def test_a_directory_that_is_written_may_be_made_by_the_run(tmp_path: Path) -> None:
    report = await local(tmp_path / "none", is_target=True)
    assert verdicts(report)["directory"] == "good"
    assert "a run makes it" in text_of(report, "directory")
    assert "GB are free" in text_of(report, "disk")


async def test_a_file_that_a_route_writes_is_not_looked_for(tmp_path: Path) -> None:
    async def fail(query: PageQuery) -> None:
        del query
        raise ConfigError("there is no orders.jsonl")

    connector = ShopConnector({"orders": Shop(on_fetch=fail)}, is_local=True)
    uses = uses_of(migration(ROUTE, replace(written(), name="stage")), "old", connector)
    report = await examine_host(replace(HOST, url=str(tmp_path)), connector, uses)
    assert text_of(report, "orders") == "route stage writes it before it is read"
    assert report.exit_code == 0


async def test_rows_that_can_not_be_read_are_told(tmp_path: Path) -> None:
    rows = [Record("1", None, None, {}), Record("f:2", None, None, {}, fault="line 2 of f.jsonl is not JSON")]

    class Faulty(MovingList):
        async def fetch(self, query: PageQuery) -> Page:
            del query
            return Page(rows, total=None, has_next=False)

    connector = ListConnector(
        shops={"orders": Shop()}, lists={"orders": Faulty(Habits(reading="once"), [])}, is_local=True
    )
    report = await examine_host(
        replace(HOST, url=str(tmp_path)), connector, uses_of(migration(ROUTE), "old", connector)
    )
    told = [finding.text for finding in report.findings if finding.question == "orders: rows"]
    assert told == ["2 rows", "1 of the first 2 rows can't be read: line 2 of f.jsonl is not JSON"]


async def test_a_directory_has_neither_clock_nor_rate(tmp_path: Path) -> None:
    report = await local(tmp_path)
    assert not {"clock", "rate", "latency", "credentials", "address"} & set(verdicts(report))
    assert verdicts(report)["directory"] == "good"
