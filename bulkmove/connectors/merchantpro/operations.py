"""MerchantPro's calls, one description each: for the typed methods, `bulkmove call`, and the streams."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import get_args

from bulkmove.connectors.merchantpro.names import HANDLERS, SORTS
from bulkmove.connectors.merchantpro.types import PaymentStatus, ShippingStatus
from bulkmove.model import Operation, Parameter

_ORDER_ID = Parameter("id", "the order's id", is_in_path=True, is_required=True)
_FIELDS = Parameter("fields", "the only fields to send, with commas; id always comes")
_INCLUDE = Parameter("include", "fields that do not come by themselves, with commas: line_items, tags")
_START = Parameter("start", "how many rows to pass over (default 0)")
_LIMIT = Parameter("limit", "rows a page (default 100, at most 100)")
_FILTERS = (
    Parameter("id", "one order by its id"),
    Parameter("ids", "several orders by their ids, with commas"),
    Parameter("payment_status", choices=get_args(PaymentStatus)),
    Parameter("payment_substatus_id"),
    Parameter("payment_method_code", "as cash_delivery"),
    Parameter("payment_transaction_id", "the payment's reference"),
    Parameter("shipping_status", choices=get_args(ShippingStatus)),
    Parameter("shipping_substatus_id"),
    Parameter("shipping_method_id"),
    Parameter("shipping_awb", "the courier's number"),
    Parameter("customer_id"),
    Parameter("customer_email"),
    Parameter("created_after", "ISO 8601; whether that moment counts is not documented"),
    Parameter("created_before", "ISO 8601; whether that moment counts is not documented"),
    Parameter("tag_name"),
    Parameter("tag_ids", "with commas"),
)

_ALL = (
    Operation(
        name="list-orders",
        summary="orders, filtered and sorted",
        method="GET",
        path="orders",
        parameters=(
            *_FILTERS,
            _FIELDS,
            _INCLUDE,
            Parameter("sort", "by the date of creation", choices=SORTS),
            _START,
            _LIMIT,
        ),
        is_repeatable=True,
    ),
    Operation(
        name="get-order",
        summary="one order",
        method="GET",
        path="order",
        parameters=(_ORDER_ID, _FIELDS),
        is_repeatable=True,
    ),
    Operation(name="create-order", summary="add an order", method="POST", path="orders", body="object"),
    Operation(
        name="change-order",
        summary="set fields of an order; line_items must carry all lines or be left out",
        method="PATCH",
        path="order",
        parameters=(_ORDER_ID,),
        body="object",
        is_repeatable=True,
    ),
    # A status could be set twice, but the customer may get a message each time; an invoice could be made twice.
    Operation(
        name="process-order",
        summary="set the delivery status, or make the invoice",
        method="PATCH",
        path="handler",
        parameters=(
            _ORDER_ID,
            Parameter("handler", "what to do", is_in_path=True, is_required=True, choices=HANDLERS),
        ),
    ),
    Operation(
        name="delete-order",
        summary="delete an order with all that belongs to it",
        method="DELETE",
        path="order",
        parameters=(_ORDER_ID,),
        is_repeatable=True,
    ),
    Operation(
        name="list-products",
        summary="products of the shop",
        method="GET",
        path="products",
        parameters=(
            Parameter("include", "fields that do not come by themselves, with commas: variants, images"),
            _START,
            _LIMIT,
        ),
        is_repeatable=True,
    ),
)

OPERATIONS: Mapping[str, Operation] = MappingProxyType({each.name: each for each in _ALL})
