"""Everything that a sandbox holds: the four lists, made from its settings, and the APIs that serve them."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from bulkmove.sandbox.calls import Api
from bulkmove.sandbox.external_order import ExternalOrder
from bulkmove.sandbox.external_store import ExternalStore
from bulkmove.sandbox.generate import MOST_BASES, make_bases
from bulkmove.sandbox.merchantpro import MerchantPro
from bulkmove.sandbox.order_store import OrderStore
from bulkmove.sandbox.places import make_places
from bulkmove.sandbox.prefill import Prefill, prefill_external, prefill_robosize
from bulkmove.sandbox.products import Catalogue, make_catalogue, sizing_row
from bulkmove.sandbox.references import References
from bulkmove.sandbox.robosize import Robosize
from bulkmove.sandbox.robosize_store import RowStore
from bulkmove.sandbox.settings import SandboxSettings
from bulkmove.sandbox.templates import TemplatePool

# An order that is inserted while the sandbox runs stands on a base, also where there were none to begin with.
_FEWEST_BASES = 16


@dataclass(frozen=True, slots=True)
class World:
    """The stores by what they hold, and the APIs by name."""

    orders: OrderStore
    external_orders: ExternalStore
    robosize_orders: RowStore
    robosize_products: RowStore
    catalogue: Catalogue
    apis: dict[str, Api]


def make_world(settings: SandboxSettings, *, now: Callable[[], float]) -> World:
    """Generate all data. The same settings give the same bytes; `now` gives epoch seconds for what is written later."""
    seed = settings.seed
    catalogue = make_catalogue(seed=seed, count=settings.products, ids_missing=settings.ids_missing)
    bases = make_bases(
        seed=seed,
        count=min(max(settings.orders, _FEWEST_BASES), MOST_BASES),
        products=catalogue.products,
        fractional=settings.fractional,
    )
    orders = OrderStore(
        TemplatePool(bases),
        seed=seed,
        count=settings.orders,
        undated=settings.undated,
        stable_ties=settings.stable_ties,
        now=now,
        dates=settings.dates,
    )
    external = ExternalStore(
        created_at=settings.created_at, items_on_update=settings.items_on_update, now=now
    )
    sizing_orders = RowStore(order=settings.robosize_order, first_id=1)
    sizing_products = _sizing_products(settings, catalogue)
    matching = [str(orders.order(row)["id"]) for row in orders.rows_by_date(0, settings.targets_matching)]
    prefill = Prefill(
        seed=seed,
        foreign=settings.targets_existing,
        matching=matching,
        doubled=settings.targets_doubled,
        products=catalogue.products,
    )
    prefill_external(external, prefill)
    prefill_robosize(sizing_orders, prefill)
    apis: list[Api] = [
        MerchantPro(settings, orders, catalogue),
        ExternalOrder(settings, external, References(settings, make_places(), catalogue)),
        Robosize(settings, sizing_orders, sizing_products),
    ]
    return World(
        orders=orders,
        external_orders=external,
        robosize_orders=sizing_orders,
        robosize_products=sizing_products,
        catalogue=catalogue,
        apis={api.name: api for api in apis},
    )


def _sizing_products(settings: SandboxSettings, catalogue: Catalogue) -> RowStore:
    rng = random.Random(f"sizing {settings.seed}")
    store = RowStore(order=settings.robosize_order, first_id=50_001)
    for number, product in enumerate(catalogue.shown, start=50_001):
        store.add(sizing_row(product, number=number, rng=rng))
    return store
