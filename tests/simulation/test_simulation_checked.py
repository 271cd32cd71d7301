"""The simulation is checked itself: what is taken out of the product shows, and so does what is planted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import orjson
import pytest

from bulkmove.demo.expected import ExternalOrders
from bulkmove.model import State
from tests.simulation.calls import Call, Row
from tests.simulation.campaign import memory
from tests.simulation.clock import Clock
from tests.simulation.external_order import ORDERS as EXTERNAL_ORDERS
from tests.simulation.external_order import ExternalOrder
from tests.simulation.external_order import Habits as ExternalHabits
from tests.simulation.life import live
from tests.simulation.merchantpro import ORDERS as SHOP_ORDERS
from tests.simulation.merchantpro import MerchantPro
from tests.simulation.merchantpro_habits import Habits as ShopHabits
from tests.simulation.mutations import MUTATIONS
from tests.simulation.oracle import Noted
from tests.simulation.oracle_moved import Moved

WITHIN = 150


@pytest.fixture
def folder() -> Iterator[Path]:
    with memory() as made:
        yield made


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.long if mutation.is_rare else ())
        for name, mutation in MUTATIONS.items()
    ],
)
def test_a_promise_that_is_taken_out_of_the_product_shows(folder: Path, name: str) -> None:
    """Within 150 seeds, where the product as it is has nothing to show in the seed that tells."""
    mutation = MUTATIONS[name]
    for seed in range(mutation.first_seed, mutation.first_seed + WITHIN):
        with mutation.take_out():
            story = live(seed, folder, focus=mutation.focus)
        if story.violations:
            assert not live(seed, folder, focus=mutation.focus).violations
            return
    pytest.fail(f"without {name}, {WITHIN} seeds hold")


@dataclass
class Moving:
    """Three orders that were moved as they should be, and what a ledger would say of them."""

    old: MerchantPro
    new: ExternalOrder
    check: Moved
    noted: list[Noted]

    def violations(self) -> set[str]:
        return {violation.kind for violation in self.check.violations(self.noted, has_failed=False)}

    def note(self, place: int, **changes: Any) -> None:
        self.noted[place] = self.noted[place]._replace(**changes)


RULES = ExternalOrders(shop=2)


@pytest.fixture
def moved() -> Moving:
    old = MerchantPro(Clock(), Random(1), ShopHabits(), orders=3, bad=0.0, first=1000)
    old.is_moving = False
    old.answer(Call("GET", SHOP_ORDERS, {"start": "0", "limit": "100"}, None))
    new = ExternalOrder(Clock(), Random(2), ExternalHabits())
    names = list(old.orders)
    new.put({**body_of(old, names[0]), "rrn": "a stranger's"})
    check = Moved("orders", old, new, RULES, mode="create")
    noted = [Noted(name, 0, State.WRITTEN, create(new, body_of(old, name)), None) for name in names]
    return Moving(old, new, check, noted)


def body_of(old: MerchantPro, name: str) -> Row:
    """What an order is mapped to; a place left empty is none."""
    expected = RULES.expected(old.orders[name])
    assert expected is not None
    return expected


def create(new: ExternalOrder, body: Row) -> str:
    new.answer(Call("POST", EXTERNAL_ORDERS, {}, orjson.dumps([body])))
    return new.created[-1].row_id


def test_what_is_as_it_should_be_is_found_so(moved: Moving) -> None:
    assert moved.violations() == set()


def test_an_order_that_was_never_read_is_found(moved: Moving) -> None:
    del moved.noted[1]
    assert moved.violations() == {"lost", "wrong"}, "and nobody asked for the row that is there"


def test_an_order_that_is_called_written_and_is_not_there_is_found(moved: Moving) -> None:
    del moved.new.created[1]
    assert moved.violations() == {"lost"}


def test_an_order_that_is_there_twice_is_found(moved: Moving) -> None:
    create(moved.new, body_of(moved.old, moved.noted[1].source_id))
    assert moved.violations() == {"doubled"}


@pytest.mark.parametrize("field", ["rrn", "shop", "order_items", "address"])
def test_a_field_that_is_another_is_found(moved: Moving, field: str) -> None:
    row = moved.new.orders[moved.noted[1].target_id or ""]
    row[field] = {"rrn": "x", "shop": 3, "order_items": [], "address": {"address_ru": "elsewhere"}}[field]
    assert moved.violations() == {"wrong"}


def test_a_row_of_a_stranger_that_was_changed_is_found(moved: Moving) -> None:
    next(iter(moved.new.orders.values()))["shop"] = 3
    assert moved.violations() == {"wrong"}


def test_another_row_s_id_in_the_ledger_is_found(moved: Moving) -> None:
    moved.note(0, target_id=moved.noted[1].target_id)
    assert moved.violations() == {"wrong"}


def test_an_order_that_is_there_and_called_rejected_is_found(moved: Moving) -> None:
    moved.note(0, state=State.REJECTED, cause="refused")
    assert moved.violations() == {"wrong"}


def test_an_order_that_is_rejected_without_need_counts_as_lost(moved: Moving) -> None:
    del moved.new.created[0]
    moved.note(0, state=State.REJECTED, cause="refused")
    assert moved.violations() == {"lost"}


def test_an_order_that_is_unknown_without_need_is_found(moved: Moving) -> None:
    moved.note(0, state=State.UNKNOWN, cause="differs")
    assert moved.violations() == {"unknown"}


def test_an_order_that_was_left_open_is_found(moved: Moving) -> None:
    moved.note(0, state=State.PENDING)
    assert moved.violations() == {"open"}
