"""The fields of Robosize's rows: those that are written, those that never come back, and the forms that compare."""

from __future__ import annotations

from typing import Any

from bulkmove.connectors.json_text import as_text
from bulkmove.model import JsonObject

# The documents show pages of 50 by default. The longest page is not published, and a longer one may be cut to it
# without a word.
MOST_A_PAGE = 200

# Nothing is published of how many ids one PATCH of products takes.
IDS_IN_ONE_PATCH = 500

ID = "id"
NATURAL_KEY = "store_id"
DEVICE = "device_id"

ORDER_FIELDS = frozenset({ID, NATURAL_KEY, DEVICE, "data"})

# Documented for POST and PATCH. A field that is documented in rows alone could be passed over without a word.
PRODUCT_FIELDS = frozenset({ID, "name", NATURAL_KEY, "tags", "image_url", "type"})
# Documented for writing, absent from the documented row.
PRODUCT_NEVER_RETURNED = frozenset({"image_url", "type"})


def comparable_order(row: JsonObject) -> JsonObject:
    """`store_id` as text and `data`: all of an order that is written and comes back."""
    plain: JsonObject = {}
    if row.get(NATURAL_KEY) is not None:
        plain[NATURAL_KEY] = as_text(row[NATURAL_KEY])
    if "data" in row:
        plain["data"] = row["data"]
    return plain


def comparable_product(row: JsonObject) -> JsonObject:
    """A product's fields but for its id and those that never come back; tags as texts, as they are written.

    Tags are objects on reading and texts on writing (documented). Unknown fields are kept.
    """
    plain = {name: value for name, value in row.items() if name != ID and name not in PRODUCT_NEVER_RETURNED}
    if plain.get(NATURAL_KEY) is not None:
        plain[NATURAL_KEY] = as_text(plain[NATURAL_KEY])
    if isinstance(plain.get("tags"), list):
        plain["tags"] = [_tag(tag) for tag in plain["tags"]]
    return plain


def _tag(tag: Any) -> Any:
    return tag["name"] if isinstance(tag, dict) and "name" in tag else tag
