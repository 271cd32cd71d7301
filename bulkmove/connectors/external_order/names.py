"""Names and sizes of the external-order API of an ECOM.md shop: paths, fields, filters, headers.

Its document lost underscores and most addresses when it was published on the web; names stand here restored. It
shows no answer at all: what is said here of answers is unconfirmed, unless public clients show it.
"""

from __future__ import annotations

# `orders` is documented. `order` (without a slash at the end) and `stores` are shown by public clients, so is that
# products are a list; the document tells of all others without their addresses.
PATHS = {
    "orders": "/external/external-order/",
    "order": "/external/external-order/{id}",
    "order-search": "/external/external-order/",
    "address": "/external/external-order/{id}/address/",
    "order-item": "/external/external-order/order-item/{id}/",
    "stores": "/external/shop/",
    "group-stores": "/external/shop/",
    "regions": "/external/region/",
    "localities": "/external/locality/",
    "sectors": "/external/sector/",
    "products": "/external/product/",
    "promo-codes": "/external/promo-code/",
}
UNCONFIRMED = frozenset(PATHS.keys() - {"orders"})

# Documented: `created_after` in unix seconds, `status` a list with commas.
FILTERS = frozenset({"created_after", "status"})

# Shown by public clients: `page_size` up to 5000. A thousand orders are some megabytes, which is enough.
MOST_A_PAGE = 1000

# Documented: the body takes an array; how long it may be is not published.
ARRAY_LENGTH = 100
LONGEST_ARRAY = 1000

ID = "order_id"
NATURAL_KEY = "rrn"
ITEMS = "order_items"
ADDRESS = "address"
ADDRESS_ID = "address_id"
STATUS = "order_status"
CREATED_AT = "created_at"

# Documented.
WRITABLE_FIELDS = frozenset({ID, NATURAL_KEY, "shop", "promo_code", ITEMS, ADDRESS})

# The id of a line as the target of a deletion. Within an order the document calls it `order_id`, as it calls the
# order's own id: under another name, the id of an order is never taken for that of a line.
ITEM_ID = "id"
