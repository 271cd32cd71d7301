"""What a value becomes: decided, found, or as `missing` says; and how rarely a host is asked for it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import anyio
import anyio.lowlevel
import orjson
import pytest

from bulkmove.errors import ConfigError, HostUnavailableError, RejectRecordError
from bulkmove.mapping.lookups.asking import STAND_IN, SkipRecordError, StandIn
from bulkmove.mapping.lookups.decisions import Decision, Decisions
from bulkmove.mapping.lookups.index import Index
from bulkmove.mapping.lookups.keys import FieldWatch
from bulkmove.mapping.lookups.resolver import Lookups
from bulkmove.model import JsonObject
from bulkmove.settings import LookupSettings

TOWNS: list[JsonObject] = [
    {"id": 1, "name": "Sânmartin", "region_id": 101},
    {"id": 2, "name": "Sânmartin", "region_id": 102},
    {"id": 3, "name": "Arad", "region_id": 101},
    {"id": 4, "name": "Zece", "region_id": 101},
    {"id": 5, "name": "Zece", "region_id": 101},
]
DECIDED = Decisions(
    {
        "town": {
            ("", "Xanadu"): Decision("value", 99),
            ("", "Arad"): Decision("value", 77),
            ("", "Away"): Decision("skip"),
            ("", "Else"): Decision("default"),
        }
    }
)


def whole(*, decisions: Decisions | None = None, collecting: bool = False, **settings: Any) -> Lookups:
    made = LookupSettings("town", **settings)
    watch = FieldWatch(made, "new.towns")
    index = Index(made, watch)
    index.add(TOWNS)
    lookups = Lookups(decisions, collecting=collecting)
    lookups.add_whole(made, index)
    return lookups


class Host:
    """Finds towns whose name begins with a text, in its own way: without regard to case. `asked` is what it was asked."""

    def __init__(self, *, fails: int = 0) -> None:
        self.asked: list[str] = []
        self.fails = fails
        self.open = anyio.Event()
        self.open.set()

    async def search(self, text: str) -> Sequence[JsonObject]:
        self.asked.append(text)
        await self.open.wait()
        await anyio.lowlevel.checkpoint()
        if self.fails:
            self.fails -= 1
            raise HostUnavailableError("host new: gone")
        return [row for row in TOWNS if row["name"].casefold().startswith(text.casefold()[:3])]

    async def within(self, outer: str) -> Sequence[JsonObject]:
        self.asked.append(outer)
        await anyio.lowlevel.checkpoint()
        return [row for row in TOWNS if str(row["region_id"]) == outer]


def on_demand(
    host: Host,
    *,
    decisions: Decisions | None = None,
    collecting: bool = False,
    most_kept: int = 1000,
    **settings: Any,
) -> Lookups:
    made = LookupSettings("town", load="on-demand", **settings)
    lookups = Lookups(decisions, collecting=collecting)
    by_outer = made.within is not None
    lookups.add_on_demand(
        made,
        host.within if by_outer else host.search,
        named="new.towns",
        by_outer=by_outer,
        most_kept=most_kept,
    )
    return lookups


# What a value becomes


@pytest.mark.parametrize("key", [None, "", "  "])
@pytest.mark.parametrize("missing", ["reject", "null", "default"])
def test_an_empty_value_is_null_and_no_miss(key: Any, missing: Any) -> None:
    lookups = whole(missing=missing, default=5, collecting=True)
    assert lookups.resolve("town", key) is None
    assert lookups.unresolved() == []


def test_a_value_that_is_not_there_becomes_what_missing_says() -> None:
    assert whole(missing="null").resolve("town", "Nowhere") is None
    assert whole(missing="default", default=5).resolve("town", "Nowhere") == 5
    with pytest.raises(
        RejectRecordError, match=r"^lookups\.town has no 'Nowhere'; decide in decisions\.toml, then"
    ) as raised:
        whole().resolve("town", "Nowhere")
    assert raised.value.cause == "unresolved"


def test_a_value_that_could_mean_two_is_missing_too() -> None:
    assert whole(missing="null").resolve("town", "Zece") is None
    with pytest.raises(RejectRecordError, match="has more than one value for 'Zece'"):
        whole().resolve("town", "Zece")


def test_a_message_shows_no_more_of_a_value_than_a_line_holds() -> None:
    with pytest.raises(RejectRecordError) as raised:
        whole().resolve("town", "x" * 10_000)
    assert len(str(raised.value)) < 200


@pytest.mark.parametrize("key", [["Arad"], {"a": 1}, (["Arad"], "Arad"), ("101", {"a": 1})])
def test_what_is_no_single_value_is_rejected(key: Any) -> None:
    with pytest.raises(RejectRecordError, match="is no value to look up"):
        whole(within="region_id").resolve("town", ("1", key) if not isinstance(key, tuple) else key)


def test_a_decision_goes_before_the_table() -> None:
    lookups = whole(decisions=DECIDED, missing="default", default=5)
    assert [lookups.resolve("town", each) for each in ("Xanadu", "Arad", "Else", "Nowhere")] == [99, 77, 5, 5]
    assert whole(decisions=DECIDED).resolve("town", "Else") is None
    with pytest.raises(SkipRecordError):
        lookups.resolve("town", "Away")


def test_the_same_value_again_is_the_same_again() -> None:
    lookups = whole(within="region_id", decisions=Decisions({"town": {("101", "X"): Decision("value", 9)}}))
    for _ in range(3):
        assert lookups.resolve("town", (101, "Sânmartin")) == 1
        assert lookups.resolve("town", ("102", "Sânmartin")) == 2
        assert lookups.resolve("town", (101, "X")) == 9
        with pytest.raises(RejectRecordError, match=r"has no 'Arad' within '102'"):
            lookups.resolve("town", (102, "Arad"))


def test_true_is_not_one() -> None:
    made = LookupSettings("x", missing="null")
    index = Index(made, FieldWatch(made, "x"))
    index.add_pairs([("1", "one"), ("true", "yes")])
    lookups = Lookups()
    lookups.add_whole(made, index)
    asked = (True, 1, True, 1.0, "1", False)
    assert [lookups.resolve("x", each) for each in asked] == ["yes", "one", "yes", "one", "one", None]


def test_true_is_not_one_within_a_pair_either() -> None:
    lookups = Lookups()
    made = LookupSettings("x", within="r", missing="null")
    index = Index(made, FieldWatch(made, "x"))
    index.add([{"id": "one", "name": "a", "r": 1}, {"id": "yes", "name": "a", "r": True}])
    lookups.add_whole(made, index)
    asked = ((True, "a"), (1, "a"), (True, "a"), ("1", "a"))
    assert [lookups.resolve("x", each) for each in asked] == ["yes", "one", "yes", "one"]


def test_a_value_that_has_to_be_within_another_is_not_found_alone() -> None:
    with pytest.raises(TypeError, match="a pair of its region_id and the value"):
        whole(within="region_id").resolve("town", "Arad")
    lookups = whole(within="region_id", missing="null")
    assert lookups.resolve("town", (None, "Arad")) is None
    assert lookups.resolve("town", (101, None)) is None


def test_a_pair_is_its_value_where_nothing_else_has_to_agree() -> None:
    assert whole().resolve("town", (101, "Arad")) == 3


# Collecting


def test_while_values_are_collected_a_stand_in_lets_the_mapper_go_on() -> None:
    lookups = whole(collecting=True)
    found = lookups.resolve("town", "Nowhere")
    assert isinstance(found, StandIn)
    assert (int(found), str(found), orjson.dumps({"a": found})) == (
        int(STAND_IN), str(int(STAND_IN)), b'{"a":%d}' % int(STAND_IN),
    )  # fmt: skip
    assert found > 0


def test_what_did_not_resolve_is_told_with_what_is_near() -> None:
    lookups = whole(collecting=True, match="normalised", missing="null")
    for value in ("Aradd", "Zece", "Aradd"):
        assert lookups.resolve("town", value) is None
    first, second = lookups.unresolved()
    assert (first.value, first.records, first.becomes, first.is_ambiguous) == ("Aradd", 2, "null", False)
    assert [(each.key, each.value) for each in first.candidates] == [("Arad", 3)]
    assert (second.value, second.is_ambiguous, [each.value for each in second.candidates]) == (
        "Zece",
        True,
        [4, 5],
    )
    assert first.as_dict()["candidates"] == [{"key": "Arad", "value": 3, "score": 89}]


def test_proposals_end_where_a_person_would_wait_too_long_for_them() -> None:
    lookups = whole(collecting=True)
    for value in ("Aradd", "Zecee", "Zecee"):
        lookups.resolve("town", value)
    told = lookups.unresolved(most_compared=5)
    assert [(each.value, bool(each.candidates)) for each in told] == [("Zecee", True), ("Aradd", False)]


def test_a_stand_in_within_which_a_value_is_asked_gives_another_and_counts_nothing() -> None:
    lookups = whole(collecting=True, within="region_id")
    assert lookups.resolve("town", (STAND_IN, "Arad")) is STAND_IN
    assert lookups.resolve("town", (101, STAND_IN)) is STAND_IN
    assert lookups.resolve("town", (STAND_IN, None)) is None
    assert lookups.unresolved() == []


# On demand


async def test_many_who_ask_for_one_value_wait_for_one_request() -> None:
    host = Host()
    lookups = on_demand(host, missing="null")
    found: Counter[Any] = Counter()

    async def ask(value: str) -> None:
        found[await lookups.find("town", value)] += 1

    async with anyio.create_task_group() as tasks:
        for n in range(300):
            tasks.start_soon(ask, ("Arad", "Nowhere", "")[n % 3])
    assert found == {3: 100, None: 200}
    assert sorted(host.asked) == ["Arad", "Nowhere"]
    # Misses are kept as well.
    await ask("Nowhere")
    assert len(host.asked) == 2


async def test_only_rows_that_match_by_the_look_ups_own_rule_count() -> None:
    assert await on_demand(Host(), missing="null").find("town", "ARAD") is None
    assert await on_demand(Host(), match="normalised").find("town", "ARAD") == 3
    with pytest.raises(RejectRecordError, match="more than one value"):
        await on_demand(Host()).find("town", "Sânmartin")


async def test_all_values_within_one_take_one_request() -> None:
    host = Host()
    lookups = on_demand(host, within="region_id", missing="null")
    asked = [
        (101, "Arad"),
        ("101", "Sânmartin"),
        (102, "Sânmartin"),
        (102, "Arad"),
        (None, "Arad"),
        (101, ""),
    ]
    assert [await lookups.find("town", each) for each in asked] == [3, 1, 2, None, None, None]
    assert sorted(host.asked) == ["101", "102"]


async def test_what_was_found_first_is_forgotten_first_and_asked_for_again() -> None:
    host = Host()
    lookups = on_demand(host, missing="null", most_kept=3)
    for value in ("a1", "a2", "a3", "a1", "a4", "a1", "a2"):
        await lookups.find("town", value)
    assert host.asked == ["a1", "a2", "a3", "a4", "a2"]


async def test_what_a_search_finds_beside_takes_little_room() -> None:
    asked: list[str] = []

    async def search(text: str) -> Sequence[JsonObject]:
        asked.append(text)
        return [*({"id": n, "name": f"{text} {n}"} for n in range(500)), {"id": 7, "name": text}]

    lookups = Lookups()
    made = LookupSettings("town", load="on-demand")
    lookups.add_on_demand(made, search, named="new.towns", by_outer=False, most_kept=100)
    for _ in range(2):
        assert [await lookups.find("town", value) for value in ("a", "b", "c")] == [7, 7, 7]
    assert asked == ["a", "b", "c"]


async def test_a_decision_costs_no_request() -> None:
    host = Host()
    lookups = on_demand(host, decisions=DECIDED)
    assert await lookups.find("town", "Xanadu") == 99
    with pytest.raises(SkipRecordError):
        await lookups.find("town", "Away")
    assert host.asked == []


async def test_a_host_that_fails_fails_all_who_wait_and_none_who_come_later() -> None:
    host = Host(fails=1)
    host.open = anyio.Event()
    lookups = on_demand(host)
    failed: list[str] = []

    async def ask() -> None:
        try:
            await lookups.find("town", "Arad")
        except HostUnavailableError as error:
            failed.append(str(error))

    async with anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(ask)
        await anyio.wait_all_tasks_blocked()
        host.open.set()
    assert failed == ["host new: gone"] * 5
    assert await lookups.find("town", "Arad") == 3
    assert host.asked == ["Arad", "Arad"]


async def test_who_waits_for_one_that_is_cancelled_asks_itself() -> None:
    host = Host()
    host.open = anyio.Event()
    lookups = on_demand(host)
    found: list[Any] = []

    async def ask(scope: anyio.CancelScope) -> None:
        with scope:
            found.append(await lookups.find("town", "Arad"))

    first = anyio.CancelScope()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ask, first)
        await anyio.wait_all_tasks_blocked()
        tasks.start_soon(ask, anyio.CancelScope())
        await anyio.wait_all_tasks_blocked()
        first.cancel()
        await anyio.wait_all_tasks_blocked()
        host.open.set()
    assert found == [3]
    assert host.asked == ["Arad", "Arad"]


async def test_a_field_that_no_found_row_has_is_a_mistake_and_no_miss() -> None:
    async def search(text: str) -> Sequence[JsonObject]:
        return [{"id": n, "title": text} for n in range(20)]

    made = LookupSettings("town", load="on-demand")
    lookups = Lookups()
    lookups.add_on_demand(made, search, named="new.towns", by_outer=False)
    with pytest.raises(ConfigError, match=r"lookups\.town\.key: no row of new\.towns has a field 'name'"):
        await lookups.find("town", "Arad")


async def test_what_a_search_found_nearby_is_proposed() -> None:
    lookups = on_demand(Host(), collecting=True)
    assert isinstance(await lookups.find("town", "Aradd"), StandIn)
    [told] = lookups.unresolved()
    assert [(each.key, each.value) for each in told.candidates] == [("Arad", 3)]


def test_a_plain_function_that_asks_on_demand_is_told_what_to_do() -> None:
    with pytest.raises(
        RejectRecordError, match=r"await context\.find.*lookups\.town\.load = \"whole\""
    ) as raised:
        on_demand(Host()).resolve("town", "Arad")
    assert raised.value.cause == "on-demand"


def test_only_look_ups_that_were_opened_are_a_routes() -> None:
    names = whole().of_route({"towns": "town", "town": "town", "other": "other"})
    assert set(names) == {"towns", "town"}
