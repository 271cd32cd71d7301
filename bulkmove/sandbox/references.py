"""The look-up lists of the external-order API: shops, regions, localities, sectors, products and promo codes.

Names follow Accept-Language: ids are what a client may hold on to.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import orjson

from bulkmove.sandbox import drf
from bulkmove.sandbox.calls import Answer, Call, Json
from bulkmove.sandbox.external_pages import page_answer, slice_of
from bulkmove.sandbox.places import Places
from bulkmove.sandbox.products import Catalogue, Product
from bulkmove.sandbox.settings import SandboxSettings

_KINDS = {
    "/external/shop/": "shop",
    "/external/region/": "region",
    "/external/locality/": "locality",
    "/external/sector/": "sector",
    "/external/product/": "product",
    "/external/promo-code/": "promo-code",
}
_FILTERS = {"shop": "group", "locality": "region_id", "sector": "locality_id"}


class References:
    """Rows that orders point to by id. All are paged in an envelope; as bare arrays only products are."""

    def __init__(self, settings: SandboxSettings, places: Places, catalogue: Catalogue) -> None:
        self._is_envelope = settings.external_list == "envelope"
        self._paging = settings.external_paging
        self._catalogue = catalogue
        self._lists: dict[str, Sequence[Json]] = {
            "shop": places.shops,
            "region": places.regions,
            "locality": places.localities,
            "sector": places.sectors,
            "promo-code": places.promo_codes,
        }
        self._by_key: dict[str, list[Product]] = {}
        for product in catalogue.products:
            for key in (str(product.new_id), product.sku, product.ean):
                if key:
                    self._by_key.setdefault(key.casefold(), []).append(product)

    def kind(self, path: str) -> str | None:
        return _KINDS.get(path)

    def ids(self) -> dict[str, frozenset[int]]:
        """The ids that exist, by the field of an order that holds them."""
        return {
            "shop": frozenset(row["id"] for row in self._lists["shop"]),
            "promo_code": frozenset(row["id"] for row in self._lists["promo-code"]),
            "region_id": frozenset(row["id"] for row in self._lists["region"]),
            "locality_id": frozenset(row["id"] for row in self._lists["locality"]),
            "sector": frozenset(row["id"] for row in self._lists["sector"]),
            "product": frozenset(product.new_id for product in self._catalogue.products),
        }

    def answer(self, call: Call, kind: str) -> Answer:
        rows = self._products(call.query.get("search", "")) if kind == "product" else self._rows(call, kind)
        if not self._is_envelope and kind != "product":
            return Answer(200, orjson.dumps(rows))
        at = slice_of(call, len(rows), self._paging)
        if at is None:
            return drf.detail(404, call, "Invalid page.")
        body = orjson.dumps(rows[at.begin : at.end])
        return page_answer(call, body, total=len(rows), at=at, is_envelope=self._is_envelope)

    def _rows(self, call: Call, kind: str) -> list[Json]:
        name = _FILTERS.get(kind, "")
        wanted = call.query.get(name)
        rows = [row for row in self._lists[kind] if wanted is None or str(row[name]) == wanted]
        if kind == "region" and not call.headers.get("Accept-Language", "").lower().startswith("ro"):
            return [row | {"name": f"{row['name']} County"} for row in rows]
        return rows

    def _products(self, search: str) -> list[Json]:
        if not search:
            return _product_rows(self._catalogue.products)
        sought = search.casefold()
        if exact := self._by_key.get(sought):
            return _product_rows(exact)
        return _product_rows(
            product
            for product in self._catalogue.products
            if sought in product.name.casefold() or sought in (product.sku or "").casefold()
        )


def _product_rows(products: Iterable[Product]) -> list[Json]:
    """As the target lists them: `code` is the old shop's sku, `barcode` its ean."""
    return [
        {"id": product.new_id, "code": product.sku, "barcode": product.ean, "name": product.name}
        for product in products
    ]
