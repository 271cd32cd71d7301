"""Lists that lie and move: each fault does to a page what its name says, and moves come when they are due."""

from __future__ import annotations

import random
from email.utils import parsedate_to_datetime
from typing import Any

import orjson
import pytest

from bulkmove.sandbox.calls import Call, json_answer
from bulkmove.sandbox.changes import Changes
from bulkmove.sandbox.list_faults import CLAMP, CLOCK_OFF_S, LIST_FAULTS, ListFaults, is_hidden
from bulkmove.sandbox.moving import Moves
from bulkmove.sandbox.settings import SandboxSettings
from bulkmove.sandbox.world import World, make_world

NOW = 1_700_000_000.0
SHOP = "/api/v2/orders?sort=date_created&created_after=2020-01-01&start=20&limit=20"
NUMBERED = "/external/external-order/?page=2&page_size=20&created_after=5"


def page(target: str, first: int = 20) -> dict[str, Any]:
    rows = [{"id": str(first + number)} for number in range(20)]
    if target == SHOP:
        count = {"total": 50, "current": 20, "start": 20, "limit": 20}
        return {"data": rows, "meta": {"count": count, "links": {"next": "more"}}}
    return {"count": 50, "next": "more", "results": rows}


def spoil(name: str, target: str, *, seed: int = 1) -> dict[str, Any]:
    """The rows, the count and the next link that a page shows; and the query as it was heard."""
    call = Call("GET", target.partition("?")[0], target, {})
    faults = ListFaults()
    faults.hear(name, call)
    answer = faults.tell(name, call, json_answer(200, page(target)), dice=random.Random(seed), now=NOW)
    told = orjson.loads(answer.body)
    meta = told.get("meta", {"count": told, "links": told})
    return {
        "ids": [row["id"] for row in told.get("data", told.get("results"))],
        "count": meta["count"].get("total", meta["count"].get("count", "none")),
        "next": meta["links"].get("next", "none"),
        "query": call.query,
        "date": answer.headers.get("Date"),
    }


AS_IT_IS = {"ids": [str(20 + number) for number in range(20)], "count": 50, "next": "more", "date": None}


@pytest.mark.parametrize("target", [SHOP, NUMBERED])
@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("ignored-offset", {}),
        ("ignored-filter", {}),
        ("clamped-page", {}),
        ("empty-page", {"ids": []}),
        ("same-page", {}),
        ("count-high", {"count": 78}),
        ("count-low", {"count": 25}),
        ("count-none", {"count": "none"}),
        ("next-null", {"next": None}),
        ("next-none", {"next": "none"}),
        ("ends-early", {"count": 40, "next": None}),
    ],
)
def test_a_fault_changes_what_it_names_and_nothing_else(
    target: str, name: str, changed: dict[str, Any]
) -> None:
    told = spoil(name, target)
    told.pop("query")
    assert told == AS_IT_IS | changed


@pytest.mark.parametrize("target", [SHOP, NUMBERED])
def test_the_call_is_heard_otherwise(target: str) -> None:
    assert not spoil("ignored-offset", target)["query"].keys() & {"start", "page"}
    assert "created_after" not in spoil("ignored-filter", target)["query"]
    query = spoil("clamped-page", target.replace("=20", "=90"))["query"]
    assert str(CLAMP) in {query.get("limit"), query.get("page_size")}


def test_rows_are_left_out_doubled_and_shuffled() -> None:
    ids = AS_IT_IS["ids"]
    assert isinstance(ids, list)
    dropped = [set(ids) - set(spoil("dropped-rows", SHOP, seed=seed)["ids"]) for seed in range(6)]
    assert all(dropped)
    assert len(set(map(frozenset, dropped))) > 1
    hidden = {name for name in ids if is_hidden({"id": name})}
    assert hidden
    assert set(ids) - set(spoil("hidden-rows", SHOP)["ids"]) == hidden
    assert len(spoil("doubled-rows", SHOP)["ids"]) == 21
    shuffled = spoil("unsorted-page", SHOP)["ids"]
    assert shuffled != ids
    assert sorted(shuffled) == sorted(ids)


def test_the_clock_is_off_by_hours() -> None:
    ahead, behind = spoil("date-ahead", SHOP)["date"], spoil("date-behind", SHOP)["date"]
    assert parsedate_to_datetime(ahead).timestamp() == NOW + CLOCK_OFF_S
    assert parsedate_to_datetime(behind).timestamp() == NOW - CLOCK_OFF_S
    assert not spoil("date-none", SHOP)["date"]


def test_every_fault_of_a_list_is_made_here() -> None:
    changed = {name for name in LIST_FAULTS if name not in {"ignored-sort", "same-page", "count-odd"}}
    assert all(
        spoil(name, SHOP) != AS_IT_IS | {"query": Call("GET", "", SHOP, {}).query} or name == "clamped-page"
        for name in changed
    )


@pytest.fixture
def world() -> World:
    return make_world(SandboxSettings(orders=50, products=20, targets_existing=10), now=lambda: NOW)


def test_a_change_comes_before_the_page_that_it_is_set_for(world: World) -> None:
    moves = Moves(Changes(world))
    (row,) = world.orders.rows_by_date(0, 1)
    name = str(world.orders.order(row)["id"])
    moves.add({"list": "orders", "after": 2, "change": {"delete": [name]}})
    for api, kind in (("merchantpro", "list"), ("robosize", "orders"), ("merchantpro", "list")):
        moves.before_page(api, kind)
        assert world.orders.row_of(name) is not None
    moves.before_page("merchantpro", "list")
    assert world.orders.row_of(name) is None
    assert len(world.orders) == 49


def test_dice_make_the_same_moves_again_and_end_when_they_shall() -> None:
    def moved(seed: int) -> list[Any]:
        world = make_world(SandboxSettings(orders=50, products=20), now=lambda: NOW)
        moves = Moves(Changes(world))
        moves.add({"list": "orders", "each": 2, "until": 5, "seed": seed})
        lengths = []
        for _ in range(9):
            moves.before_page("merchantpro", "list")
            rows = world.orders.rows_by_date(0, 1000)
            lengths.append(
                [(world.orders.order(row)["id"], world.orders.order(row)["date_created"]) for row in rows]
            )
        assert lengths[4] == lengths[8] != lengths[0]
        return lengths

    assert moved(1) == moved(1) != moved(2)


@pytest.mark.parametrize("rows", ["external-orders", "robosize-orders", "robosize-products", "orders"])
def test_any_list_can_move(world: World, rows: str) -> None:
    moves = Moves(Changes(world))
    moves.add({"list": rows, "each": 3})
    for api, kind in (
        ("merchantpro", "list"),
        ("external-order", "list"),
        ("robosize", "orders"),
        ("robosize", "products"),
    ):
        for _ in range(10):
            moves.before_page(api, kind)


def test_moves_that_make_no_sense_are_refused(world: World) -> None:
    moves = Moves(Changes(world))
    with pytest.raises(KeyError):
        moves.add({"list": "nothing", "each": 1})
    with pytest.raises(ValueError, match="no move jump"):
        moves.add({"list": "orders", "each": 1, "kinds": ["jump"]})
