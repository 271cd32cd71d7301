"""The names of MerchantPro's API v2: paths, filters, statuses, handlers and limits, each with its source."""

from __future__ import annotations

from types import MappingProxyType
from typing import get_args

from bulkmove.connectors.merchantpro.types import Handler, OrderBody
from bulkmove.settings import Window

PATHS = MappingProxyType({
    "orders": "/api/v2/orders",  # documented
    "order": "/api/v2/orders/{id}",  # documented
    "handler": "/api/v2/orders/{id}/{handler}",  # documented
    "products": "/api/v2/products",  # reported by public clients
})  # fmt: skip
UNCONFIRMED = frozenset({"products"})

# Documented: "the maximum number of records per page cannot exceed 100".
MOST_A_PAGE = 100

# Documented, 16; the document's table writes `ids` as IFS. Any other is refused as `undefined_filter` (reported
# by public clients).
FILTERS = frozenset({
    "id", "ids", "payment_status", "payment_substatus_id", "payment_method_code", "payment_transaction_id",
    "shipping_status", "shipping_substatus_id", "shipping_method_id", "shipping_awb", "customer_id",
    "customer_email", "created_after", "created_before", "tag_name", "tag_ids",
})  # fmt: skip

# Documented; the document's table writes `date_created` as data_created.
SORTS = ("date_created", "date_created.desc")

HANDLERS: tuple[str, ...] = get_args(Handler)
CREATE_INVOICE = "create_invoice"

ID = "id"
# "External order identifier" (documented). That a POST keeps it is unconfirmed.
NATURAL_KEY = "channel_ref_id"
# Which fields can be written is not documented: the marks of its table are lost.
WRITABLE_FIELDS = frozenset({ID, *OrderBody.__optional_keys__, *OrderBody.__required_keys__})

# Not in the document; public clients report these limits, all of them holding at once.
WINDOWS = (Window(4, 1.0), Window(80, 60.0), Window(3600, 3600.0), Window(60_000, 86_400.0))

HEADERS = MappingProxyType({"Accept": "application/json"})
WRITE_HEADERS = MappingProxyType({**HEADERS, "Content-Type": "application/json"})

# As a part of a path these name another place.
NO_IDS = frozenset({"", ".", ".."})
