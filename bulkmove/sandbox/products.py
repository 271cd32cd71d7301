"""The products: their numbers in the old and the new shop, and their rows at the sizing service."""

from __future__ import annotations

import random
from dataclasses import dataclass

from bulkmove.sandbox.calls import Json
from bulkmove.sandbox.words import ADJECTIVES, BRANDS, CATEGORIES, COLOURS, NOUNS, SIZES, TAGS

FIRST_NEW_ID = 104392

# Orders need something to be about, also where the product lists are to be empty.
_FEWEST = 40


@dataclass(frozen=True, slots=True)
class Product:
    """One product; `old_id` is its number in the shop that is left, `new_id` in the one that is moved to."""

    old_id: int
    new_id: int
    name: str
    sku: str | None
    ean: str | None
    price: float
    brand: str | None
    colour: str
    sizes: tuple[str, ...]
    category: int

    @property
    def has_variants(self) -> bool:
        return len(self.sizes) > 1

    def variant_id(self, size: str) -> int:
        """The old shop's number of one size."""
        return 10_000_000 + self.old_id * 20 + self.sizes.index(size)

    @property
    def image_url(self) -> str:
        return f"https://cdn.demo.example/204992628/p/l/7/produs-{self.old_id}~1057.jpg"


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All products by rising old number, and how many of them the lists show."""

    products: tuple[Product, ...]
    listed: int
    ids_missing: int

    @property
    def shown(self) -> tuple[Product, ...]:
        return self.products[: self.listed]

    def ids_csv(self) -> bytes:
        """The table `old,new`; the last `ids_missing` products are not in it."""
        last = max(len(self.products) - self.ids_missing, 0)
        return "".join(["old,new\n", *(f"{p.old_id},{p.new_id}\n" for p in self.products[:last])]).encode()


def make_catalogue(*, seed: int, count: int, ids_missing: int) -> Catalogue:
    """`count` products, or the fewest that orders need; the order of the new numbers says nothing about the old."""
    rng = random.Random(f"products {seed}")
    size = max(count, _FEWEST)
    new_ids = list(range(FIRST_NEW_ID, FIRST_NEW_ID + size))
    rng.shuffle(new_ids)
    products = []
    old_id = 40
    for new_id in new_ids:
        old_id += rng.randint(1, 9)
        products.append(_product(rng, old_id=old_id, new_id=new_id))
    return Catalogue(products=tuple(products), listed=count, ids_missing=ids_missing)


def _product(rng: random.Random, *, old_id: int, new_id: int) -> Product:
    colour = rng.choice(COLOURS)
    first = rng.randrange(len(SIZES) - 3)
    return Product(
        old_id=old_id,
        new_id=new_id,
        name=f"{rng.choice(NOUNS)} {rng.choice(ADJECTIVES)} {colour} {old_id}",
        sku=None
        if rng.random() < 0.06
        else f"{rng.choice('ABDJV')}{rng.randint(1, 99):02}-{old_id} {colour[:3]}",
        ean=None if rng.random() < 0.2 else str(rng.randrange(10**12, 10**13)),
        price=round(rng.lognormvariate(4.8, 0.7), 2),
        brand=rng.choice(BRANDS),
        colour=colour,
        sizes=SIZES[first : first + rng.randint(1, 4)],
        category=rng.randrange(len(CATEGORIES)),
    )


def sizing_row(product: Product, *, number: int, rng: random.Random) -> Json:
    """A product as the sizing service lists it: tags are objects, `store_id` is the old shop's number as text."""
    slug = f"produs-{product.old_id}"
    return {
        "id": str(number),
        "store_id": str(product.old_id),
        "name": product.name,
        "status": "active" if rng.random() < 0.93 else "draft",
        "brand": product.brand,
        "tags": [{"name": tag} for tag in rng.sample(TAGS, rng.choice((0, 1, 1, 2, 3)))],
        "fit_toughness": rng.choice((1, 3, 5, 5, 5, 8, None)),
        "comment": "verificat 👍 cu croitoria" if rng.random() < 0.1 else None,
        "image_md": f"https://img.robosize.example/{number}/md.jpg" if rng.random() < 0.95 else None,
        "available_sizes": ",".join(product.sizes),
        "size_chart": _size_chart(product, rng) if rng.random() < 0.8 else {},
        "fabric": rng.choice(({}, {"bumbac": 100}, {"in": 55, "vâscoză": 45}, {"stretch": 0.2})),
        "handle": slug if rng.random() < 0.97 else None,
    }


def _size_chart(product: Product, rng: random.Random) -> Json:
    return {
        size: {"piept": 80 + 4 * step + rng.randint(0, 2), "talie": 62.5 + 4 * step}
        for step, size in enumerate(product.sizes)
    }
