"""Orders and what is done to them in the one form in which what was written equals what is read back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bulkmove.connectors.dates import epoch_seconds
from bulkmove.connectors.json_text import normal_number
from bulkmove.connectors.merchantpro.names import CREATE_INVOICE
from bulkmove.model import JsonObject

# What the shop makes of other fields, or notes by itself: the documented answer to a creation shows the country's
# name respelled, the total added up, and texts for the statuses.
HOSTS_OWN = frozenset({
    "id", "payment_status_text", "payment_substatus_text", "payment_method_name", "shipping_status_text",
    "shipping_substatus_text", "shipping_method_name", "shipping_tax_amount", "total_amount", "billing_country_name",
    "shipping_country_name", "customer_ip_country", "date_modified", "created_by", "invoice", "info_url",
    "proforma_url",
})  # fmt: skip
# Sent with the documented creation, absent from its answer.
_LINES_OWN = frozenset({"item_type", "variant_name", "variant_options"})
_DATES = frozenset({"date_created", "date_shipped", "date_delivered"})
_EMPTY: tuple[Any, ...] = ("", [], {})


def comparable_order(row: JsonObject) -> JsonObject:
    """An order without what the shop adds by itself; tags by their names, dates as seconds, numbers in one form."""
    return {name: _comparable(name, value) for name, value in row.items() if name not in HOSTS_OWN}


def comparable_processing(row: JsonObject) -> JsonObject:
    """A body `{handler}` as what it brings about, and an order as what shows it.

    The five handlers set `shipping_status`. An invoice that was cancelled is none. A row that shows no `invoice` at
    all says nothing of it.
    """
    if "handler" in row:
        handler = row["handler"]
        return {"invoice": True} if handler == CREATE_INVOICE else {"shipping_status": handler}
    shown: JsonObject = {}
    if "shipping_status" in row:
        shown["shipping_status"] = row["shipping_status"]
    if "invoice" in row:
        shown["invoice"] = _is_valid(row["invoice"])
    return shown


def _is_valid(invoice: Any) -> bool:
    return bool(invoice) and not (isinstance(invoice, Mapping) and invoice.get("cancelled"))


def _comparable(name: str, value: Any) -> Any:
    if name == "tags" and isinstance(value, list):
        names = [tag.get("name") if isinstance(tag, dict) else tag for tag in value]
        return sorted(map(str, names)) or None
    if name == "line_items" and isinstance(value, list):
        return [_line(line) for line in value]
    if name in _DATES and isinstance(value, str):
        return _second(value)
    # The document's table has `canceled`, its examples `cancelled`.
    return "cancelled" if name == "payment_status" and value == "canceled" else _plain(value)


def _line(line: Any) -> Any:
    if not isinstance(line, dict):
        return line
    return {name: _plain(value) for name, value in line.items() if name not in _LINES_OWN}


def _second(text: str) -> Any:
    try:
        key = epoch_seconds(text, None)
    except LookupError:
        return text
    return text or None if key is None else key


def _plain(value: Any) -> Any:
    """Numbers and their texts alike; what is empty is nothing (an empty object comes as a list, a text as null)."""
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()} or None
    if isinstance(value, list):
        return [_plain(inner) for inner in value] or None
    return None if value in _EMPTY else normal_number(value)
