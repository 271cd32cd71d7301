"""MerchantPro API v2: `/api/v2/orders`, its filters, paging, handlers and errors, and `/api/v2/products`.

Paths, parameters and shapes of orders are those of MerchantPro's own document; that an unknown filter is refused as
`undefined_filter`, the pages' clamp, the 403 after repeated bad credentials, and all of products are what public
clients report.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import zlib
from urllib.parse import unquote

import orjson

from bulkmove.sandbox.calls import Answer, Call, Json, json_answer, parsed_json, unknown_url, whole_number
from bulkmove.sandbox.merchantpro_products import product_row
from bulkmove.sandbox.order_store import UNDATED, Filter, OrderStore
from bulkmove.sandbox.products import Catalogue
from bulkmove.sandbox.settings import SandboxSettings
from bulkmove.sandbox.shop_time import parse_time
from bulkmove.sandbox.templates import WHOLE, Shape
from bulkmove.sandbox.words import SHIPPING_STATUSES

PATH = "/api/v2/orders"
PRODUCTS = "/api/v2/products"
MOST_A_PAGE = 100

_FILTERS = frozenset({
    "id", "ids", "payment_status", "payment_substatus_id", "payment_method_code", "payment_transaction_id",
    "shipping_status", "shipping_substatus_id", "shipping_method_id", "shipping_awb", "customer_id",
    "customer_email", "created_after", "created_before", "tag_name", "tag_ids",
})  # fmt: skip
_PAGING = frozenset({"start", "limit"})
_CONTROLS = _PAGING | {"fields", "include", "sort"}
_SELDOM = frozenset({"id", "ids", "created_after", "created_before"})
_HANDLERS = frozenset({"in_process", "shipped", "delivered", "returned", "cancelled", "create_invoice"})
_STATUS_TEXTS = dict(SHIPPING_STATUSES)
# Documented: when the order was sent off, and when the customer got it.
_DATED = {"shipped": "date_shipped", "delivered": "date_delivered"}
_TRIES_BEFORE_403 = 5


class MerchantPro:
    """The source's orders and products over HTTP."""

    name = "merchantpro"

    def __init__(self, settings: SandboxSettings, store: OrderStore, catalogue: Catalogue) -> None:
        self.store = store
        self._catalogue = catalogue
        self._credentials = f"{settings.merchantpro_key}:{settings.merchantpro_secret}".encode()
        self._is_inclusive = settings.created_after == "inclusive"
        self._refused = 0

    def kind(self, call: Call) -> str:
        if call.path == PATH:
            return "create" if call.method == "POST" else "list"
        if call.path == PRODUCTS:
            return "products"
        parts = call.path.removeprefix(PATH + "/").split("/")
        if not call.path.startswith(PATH + "/") or not all(parts):
            return "unknown"
        return {1: "one", 2: "handler"}.get(len(parts), "unknown")

    def refusal(self, call: Call) -> Answer | None:
        scheme, _, encoded = call.headers.get("Authorization", "").partition(" ")
        try:
            given = base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError):
            given = b""
        if scheme.lower() == "basic" and hmac.compare_digest(given, self._credentials):
            self._refused = 0
            return None
        self._refused += 1
        if self._refused > _TRIES_BEFORE_403:
            return failure(403, "forbidden", "Access denied after repeated failed authentication")
        answer = failure(401, "unauthorized", "Invalid API credentials")
        answer.headers["WWW-Authenticate"] = 'Basic realm="API"'
        return answer

    def answer(self, call: Call) -> Answer:
        kind = self.kind(call)
        if kind == "list" and call.method == "GET":
            return self._list(call)
        if kind == "create":
            return self._create(call)
        if kind == "products" and call.method == "GET":
            return self._list_products(call)
        if kind not in {"one", "handler"}:
            return unknown_url() if kind == "unknown" else _not_allowed()
        order_id, _, handler = call.path[len(PATH) + 1 :].partition("/")
        row = self.store.row_of(unquote(order_id))
        if row is None:
            return failure(404, "not_found", "Resource not found")
        if handler:
            return self._handle(row, handler) if call.method == "PATCH" else _not_allowed()
        return self._one(row, call)

    def _one(self, row: int, call: Call) -> Answer:
        if call.method == "GET":
            fields = _names(call.query.get("fields"))
            shape = Shape(
                fields=fields,
                line_items=fields is None or "line_items" in fields,
                tags=fields is None or "tags" in fields,
            )
            return Answer(200, self.store.encoded((row,), shape)[0])
        if call.method == "PATCH":
            fields_given, refusal = _order_fields(call)
            if refusal is not None:
                return refusal
            self.store.change(row, fields_given)
            return Answer(200, self.store.encoded((row,), WHOLE)[0], updated=1)
        if call.method == "DELETE":
            self.store.delete(row)
            return json_answer(200, {"ok": True}, updated=1)
        return _not_allowed()

    def _create(self, call: Call) -> Answer:
        fields, refusal = _order_fields(call)
        if refusal is not None:
            return refusal
        if not fields.get("line_items"):
            return failure(400, "invalid_data", "Field line_items is required", {"field": "line_items"})
        fields.pop("id", None)
        row = self.store.insert(fields)
        return Answer(200, self.store.encoded((row,), WHOLE)[0], created=1)

    def _handle(self, row: int, handler: str) -> Answer:
        if handler not in _HANDLERS:
            return failure(404, "not_found", "Resource not found")
        if handler == "create_invoice":
            order_id = self.store.order(row)["id"]
            url = f"https://shop.demo.example/comanda/invoice/{zlib.crc32(str(order_id).encode()):032x}/{order_id}"
            invoice = {
                "prefix": "SERIE",
                "number": f"{row:07}",
                "app": "billing",
                "cancelled": False,
                "url": url,
            }
            self.store.change(row, {"invoice": invoice})
        else:
            changes = {"shipping_status": handler, "shipping_status_text": _STATUS_TEXTS[handler]}
            if handler in _DATED:
                changes[_DATED[handler]] = self.store.now_text()
            self.store.change(row, changes)
        return json_answer(200, {"ok": True}, updated=1)

    def _list(self, call: Call) -> Answer:
        query = call.query
        for name in query:
            if name not in _FILTERS and name not in _CONTROLS:
                return failure(400, "undefined_filter", f"Undefined filter: {name}", {"filter": name})
        low, high, refusal = self._bounds(query)
        if refusal is not None:
            return refusal
        start, limit = _place(query)
        wanted: Filter = tuple(
            sorted((name, value) for name, value in query.items() if name in _FILTERS - _SELDOM)
        )
        # Without a sort, or with one that is not known, the newest come first.
        descending = query.get("sort") != "date_created"
        if "id" in query or "ids" in query:
            found = [row for row in self._by_ids(query) if self._fits(row, wanted, low, high)]
            rows, total = found[start : start + limit], len(found)
        else:
            rows, total = self.store.page(
                wanted, low=low, high=high, start=start, limit=limit, descending=descending
            )
        return self._envelope(call, rows, total=total, start=start, limit=limit)

    def _by_ids(self, query: dict[str, str]) -> list[int]:
        asked = dict.fromkeys([*query.get("ids", "").split(","), query.get("id", "")])
        return [row for order_id in asked if (row := self.store.row_of(order_id.strip())) is not None]

    def _fits(self, row: int, wanted: Filter, low: int | None, high: int | None) -> bool:
        if not self.store.fits(row, wanted):
            return False
        if low is None and high is None:
            return True
        created = self.store.created(row)
        return created != UNDATED and (low is None or low <= created) and (high is None or created <= high)

    def _bounds(self, query: dict[str, str]) -> tuple[int | None, int | None, Answer | None]:
        bounds: list[int | None] = []
        for name in ("created_after", "created_before"):
            text = query.get(name)
            bound = parse_time(text) if text else None
            if text and bound is None:
                details = {"filter": name}
                return None, None, failure(400, "invalid_filter_value", f"Invalid value for {name}", details)
            bounds.append(bound)
        low, high = bounds
        if not self._is_inclusive:
            low = None if low is None else low + 1
            high = None if high is None else high - 1
        return low, high, None

    def _envelope(self, call: Call, rows: list[int], *, total: int, start: int, limit: int) -> Answer:
        query = call.query
        included = _names(query.get("include")) or frozenset()
        shape = Shape(
            fields=_names(query.get("fields")), line_items="line_items" in included, tags="tags" in included
        )
        return _enveloped(call, self.store.encoded(rows, shape), total=total, start=start, limit=limit)

    def _list_products(self, call: Call) -> Answer:
        query = call.query
        for name in query:
            if name not in _PAGING | {"include"}:
                return failure(400, "undefined_filter", f"Undefined filter: {name}", {"filter": name})
        start, limit = _place(query)
        included = _names(query.get("include")) or frozenset()
        shown = self._catalogue.shown
        rows = [orjson.dumps(product_row(each, included)) for each in shown[start : start + limit]]
        return _enveloped(call, rows, total=len(shown), start=start, limit=limit)


def _place(query: dict[str, str]) -> tuple[int, int]:
    """Where a page starts, and how long it is at most: a longer one is cut without a word."""
    start = max(whole_number(query.get("start")) or 0, 0)
    limit = whole_number(query.get("limit")) or MOST_A_PAGE
    return start, min(limit, MOST_A_PAGE) if limit > 0 else MOST_A_PAGE


def _enveloped(call: Call, rows: list[bytes], *, total: int, start: int, limit: int) -> Answer:
    meta = {
        "count": {"total": total, "current": len(rows), "start": start, "limit": limit},
        "links": {
            "prev": _link(call, max(start - limit, 0), limit) if start > 0 else None,
            "current": call.target,
            "next": _link(call, start + limit, limit) if start + limit < total else None,
        },
    }
    return Answer(200, b"".join((b'{"data":[', b",".join(rows), b'],"meta":', orjson.dumps(meta), b"}")))


def failure(status: int, name: str, message: str, details: Json | None = None) -> Answer:
    """MerchantPro's error body."""
    return json_answer(status, {"error": {"name": name, "message": message, "details": details}})


def _not_allowed() -> Answer:
    return failure(405, "method_not_allowed", "Method not allowed")


def _order_fields(call: Call) -> tuple[Json, Answer | None]:
    value, problem = parsed_json(call.body)
    if problem is not None or not isinstance(value, dict):
        return {}, failure(400, "invalid_json", "Request body is not a JSON object")
    lines = value.get("line_items", [])
    if not isinstance(lines, list) or not all(isinstance(line, dict) for line in lines):
        return {}, failure(400, "invalid_data", "Field line_items must be a list", {"field": "line_items"})
    if isinstance(value.get("tags"), list):
        value["tags"] = [_tag(tag) for tag in value["tags"] if isinstance(tag, dict)]
    return value, None


def _tag(tag: Json) -> Json:
    """A tag may be sent by its name alone, and comes back with an id."""
    return {
        "id": tag.get("id") or zlib.crc32(str(tag.get("name")).encode()) % 10_000,
        "name": tag.get("name"),
    }


def _names(text: str | None) -> frozenset[str] | None:
    names = frozenset(name.strip() for name in text.split(",")) - {""} if text else None
    return names or None


def _link(call: Call, start: int, limit: int) -> str:
    """Relative to the host, with the other parameters as they were sent."""
    _, _, query = call.target.partition("?")
    kept = [part for part in query.split("&") if part and part.split("=")[0] not in {"start", "limit"}]
    return f"{call.path}?{'&'.join([*kept, f'start={start}', f'limit={limit}'])}"
