"""What read-only calls tell of a host's ways: each of them seen, or told as assumed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from bulkmove.connectors.external_order import CONNECTOR
from bulkmove.connectors.external_order.examine import MOST_CALLS
from bulkmove.connectors.scripted import ScriptedTransport, answer
from bulkmove.errors import CredentialsError
from bulkmove.model import Finding, Request, Response

Make = Callable[..., Any]
LIST = "/external/external-order/"


@dataclass
class Host:
    """A host that speaks in one way, and passes over all that it does not know."""

    orders: int = 20
    spelling: str = "underscored"
    paging: str = "page"
    is_envelope: bool = True
    clamp: int = 5000
    heeds_ordering: bool = True
    is_newest_first: bool = False
    heeds_created_after: bool = True
    created_at: Callable[[int], Any] = lambda n: 1_700_000_000 + n
    missing: frozenset[str] = frozenset()
    changed: Mapping[str, Response] = field(default_factory=dict)

    def name(self, name: str) -> str:
        return name if self.spelling == "underscored" else name.replace("_", "")

    def __call__(self, request: Request) -> Response:
        assert (request.method, request.body) == ("GET", None)
        if request.path in self.changed:
            return self.changed[request.path]
        if request.path in self.missing:
            return answer(404, b"<html>Not Found</html>")
        if request.path != LIST:
            return answer(200, {"id": 1} if request.path.startswith(LIST) else [{"id": 1}])
        rows = [self.row(n) for n in range(1, self.orders + 1)]
        params = request.params
        usual = "-" * self.is_newest_first + self.name("created_at")
        if (params.get("ordering", usual) if self.heeds_ordering else usual).startswith("-"):
            rows.reverse()
        if self.heeds_created_after and self.name("created_after") in params:
            rows = []
        return self.page(rows, params)

    def row(self, n: int) -> dict[str, Any]:
        made = self.created_at(n)
        dated = {} if made is None else {self.name("created_at"): made}
        return {self.name("order_id"): n, "rrn": str(n), **dated}

    def page(self, rows: list[Any], params: Mapping[str, str]) -> Response:
        total = len(rows)
        if self.paging == "page":
            size = min(self.clamp, int(params["page_size"]))
            rows = rows[(int(params["page"]) - 1) * size :][:size]
        elif self.paging == "limit-offset":
            size = min(self.clamp, int(params["limit"]))
            rows = rows[int(params["offset"]) :][:size]
        elif self.paging == "fixed":
            rows = rows[:10]
        if not self.is_envelope:
            return answer(200, rows)
        more = "https://next" if len(rows) < total else None
        return answer(200, {"count": total, "next": more, "previous": None, "results": rows})


@pytest.fixture
def look(host: Make) -> Callable[..., Any]:
    async def make(found: Host, **settings: Any) -> dict[str, Finding]:
        to = ScriptedTransport(host(**settings), found)
        findings = {finding.question: finding for finding in await CONNECTOR.examine(to)}
        assert len(to.requests) <= MOST_CALLS
        return findings

    return make


def verdicts(findings: dict[str, Finding]) -> dict[str, str]:
    return {name: finding.verdict for name, finding in findings.items()}


DIALECT = ("lists", "spelling", "created_at", "paging", "page size", "ordering", "created_after")


async def test_a_usual_host_has_nothing_to_set(look: Make) -> None:
    found = await look(Host(orders=1200))
    assert {name: found[name].verdict for name in DIALECT} == dict.fromkeys(DIALECT, "good")
    assert all(finding.setting is None for finding in found.values())
    assert found["path order"].verdict == "good"
    assert sum(name.startswith("path ") for name in found) == MOST_CALLS - 3


@pytest.mark.parametrize("is_set", [False, True])
async def test_a_run_together_host_of_offsets_is_recognised(look: Make, *, is_set: bool) -> None:
    options = {"spelling": "run-together", "paging": "limit-offset"} if is_set else {}
    found = await look(Host(spelling="run-together", paging="limit-offset"), options=options)
    settings = {finding.setting for finding in found.values() if finding.verdict == "bad"}
    assert settings == (
        set() if is_set else {'options.spelling = "run-together"', 'options.paging = "limit-offset"'}
    )
    # The host is asked in its own spelling once that is seen, whatever is set.
    assert (found["ordering"].verdict, found["createdafter"].verdict) == ("good", "good")


async def test_a_host_that_is_set_otherwise_than_it_is_is_named(look: Make) -> None:
    found = await look(Host(), options={"spelling": "run-together", "paging": "limit-offset"})
    assert found["spelling"] == Finding(
        "spelling", "bad", "underscored, and run-together is set", 'options.spelling = "underscored"'
    )
    assert found["paging"].setting == 'options.paging = "page"'


async def test_an_empty_list_shows_nothing_of_it(look: Make) -> None:
    found = await look(Host(orders=0))
    shown = {name: found[name].verdict for name in DIALECT}
    assert shown == {**dict.fromkeys(DIALECT, "assumed"), "lists": "good"}
    assert found["spelling"].setting == 'options.spelling = "underscored"'
    assert "address" in found["other paths"].text
    # What no order was needed for was asked instead.
    assert sum(name.startswith("path ") for name in found) == 6


@pytest.mark.parametrize("orders", [1, 2, 3])
async def test_few_orders_leave_the_paging_open(look: Make, orders: int) -> None:
    for is_envelope in (True, False):
        found = await look(Host(orders=orders, is_envelope=is_envelope))
        assert (found["paging"].verdict, found["page size"].verdict) == ("assumed", "assumed")
        assert found["spelling"].verdict == "good"


@pytest.mark.parametrize("paging", ["page", "limit-offset"])
async def test_bare_arrays_tell_their_paging_by_their_length(look: Make, paging: str) -> None:
    found = await look(Host(is_envelope=False, paging=paging), options={"paging": paging})
    assert (found["lists"].verdict, found["paging"].verdict) == ("note", "good")


@pytest.mark.parametrize(
    ("paging", "is_envelope", "said"),
    [("none", False, "all 20 orders come at once"), ("fixed", True, "pages have 10 orders whatever")],
)
async def test_a_host_without_a_size_of_pages_is_noted(
    look: Make, paging: str, is_envelope: Any, said: str
) -> None:
    found = await look(Host(paging=paging, is_envelope=is_envelope))
    assert found["paging"].verdict == "note"
    assert said in found["paging"].text


async def test_a_page_that_is_cut_is_noted_with_its_length(look: Make) -> None:
    found = await look(Host(orders=700, clamp=500))
    assert (found["page size"].verdict, "cut to 500" in found["page size"].text) == ("note", True)


async def test_what_is_passed_over_is_noted(look: Make) -> None:
    found = await look(Host(heeds_ordering=False, heeds_created_after=False))
    assert (found["ordering"].verdict, found["created_after"].verdict) == ("note", "note")


@pytest.mark.parametrize("heeds_ordering", [True, False])
async def test_a_list_that_comes_newest_first_is_asked_for_the_other_way_round(
    look: Make, *, heeds_ordering: bool
) -> None:
    found = await look(Host(is_newest_first=True, heeds_ordering=heeds_ordering))
    assert found["ordering"].verdict == ("good" if heeds_ordering else "note")


@pytest.mark.parametrize(
    ("created_at", "verdict", "setting"),
    [
        (lambda n: n, "good", None),
        (str, "good", None),
        (lambda _: "2025-03-11T16:25:42Z", "good", None),
        (lambda _: "2025-03-11T16:25:42", "bad", 'timezone = "Europe/Chisinau"'),
        (lambda _: "yesterday", "note", None),
        (lambda _: None, "note", None),
    ],
)
async def test_the_form_of_dates_is_told(
    look: Make, created_at: Callable[[int], Any], verdict: str, setting: str | None
) -> None:
    found = (await look(Host(created_at=created_at)))["created_at"]
    assert (found.verdict, found.setting) == (verdict, setting)


async def test_a_zone_that_is_set_makes_dates_good(look: Make) -> None:
    host = Host(created_at=lambda _: "2025-03-11T16:25:42")
    assert (await look(host, timezone="Europe/Chisinau"))["created_at"].verdict == "good"


async def test_a_path_that_does_not_answer_is_noted_with_its_setting(look: Make) -> None:
    missing = frozenset({"/external/region/", LIST + "1"})
    found = await look(Host(missing=missing, changed={"/external/product/": answer(200, b"<html>")}))
    for name in ("regions", "order", "products"):
        assert found[f"path {name}"].verdict == "note"
        assert found[f"path {name}"].setting == f'paths.{name} = "…"'
    assert found["path localities"].verdict == "good"


async def test_a_path_that_refuses_the_token_does_not_end_the_look(host: Make) -> None:
    def script(request: Request) -> Response:
        if request.path == "/external/region/":
            raise CredentialsError("shop refused the token")
        return Host()(request)

    found = {each.question: each for each in await CONNECTOR.examine(ScriptedTransport(host(), script))}
    assert (found["path regions"].verdict, found["path regions"].text) == ("note", "shop refused the token")
    assert found["path localities"].verdict == "good"


@pytest.mark.parametrize("given", [answer(404, b"<html>"), answer(200, b"<html>"), answer(200, {"ok": 1})])
async def test_a_list_that_does_not_answer_ends_the_look(look: Make, given: Response) -> None:
    found = await look(Host(changed={LIST: given}))
    assert verdicts(found) == {"list of orders": "bad"}
    assert found["list of orders"].setting == 'paths.orders = "…"'


async def test_a_list_that_refuses_the_token_raises(host: Make) -> None:
    def script(_: Request) -> Response:
        raise CredentialsError("shop refused the token")

    with pytest.raises(CredentialsError):
        await CONNECTOR.examine(ScriptedTransport(host(), script))
