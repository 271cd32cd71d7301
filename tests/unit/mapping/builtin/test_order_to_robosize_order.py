from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

import orjson
import pytest

from bulkmove.errors import ConfigError, RejectRecordError
from bulkmove.mapping.builtin.fields import ORDER_FIELDS
from bulkmove.mapping.builtin.robosize_order import (
    DATA_FIELDS,
    _device_id,
    check_options,
    order_to_robosize_order,
)
from bulkmove.mapping.context import RouteContext

PERSONAL = {
    name: "x"
    for name in ORDER_FIELDS
    if name.startswith(
        ("customer_", "billing_", "shipping_name", "shipping_address", "shipping_phone", "internal_notes")
    )
}
ORDER: dict[str, Any] = {
    "id": "95750870.3",
    "customer_id": 14,
    "customer_email": "A@Example.com",
    "total_amount": 365.39,
    "line_items": [{"product_id": 1, "unit_price_gross": 0.1, "product_name": "Rochie 👗"}],
}


def context(
    options: Mapping[str, Any] | None = None,
    ids: dict[str, str] | None = None,
    new: dict[str, str] | None = None,
) -> RouteContext:
    def ids_of(route: str, source_id: str) -> tuple[str, ...]:
        assert route == "orders"
        return ((new or {})[source_id],) if source_id in (new or {}) else ()

    return RouteContext("sizing", dict(options or {}), {} if ids is None else {"ids": ids}, ids_of)


def mapped(change: Mapping[str, Any] | None = None, **given: Any) -> dict[str, Any]:
    body = order_to_robosize_order({**ORDER, **(change or {})}, context(**given))
    assert body is not None
    return body


def test_an_order_becomes_its_id_a_device_and_its_data() -> None:
    body = mapped()
    assert body.keys() == {"store_id", "device_id", "data"}
    assert body["store_id"] == "95750870.3"
    assert body["data"] == {name: ORDER[name] for name in ("id", "total_amount", "line_items")}


def test_personal_data_stay_behind_unless_asked_for() -> None:
    assert not set(DATA_FIELDS) & PERSONAL.keys()
    assert mapped(PERSONAL)["data"].keys() == {"id", "total_amount", "line_items"}
    assert mapped(PERSONAL, options={"data": "all"})["data"] == {**ORDER, **PERSONAL}


def test_a_list_of_fields_chooses_the_data() -> None:
    body = mapped({"date_created": None}, options={"data": ["total_amount", "date_created", "absent"]})
    assert body["data"] == {"total_amount": 365.39, "date_created": None}


def test_values_are_carried_exactly() -> None:
    odd = {
        "total_amount": 2.39,
        "line_items": [{"a": 0.1, "b": 2**63, "c": "șț 👗", "d": 1.0, "e": None, "f": []}],
    }
    data = mapped(odd)["data"]
    assert orjson.dumps([data["total_amount"], data["line_items"]]) == orjson.dumps(
        [odd["total_amount"], odd["line_items"]]
    )


# Devices


def test_a_customer_keeps_one_device_over_all_orders() -> None:
    assert mapped({"id": 1})["device_id"] == mapped({"id": 2, "customer_email": "other@x.ro"})["device_id"]
    assert mapped({"customer_id": 15})["device_id"] != mapped()["device_id"]


@pytest.mark.parametrize("guest", [None, 0, "", "0"])
def test_a_guest_is_known_by_mail_and_else_by_order(guest: Any) -> None:
    one = mapped({"customer_id": guest, "id": 1})["device_id"]
    assert one == mapped({"customer_id": guest, "id": 2, "customer_email": " a@example.COM "})["device_id"]
    assert one != mapped({"customer_id": guest, "id": 1, "customer_email": "b@example.com"})["device_id"]
    nameless = {"customer_id": guest, "customer_email": None}
    assert mapped({**nameless, "id": 1})["device_id"] != mapped({**nameless, "id": 2})["device_id"]
    assert mapped({**nameless, "id": 1})["device_id"] == mapped({**nameless, "id": 1})["device_id"]


def test_a_customer_s_number_is_no_order_s_number() -> None:
    guest = {"customer_id": None, "customer_email": None, "id": 14}
    assert mapped(guest)["device_id"] != mapped({"customer_id": 14})["device_id"]


def test_a_namespace_keeps_two_shops_customers_apart() -> None:
    assert (
        mapped(options={"device_namespace": "a"})["device_id"]
        != mapped(options={"device_namespace": "b"})["device_id"]
    )


def test_devices_are_the_same_in_every_run() -> None:
    assert mapped()["device_id"] == "e3e17ac7-3122-59f4-8839-d7bb63a1993b"


@pytest.mark.parametrize("name", ["customer:14", "email:ș@x.ro", "", "x" * 300])
def test_a_device_is_a_uuid_of_version_5(name: str) -> None:
    namespace = uuid.uuid4()
    assert _device_id(namespace.bytes, name) == str(uuid.uuid5(namespace, name))


# New ids


def test_the_order_s_new_id_comes_from_its_route() -> None:
    assert mapped(options={"ids_from": "orders"}, new={"95750870.3": "294"})["store_id"] == "294"


def test_the_order_s_new_id_comes_from_a_table() -> None:
    assert mapped(options={"ids": "ids.csv"}, ids={"95750870.3": "294"})["store_id"] == "294"


@pytest.mark.parametrize(
    "given", [{"options": {"ids_from": "orders"}}, {"options": {"ids": "ids.csv"}, "ids": {}}]
)
def test_an_order_without_its_new_id_is_rejected(given: dict[str, Any]) -> None:
    with pytest.raises(RejectRecordError, match=r"order 95750870\.3 has no new id") as rejected:
        mapped(**given)
    assert rejected.value.cause == "no-new-id"


@pytest.mark.parametrize("order_id", [None, "", True])
def test_an_order_without_an_id_is_rejected(order_id: Any) -> None:
    with pytest.raises(RejectRecordError) as rejected:
        mapped({"id": order_id})
    assert rejected.value.cause == "no-id"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"data": "some"}, "options.data"),
        ({"data": []}, "options.data"),
        ({"data": [1]}, "options.data"),
        ({"device_namespace": 5}, "options.device_namespace"),
        ({"ids": "x.csv", "ids_from": "orders"}, "not both"),
        ({"ids_from": ""}, "options.ids_from"),
        ({"device_namespac": "x"}, "did you mean 'device_namespace'"),
    ],
)
def test_options_that_can_t_be_worked_with_are_named(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        check_options(options)
    assert said in str(refused.value)


def test_no_options_are_good_options() -> None:
    order_to_robosize_order.check_options({})
