"""The products of a MerchantPro shop: its own list, and those that its orders name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bulkmove.connectors.asking import paths_of
from bulkmove.connectors.calls import request_of
from bulkmove.connectors.json_text import as_object, as_text
from bulkmove.connectors.merchantpro.answers import failure_of, page_of
from bulkmove.connectors.merchantpro.names import HEADERS, ID, MOST_A_PAGE, PATHS
from bulkmove.connectors.merchantpro.operations import OPERATIONS
from bulkmove.errors import BadAnswerError, ConfigError
from bulkmove.exact import decode_json
from bulkmove.model import JsonObject, Listing, Page, PageQuery, Record
from bulkmove.protocols import Transport

# All that a derived product needs of its order.
FIELDS_OF_ORDERED = ("line_items",)

_LISTING = Listing(reading="passes", page_limit=MOST_A_PAGE)
_INCLUDED = "variants,images"


class ProductSource:
    """`GET /api/v2/products` (unconfirmed: reported by public clients), in pages as orders are.

    Neither a sort nor a filter of it is known, so records have no key; variants and images are asked for.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._path = paths_of(transport.host, PATHS)["products"]

    @property
    def listing(self) -> Listing:
        return _LISTING

    async def fetch(self, query: PageQuery) -> Page:
        """One page. Raises ConfigError for a wrong path, BadAnswerError for anything but a list."""
        params = {"include": _INCLUDED, "start": str(query.offset), "limit": str(query.limit)}
        response = await self._transport.send(
            request_of(OPERATIONS["list-products"], self._path, params, headers=HEADERS, decode=decode_json)
        )
        host = self._transport.host.name
        where = f"{host}: GET {self._path}"
        if response.status == 404:
            raise ConfigError(
                f"{where} is not there (404): no document shows this path; set hosts.{host}.paths.products, "
                f"or read {host}.ordered-products, the products that orders name"
            )
        page = page_of(response, _product) if response.is_success else None
        if page is None:
            failure = failure_of(response)
            said = f": {failure.name} {failure.message}".rstrip(" :")
            raise BadAnswerError(
                f"{where} answered {response.status} without a list of products{said}; "
                f"check hosts.{host}.url and hosts.{host}.paths.products"
            )
        return page


def _product(row: Any) -> Record:
    row = as_object(row)
    return Record(id=as_text(row.get(ID)), key=None, version=None, data=row)


def ordered_products(order: Record) -> Sequence[Record]:
    """The products of an order's lines, each once; a line without `product_id` (a fee, a discount) names none.

    A product is one row whatever its variants, and is known by `product_id`. `sku` is the product's own
    (`family_sku`) where the line is of a variant; `ean` then belongs to the variant that `variant_id` names, which
    is the one that was read first.
    """
    lines = order.data.get("line_items")
    found: dict[str, Record] = {}
    for line in lines if isinstance(lines, list) else ():
        row = _ordered(line) if isinstance(line, dict) else None
        if row is not None:
            row_id = str(as_text(row[ID]))
            found.setdefault(row_id, Record(id=row_id, key=None, version=None, data=row))
    return list(found.values())


def _ordered(line: JsonObject) -> JsonObject | None:
    product_id, variant_id = line.get("product_id"), line.get("variant_id")
    # Numbers that name nothing are 0 in the documented lines, as manufacturer_id is.
    if not product_id or as_text(product_id) is None:
        return None
    row = {
        ID: product_id,
        "sku": line.get("product_sku"),
        "ean": line.get("product_ean"),
        "name": line.get("product_name"),
        "url": line.get("product_url"),
        "image": line.get("product_image_url"),
        "category_id": line.get("category_id"),
        "category": line.get("category_name"),
    }
    if variant_id:
        row["sku"] = line.get("family_sku") or row["sku"]
        row["variant_id"] = variant_id
    return row
