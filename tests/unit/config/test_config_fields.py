"""A `[routes.X.fields]` table in the file: what is wrong with it, what an editor is told of it, and how it is shown."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bulkmove.config import described, json_schema, load_migration, read_document, show
from bulkmove.config.fields import TargetField, named_lookups
from bulkmove.errors import ConfigError

Write = Callable[..., Path]
MAPPER = 'mapper = "mappers.py:again"\n'


def with_fields(write: Write, fields: str, *, route: str = "") -> Path:
    """The good text, its last route mapped by these fields."""
    return write(
        (MAPPER, route), ('after = ["orders"]', f'after = ["orders"]\n[routes.again.fields]\n{fields}')
    )


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ("", "fields: must not be empty"),
        ("a = 2", "fields.a: must be a path in quotes or a table, as"),
        ("a = {}", "fields.a: must say what it is made of: one of path, value, first, template, pick, each, fields"),
        ('a = "x..y"', 'fields.a: must be a JMESPath expression: unexpected . at column 3, not "x..y"'),
        ('a = { path = "x[" }', 'fields.a.path: must be a JMESPath expression: it ends too early, not "x["'),
        ('a = { path = "lenght(x)" }', "fields.a.path: must use functions of JMESPath: there is no lenght(); did you mean"),
        ('a = { pth = "x" }', 'fields.a.pth: unknown key; did you mean "path"?'),
        ('a = { as_ = "text", path = "x" }', 'fields.a.as_: unknown key; did you mean "as"?'),
        ('[routes.again.fields.a]\nstreet = "x"', "stand under `fields`: routes.again.fields.a.fields.street"),
        ('a = { path = "x", value = 2 }', "fields.a: must have one source, not path and value"),
        ('a = { path = "x", fields = { b = "c" } }', "fields.a: must have one source, not path and fields"),
        ('a = { each = "x" }', "fields.a: must say what each element becomes: by one of `fields` and `item`"),
        ('a = { each = "x", item = "@", fields = { b = "c" } }', "by one of `fields` and `item`"),
        ('a = { path = "x", item = "@" }', "fields.a: must not have `item` without `each`, which it belongs to"),
        ('a = { path = "x", where = "y" }', "must not have `where` without `each`"),
        ('a = { path = "x", within = "y" }', "must not have `within` without `lookup`"),
        ('a = { path = "x", otherwise = 1 }', "must not have `otherwise` without `when` or `table`"),
        ('a = { path = "x", scale = 10 }', 'must not have `scale` without as = "integer" or as = "number"'),
        ('a = { path = "x", as = "integer", decimals = 2 }', 'must not have `decimals` without as = "number"'),
        ('a = { path = "x", as = "number", rounding = "up" }', "must say `decimals`, to which `rounding` rounds"),
        ('a = { path = "x", as = "text", zone = "UTC" }', 'must not have `zone` without as = "date"'),
        ('a = { path = "x", as = "uuid5" }', "must have a `namespace`"),
        ('a = { path = "x", as = "uuid5", namespace = "shop" }', "fields.a.namespace: must be a UUID"),
        ('a = { path = "x", as = "integr" }', 'fields.a.as: must be text, integer, number, boolean, date or uuid5, not "integr"'),
        ('a = { path = "x", as = "integer", scale = 0 }', "fields.a.scale: must be a number other than 0"),
        ('a = { path = "x", as = "integer", scale = "10" }', "fields.a.scale: must be a number other than 0, without quotes"),
        ('a = { path = "x", as = "integer", rounding = "half_up" }', 'did you mean "half-up"?'),
        ('a = { path = "x", as = "number", decimals = -1 }', "fields.a.decimals: must be at least 0"),
        ('a = { path = "x", as = "number", decimals = 99 }', "fields.a.decimals: must be at most 30"),
        ('a = { path = "x", as = "date", zone = "Europe/Bucarest" }', 'did you mean "Europe/Bucharest"?'),
        ('a = { path = "x", as = "date", input = "%d.%m.%Y %Z" }', "fields.a.input: must not hold %Z"),
        ('a = { path = "x", as = "date", format = "%-s" }', "fields.a.format: must not hold %s"),
        ("a = { value = 18446744073709551616 }", "fields.a.value: must not hold a whole number of more than 64 bits"),
        ('a = { path = "x", table = { b = -9223372036854775809 } }', "fields.a.table.b: must not hold a whole number"),
        ('a = { path = "x", as = "date", to_zone = "Bukarest" }', "fields.a.to_zone: must be a time zone's name"),
        ('a = { path = "x", as = "date", format = "epok" }', 'must be iso, epoch, or a pattern such as %Y-%m-%d; did you mean "epoch"?'),
        ('a = { path = "x", required = "skp" }', 'fields.a.required: must be true, false or "skip", not "skp"'),
        ('a = { path = "x", required = true, null = true }', "must not have both `required` and `null`"),
        ("a = { first = [] }", "fields.a.first: must not be empty"),
        ('a = { first = ["x", { path = "y", required = true }] }', "must not have `required` or `null` within `first`"),
        ('a = { first = ["x", { path = "y..z" }] }', "fields.a.first[1].path: must be a JMESPath expression"),
        ('a = { template = "x{y" }', "fields.a.template: must have a } for the { at column 2"),
        ('a = { template = "" }', "fields.a.template: must not be empty"),
        ('a = { pick = ["x"], as = "text" }', "must not have `as` beside `pick`: it is done to a single value"),
        ('a = { fields = { b = "c" }, default = 1 }', "must not have `default` beside `fields`"),
        ('a = { each = "x", item = "@", lookup = "r" }', "must not have `lookup` beside `each`"),
        ('a = { path = "x", table = { y = [1] } }', "fields.a.table.y: must be text, a number, true or false"),
        ("a = { value = 2024-01-01 }", "fields.a.value: must not hold a date without quotes"),
        ('a = { fields = { b = { each = "x", fields = { c = { path = "d..e" } } } } }', "fields.a.fields.b.fields.c.path: must be"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_key_and_what_to_write(write: Write, fields: str, told: str) -> None:
    path = with_fields(write, fields)
    with pytest.raises(ConfigError) as raised:
        load_migration(path)
    lines = str(raised.value).splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith(f"{path}: routes.again.fields")
    assert told in lines[0]


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file(write: Write) -> None:
    path = with_fields(write, 'a = { pth = "x" }\nb = "x..y"\n[routes.again.fields.c.fields]\nd = 5')
    with pytest.raises(ConfigError) as raised:
        load_migration(path)
    keys = [line.split(": ")[1] for line in str(raised.value).splitlines()]
    assert keys == [f"routes.again.fields.{key}" for key in ("a.pth", "b", "c.fields.d")]


def test_a_condition_for_records_is_an_expression(write: Write) -> None:
    path = with_fields(write, 'a = "x"', route='skip_when = "a &&"\n')
    with pytest.raises(ConfigError) as raised:
        load_migration(path)
    assert 'again.skip_when: must be a JMESPath expression: it ends too early, not "a &&"' in str(
        raised.value
    )


def test_the_value_of_a_variable_is_not_told(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORD", "hush..hush")
    with pytest.raises(ConfigError) as raised:
        load_migration(with_fields(write, 'a = "${WORD}"'))
    assert "hush" not in str(raised.value)
    assert "${WORD}" in str(raised.value)


WHOLE = """
rrn = { path = "id", as = "text", required = true }
note = { template = "{a}", null = true }
[routes.again.fields.order_items]
each = "line_items"
[routes.again.fields.order_items.fields]
quantity = { path = "quantity", as = "integer", scale = 1000 }
product = { first = [{ path = "sku", lookup = "code" }, "ean"] }
status = { path = "root.status", table = { "a b" = "ț" }, otherwise = "x" }
[routes.again.fields.address.fields]
city = "shipping_city"
"""


def test_settings_hold_the_table_as_it_is_written(write: Write) -> None:
    path = with_fields(write, WHOLE)
    assert load_migration(path).routes["again"].fields == read_document(path)["routes"]["again"]["fields"]


def test_what_is_shown_is_the_same_table_as_toml(write: Write) -> None:
    path = with_fields(write, WHOLE)
    settings, document = load_migration(path), read_document(path)
    text = show(settings, document)
    assert tomllib.loads(text)["routes"]["again"]["fields"] == document["routes"]["again"]["fields"]
    assert 'quantity = { path = "quantity", as = "integer", scale = 1000 }' in text.splitlines()
    assert (
        described(settings, document, path)["routes"]["again"]["fields"]
        == document["routes"]["again"]["fields"]
    )


def test_look_ups_are_found_wherever_they_are_named() -> None:
    table = tomllib.loads(
        'a = { first = ["x", { path = "y", lookup = "one" }] }\n'
        'b = { fields = { c = { path = "y", lookup = "two", within = { path = "z", lookup = "three" } } } }\n'
        'd = { each = "e", item = { path = "f", lookup = "four" } }\n'
    )
    found = {named.name: (named.key, named.has_within) for named in named_lookups(table, at=())}
    assert found == {
        "one": (("a", "first", 1, "lookup"), False),
        "two": (("b", "fields", "c", "lookup"), True),
        "three": (("b", "fields", "c", "within", "lookup"), False),
        "four": (("d", "item", "lookup"), False),
    }


SCHEMA = json_schema()


def test_the_schema_describes_every_key_of_a_field() -> None:
    properties = SCHEMA["$defs"]["TargetField"]["properties"]
    assert properties.keys() == {field.alias or name for name, field in TargetField.model_fields.items()}
    assert [key for key, schema in properties.items() if len(schema.get("description", "")) < 20] == []
    assert properties["as"]["enum"] == ["text", "integer", "number", "boolean", "date", "uuid5"]
    assert properties["rounding"]["enum"] == ["exact", "half-even", "half-up", "down", "up"]
    assert SCHEMA["$defs"]["TargetField"]["additionalProperties"] is False


def test_a_field_can_be_completed_at_any_depth() -> None:
    field = SCHEMA["$defs"]["TargetField"]["properties"]
    route = SCHEMA["$defs"]["Route"]["properties"]
    value = route["fields"]["additionalProperties"]
    assert value == {"oneOf": [{"type": "string"}, {"$ref": "#/$defs/TargetField"}]}
    assert field["fields"]["additionalProperties"] == value
    assert field["first"]["items"] == value
    assert field["item"]["oneOf"] == field["within"]["oneOf"] == value["oneOf"]


def test_each_reference_of_the_schema_leads_somewhere() -> None:
    def references(schema: Any) -> Iterator[str]:
        for key, inner in schema.items() if isinstance(schema, dict) else enumerate(schema):
            if key == "$ref":
                yield inner
            elif isinstance(inner, dict | list):
                yield from references(inner)

    assert {each.removeprefix("#/$defs/") for each in references(SCHEMA)} <= SCHEMA["$defs"].keys()
    assert json.loads(json.dumps(SCHEMA)) == SCHEMA


def test_a_zones_name_is_written_and_a_percent_sign_is_itself(write: Write) -> None:
    fields = 'a = { path = "x", as = "date", format = "%Y %Z %%s", input = "%Y %%Z %z" }'
    assert load_migration(with_fields(write, fields))
