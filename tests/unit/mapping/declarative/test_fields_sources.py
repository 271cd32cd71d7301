"""Where a field's value comes from, the steps in their order, and what is left out."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.mapping.declarative.conftest import MapOne, Refused

ORDER = {
    "id": 7,
    "name": "Ana",
    "empty": "",
    "nothing": None,
    "zero": 0,
    "no": False,
    "customer": {"city": "Cluj", "tags": ["a", "b"]},
    "lines": [{"sku": "A-1", "n": 1}, {"sku": "", "n": 2}, {"n": 3}],
    "none": [],
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('a = "name"', {"a": "Ana"}),
        ('a = "customer.city"', {"a": "Cluj"}),
        ('a = { path = "customer.tags[1]" }', {"a": "b"}),
        ("a = { value = 2 }", {"a": 2}),
        ("a = { value = false }", {"a": False}),
        ('a = { value = { x = ["y"] } }', {"a": {"x": ["y"]}}),
        ('a = { template = "{name} ({customer.city})" }', {"a": "Ana (Cluj)"}),
        ('a = { template = "{{{id}}}" }', {"a": "{7}"}),
        ('a = { template = "{name}{empty}" }', {}),
        ('a = { template = "{name} {nothing}" }', {}),
        ('a = { template = "{zero}{no}" }', {"a": "0false"}),
        ('a = { first = ["empty", "nothing", "gone", "zero", "name"] }', {"a": 0}),
        ('a = { first = ["empty", { value = "x" }] }', {"a": "x"}),
        ('a = { first = ["empty", "none"] }', {}),
        ('a = { pick = ["id", "nothing", "gone"] }', {"a": {"id": 7, "nothing": None}}),
        ('a = { fields = { b = "name", c = { fields = { d = "id" } } } }', {"a": {"b": "Ana", "c": {"d": 7}}}),
        ('a = { fields = { b = "empty" } }', {}),
        ('a = { each = "lines", fields = { s = "sku", o = "root.id" } }', {"a": [{"s": "A-1", "o": 7}, {"o": 7}, {"o": 7}]}),
        ('a = { each = "lines", fields = { s = "sku" } }', {"a": [{"s": "A-1"}]}),
        ('a = { each = "lines", where = "n > `1`", item = "n" }', {"a": [2, 3]}),
        ('a = { each = "lines", where = "n < root.id && sku", item = "n" }', {"a": [1]}),
        ('a = { each = "lines", where = "sku", fields = { s = "sku", t = "[root.id, root.id]" } }', {"a": [{"s": "A-1", "t": [7, 7]}]}),
        ('a = { each = "lines", item = "sku" }', {"a": ["A-1"]}),
        ('a = { each = "lines", item = { path = "sku", null = true } }', {"a": ["A-1", None, None]}),
        ('a = { each = "customer.tags", item = "@" }', {"a": ["a", "b"]}),
        ('a = { each = "customer.tags", item = { template = "{@}/{root.id}" } }', {"a": ["a/7", "b/7"]}),
        ('a = { each = "none", item = "@" }', {}),
        ('a = { each = "nothing", item = "@" }', {}),
        ('a = { each = "[@, @]", fields = { b = { each = "lines", item = "n" } } }', {"a": [{"b": [1, 2, 3]}] * 2}),
    ],
)  # fmt: skip
def test_a_field_is_made_of_its_source(map_one: MapOne, text: str, expected: Any) -> None:
    assert map_one(text, ORDER) == expected


@pytest.mark.parametrize("name", ["empty", "nothing", "gone", "none"])
def test_what_is_empty_is_left_out_or_null(map_one: MapOne, name: str) -> None:
    assert map_one(f'a = "{name}"\nb = {{ path = "{name}", null = true }}', ORDER) == {"b": None}


def test_zero_and_false_are_values(map_one: MapOne) -> None:
    assert map_one('a = { path = "zero", required = true }\nb = "no"', ORDER) == {"a": 0, "b": False}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('a = { path = "name", when = "id == `7`" }', {"a": "Ana"}),
        ('a = { path = "name", when = "nothing" }', {}),
        ('a = { path = "name", when = "zero" }', {"a": "Ana"}),  # as JMESPath has it
        ('a = { path = "name", when = "nothing", otherwise = "x" }', {"a": "x"}),
        ('a = { path = "name", when = "nothing", otherwise = "x", default = "y" }', {"a": "x"}),
        ('a = { path = "name", when = "nothing", default = "y" }', {}),
        ('a = { path = "name", when = "nothing", required = true }', {}),
        ('a = { path = "name", when = "nothing", null = true }', {"a": None}),
        ('a = { path = "name", when = "nothing", otherwise = "5", as = "integer", scale = 10 }', {"a": 50}),
        ('a = { fields = { b = "name" }, when = "nothing" }', {}),
        ('a = { path = "empty", default = "y" }', {"a": "y"}),
        ('a = { path = "name", default = "y" }', {"a": "Ana"}),
        ('a = { path = "nothing", default = 5, as = "integer", scale = 10 }', {"a": 50}),
        ('a = { path = "name", table = { Ana = "x" } }', {"a": "x"}),
        ('a = { path = "name", table = { Eva = "x" }, otherwise = "o" }', {"a": "o"}),
        ('a = { path = "id", table = { 7 = "x" } }', {"a": "x"}),
        ('a = { path = "no", table = { false = 0, true = 1 } }', {"a": 0}),
        ('a = { path = "nothing", table = { Ana = "x" } }', {}),
        ('a = { path = "nothing", table = { Ana = "x" }, otherwise = "o" }', {"a": "o"}),
        ('a = { path = "nothing", table = { Ana = "x" }, default = "d" }', {"a": "d"}),
        ('a = { path = "empty", table = { "" = "x" } }', {"a": "x"}),
        ('a = { path = "name", table = { Ana = "Cluj" }, lookup = "region" }', {"a": 1}),
        ('a = { path = "name", table = { Ana = "12" }, as = "integer" }', {"a": 12}),
        ('a = { path = "nothing", table = { x = "y" }, otherwise = "Cluj", lookup = "region" }', {"a": 1}),
    ],
)  # fmt: skip
def test_steps_follow_in_their_order(map_one: MapOne, text: str, expected: Any) -> None:
    assert map_one(text, ORDER) == expected


def test_a_constant_of_one_body_is_not_that_of_the_next(table: Any) -> None:
    mapper = table('a = { value = ["x"] }\nb = { path = "gone", default = { y = 1 } }')
    first, second = mapper.function({}, None), mapper.function({}, None)
    first["a"].append("changed")
    first["b"]["y"] = 2
    assert second == {"a": ["x"], "b": {"y": 1}}


def test_the_record_is_not_changed(map_one: MapOne) -> None:
    record = {"lines": [{"n": "1"}], "id": 1}
    map_one('a = { each = "lines", fields = { n = { path = "n", as = "integer" }, i = "root.id" } }', record)
    assert record == {"lines": [{"n": "1"}], "id": 1}


@pytest.mark.parametrize(
    ("text", "cause", "message"),
    [
        ('a = { path = "gone", required = true }', "no-value", "a: is required, and has no value"),
        ('a = { each = "none", item = "@", required = true }', "no-value", "a: is required"),
        ('a = { each = "lines", fields = { s = { path = "sku", required = true } } }', "no-value", "a[1].s: is required"),
        ('a = { each = "lines", item = { path = "sku", required = true } }', "no-value", "a[1]: is required"),
        ('a = { each = "lines", where = "n == `3`", item = { path = "sku", required = true } }', "no-value", "a[2]: is"),
        ('a = { fields = { b = { fields = { c = { path = "gone", required = true } } } } }', "no-value", "a.b.c: is"),
        ('a = { each = "lines", fields = { b = { fields = { c = { path = "name", as = "integer" } } } } }', None, ""),
        ('a = { each = "name", item = "@" }', "bad-list", "a: is made of a list, and 'Ana' is none"),
        ('a = { each = "customer", item = "@" }', "bad-list", "a: is made of a list, and an object is none"),
        ('a = { path = "name", table = { Eva = "x" } }', "no-table-entry", "a: 'Ana' is not in its table; `otherwise`"),
        ('a = { path = "customer", table = { Eva = "x" } }', "bad-text", "a: an object is no single value"),
        ('a = { template = "{customer}" }', "bad-text", "a: an object is no single value"),
        ('a = { path = "length(nothing)" }', "bad-expression", "a: length() takes string or array or object, not null"),
        ('a = { path = "name", when = "sum(name)" }', "bad-expression", "a: sum() takes array-number, not string"),
        ('a = { first = ["empty", { path = "name", as = "integer" }] }', "bad-number", "a: 'Ana' is no number"),
    ],
)  # fmt: skip
def test_a_rejection_names_its_field(
    map_one: MapOne, refused: Refused, text: str, cause: str | None, message: str
) -> None:
    if cause is None:
        assert map_one(text, ORDER) == {}
        return
    found, told = refused(text, ORDER)
    assert found == cause
    assert told.startswith(message)


def test_what_is_the_same_for_all_elements_is_made_only_where_there_is_one(
    map_one: MapOne, refused: Refused
) -> None:
    text = 'a = { each = "lines", where = "n > root.least", fields = { n = "n", s = { path = "root.gone", required = true } } }'
    assert map_one(text, {"lines": [{"n": 1}], "least": 1}) == {}
    assert refused(text, {"lines": [{"n": 1}, {"n": 2}], "least": 1}) == (
        "no-value",
        "a[1].s: is required, and has no value",
    )


def test_a_choice_that_would_reject_is_passed_over_unless_it_is_the_last(map_one: MapOne) -> None:
    text = 'code = { first = [{ path = "code", as = "integer" }, "code"] }'
    assert map_one(text, {"code": "4001"}) == {"code": 4001}
    assert map_one(text, {"code": "04001"}) == {"code": "04001"}


def test_skip_when_skips_on_purpose(map_one: MapOne) -> None:
    assert map_one('a = "id"', {"id": 1, "test": True}, skip_when="test") is None
    assert map_one('a = "id"', {"id": 1, "test": False}, skip_when="test") == {"a": 1}


def test_a_field_can_skip_the_record_where_it_is_empty(map_one: MapOne) -> None:
    text = 'a = { fields = { b = { path = "id", required = "skip" } } }'
    assert map_one(text, {"id": 1}) == {"a": {"b": 1}}
    assert map_one(text, {}) is None


@pytest.mark.parametrize(
    ("text", "skip_when", "names"),
    [
        ('a = "id"\nb = "customer.city"', None, ("customer", "id")),
        ('a = "id"', "status == 'x'", ("id", "status")),
        ('a = { template = "{x}-{y.z}" }', None, ("x", "y")),
        ('a = { first = ["x", { path = "y", when = "z" }] }', None, ("x", "y", "z")),
        ('a = { pick = ["x", "y"] }', None, ("x", "y")),
        ('a = { path = "city", lookup = "locality", within = "state" }', None, ("city", "state")),
        ('a = { each = "lines", where = "root.w", fields = { s = "sku", t = "root.x.y" } }', None, ("lines", "w", "x")),
        ('a = { each = "lines", item = { each = "parts", item = "root.x" } }', None, ("lines", "x")),
        ("a = { value = 1 }", None, ()),
        ('a = "@"', None, None),
        ('a = "id"\nb = { each = "lines", item = "root" }', None, None),
        ('a = "id"', "length(keys(@)) > `3`", None),
    ],
)  # fmt: skip
def test_a_table_knows_the_fields_that_it_reads(
    table: Any, text: str, skip_when: str | None, names: tuple[str, ...] | None
) -> None:
    assert table(text, skip_when=skip_when).fields_used == names


def test_equal_tables_have_one_digest_and_other_tables_another(table: Any) -> None:
    one = table('a = "x"\nb = { path = "y", as = "text" }')
    assert one.digest == table('b = { as = "text", path = "y" }\na = "x"').digest
    assert one.digest != table('a = "x"\nb = { path = "y" }').digest
    assert one.digest != table('a = "x"\nb = { path = "y", as = "text" }', skip_when="x").digest


def test_it_is_a_plain_pure_mapper_of_no_file(table: Any) -> None:
    lists = 'b = { each = "y", item = { path = "z", lookup = "size" } }'
    mapper = table(f'a = {{ path = "x", lookup = "region" }}\n{lists}')
    assert (mapper.name, mapper.is_async, mapper.file) == ("routes.orders.fields", False, None)
    assert mapper.function.is_pure
    assert mapper.lookups == ("region", "size")
