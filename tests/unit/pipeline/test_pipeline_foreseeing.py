"""What is told of a mapping without code before any record is read."""

from __future__ import annotations

import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from bulkmove.connectors.discover import connector
from bulkmove.errors import ConfigError
from bulkmove.mapping.declarative import compile_fields
from bulkmove.mapping.reading import unread
from bulkmove.pipeline.foreseeing import foresee
from bulkmove.settings import RouteSettings, StreamName

GOOD = """
rrn = { template = "x-{id}" }
shop = { value = 2 }
[address.fields]
address_ru = "shipping_address"
[order_items]
each = "line_items"
[order_items.fields]
product = "product_id"
quantity = "quantity"
order_status = { path = "root.shipping_status", table = { shipped = "on_delivery" }, otherwise = "new" }
"""


def told(text: str, *, skip_when: str | None = None, **settings: Any) -> tuple[str, ...]:
    """The doubts of a route from a MerchantPro shop to the external-order API. Raises ConfigError."""
    route = RouteSettings(
        name="orders",
        source=StreamName("old", "orders"),
        target=StreamName("new", "orders"),
        mapper="",
        **{"fields": tomllib.loads(text), "skip_when": skip_when, **settings},
    )
    mapper = compile_fields(
        route.fields or {}, skip_when=skip_when, lookups={}, route="orders", file=Path("migration.toml")
    )
    source, target = connector("merchantpro"), connector("external-order")
    return foresee(
        "migration.toml: routes.orders",
        route,
        mapper,
        source=source.streams["orders"],
        target=target.streams["orders"],
        hosts=(source, target),
    )


def test_there_is_nothing_to_say_of_a_right_table() -> None:
    assert told(GOOD, skip_when="payment_status == 'temporary'") == ()


@pytest.mark.parametrize("name", ["merchantpro-to-external-order"])
def test_nor_of_the_table_that_init_writes(name: str) -> None:
    text = files("bulkmove.config").joinpath("starter", f"{name}.toml").read_text(encoding="utf-8")
    route = next(iter(tomllib.loads(text)["routes"].values()))
    source, target = connector("merchantpro"), connector("external-order")
    settings = RouteSettings(
        "orders", StreamName("old", "orders"), StreamName("new", "orders"), "", fields=route["fields"]
    )
    mapper = compile_fields(route["fields"], skip_when=None, lookups={}, route="orders", file=Path(name))
    assert not foresee(
        name, settings, mapper, source=source.streams["orders"], target=target.streams["orders"], hosts=()
    )


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"shipping_address"', '"shiping_address"',
         ("routes.orders.fields.address.address_ru: reads shiping_address, which is no documented field of orders; did you"
         " mean 'shipping_address'?")),
        ('"product_id"', '"prodct_id"',
         ("routes.orders.fields.order_items[].product: reads line_items[].prodct_id, which is no documented field of"
         " orders; did you mean 'product_id'?")),
        ('"root.shipping_status"', '"root.shipping_staus"',
         ("routes.orders.fields.order_items[].order_status: reads shipping_staus, which is no documented field of orders;"
         " did you mean 'shipping_status'?")),
    ],
)  # fmt: skip
def test_a_name_that_the_source_does_not_document_is_doubted_with_the_nearest(
    old: str, new: str, said: str
) -> None:
    assert told(GOOD.replace(old, new)) == (said,)


def test_a_text_that_is_written_as_a_name_is_told() -> None:
    (said,) = told(GOOD, skip_when='payment_status == "paid"')
    assert said == (
        "routes.orders.skip_when: reads paid, which is no documented field of orders; a text is written in single"
        " quotes: 'paid'"
    )


def test_an_option_that_nothing_reads_is_told() -> None:
    assert told(GOOD, options={"items_on_update": "merge", "shop": 2}) == (
        "routes.orders.options.shop: nothing reads it: `fields` have no options",
    )


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("address_ru", "adress_ru", "fields.address.adress_ru: new.orders documents no such field; did you mean 'address_ru'?"),
        ("rrn =", "rnn =", "fields.rnn: new.orders documents no such field; did you mean 'rrn'?"),
        ("value = 2", "value = true", "fields.shop: expected int | str, got bool"),
        ('"on_delivery"', '"on_dlivery"',
         "fields.order_items[].order_status: 'on_dlivery' is no documented value; did you mean 'on_delivery'?"),
        ('otherwise = "new"', 'otherwise = "nwe"', "fields.order_items[].order_status: 'nwe' is no documented value"),
    ],
)  # fmt: skip
def test_what_would_reject_every_record_is_a_mistake(old: str, new: str, said: str) -> None:
    with pytest.raises(ConfigError, match=r"^migration\.toml: routes\.orders\.") as raised:
        told(GOOD.replace(old, new))
    assert said in str(raised.value)


def test_without_body_checks_the_host_judges_what_stands_within() -> None:
    assert told(GOOD.replace("address_ru", "adress_ru").replace('"new"', '"nwe"'), check_bodies=False) == ()


def test_required_fields_that_nothing_makes_are_named() -> None:
    without = GOOD.replace("shop = { value = 2 }\n", "").replace('quantity = "quantity"\n', "")
    named = [
        "fields.shop: new.orders needs it in a new row, and nothing makes it",
        "fields.order_items[].quantity: new.orders needs it in a new row, and nothing makes it",
    ]
    assert sorted(told(without)) == sorted(f"routes.orders.{each}" for each in named)
    with pytest.raises(ConfigError) as raised:
        told(without, mode="create")
    assert sorted(str(raised.value).splitlines()) == sorted(
        f"migration.toml: routes.orders.{n}" for n in named
    )
    assert told(without, mode="update") == ()


def test_what_the_table_does_not_read_is_known() -> None:
    mapper = compile_fields(tomllib.loads(GOOD), skip_when="tags", lookups={}, route="x", file=Path("x"))
    documented = ("id", "tags", "invoice", "line_items", "line_items[].quantity", "line_items[].product_ean")
    assert unread(documented, mapper.readings) == ("invoice", "line_items[].product_ean")
    whole = compile_fields(
        tomllib.loads('a = "line_items[0].x"'), skip_when=None, lookups={}, route="x", file=Path("x")
    )
    assert unread(documented, whole.readings) == ("id", "tags", "invoice")
