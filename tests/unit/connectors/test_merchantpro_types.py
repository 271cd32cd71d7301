"""The documented fields are the typed ones, and bodies are held against them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_type_hints

import msgspec
import orjson
import pytest

from bulkmove.connectors.merchantpro import CONNECTOR, types
from bulkmove.connectors.merchantpro.names import WRITABLE_FIELDS

DOCUMENTS = Path(__file__).parents[3] / "samples" / "documents" / "merchantpro"
NESTED: dict[str, type] = {
    "line_items": types.LineItem,
    "variant_options": types.VariantOption,
    "tags": types.Tag,
    "internal_notes": types.InternalNote,
    "rma_orders": types.ReturnedOrder,
    "shipping_delivery_info": types.DeliveryInfo,
    "pickup_address": types.PickupAddress,
    "invoice": types.Invoice,
}


def bodies(kind: str) -> Iterator[Any]:
    for path in sorted(DOCUMENTS.glob(f"*.{kind}.json")):
        body = json.loads(path.read_text())["body"]
        if isinstance(body, dict) and body != {"ok": True}:
            yield from body.get("data", [body])


def unknown(value: Any, kind: type) -> set[str]:
    """The names that the typed shape lacks, at any depth."""
    hints = get_type_hints(kind)
    missing: set[str] = set()
    for name, inner in value.items():
        missing |= {name} - hints.keys()
        for each in inner if isinstance(inner, list) else [inner]:
            if isinstance(each, dict) and name in NESTED:
                missing |= unknown(each, NESTED[name])
    return missing


def test_every_field_of_the_document_s_table_is_typed() -> None:
    names = [field["name"] for field in json.loads((DOCUMENTS / "fields.json").read_text())["fields"]]
    assert len(names) == 79
    for name in names:
        kind: type = types.Order
        *outer, last = name.replace("[]", "").split(".")
        for part in outer:
            assert part in get_type_hints(kind), name
            kind = NESTED[part]
        assert last in get_type_hints(kind), name
        assert outer or last in WRITABLE_FIELDS, name


def test_every_field_of_the_document_s_examples_is_typed() -> None:
    orders = [*bodies("request"), *bodies("response")]
    assert len(orders) > 15
    assert not set().union(*(unknown(order, types.Order) for order in orders))


def test_every_documented_order_is_one_by_its_types() -> None:
    decode = msgspec.json.Decoder(types.Order).decode
    for order in [*bodies("request"), *bodies("response")]:
        decode(orjson.dumps(order))


def decoder(action: str, stream: str = "orders") -> Any:
    spec = CONNECTOR.streams[stream]
    kind = spec.create_body if action == "create" else spec.update_body
    assert kind is not None
    return msgspec.json.Decoder(kind)


@pytest.mark.parametrize("action", ["create", "update"])
@pytest.mark.parametrize(
    "body",
    [
        {},
        {"payment_status": "cancelled", "shipping_method_id": "102", "shipping_amount": None},
        {"shipping_delivery_info": [], "meta_fields": {"a": 1}, "tags": [{"name": "x"}]},
        {"line_items": [{"product_id": 1, "quantity": 1.5, "unknown": "kept"}], "another": 1},
    ],
)
def test_a_body_that_may_be_right_passes(action: str, body: dict[str, Any]) -> None:
    decoder(action).decode(orjson.dumps(body))


@pytest.mark.parametrize(
    "body",
    [
        {"payment_status": "payed"},
        {"shipping_status": "canceled"},
        {"billing_country_code": "ROU"},
        {"shipping_amount": "15"},
        {"customer_email": 7},
        {"line_items": {"product_id": 1}},
        {"line_items": [{"quantity": "two"}]},
        {"customer_id": True},
    ],
)
def test_a_body_that_is_surely_wrong_does_not(body: dict[str, Any]) -> None:
    for action in ("create", "update"):
        with pytest.raises(msgspec.ValidationError):
            decoder(action).decode(orjson.dumps(body))


def test_processing_takes_the_six_handlers_alone() -> None:
    check = decoder("update", "processing")
    for handler in ("in_process", "shipped", "delivered", "returned", "cancelled", "create_invoice"):
        check.decode(orjson.dumps({"handler": handler}))
    for body in ({"handler": "confirmed"}, {}, {"handler": None}):
        with pytest.raises(msgspec.ValidationError):
            check.decode(orjson.dumps(body))
