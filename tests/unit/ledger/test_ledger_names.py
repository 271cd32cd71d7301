"""Most new names are told to be new without a look into the ledger, and no old one ever is."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bulkmove.ledger.names import NewNames

NAMES = st.lists(st.text(max_size=8), max_size=200)


@given(old=NAMES, asked=NAMES)
def test_what_was_put_down_is_always_looked_for(old: list[str], asked: list[str]) -> None:
    names = NewNames()
    names.begin("id of", "orders")
    names.add("id of", "orders", old)

    found = names.candidates("id of", "orders", [*asked, *old])

    assert set(old) <= set(found)


def test_nearly_nothing_that_is_new_is_looked_for() -> None:
    names = NewNames()
    names.begin("id of", "orders")
    names.add("id of", "orders", [str(number) for number in range(100_000)])

    found = names.candidates("id of", "orders", [f"n{number}" for number in range(10_000)])

    assert len(found) < 10


def test_the_ids_of_one_route_say_nothing_of_another() -> None:
    names = NewNames()
    for route in ("orders", "returns"):
        names.begin("id of", route)
    names.add("id of", "orders", map(str, range(1000)))

    assert len(names.candidates("id of", "returns", [str(each) for each in range(1000)])) < 10
    assert len(names.candidates("id of", "orders", [str(each) for each in range(1000)])) == 1000


def test_all_is_looked_for_where_an_earlier_run_was() -> None:
    assert NewNames().candidates("id of", "orders", ["1", "2"]) == ["1", "2"]


def test_all_is_looked_for_once_others_put_names_down_too() -> None:
    names = NewNames()
    names.begin("key in", "new")

    names.forget()
    names.begin("key in", "newer")

    assert names.candidates("key in", "new", ["1", "2"]) == ["1", "2"]
    assert names.candidates("key in", "newer", ["1", "2"]) == ["1", "2"]
