from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import pytest

from bulkmove.errors import ConfigError, RejectRecordError
from bulkmove.mapping.builtin.external_order import TABLES, check_options, order_to_external_order
from bulkmove.mapping.builtin.order_status import PAYMENT, SHIPPING, TARGET_STATUSES, status_table
from bulkmove.mapping.context import RouteContext

DOCUMENTS = Path(__file__).parents[4] / "samples" / "documents" / "merchantpro"
LINE = {"product_id": 1958, "quantity": 1}
ORDER: dict[str, Any] = {
    "id": "95750870.3",
    "shipping_status": "awaiting",
    "payment_status": "awaiting",
    "line_items": [LINE],
}

# What becomes of each delivery status (down) with each payment status (across), in all their spellings.
PAYMENTS = ("temporary", "awaiting", "paid", "failed", "canceled", "cancelled", "refunded", "rejected")
STATUSES = {
    "awaiting": ("new", "new", "confirmed", "new", "canceled", "canceled", "canceled", "canceled"),
    "confirmed": ("confirmed",) * 4 + ("canceled",) * 4,
    "in_process": ("in_collection",) * 4 + ("canceled",) * 4,
    "shipped": ("on_delivery",) * 8,
    "delivered": ("done",) * 8,
    "returned": ("returned_to_warehouse",) * 8,
    "cancelled": ("canceled",) * 8,
    "canceled": ("canceled",) * 8,
}


def context(options: Mapping[str, Any] | None = None, **tables: dict[str, str]) -> RouteContext:
    given = {"shop": 2, **(options or {}), **{name: f"{name}.csv" for name in tables}}
    return RouteContext("orders", given, tables, lambda _route, _id: ())


def mapped(
    change: dict[str, Any] | None = None, options: Mapping[str, Any] | None = None, **tables: dict[str, str]
) -> dict[str, Any]:
    body = order_to_external_order({**ORDER, **(change or {})}, context(options, **tables))
    assert body is not None
    return body


def lines(
    items: list[Any], options: Mapping[str, Any] | None = None, **tables: dict[str, str]
) -> list[dict[str, Any]]:
    order_items: list[dict[str, Any]] = mapped({"line_items": items}, options, **tables)["order_items"]
    return order_items


def refusal(
    change: dict[str, Any], options: Mapping[str, Any] | None = None, **tables: dict[str, str]
) -> RejectRecordError:
    with pytest.raises(RejectRecordError) as rejected:
        mapped(change, options, **tables)
    return rejected.value


def test_an_order_of_nothing_more_becomes_the_least_body() -> None:
    assert mapped() == {
        "rrn": "95750870.3",
        "shop": 2,
        "order_items": [{"order_status": "new", "quantity": 1, "product": 1958}],
    }


@pytest.mark.parametrize(
    ("order_id", "rrn"),
    [(95, "mp-95"), ("95750870.3", "mp-95750870.3"), (95750870.3, "mp-95750870.3"), ("007", "mp-007")],
)
def test_the_prefix_and_the_id_are_the_rrn(order_id: Any, rrn: str) -> None:
    assert mapped({"id": order_id}, {"rrn_prefix": "mp-"})["rrn"] == rrn


@pytest.mark.parametrize("order_id", [None, "", True, []])
def test_an_order_without_an_id_is_rejected(order_id: Any) -> None:
    assert refusal({"id": order_id}).cause == "no-id"


# Statuses


@pytest.mark.parametrize("payment", PAYMENTS)
@pytest.mark.parametrize("shipping", STATUSES)
def test_each_delivery_and_payment_status_has_its_status(shipping: str, payment: str) -> None:
    body = mapped({"shipping_status": shipping, "payment_status": payment})
    assert body["order_items"][0]["order_status"] == STATUSES[shipping][PAYMENTS.index(payment)]


def test_the_table_holds_all_documented_combinations_and_no_others() -> None:
    table, default = status_table({})
    assert table.keys() == {(shipping, payment) for shipping in STATUSES for payment in PAYMENTS}
    assert set(SHIPPING) < STATUSES.keys()
    assert set(PAYMENT) < set(PAYMENTS)
    assert set(table.values()) <= TARGET_STATUSES
    assert default is None


@pytest.mark.parametrize(
    "change",
    [
        {"shipping_status": "lost"},
        {"payment_status": None},
        {"shipping_status": ["awaiting"]},
        {"shipping_status": {}, "payment_status": "paid"},
    ],
)
def test_an_unknown_status_is_rejected_or_becomes_the_default(change: dict[str, Any]) -> None:
    assert refusal(change).cause == "no-status"
    body = mapped(change, {"order_status": {"default": "client_no_answer"}})
    assert body["order_items"][0]["order_status"] == "client_no_answer"


def test_missing_statuses_are_rejected() -> None:
    with pytest.raises(RejectRecordError, match="shipping_status None with payment_status None"):
        order_to_external_order({"id": 1, "line_items": [LINE]}, context())


@pytest.mark.parametrize("payment", ["canceled", "cancelled"])
def test_options_replace_an_entry_in_both_spellings(payment: str) -> None:
    options = {"order_status": {"delivered/cancelled": "completed_and_closed"}}
    body = mapped({"shipping_status": "delivered", "payment_status": payment}, options)
    assert body["order_items"][0]["order_status"] == "completed_and_closed"


# Lines


def test_lines_keep_their_order_and_are_never_joined() -> None:
    items = [{"product_id": 7, "quantity": n} for n in (1, 2, 2, 1, 5)]
    assert [(line["product"], line["quantity"]) for line in lines(items)] == [
        (7, 1),
        (7, 2),
        (7, 2),
        (7, 1),
        (7, 5),
    ]


@pytest.mark.parametrize("items", [None, [], "x", {}])
def test_an_order_without_lines_is_rejected(items: Any) -> None:
    assert refusal({"line_items": items}).cause == "no-lines"


def test_an_order_whose_lines_were_not_asked_for_is_rejected() -> None:
    with pytest.raises(RejectRecordError, match="no line items"):
        order_to_external_order({"id": 1, "shipping_status": "awaiting", "payment_status": "paid"}, context())


def test_a_line_that_is_no_object_is_rejected() -> None:
    assert refusal({"line_items": [LINE, None]}).cause == "bad-line"


@pytest.mark.parametrize("product_id", [1958, "1958"])
def test_a_product_s_number_comes_from_the_table(product_id: Any) -> None:
    assert lines([{**LINE, "product_id": product_id}], products={"1958": "104392"})[0]["product"] == 104392


def test_a_product_that_the_table_lacks_is_named() -> None:
    error = refusal({"line_items": [LINE, {"product_id": 77, "quantity": 1}]}, products={"1958": "1"})
    assert (error.cause, "product 77 " in str(error)) == ("no-product", True)


@pytest.mark.parametrize("product_id", [None, "", "A-1", 1.5, True, []])
@pytest.mark.parametrize("tables", [{}, {"products": {"1": "2", "True": "3", "None": "4", "1.50": "5"}}])
def test_a_product_that_has_no_number_is_rejected(product_id: Any, tables: dict[str, dict[str, str]]) -> None:
    assert (
        refusal({"line_items": [{"product_id": product_id, "quantity": 1}]}, **tables).cause == "no-product"
    )


@pytest.mark.parametrize("text", ["A-1", "1.0", "-1", "1_000", "٣"])
def test_a_table_that_gives_no_number_is_named(text: str) -> None:
    error = refusal({}, products={"1958": text})
    assert (error.cause, "options.products" in str(error)) == ("bad-table", True)


@pytest.mark.parametrize(
    ("quantity", "scale", "sent"),
    [
        (2, 1, 2),
        (2, 1000, 2000),
        (1.5, 1000, 1500),
        (2.0, 1, 2),
        ("3", 1, 3),
        ("0.29", 100, 29),
        (1.1, 10, 11),
        (4, 0.5, 2),
        (0, 1, 0),
    ],
)
def test_quantities_are_scaled_exactly(quantity: Any, scale: Any, sent: int) -> None:
    found = lines([{**LINE, "quantity": quantity}], {"quantity_scale": scale})[0]["quantity"]
    assert (type(found), found) == (int, sent)


@pytest.mark.parametrize(
    "quantity",
    [1.5, None, True, "", "x", "NaN", "1e99", [], Decimal("0.1"), "1.0000000000000000000001", float("nan")],
)
def test_quantities_that_are_no_whole_number_are_rejected(quantity: Any) -> None:
    assert refusal({"line_items": [{**LINE, "quantity": quantity}]}).cause == "bad-quantity"


def test_no_price_is_carried_unless_a_field_is_named_for_it() -> None:
    items = [
        {**LINE, "unit_price_gross": 365.39},
        {**LINE, "unit_price_gross": 0.1},
        {**LINE, "unit_price_gross": None},
    ]
    assert all("loyalty_price" not in line for line in lines(items))
    named = lines(items, {"loyalty_price": "unit_price_gross"})
    assert orjson.dumps([line.get("loyalty_price") for line in named]) == b"[365.39,0.1,null]"
    assert "loyalty_price" not in named[2]


# Promo code and address


@pytest.mark.parametrize(("coupon", "promo_code"), [("VARĂ 👗", 5), ("none", None), ("", None), (None, None)])
def test_a_coupon_in_the_table_becomes_a_promo_code(coupon: Any, promo_code: int | None) -> None:
    assert mapped({"coupon_code": coupon}, promo_codes={"VARĂ 👗": "5"}).get("promo_code") == promo_code


def test_without_a_table_a_coupon_is_left_out() -> None:
    assert "promo_code" not in mapped({"coupon_code": "X"})


def test_the_address_is_what_the_order_has_of_it() -> None:
    order = {
        "shipping_address": "Șos. Ștefan cel Mare 👗",
        "shipping_postal_code": "2068",
        "shipping_state": "Chișinău",
        "shipping_city": "Botanica",
    }
    tables = {
        "regions": {"Chișinău": "101"},
        "localities": {"Botanica": "63933"},
        "sectors": {"Botanica": "11"},
    }
    assert mapped(order, **tables)["address"] == {
        "address_ru": "Șos. Ștefan cel Mare 👗",
        "zip_code": 2068,
        "region_id": 101,
        "locality_id": 63933,
        "sector": 11,
    }
    assert mapped(order)["address"] == {"address_ru": "Șos. Ștefan cel Mare 👗", "zip_code": 2068}
    assert mapped(order, regions={"Iași": "1"})["address"].keys() == {"address_ru", "zip_code"}


@pytest.mark.parametrize("empty", [None, ""])
def test_an_empty_address_is_left_out(empty: Any) -> None:
    assert "address" not in mapped(
        {"shipping_address": empty, "shipping_postal_code": empty, "shipping_city": empty}
    )


@pytest.mark.parametrize(
    ("code", "form", "sent"),
    [
        ("2068", "auto", 2068),
        ("010101", "auto", "010101"),
        ("0", "auto", "0"),
        ("MD-2068", "auto", "MD-2068"),
        ("٢٠", "auto", "٢٠"),
        ("2" * 30, "auto", "2" * 30),
        (2068, "auto", 2068),
        ("2068", "text", "2068"),
        (2068, "text", "2068"),
        ("2068", "omit", None),
    ],
)
def test_a_postal_code_survives(code: Any, form: str, sent: Any) -> None:
    found = mapped({"shipping_postal_code": code}, {"zip_code": form}).get("address", {}).get("zip_code")
    assert (type(found), found) == (type(sent), sent)


# Options


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "options.shop is missing"),
        ({"shop": "2"}, "options.shop = '2'"),
        ({"shop": True}, "options.shop"),
        ({"shop": 2, "quantity_scale": 0}, "quantity_scale"),
        ({"shop": 2, "quantity_scale": "1000"}, "quantity_scale"),
        ({"shop": 2, "quantity_scale": True}, "quantity_scale"),
        ({"shop": 2, "rrn_prefix": 5}, "rrn_prefix"),
        ({"shop": 2, "zip_code": "txt"}, "must be one of auto, text, omit; did you mean 'text'"),
        ({"shop": 2, "loyalty_price": 5}, "loyalty_price"),
        ({"shop": 2, "order_status": "done"}, "order_status = 'done'"),
        ({"shop": 2, "order_status": {"delivered/paid": "dnoe"}}, "did you mean 'done'"),
        ({"shop": 2, "order_status": {"default": "lost"}}, "order_status"),
        ({"shop": 2, "order_status": {"delivered/payed": "done"}}, "did you mean 'paid'"),
        ({"shop": 2, "order_status": {"delivred/paid": "done"}}, "did you mean 'delivered'"),
        ({"shop": 2, "order_status": {"delivered": "done"}}, "must be like 'delivered/paid'"),
        ({"shop": 2, "quantity_scal": 1000}, "did you mean 'quantity_scale'"),
    ],
)
def test_options_that_can_t_be_worked_with_are_named(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        check_options(options)
    assert said in str(refused.value)
    with pytest.raises(ConfigError):
        order_to_external_order(ORDER, RouteContext("r", options, {}, lambda _route, _id: ()))


def test_good_options_are_let_through() -> None:
    options = {
        "shop": 2,
        "items_on_update": "replace",
        "order_status": {"delivered/paid": "done", "default": "new"},
    }
    order_to_external_order.check_options({**options, "something_else": 1})


def test_two_routes_keep_their_own_options() -> None:
    one, other = context({"shop": 1}), context({"shop": 9})
    assert [(order_to_external_order(ORDER, which) or {})["shop"] for which in (one, other, one)] == [1, 9, 1]


def test_the_record_is_left_as_it_was() -> None:
    order = {**ORDER, "line_items": [dict(LINE)], "shipping_postal_code": "2068"}
    before = orjson.dumps(order)
    order_to_external_order(order, context({"loyalty_price": "quantity"}))
    assert orjson.dumps(order) == before


# What has no place

PLACED = {
    "id", "shipping_status", "payment_status", "coupon_code", "line_items", "shipping_address", "shipping_postal_code",
    "shipping_state", "shipping_city",
}  # fmt: skip
PLACED_OF_A_LINE = {"product_id", "quantity"}


def test_every_documented_field_has_a_place_or_is_named_as_having_none() -> None:
    documented = {field["name"] for field in json.loads((DOCUMENTS / "fields.json").read_text())["fields"]}
    no_place = order_to_external_order.no_place
    assert documented >= PLACED
    assert documented - PLACED <= set(no_place)
    assert not PLACED & set(no_place)
    assert len(no_place) == len(set(no_place))


def test_every_field_of_the_examples_has_a_place_or_is_named_as_having_none() -> None:
    shown: set[str] = set()
    for path in DOCUMENTS.glob("*.response.json"):
        body = json.loads(path.read_text())["body"]
        for order in body.get("data", [body]):
            shown |= names_of(order) - {"ok"}
    placed = PLACED | {f"line_items[].{name}" for name in PLACED_OF_A_LINE}
    # What a shop keeps in meta_fields is its own: the whole of it is named.
    unnamed = {
        name for name in shown - placed - set(order_to_external_order.no_place) if "meta_fields." not in name
    }
    assert unnamed == set()


def names_of(value: Any, before: str = "") -> set[str]:
    if isinstance(value, list):
        return set().union(*(names_of(inner, f"{before.removesuffix('.')}[].") for inner in value))
    if not isinstance(value, dict):
        return set()
    names = {before + name for name in value}
    return names.union(*(names_of(inner, f"{before}{name}.") for name, inner in value.items()))


def test_each_placed_field_changes_the_body() -> None:
    """A field that is not named as having no place does make a difference."""
    tables = {name: {"7": "7", "8": "8"} for name in TABLES}
    order = {**ORDER, **dict.fromkeys(PLACED - {"line_items", "shipping_status", "payment_status"}, "7")}
    order |= {"line_items": [{"product_id": "7", "quantity": 7}]}
    first = mapped(order, **tables)
    changes: list[dict[str, Any]] = [
        {name: "8"} for name in PLACED - {"line_items", "shipping_status", "payment_status"}
    ]
    changes += [{"shipping_status": "shipped"}, {"payment_status": "paid"}]
    changes += [{"line_items": [{"product_id": "7", "quantity": 7, name: 8}]} for name in PLACED_OF_A_LINE]
    assert all(mapped({**order, **change}, **tables) != first for change in changes)
