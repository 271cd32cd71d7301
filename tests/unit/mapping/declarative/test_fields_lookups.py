"""Look-ups within a table of fields: alone, within an outer value, first of several, and while misses are collected."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from bulkmove.errors import ConfigError
from bulkmove.mapping.apply import Rejection, map_page
from bulkmove.mapping.context import RouteContext
from bulkmove.mapping.declarative import compile_fields
from bulkmove.mapping.lookups.index import Index
from bulkmove.mapping.lookups.keys import FieldWatch
from bulkmove.mapping.lookups.resolver import Lookups
from bulkmove.settings import LookupSettings
from tests.unit.mapping.declarative.conftest import Compile, MapOne, Refused, opened

LOCALITY = 'a = { path = "city", lookup = "locality", within = { path = "state", lookup = "region" } }'
PRODUCT = 'p = { first = [{ path = "sku", lookup = "by_code" }, { path = "ean", lookup = "by_ean" }] }'


def test_a_value_becomes_what_its_look_up_has(map_one: MapOne) -> None:
    assert map_one('a = { path = "state", lookup = "region" }', {"state": "Iași"}) == {"a": 2}


def test_the_outer_value_tells_settlements_of_one_name_apart(map_one: MapOne) -> None:
    assert map_one(LOCALITY, {"state": "Cluj", "city": "Sat"}) == {"a": 11}
    assert map_one(LOCALITY, {"state": "Iași", "city": "Sat"}) == {"a": 21}
    assert map_one('a = { path = "city", lookup = "locality", within = "r" }', {"r": 2, "city": "Sat"}) == {
        "a": 21
    }


def test_nothing_is_looked_up_for_an_empty_value(map_one: MapOne) -> None:
    assert map_one('a = { path = "state", lookup = "region" }', {"state": ""}) == {}
    assert map_one(LOCALITY, {"state": "none such", "city": None}) == {}


def test_what_a_look_up_gives_is_converted_like_any_value(map_one: MapOne) -> None:
    assert map_one('a = { path = "s", lookup = "region", as = "text" }', {"s": "Cluj"}) == {"a": "1"}
    assert map_one('a = { path = "s", lookup = "region", as = "integer", scale = 5 }', {"s": "Iași"}) == {
        "a": 10
    }


@pytest.mark.parametrize(
    ("record", "told"),
    [
        ({"state": "Cluj", "city": "Sânmartin"}, "a: lookups.locality has no 'Sânmartin' within '1'"),
        ({"state": "Kluj", "city": "Sat"}, "a: lookups.region has no 'Kluj'"),
        ({"city": "Sat"}, "a: lookups.locality has no 'Sat' within ''"),
    ],
)
def test_a_value_that_does_not_resolve_names_field_and_value(
    refused: Refused, record: dict[str, Any], told: str
) -> None:
    cause, message = refused(LOCALITY, record)
    assert cause == "unresolved"
    assert message.startswith(told)


def test_a_look_up_that_gives_null_leaves_the_field_empty(map_one: MapOne) -> None:
    assert map_one('a = { path = "s", lookup = "size" }', {"s": "XXL"}) == {}
    assert map_one('a = { path = "s", lookup = "size", default = 1 }', {"s": "XXL"}) == {"a": 1}


def test_a_list_is_no_key(refused: Refused) -> None:
    assert refused('a = { path = "s", lookup = "region" }', {"s": ["Cluj"]}) == (
        "bad-key",
        "a: a list is no single value to look up",
    )


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ({"sku": "A-1", "ean": "594"}, {"p": 100}),
        ({"sku": "A-9", "ean": "594"}, {"p": 200}),
        ({"sku": "", "ean": "594"}, {"p": 200}),
        ({"sku": None}, {}),
    ],
)
def test_a_miss_goes_on_to_the_next_choice(map_one: MapOne, record: dict[str, Any], expected: Any) -> None:
    assert map_one(PRODUCT, record) == expected


def test_the_last_choice_decides(refused: Refused) -> None:
    assert refused(PRODUCT, {"sku": "A-9", "ean": "1"})[1].startswith("p: lookups.by_ean has no '1'")


def test_where_all_are_empty_look_ups_that_were_passed_over_reject_the_record(
    refused: Refused, map_one: MapOne
) -> None:
    cause, message = refused(PRODUCT.replace("] }", "], required = true }"), {"sku": "A-9"})
    assert cause == "unresolved"
    assert message == "p: lookups.by_code has no 'A-9'; decide in decisions.toml, then `bulkmove retry`"
    three = PRODUCT.replace("] }", ', "gone"] }')
    assert refused(three, {"sku": "A-9", "ean": "1"})[1].startswith(
        "p: lookups.by_code has no 'A-9'; lookups.by_ean has no '1'; decide"
    )
    assert map_one(PRODUCT.replace("] }", "], default = 7 }"), {"sku": "A-9"}) == {"p": 7}


async def collected(table: Compile, text: str, records: list[dict[str, Any]]) -> tuple[list[Any], list[Any]]:
    """What the records become while misses are put down, and the misses: look-up, value, records."""
    lookups = opened(collecting=True)
    results = await map_page(
        table(text).function, records, lookups.context, ids=[str(n) for n in range(len(records))]
    )
    missed = [(each.lookup, each.value, each.records) for each in lookups.lookups.unresolved()]
    return results, sorted(missed)


async def test_nobody_is_asked_about_a_choice_that_was_passed_over(table: Compile) -> None:
    records = [{"sku": "A-9", "ean": "594"}, {"sku": "A-1", "ean": "1"}]
    results, missed = await collected(table, PRODUCT, records)
    assert results == [[{"p": 200}], [{"p": 100}]]
    assert missed == []


async def test_what_was_passed_over_is_put_down_where_all_are_empty(table: Compile) -> None:
    required = PRODUCT.replace("] }", "], required = true }")
    results, missed = await collected(table, required, [{"sku": "A-9", "ean": ""}, {"sku": ""}])
    assert [result.cause for result in results if isinstance(result, Rejection)] == ["unresolved", "no-value"]
    assert missed == [("by_code", "A-9", 1)]


async def test_where_no_choice_resolves_all_of_them_are_put_down(table: Compile) -> None:
    results, missed = await collected(
        table, PRODUCT, [{"sku": "A-9", "ean": "1"}, {"sku": "A-9", "ean": "1"}]
    )
    assert all(isinstance(result, Rejection) and result.cause == "unresolved" for result in results)
    assert missed == [("by_code", "A-9", 2), ("by_ean", "1", 2)]


async def test_a_value_that_is_not_known_yet_passes_through_every_step(table: Compile) -> None:
    text = (
        LOCALITY
        + '\nb = { path = "state", lookup = "region", as = "integer", scale = 2 }\nc = { path = "state", lookup = "region", as = "text" }'
    )
    results, missed = await collected(table, text, [{"state": "Kluj", "city": "Sat"}])
    assert isinstance(results[0], Rejection)
    assert missed == [("region", "Kluj", 1)]


CONVERSIONS = (
    'as = "date"', 'as = "boolean"', 'as = "integer", scale = 0.7', 'as = "number", decimals = 0',
    'as = "text", case = "lower"', 'as = "uuid5", namespace = "6ba7b811-9dad-11d1-80b4-00c04fd430c8"',
)  # fmt: skip


@pytest.mark.parametrize("conversion", CONVERSIONS)
async def test_all_values_are_put_down_at_once_whatever_they_are_turned_into(
    table: Compile, conversion: str
) -> None:
    text = f"""
    a = {{ path = "x", lookup = "region", {conversion} }}
    b = {{ first = [{{ path = "x", lookup = "by_code" }}], {conversion} }}
    c = {{ first = [{{ path = "x", lookup = "by_ean" }}], table = {{ "q" = 1 }} }}
    """
    results, missed = await collected(table, text, [{"x": "none"}])
    assert isinstance(results[0], Rejection)
    assert results[0].cause == "unresolved"
    assert [lookup for lookup, _, _ in missed] == ["by_code", "by_ean", "region"]


@pytest.mark.parametrize("conversion", CONVERSIONS)
async def test_an_order_of_many_lines_asks_for_all_its_codes_at_once(conversion: str) -> None:
    settings = LookupSettings(name="code", load="on-demand")
    lookups = Lookups()
    asked: list[str] = []

    async def ask(text: str) -> list[dict[str, Any]]:
        asked.append(text)
        return [{"name": text, "id": "2024-01-01T00:00:00Z" if "date" in conversion else "1"}]

    lookups.add_on_demand(settings, ask, named="new.codes", by_outer=False)
    text = f'a = {{ each = "lines", item = {{ path = "@", lookup = "code", {conversion.replace("0.7", "7")} }} }}'
    mapper = compile_fields(
        tomllib.loads(text), skip_when=None, lookups={"code": settings}, route="orders", file=Path("m.toml")
    ).function
    calls: list[object] = []

    def counted(record: Any, context: Any) -> Any:
        calls.append(record)
        return mapper(record, context)

    counted.is_pure = True  # type: ignore[attr-defined]  # as the mapper itself says it
    context = RouteContext("orders", {}, {}, lambda *_: (), lookups.of_route({"code": "code"}))
    (result,) = await map_page(counted, [{"lines": [f"C{n}" for n in range(20)]}], context)
    assert isinstance(result, list)
    assert len(result[0]["a"]) == len(asked) == 20
    assert len(calls) == 2


@pytest.mark.parametrize("load", ["whole", "on-demand"])
async def test_a_list_that_is_looked_up_is_each_records_own(load: str) -> None:
    settings = LookupSettings(name="tags", value="tags", load="on-demand" if load == "on-demand" else "whole")
    rows = [{"name": "x", "tags": [1, {"a": 2}]}]
    lookups = Lookups()

    async def ask(_: str) -> list[dict[str, Any]]:
        return rows

    if load == "whole":
        index = Index(settings, FieldWatch(settings, "tags"))
        index.add(rows)
        lookups.add_whole(settings, index)
    else:
        lookups.add_on_demand(settings, ask, named="tags", by_outer=False)
    first = await lookups.find("tags", "x")
    first[1]["a"] = "changed"
    first.append("more")
    assert await lookups.find("tags", "x") == [1, {"a": 2}]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('a = { path = "x", lookup = "regoin" }',
         'one of region, locality, by_code, by_ean, size, not "regoin"; did you mean "region"?'),
        ('a = { path = "x", lookup = "regoin" }', "migration.toml: routes.orders.fields.a.lookup: must name a look-up: "),
        ('a = { fields = { b = { first = ["x", { path = "x", lookup = "sise" }] } } }',
         "routes.orders.fields.a.fields.b.first[1].lookup: must name a look-up"),
        ('a = { each = "x", item = { path = "x", lookup = "nix" } }', "routes.orders.fields.a.item.lookup: must name"),
        ('a = { path = "x", lookup = "locality" }', "a.lookup: needs a `within` beside it: locality is searched within a region_id"),
        ('a = { path = "x", lookup = "region", within = "y" }', "a.lookup: takes no `within`: lookups.region does not name one"),
        ('a = { path = "x", lookup = "locality", within = { path = "y", lookup = "nix" } }', "a.within.lookup: must name"),
    ],
)  # fmt: skip
def test_a_look_up_that_is_not_there_is_told_before_anything_is_read(
    table: Compile, text: str, told: str
) -> None:
    with pytest.raises(ConfigError) as raised:
        table(text)
    assert told in str(raised.value)


def test_settings_made_by_hand_are_checked_as_a_file_is(table: Compile) -> None:
    with pytest.raises(ConfigError) as raised:
        table('a = { pth = "x" }\nb = "x..y"', skip_when="a &&")
    assert str(raised.value).splitlines() == [
        'migration.toml: routes.orders.fields.a.pth: unknown key; did you mean "path"?',
        'migration.toml: routes.orders.fields.b: must be a JMESPath expression: unexpected . at column 3, not "x..y"',
        'migration.toml: routes.orders.skip_when: must be a JMESPath expression: it ends too early, not "a &&"',
    ]
