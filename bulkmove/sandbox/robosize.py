"""Robosize: `/api/v1/business/order/` and `/api/v1/product/`, limit/offset lists without sort or filter.

From its two documents; that a missing slash answers 302, which turns a POST into a GET, is what clients report.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

from bulkmove.sandbox import drf
from bulkmove.sandbox.calls import (
    Answer,
    Call,
    Json,
    json_answer,
    moved,
    parsed_json,
    unknown_url,
    whole_number,
)
from bulkmove.sandbox.robosize_store import RowStore
from bulkmove.sandbox.settings import SandboxSettings

ORDERS = "/api/v1/business/order/"
PRODUCTS = "/api/v1/product/"
_DEFAULT_LIMIT = 50

Check = Callable[[Any], str | None]


def _text(value: Any) -> str | None:
    return None if isinstance(value, str) and value else "Not a valid string."


def _texts(value: Any) -> str | None:
    good = isinstance(value, list) and all(isinstance(item, str) for item in value)
    return None if good else "Expected a list of strings."


def _object(value: Any) -> str | None:
    return None if isinstance(value, dict) else "Expected an object."


_ORDER_CHECKS: dict[str, Check] = {"store_id": _text, "device_id": _text, "data": _object}
_PRODUCT_CHECKS: dict[str, Check] = {
    "name": _text, "store_id": _text, "tags": _texts, "image_url": _text, "type": _text,
}  # fmt: skip


class Robosize:
    """Orders and products of the sizing service over HTTP."""

    name = "robosize"

    def __init__(self, settings: SandboxSettings, orders: RowStore, products: RowStore) -> None:
        self.orders = orders
        self.products = products
        self._api_key = settings.robosize_api_key
        self._max_limit = settings.robosize_max_limit

    def kind(self, call: Call) -> str:
        path = call.path
        if path == ORDERS:
            return "orders"
        if path == PRODUCTS:
            return "products"
        if path + "/" == PRODUCTS or ((path + "/").startswith(ORDERS) and not path.endswith("/")):
            return "redirect"
        if path.startswith(ORDERS) and path.count("/") == ORDERS.count("/") + 1:
            return "order"
        return "unknown"

    def refusal(self, call: Call) -> Answer | None:
        # Slashes and unknown addresses are settled before anybody asks who calls.
        if self.kind(call) in {"redirect", "unknown"}:
            return None
        given = call.query.get("api_key", "")
        if not given:
            return drf.detail(401, call, "Authentication credentials were not provided.")
        if not hmac.compare_digest(given.encode(), self._api_key.encode()):
            return drf.detail(403, call, "Invalid API key.")
        return None

    def answer(self, call: Call) -> Answer:
        kind = self.kind(call)
        if kind == "redirect":
            return moved(302, call)
        if kind == "unknown":
            return unknown_url()
        if call.method == "GET" and kind != "order":
            return self._list(call, self.orders if kind == "orders" else self.products)
        if kind == "order":
            return self._one_order(call, unquote(call.path[len(ORDERS) : -1]))
        if call.method == "POST":
            return self._create(call, kind)
        if kind == "products" and call.method == "PATCH":
            return self._change_products(call)
        if kind == "products" and call.method == "DELETE":
            return self._delete_product(call)
        return drf.not_allowed(call)

    def _list(self, call: Call, store: RowStore) -> Answer:
        limit = whole_number(call.query.get("limit")) or _DEFAULT_LIMIT
        limit = min(limit if limit > 0 else _DEFAULT_LIMIT, self._max_limit)
        offset = max(whole_number(call.query.get("offset")) or 0, 0)
        rows, total = store.encoded(offset, limit), len(store)
        has_more = offset + limit < total
        return drf.envelope(
            call,
            b"".join((b"[", b",".join(rows), b"]")),
            total=total,
            next_changes={"limit": limit, "offset": offset + limit} if has_more else None,
            previous_changes={"limit": limit, "offset": max(offset - limit, 0)} if offset > 0 else None,
        )

    def _one_order(self, call: Call, order_id: str) -> Answer:
        if self.orders.get(order_id) is None:
            return drf.detail(404, call, "Not found.")
        if call.method == "DELETE":
            self.orders.delete(order_id)
            return Answer(204, updated=1)
        if call.method != "PATCH":
            return drf.not_allowed(call)
        fields, refusal = _checked(call, _ORDER_CHECKS, required=())
        if refusal is not None:
            return refusal
        self.orders.change(
            order_id,
            _picked(fields, "store_id", "data"),
            hidden=_picked(fields, "device_id"),
        )
        return Answer(200, self.orders.encoded_row(order_id), updated=1)

    def _create(self, call: Call, kind: str) -> Answer:
        is_order = kind == "orders"
        required = ("store_id", "device_id", "data") if is_order else ("name", "store_id")
        fields, refusal = _checked(call, _ORDER_CHECKS if is_order else _PRODUCT_CHECKS, required=required)
        if refusal is not None:
            return refusal
        if is_order:
            row = {"store_id": fields["store_id"], "data": fields["data"], "recommendations": []}
            order_id = self.orders.create(row, hidden=_picked(fields, "device_id"))
            # The document: a number in this answer, text in the list.
            return json_answer(201, {"id": int(order_id), **row}, created=1)
        product_id = self.products.create(_new_product(fields), hidden=_picked(fields, "image_url", "type"))
        return json_answer(201, {"created": 1, "id": product_id}, created=1)

    def _change_products(self, call: Call) -> Answer:
        fields, refusal = _checked(call, _PRODUCT_CHECKS, required=("products",))
        if refusal is not None:
            return refusal
        ids = fields["products"]
        if not isinstance(ids, list) or not ids:
            return json_answer(400, {"products": ["This list may not be empty."]})
        shown = _picked(fields, "store_id", "name")
        if "tags" in fields:
            shown["tags"] = [{"name": tag} for tag in fields["tags"]]
        hidden = _picked(fields, "image_url", "type")
        # No outcome an id: those that are not there are passed over without a word.
        known = [str(product_id) for product_id in ids if self.products.get(str(product_id)) is not None]
        for product_id in known:
            self.products.change(product_id, shown, hidden=hidden)
        return json_answer(200, {"message": "Products updated"}, updated=len(known))

    def _delete_product(self, call: Call) -> Answer:
        product_id = call.query.get("hash", "")
        if not product_id:
            return json_answer(400, {"hash": [drf.in_language(call, "This field is required.")]})
        if self.products.get(product_id) is None:
            return drf.detail(404, call, "Not found.")
        self.products.delete(product_id)
        return Answer(204, updated=1)


def _checked(
    call: Call, checks: dict[str, Check], *, required: tuple[str, ...]
) -> tuple[Json, Answer | None]:
    value, problem = parsed_json(call.body)
    if problem is not None:
        return {}, drf.detail(400, call, f"JSON parse error - {problem}")
    if not isinstance(value, dict):
        message = f"Invalid data. Expected a dictionary, but got {type(value).__name__}."
        return {}, json_answer(400, {"non_field_errors": [message]})
    errors: Json = {
        name: [drf.in_language(call, "This field is required.")] for name in required if name not in value
    }
    for name, check in checks.items():
        problem = check(value[name]) if name in value else None
        if problem is not None:
            errors[name] = [drf.in_language(call, problem)]
    return value, json_answer(400, errors) if errors else None


def _picked(fields: Json, *names: str) -> Json:
    return {name: fields[name] for name in names if name in fields}


def _new_product(fields: Json) -> Json:
    return {
        "store_id": fields["store_id"],
        "name": fields["name"],
        "status": "active",
        "brand": None,
        "tags": [{"name": tag} for tag in fields.get("tags", ())],
        "fit_toughness": 5,
        "comment": None,
        "image_md": None,
        "available_sizes": "",
        "size_chart": {},
        "fabric": {},
        "handle": None,
    }
