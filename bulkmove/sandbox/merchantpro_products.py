"""A product as the shop that is left lists it; no document covers the list, public clients report its fields."""

from __future__ import annotations

import random
from collections.abc import Collection

from bulkmove.sandbox.calls import Json
from bulkmove.sandbox.products import Product

_VAT = 1.19


def product_row(product: Product, included: Collection[str]) -> Json:
    """The same row each time. `variants` and `images` come where they are included."""
    rng = random.Random(f"shop product {product.old_id}")
    row: Json = {
        "id": product.old_id,
        "type": "multi_variant" if product.has_variants else "basic",
        "sku": product.sku,
        "ext_ref": f"{product.old_id:07}" if rng.random() < 0.2 else None,
        "ean": product.ean,
        "name": product.name,
        "status": "active" if rng.random() < 0.9 else "inactive",
        "price_net": round(product.price / _VAT, 2),
        "price_gross": product.price,
        "stock": rng.choice((0, 1, 3, 12, 250)),
        "category_id": product.category + 1,
    }
    if "images" in included:
        row["images"] = [{"url": product.image_url}]
    if "variants" in included:
        row["variants"] = [_variant(product, size) for size in product.sizes] if product.has_variants else []
    return row


def _variant(product: Product, size: str) -> Json:
    return {
        "id": product.variant_id(size),
        "sku": product.sku and f"{product.sku} {size}",
        "ean": None,
        "name": f"Mărime: {size}",
        "price_gross": product.price,
    }
