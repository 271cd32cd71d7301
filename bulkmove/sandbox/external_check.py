"""Checks an external order as a serializer would: types, lengths, choices, and what must be there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bulkmove.sandbox.calls import Json
from bulkmove.sandbox.external_store import ExternalStore

# All 17, as the document lists them (its scrape lost the underscores).
ORDER_STATUSES = frozenset({
    "new", "confirmed", "canceled", "done", "in_collection", "collected_with_changes",
    "to_be_returned_in_two_days", "collected", "completed_and_closed", "returned_to_warehouse",
    "changed_and_closed", "at_courier_sort_center", "on_delivery", "delivery_date_moved", "client_no_answer",
    "recipient_not_at_home", "customer_refusal",
})  # fmt: skip
_LONGEST_TEXT = 255

_REQUIRED = "This field is required."
_NOT_NULL = "This field may not be null."


def _integer(value: Any) -> str | None:
    return None if type(value) is int else "A valid integer is required."


def _number(value: Any) -> str | None:
    if type(value) in {int, float}:
        return None
    try:
        float(value if isinstance(value, str) else "")
    except ValueError:
        return "A valid number is required."
    return None


def _text(value: Any) -> str | None:
    if not isinstance(value, str):
        return "Not a valid string."
    return "Ensure this field has no more than 255 characters." if len(value) > _LONGEST_TEXT else None


def _text_or_integer(value: Any) -> str | None:
    return None if type(value) is int else _text(value)


def _status(value: Any) -> str | None:
    known = isinstance(value, str) and value in ORDER_STATUSES
    return None if known else f'"{value}" is not a valid choice.'


def _any(_: Any) -> str | None:
    return None


@dataclass(frozen=True, slots=True)
class _Field:
    check: Callable[[Any], str | None]
    is_required: bool = False
    may_be_null: bool = True
    reference: str | None = None


ORDER_FIELDS: Mapping[str, _Field] = {
    "order_id": _Field(_integer),
    "rrn": _Field(_text),
    "shop": _Field(_integer, reference="shop"),
    "promo_code": _Field(_integer, reference="promo_code"),
    "order_items": _Field(_any, may_be_null=False),
    "address": _Field(_any),
}
ITEM_FIELDS: Mapping[str, _Field] = {
    "order_id": _Field(_integer),
    "order_status": _Field(_status, may_be_null=False),
    "loyalty_price": _Field(_number),
    "quantity": _Field(_integer, may_be_null=False),
    "product": _Field(_integer, is_required=True, may_be_null=False, reference="product"),
}
ADDRESS_FIELDS: Mapping[str, _Field] = {
    "address_id": _Field(_integer),
    "address_ru": _Field(_text),
    "zip_code": _Field(_text_or_integer),
    "region_id": _Field(_integer, reference="region_id"),
    "locality_id": _Field(_integer, reference="locality_id"),
    "sector": _Field(_integer, reference="sector"),
}


class OrderCheck:
    """Checks one item of a POST. `references` gives the ids that exist, by field; without it any integer will do."""

    def __init__(self, store: ExternalStore, references: Mapping[str, frozenset[int]] | None) -> None:
        self._store = store
        self._references = references

    def errors(self, item: Any) -> Json:
        """Messages by field, nested as the fields are; empty where the item is good."""
        if not isinstance(item, dict):
            return _no_object(item)
        errors = self._fields(ORDER_FIELDS, item)
        order_id = item.get("order_id")
        if order_id is None:
            if "order_items" not in item:
                errors["order_items"] = [_REQUIRED]
        elif "order_id" not in errors and self._store.get(order_id) is None:
            errors["order_id"] = [f'Invalid pk "{order_id}" - object does not exist.']
        if "order_items" in item and "order_items" not in errors:
            lines = self._lines(item["order_items"], None if errors.get("order_id") else order_id)
            errors |= {"order_items": lines} if lines else {}
        if item.get("address") is not None:
            address = item["address"]
            found = (
                self._fields(ADDRESS_FIELDS, address) if isinstance(address, dict) else _no_object(address)
            )
            errors |= {"address": found} if found else {}
        return errors

    def _lines(self, lines: Any, order_id: int | None) -> Any:
        if not isinstance(lines, list):
            return {"non_field_errors": [f'Expected a list of items but got type "{type(lines).__name__}".']}
        if not lines:
            return {"non_field_errors": ["This list may not be empty."]}
        found = [self._line(line, order_id) for line in lines]
        return found if any(found) else None

    def _line(self, line: Any, order_id: int | None) -> Json:
        if not isinstance(line, dict):
            return _no_object(line)
        errors = self._fields(ITEM_FIELDS, line)
        item_id = line.get("order_id")
        if item_id is None or "order_id" in errors:
            return errors
        # A known item keeps its product; an item of another order can't be taken over.
        if order_id is None or not self._store.has_item(order_id, item_id):
            errors["order_id"] = [f'Invalid pk "{item_id}" - object does not exist.']
        elif "product" not in line:
            errors.pop("product", None)
        return errors

    def _fields(self, fields: Mapping[str, _Field], values: Json) -> Json:
        errors: Json = {}
        for name, field in fields.items():
            if name not in values:
                if field.is_required:
                    errors[name] = [_REQUIRED]
                continue
            value = values[name]
            if value is None:
                if not field.may_be_null:
                    errors[name] = [_NOT_NULL]
            elif (message := field.check(value)) is not None:
                errors[name] = [message]
            elif field.reference and self._references and value not in self._references[field.reference]:
                errors[name] = [f'Invalid pk "{value}" - object does not exist.']
        return errors


def known_fields(item: Json) -> tuple[Json, tuple[str, ...]]:
    """What of a checked order is kept, and the sorted keys of the rest, nested ones with their path.

    Unknown keys are dropped without a word, as serializers do.
    """
    lines, address = item.get("order_items") or (), item.get("address") or {}
    unknown = [name for name in item if name not in ORDER_FIELDS]
    unknown += {f"order_items.{name}" for line in lines for name in line if name not in ITEM_FIELDS}
    unknown += [f"address.{name}" for name in address if name not in ADDRESS_FIELDS]
    if not unknown:
        return item, ()
    kept = {name: value for name, value in item.items() if name in ORDER_FIELDS}
    if lines:
        kept["order_items"] = [{k: v for k, v in line.items() if k in ITEM_FIELDS} for line in lines]
    if address:
        kept["address"] = {k: v for k, v in address.items() if k in ADDRESS_FIELDS}
    return kept, tuple(sorted(unknown))


def _no_object(value: Any) -> Json:
    return {"non_field_errors": [f"Invalid data. Expected a dictionary, but got {type(value).__name__}."]}
