"""The external-order API of an ECOM.md shop: `/external/external-order/` and, through references.py, its look-up lists.

A POST takes an array that creates and updates. Restored from a document that lost its underscores and most of
its URLs; a real server may differ where the settings leave a choice.
"""

from __future__ import annotations

import hmac
import math
import re
from typing import Any

import orjson

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
from bulkmove.sandbox.external_check import OrderCheck, known_fields
from bulkmove.sandbox.external_pages import page_answer, slice_of
from bulkmove.sandbox.external_spelling import hear_query, heard, told
from bulkmove.sandbox.external_store import ExternalRow, ExternalStore
from bulkmove.sandbox.references import References
from bulkmove.sandbox.settings import SandboxSettings

ROOT = "/external/"
PATH = "/external/external-order/"
_ONE = re.compile(r"/external/external-order/(\d+)")
_ADDRESS = re.compile(r"/external/external-order/(\d+)/address/")
_ITEM = re.compile(r"/external/external-order/order-item/(\d+)/")
_NEEDS_SLASH = re.compile(
    r"/external/(external-order|external-order/\d+/address|external-order/order-item/\d+|shop|region|locality|sector|product|promo-code)"
)


class ExternalOrder:
    """The target's orders over HTTP."""

    name = "external-order"

    def __init__(self, settings: SandboxSettings, store: ExternalStore, references: References) -> None:
        self.store = store
        self._settings = settings
        self._references = references
        self._is_underscored = settings.external_spelling == "underscored"
        self._check = OrderCheck(store, references.ids() if settings.strict_references else None)

    def kind(self, call: Call) -> str:
        path = call.path
        if path == PATH:
            return "upsert" if call.method == "POST" else "list"
        if _NEEDS_SLASH.fullmatch(path):
            return "redirect"
        for pattern, kind in ((_ONE, "one"), (_ADDRESS, "address"), (_ITEM, "order-item")):
            if pattern.fullmatch(path):
                return kind
        return self._references.kind(path) or "unknown"

    def refusal(self, call: Call) -> Answer | None:
        # Slashes and unknown addresses are settled before anybody asks who calls.
        if self.kind(call) in {"redirect", "unknown"}:
            return None
        given = call.headers.get("API-Token") or ""
        if self._references.kind(call.path):
            given = given or call.headers.get("token", "")
        if not given:
            return drf.detail(401, call, "Authentication credentials were not provided.")
        if not hmac.compare_digest(given.encode(), self._settings.external_token.encode()):
            return drf.detail(403, call, "Invalid token.")
        return None

    def answer(self, call: Call) -> Answer:
        if self._is_underscored:
            return self._answer(call)
        hear_query(call)
        return told(self._answer(call))

    def _answer(self, call: Call) -> Answer:
        kind = self.kind(call)
        if kind == "redirect":
            return moved(301, call)
        if kind == "upsert":
            return self._upsert(call)
        if kind == "order-item":
            return self._delete_item(call) if call.method == "DELETE" else drf.not_allowed(call)
        if kind == "unknown":
            return unknown_url()
        if call.method != "GET":
            return drf.not_allowed(call)
        if kind == "list":
            return self._list(call)
        if kind in {"one", "address"}:
            return self._one(call, kind)
        return self._references.answer(call, kind)

    def _one(self, call: Call, kind: str) -> Answer:
        match = (_ONE if kind == "one" else _ADDRESS).fullmatch(call.path)
        row = self.store.get(int(match[1])) if match else None
        if row is None:
            return drf.detail(404, call, "Not found.")
        return (
            Answer(200, row.encoded)
            if kind == "one"
            else json_answer(200, orjson.loads(row.encoded)["address"])
        )

    def _delete_item(self, call: Call) -> Answer:
        match = _ITEM.fullmatch(call.path)
        if match and self.store.delete_item(int(match[1])):
            return Answer(204, updated=1)
        return drf.detail(404, call, "Not found.")

    # Lists

    def _list(self, call: Call) -> Answer:
        query = call.query
        after = query.get("created_after") if self._settings.external_created_after == "heeded" else None
        try:
            after_s = float(after) if after else None
        except ValueError:
            after_s = math.nan
        if after_s is not None and not math.isfinite(after_s):
            return json_answer(400, {"created_after": [drf.in_language(call, "Enter a number.")]})
        first, last = self.store.between(after_s, is_inclusive=self._settings.created_after == "inclusive")
        descending = query.get("ordering") in {"-created_at", "-order_id"}
        wanted = frozenset(query["status"].split(",")) if query.get("status") else None
        if wanted is not None or query.get("search"):
            rows = self._found(query.get("search"), wanted, first, last)
            return self._page(call, rows[::-1] if descending else rows, len(rows))
        return self._page(call, None, last - first, first=first, descending=descending)

    def _found(
        self, search: str | None, wanted: frozenset[str] | None, first: int, last: int
    ) -> list[ExternalRow]:
        if search:
            one = self.store.get(whole_number(search) or 0)
            by_id = {row.order_id: row for row in (one, *self.store.with_rrn(search)) if row is not None}
            rows = [by_id[order_id] for order_id in sorted(by_id)]
        else:
            rows = self.store.rows[first:last]
        return [row for row in rows if wanted is None or row.statuses & wanted]

    def _page(
        self,
        call: Call,
        rows: list[ExternalRow] | None,
        total: int,
        *,
        first: int = 0,
        descending: bool = False,
    ) -> Answer:
        at = slice_of(call, total, self._settings.external_paging, most=self._settings.external_max_size)
        if at is None:
            return drf.detail(404, call, "Invalid page.")
        if rows is not None:
            rows = rows[at.begin : at.end]
        elif descending:
            rows = self.store.rows[first + total - at.end : first + total - at.begin]
            rows.reverse()
        else:
            rows = self.store.rows[first + at.begin : first + at.end]
        body = b"".join((b"[", b",".join([row.encoded for row in rows]), b"]"))
        return page_answer(
            call, body, total=total, at=at, is_envelope=self._settings.external_list == "envelope"
        )

    # Writing

    def _upsert(self, call: Call) -> Answer:
        items, problem = parsed_json(call.body)
        if problem is not None:
            return drf.detail(400, call, f"JSON parse error - {problem}")
        if not isinstance(items, list):
            message = f'Expected a list of items but got type "{type(items).__name__}".'
            return json_answer(400, {"non_field_errors": [message]})
        if not self._is_underscored:
            items = heard(items)
        errors = {index: found for index, item in enumerate(items) if (found := self._check.errors(item))}
        if not errors:
            return self._stored(items)
        refusal = drf.item_errors(_translated(call, errors), count=len(items), shape=self._settings.drf)
        good = [item for index, item in enumerate(items) if index not in errors]
        if call.leniency is None or not good:
            return refusal
        call.leniency_used = True
        answer = self._stored(good)
        if call.leniency == "not-atomic":
            refusal.created, refusal.updated = answer.created, answer.updated
            return refusal
        stored = iter(orjson.loads(answer.body))
        answer.body = orjson.dumps(
            [{"errors": errors[i]} if i in errors else next(stored) for i in range(len(items))]
        )
        return answer

    def _stored(self, items: list[Any]) -> Answer:
        """Write checked items in their order, and answer with the rows as they stand after each."""
        out, created = [], 0
        for item in items:
            fields, ignored = known_fields(item)
            if item.get("order_id") is None:
                created += 1
                out.append(self.store.create(fields, ignored=ignored).encoded)
            else:
                out.append(self.store.update(item["order_id"], fields, ignored=ignored).encoded)
        body = b"".join((b"[", b",".join(out), b"]"))
        return Answer(201 if created else 200, body, created=created, updated=len(items) - created)


def _translated(call: Call, errors: dict[int, Json]) -> dict[int, Json]:
    return {index: _in_language(call, error) for index, error in errors.items()}


def _in_language(call: Call, value: Any) -> Any:
    if isinstance(value, str):
        return drf.in_language(call, value)
    if isinstance(value, list):
        return [_in_language(call, item) for item in value]
    return {name: _in_language(call, item) for name, item in value.items()}
