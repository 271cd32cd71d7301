from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from bulkmove.connectors.robosize.forms import PRODUCT_FIELDS
from bulkmove.errors import ConfigError, RejectRecordError
from bulkmove.mapping.builtin.relink import SETTABLE, check_options, relink_product
from bulkmove.mapping.context import RouteContext

PRODUCT = {"id": "P1", "store_id": "1958", "name": "Rochie 👗", "tags": [{"name": "a"}]}
IDS = {"1958": "104392"}


def mapped(change: Mapping[str, Any] | None = None, **options: Any) -> dict[str, Any] | None:
    def ids_of(route: str, source_id: str) -> tuple[str, ...]:
        return ("new", "other") if (route, source_id) == ("stock", "1958") else ()

    if "ids_from" not in options:
        options["ids"] = "ids.csv"
    return relink_product({**PRODUCT, **(change or {})}, RouteContext("r", options, {"ids": IDS}, ids_of))


@pytest.mark.parametrize("store_id", ["1958", 1958])
def test_a_product_gets_its_new_number_and_nothing_else(store_id: Any) -> None:
    assert mapped({"store_id": store_id}) == {"id": "P1", "store_id": "104392"}


def test_a_product_s_new_number_can_come_from_a_route() -> None:
    assert mapped(ids_from="stock") == {"id": "P1", "store_id": "new"}


def test_constants_are_set_beside_it() -> None:
    changes = {"type": "top", "tags": ["a", "b"], "name": None}
    assert mapped(set=changes) == {"id": "P1", "store_id": "104392", **changes}


@pytest.mark.parametrize("store_id", ["77", None, ""])
def test_a_product_without_a_new_number_is_skipped_or_rejected(store_id: Any) -> None:
    assert mapped({"store_id": store_id}) is None
    with pytest.raises(RejectRecordError) as rejected:
        mapped({"store_id": store_id}, missing="reject")
    assert rejected.value.cause == "no-new-id"


@pytest.mark.parametrize("product_id", [None, "", []])
def test_a_product_without_an_id_is_rejected(product_id: Any) -> None:
    with pytest.raises(RejectRecordError) as rejected:
        mapped({"id": product_id})
    assert rejected.value.cause == "no-id"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "options.ids is missing"),
        ({"ids": "x.csv", "ids_from": "stock"}, "not both"),
        ({"ids": "x.csv", "missing": "rejct"}, "did you mean 'reject'"),
        ({"ids": "x.csv", "set": "active"}, "options.set"),
        ({"ids": "x.csv", "set": {"store_id": "1"}}, "options.set: 'store_id'"),
        ({"ids": "x.csv", "set": {"typ": "top"}}, "did you mean 'type'"),
        ({"ids": "x.csv", "mising": "skip"}, "did you mean 'missing'"),
    ],
)
def test_options_that_can_t_be_worked_with_are_named(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        check_options(options)
    assert said in str(refused.value)


def test_what_can_be_set_is_what_the_target_can_be_sent() -> None:
    assert set(SETTABLE) == PRODUCT_FIELDS - {"id", "store_id"}
    relink_product.check_options({"ids": "x.csv", "set": dict.fromkeys(SETTABLE, 1)})


def test_the_mapper_names_its_tables() -> None:
    assert relink_product.tables == ("ids",)
