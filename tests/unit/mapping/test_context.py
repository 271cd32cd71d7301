"""What a mapper is told beside its record."""

from __future__ import annotations

import pytest

from bulkmove.mapping.context import RouteContext
from bulkmove.mapping.lookups.index import Index
from bulkmove.mapping.lookups.keys import FieldWatch
from bulkmove.mapping.lookups.resolver import Lookups
from bulkmove.settings import LookupSettings

_WRITTEN = {("orders", "1"): ("10",), ("orders", "2"): ("20", "21")}


def context() -> RouteContext:
    return RouteContext(
        route="products",
        options={"shop": 2},
        tables={"ids": {"1": "100", "007": "700"}},
        ids_of=lambda route, source_id: _WRITTEN.get((route, source_id), ()),
    )


def test_a_table_is_looked_up_by_text() -> None:
    assert context().lookup("ids", "1") == "100"
    assert context().lookup("ids", 1) == "100"
    assert context().lookup("ids", "7") is None
    assert context().lookup("ids", None) is None


def test_a_table_that_was_not_loaded_is_named_with_its_option() -> None:
    with pytest.raises(KeyError, match=r"options\.colours"):
        context().lookup("colours", "1")


def test_the_tables_that_there_are_stand_in_the_message() -> None:
    with pytest.raises(KeyError, match=r"there are colour, ids, region\): write a \[lookups\.colours\]"):
        with_lookups().lookup("colours", "1")
    with pytest.raises(KeyError, match="there is none"):
        RouteContext("r", {}, {}, lambda _route, _id: ()).lookup("colours", "1")


def with_lookups() -> RouteContext:
    settings = LookupSettings("region", missing="null")
    index = Index(settings, FieldWatch(settings, "rows"))
    index.add_pairs([("Arad", 7), ("1", "one")])
    lookups = Lookups()
    lookups.add_whole(settings, index)
    plain = context()
    names = lookups.of_route({"region": "region", "colour": "region"})
    return RouteContext(plain.route, plain.options, plain.tables, plain.ids_of, names)


async def test_a_look_up_is_asked_by_its_name_or_by_the_option_that_names_it() -> None:
    assert with_lookups().lookup("region", "Arad") == with_lookups().lookup("colour", "Arad") == 7
    assert with_lookups().lookup("region", 1) == "one"
    assert with_lookups().lookup("region", "Brad") is None
    assert await with_lookups().find("colour", "Arad") == 7
    assert with_lookups().lookup("ids", "007") == "700"


def test_a_files_table_has_one_value_a_key_whatever_it_is_within() -> None:
    assert context().lookup("ids", ("101", "007")) == "700"


async def test_find_answers_as_lookup_does() -> None:
    assert await context().find("ids", "007") == "700"
    assert await context().find("ids", "x") is None
    with pytest.raises(KeyError):
        await context().find("colours", "1")


def test_ids_of_another_route_are_asked_by_text() -> None:
    assert context().target_id("orders", "1") == "10"
    assert context().target_id("orders", 1) == "10"  # type: ignore[arg-type]
    assert context().target_ids("orders", "2") == ("20", "21")
    assert context().target_id("orders", "2") == "20"


def test_a_record_that_was_not_written_has_no_id() -> None:
    assert context().target_id("orders", "3") is None
    assert context().target_ids("orders", "3") == ()


def test_route_and_options_are_there() -> None:
    assert (context().route, context().options) == ("products", {"shop": 2})
