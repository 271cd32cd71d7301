"""The comparison finds each kind of fault where it was planted, and nothing beside it."""

from __future__ import annotations

import copy
import sqlite3
import unicodedata
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from bulkmove.demo.check import ABSENT, Check, Wrong, check_rows, ledger_outcomes
from bulkmove.demo.expected import ExternalOrders, RobosizeOrders, RobosizeProducts, Rules
from bulkmove.ledger.file import connect, migrate
from bulkmove.model import State

Rows = list[dict[str, Any]]

IDS = {"44": 104423, "48": 104421, "52": 104394}
DELIVERED = {"shipping_status": "delivered", "payment_status": "paid"}


def _line(product: int, quantity: int) -> dict[str, Any]:
    return {
        "product_id": product,
        "quantity": quantity,
        "product_name": "Cămașă ștearsă",
        "unit_price_gross": 99.9,
    }


def _order(number: int | str, customer: int | None, **changes: Any) -> dict[str, Any]:
    return {
        "id": number,
        "customer_id": customer,
        "customer_email": f"client{customer}@exemplu.ro",
        "total_amount": 561.93,
        "currency": "RON",
        "date_created": "2021-04-14T08:27:52+03:00",
        "shipping_address": "Bd. Ștefan cel Mare, nr. 225",
        "shipping_postal_code": "518970",
        "line_items": [_line(44, 2), _line(48, 1)],
        **DELIVERED,
        **changes,
    }


SOURCE = [_order(10, 7), _order(11, 7), _order("12.3", 8), _order(13, 9)]
PRODUCTS = [
    {"id": "1", "store_id": "44", "name": "Palton", "tags": [{"name": "VIP ⭐"}], "fabric": {"stretch": 0.2}, "_writes": 0},
    {"id": "2", "store_id": "48", "name": "Sacou", "tags": [], "fabric": {}, "_writes": 0},
    {"id": "3", "store_id": "999", "name": "Fără număr nou", "tags": [], "fabric": {}, "_writes": 0},
]  # fmt: skip


def _external_row(number: int, record: dict[str, Any]) -> dict[str, Any]:
    return {
        "order_id": 294 + number,
        "rrn": str(record["id"]),
        "shop": 2,
        "promo_code": None,
        "order_items": [
            {"order_id": 12, "order_status": "done", "loyalty_price": None, "quantity": 2, "product": 104423},
            {"order_id": 13, "order_status": "done", "loyalty_price": None, "quantity": 1, "product": 104421},
        ],
        "address": {
            "address_id": 236154,
            "address_ru": "Bd. Ștefan cel Mare, nr. 225",
            "zip_code": 518970,
            "region_id": None,
            "locality_id": None,
            "sector": None,
        },
        "created_at": 1700000000,
        "_writes": 1,
        "_created_at": 1700000000.5,
        "_ignored": [],
    }


# Made with `uuid` by hand from the documented parts, not by the code that is tested.
DEVICES = {
    7: "aa435af3-14c6-5311-b5bd-ebed39042fdc",
    8: "fecb01e6-7e88-5272-9291-1f9a42d31ad6",
    9: "6eb15588-6b39-5ca4-8920-e26e78a64dfe",
}


def _fitting_row(number: int, record: dict[str, Any]) -> dict[str, Any]:
    hidden = ("customer_id", "customer_email", "shipping_address", "shipping_postal_code")
    return {
        "id": str(900 + number),
        "store_id": str(record["id"]),
        "device_id": DEVICES[record["customer_id"]],
        "data": {name: copy.deepcopy(value) for name, value in record.items() if name not in hidden},
        "recommendations": [],
        "_writes": 1,
    }


def _external() -> Rows:
    return [_external_row(number, record) for number, record in enumerate(SOURCE)]


def _fitting() -> Rows:
    return [_fitting_row(number, record) for number, record in enumerate(SOURCE)]


def _products() -> Rows:
    rows = copy.deepcopy(PRODUCTS)
    for row, new in zip(rows, ("104423", "104421", "999"), strict=True):
        row["store_id"] = new
        row["_writes"] = int(new != "999")
    return rows


ROUTES: dict[str, tuple[Rules, Rows, Callable[[], Rows]]] = {
    "orders": (ExternalOrders(2, IDS), SOURCE, _external),
    "fitting": (RobosizeOrders(), SOURCE, _fitting),
    "products": (RobosizeProducts(IDS), PRODUCTS, _products),
}


def _check(route: str, target: Rows | None = None, **outcomes: State) -> Check:
    rules, source, rows = ROUTES[route]
    said = {name.removeprefix("r"): state for name, state in outcomes.items()}
    return check_rows(route, rules, source=source, target=rows() if target is None else target, outcomes=said)


def _clean(route: str) -> dict[str, Any]:
    check = _check(route)
    return {name: getattr(check, name) for name in Check.__slots__}


@pytest.mark.parametrize("route", ROUTES)
def test_what_was_moved_well_has_no_fault(route: str) -> None:
    check = _check(route)
    assert check.is_good
    assert check.source == len(ROUTES[route][1])
    assert check.found + len(check.left_out) == check.source


def test_the_order_of_rows_does_not_matter() -> None:
    assert _check("orders", _external()[::-1]).is_good


def _expect(route: str, target: Rows, **differing: Any) -> None:
    """The check of these rows is that of good ones, but for what is named."""
    got = _check(route, target)
    assert {name: getattr(got, name) for name in Check.__slots__} == _clean(route) | differing
    assert not got.is_good


@pytest.mark.parametrize("route", ["orders", "fitting"])
def test_a_row_that_is_not_there_is_lost(route: str) -> None:
    target = ROUTES[route][2]()
    del target[1]
    _expect(route, target, lost=("11",), found=3)


def test_a_product_that_went_is_lost() -> None:
    _expect("products", _products()[1:], lost=("1",), found=1)


@pytest.mark.parametrize("route", ["orders", "fitting"])
def test_a_row_that_is_there_twice_is_doubled(route: str) -> None:
    target = ROUTES[route][2]()
    target.append(copy.deepcopy(target[2]))
    _expect(route, target, doubled=("12.3",))


@pytest.mark.parametrize("route", ["orders", "fitting"])
def test_a_row_that_no_record_is_the_cause_of_is_extra(route: str) -> None:
    target = ROUTES[route][2]()
    row = copy.deepcopy(target[0]) | {"rrn": "77", "store_id": "77"}
    row["order_id" if route == "orders" else "id"] = 5000
    _expect(route, [*target, row], extra=("row 5000",))


def test_a_row_without_a_key_is_extra() -> None:
    row = _external()[0] | {"rrn": None, "order_id": 5000}
    _expect("orders", [*_external(), row], extra=("row 5000",))


def test_a_row_that_was_there_before_is_no_extra() -> None:
    row = _external()[0] | {"rrn": "foreign", "_writes": 0}
    assert _check("orders", [*_external(), row]).is_good


def _wrong(route: str, change: Callable[[dict[str, Any]], None], *wrong: Wrong) -> None:
    target = ROUTES[route][2]()
    change(target[1])
    _expect(route, target, wrong=wrong)


def test_an_amount_that_is_off_by_a_hundredth_is_wrong() -> None:
    def change(row: dict[str, Any]) -> None:
        row["data"]["total_amount"] = 561.94

    _wrong("fitting", change, Wrong("11", "data.total_amount", 561.93, 561.94))


def test_a_price_inside_a_line_that_is_off_by_a_hundredth_is_wrong() -> None:
    def change(row: dict[str, Any]) -> None:
        row["data"]["line_items"][1]["unit_price_gross"] = 99.91

    _wrong("fitting", change, Wrong("11", "data.line_items[1].unit_price_gross", 99.9, 99.91))


def test_an_hour_that_was_shifted_is_wrong() -> None:
    def change(row: dict[str, Any]) -> None:
        row["data"]["date_created"] = "2021-04-14T09:27:52+03:00"

    before, after = "2021-04-14T08:27:52+03:00", "2021-04-14T09:27:52+03:00"
    _wrong("fitting", change, Wrong("11", "data.date_created", before, after))


@pytest.mark.parametrize(
    "street",
    [
        "Bd. Stefan cel Mare, nr. 225",
        "Bd. Ştefan cel Mare, nr. 225",
        unicodedata.normalize("NFD", "Bd. Ștefan cel Mare, nr. 225"),
        "Bd. È˜tefan cel Mare, nr. 225",
        "Bd. Ștefan cel Mare, nr. 225 ",
    ],
)
def test_text_that_changed_by_a_code_point_is_wrong(street: str) -> None:
    def change(row: dict[str, Any]) -> None:
        row["address"]["address_ru"] = street

    _wrong("orders", change, Wrong("11", "address.address_ru", "Bd. Ștefan cel Mare, nr. 225", street))


def test_items_that_were_swapped_are_wrong() -> None:
    def change(row: dict[str, Any]) -> None:
        row["order_items"].reverse()

    _wrong(
        "orders",
        change,
        Wrong("11", "order_items[0].quantity", 2, 1),
        Wrong("11", "order_items[0].product", 104423, 104421),
        Wrong("11", "order_items[1].quantity", 1, 2),
        Wrong("11", "order_items[1].product", 104421, 104423),
    )


def test_an_item_that_was_lost_is_wrong() -> None:
    def change(row: dict[str, Any]) -> None:
        del row["order_items"][1]

    check = _check("orders", [*_external()[:1], _changed(_external()[1], change), *_external()[2:]])
    assert [(wrong.source_id, wrong.field) for wrong in check.wrong] == [("11", "order_items")]


def _changed(row: dict[str, Any], change: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    change(row)
    return row


@pytest.mark.parametrize("got", ["2", 2.0, True, None])
def test_a_value_of_another_type_is_wrong(got: Any) -> None:
    def change(row: dict[str, Any]) -> None:
        row["shop"] = got

    _wrong("orders", change, Wrong("11", "shop", 2, got))


def test_a_field_that_went_and_one_that_came_are_wrong() -> None:
    def change(row: dict[str, Any]) -> None:
        del row["data"]["currency"]
        row["data"]["customer_email"] = "client7@exemplu.ro"

    _wrong(
        "fitting",
        change,
        Wrong("11", "data.currency", "RON", ABSENT),
        Wrong("11", "data.customer_email", ABSENT, "client7@exemplu.ro"),
    )


def test_a_field_that_the_target_dropped_is_wrong() -> None:
    def change(row: dict[str, Any]) -> None:
        row["_ignored"] = ["total"]

    _wrong("orders", change, Wrong("11", "_ignored", ABSENT, ["total"]))


def test_another_customers_device_is_wrong() -> None:
    def change(row: dict[str, Any]) -> None:
        row["device_id"] = DEVICES[8]

    _wrong("fitting", change, Wrong("11", "device_id", DEVICES[7], DEVICES[8]))


def test_a_device_that_is_new_in_each_order_is_wrong() -> None:
    def change(row: dict[str, Any]) -> None:
        row["device_id"] = "0a1b2c3d-0000-4000-8000-000000000000"

    _wrong("fitting", change, Wrong("11", "device_id", DEVICES[7], "0a1b2c3d-0000-4000-8000-000000000000"))


def test_customers_share_no_device_and_each_keeps_one() -> None:
    rules = RobosizeOrders()
    orders = [
        _order(1, 7), _order(2, 7), _order(3, 77),
        _order(4, None, customer_email=" Ana@Exemplu.ro"), _order(5, 0, customer_email="ana@exemplu.ro"),
        _order(6, None, customer_email=""), _order(7, None, customer_email=None),
    ]  # fmt: skip
    devices = [rules.expected(order)["device_id"] for order in orders]
    assert devices[0] == devices[1]
    assert devices[3] == devices[4]
    assert len(set(devices)) == 5
    assert set(devices).isdisjoint(
        {RobosizeOrders("another shop").expected(order)["device_id"] for order in orders}
    )


def test_a_product_that_was_not_relinked_or_changed_beside_it_is_wrong() -> None:
    target = _products()
    target[0]["store_id"] = "44"
    target[1]["name"] = "Sacou "
    _expect(
        "products",
        target,
        wrong=(Wrong("1", "store_id", "104423", "44"), Wrong("2", "name", "Sacou", "Sacou ")),
    )


def test_a_product_without_a_new_number_that_was_changed_is_wrong() -> None:
    target = _products()
    target[2]["store_id"] = "104394"
    _expect("products", target, wrong=(Wrong("3", "store_id", "999", "104394"),))


@pytest.mark.parametrize(
    ("shipping", "payment", "status"),
    [
        ("awaiting", "awaiting", "new"), ("awaiting", "failed", "new"), ("awaiting", "paid", "confirmed"),
        ("awaiting", "canceled", "canceled"), ("awaiting", "cancelled", "canceled"), ("confirmed", "temporary", "confirmed"),
        ("confirmed", "refunded", "canceled"), ("in_process", "paid", "in_collection"), ("in_process", "rejected", "canceled"),
        ("shipped", "refunded", "on_delivery"), ("delivered", "awaiting", "done"), ("returned", "refunded", "returned_to_warehouse"),
        ("cancelled", "paid", "canceled"), ("canceled", "paid", "canceled"),
    ],
)  # fmt: skip
def test_the_status_of_every_item_is_the_documented_one(shipping: str, payment: str, status: str) -> None:
    expected = ExternalOrders(2, IDS).expected(_order(1, 7, shipping_status=shipping, payment_status=payment))
    assert expected is not None
    assert [item["order_status"] for item in expected["order_items"]] == [status, status]


@pytest.mark.parametrize(
    "changes",
    [
        {"line_items": [_line(44, 1), _line(12345, 1)]},
        {"line_items": []},
        {"line_items": [_line(44, 1) | {"quantity": 1.5}]},
        {"shipping_status": "on the moon"},
        {"payment_status": None},
    ],
)
def test_an_order_that_can_not_be_carried_over_is_left_out_or_extra(changes: dict[str, Any]) -> None:
    record = _order(20, 7, **changes)
    rules = ExternalOrders(2, IDS)
    absent = check_rows("orders", rules, source=[record], target=[])
    assert (absent.left_out, absent.lost, absent.is_good) == (("20",), (), True)
    there = check_rows("orders", rules, source=[record], target=[_external_row(0, record)])
    assert (there.extra, there.left_out, there.is_good) == (("20",), (), False)


@pytest.mark.parametrize(
    ("code", "shown"),
    [("012345", "012345"), ("MD-2001", "MD-2001"), ("", None), (None, None), ("518970", 518970)],
)
def test_a_postal_code_is_a_number_only_where_that_loses_nothing(code: str | None, shown: object) -> None:
    expected = ExternalOrders(2, IDS).expected(_order(1, 7, shipping_postal_code=code))
    assert expected is not None
    assert expected["address"]["zip_code"] == shown


def test_an_order_without_an_address_has_none() -> None:
    expected = ExternalOrders(2, IDS).expected(_order(1, 7, shipping_postal_code=None, shipping_address=""))
    assert expected is not None
    assert expected["address"] is None


def test_what_the_ledger_calls_rejected_is_not_lost_and_must_not_be_there() -> None:
    absent = _check("orders", _external()[:3], r13=State.REJECTED)
    assert (absent.left_out, absent.lost, absent.is_good) == (("13",), (), True)
    there = _check("orders", _external(), r13=State.REJECTED)
    assert (there.extra, there.is_good) == (("13",), False)


def test_a_row_that_was_there_before_a_rejected_record_and_was_not_touched_is_no_fault() -> None:
    target = _external()
    target[3]["_writes"] = 0
    check = _check("orders", target, r13=State.REJECTED)
    assert (check.left_out, check.extra, check.is_good) == (("13",), (), True)


def test_a_product_that_the_ledger_calls_rejected_is_as_it_was() -> None:
    target = _products()
    assert [w.field for w in _check("products", target, r1=State.REJECTED).wrong] == ["store_id"]
    target[0]["store_id"] = "44"
    check = _check("products", target, r1=State.REJECTED)
    assert check.is_good
    assert check.left_out == ("1", "3")


def test_what_the_ledger_calls_unknown_may_be_there_or_not() -> None:
    absent = _check("orders", _external()[:3], r13=State.UNKNOWN)
    assert (absent.unknown, absent.lost, absent.is_good) == (("13",), (), True)
    there = _check("orders", _external(), r13=State.UNKNOWN)
    assert (there.unknown, there.found, there.is_good) == ((), 4, True)


def test_a_product_of_unknown_fate_may_be_as_it_was_or_as_it_must_be_but_nothing_else() -> None:
    target = _products()
    assert _check("products", target, r1=State.UNKNOWN).unknown == ()
    target[0]["store_id"] = "44"
    assert _check("products", target, r1=State.UNKNOWN).unknown == ("1",)
    target[0]["store_id"] = "45"
    assert not _check("products", target, r1=State.UNKNOWN).is_good


def test_what_is_there_twice_is_doubled_whatever_the_ledger_says() -> None:
    assert _check("orders", [*_external(), _external()[3]], r13=State.UNKNOWN).doubled == ("13",)


def test_a_record_that_the_ledger_calls_pending_and_that_is_not_there_is_lost() -> None:
    assert _check("orders", _external()[:3], r13=State.PENDING).lost == ("13",)


def test_the_ledger_tells_the_gravest_of_a_records_bodies(tmp_path: Path) -> None:
    path = tmp_path / "x.ledger.db"
    with closing(connect(path)) as ledger:
        migrate(ledger, path)
        ledger.execute("INSERT INTO routes (id, name, fingerprint) VALUES (1, 'orders', '')")
        states = [
            ("10", 0, State.WRITTEN),
            ("11", 0, State.WRITTEN),
            ("11", 1, State.REJECTED),
            ("12", 0, State.SKIPPED),
        ]
        ledger.executemany(
            "INSERT INTO records (route, source_id, body, state, run) VALUES (1, ?, ?, ?, 1)", states
        )
    assert ledger_outcomes(path) == {"orders": {"11": State.REJECTED, "12": State.SKIPPED}}


def test_a_ledger_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(sqlite3.OperationalError):
        ledger_outcomes(tmp_path / "none.ledger.db")
    assert not list(tmp_path.iterdir())


def test_a_check_tells_its_faults_in_a_line() -> None:
    said = str(_check("orders", _external()[:3]))
    assert said == (
        "orders: 4 source records, 3 found, 1 lost, 0 doubled, 0 wrong, 0 extra, 0 left out, 0 unknown; lost 13"
    )
