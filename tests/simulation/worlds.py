"""What is migrated in a simulation: eleven kinds of world, and what must hold of each in the end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from random import Random

from bulkmove.demo.expected import ExternalOrders, RobosizeOrders, Rules
from bulkmove.model import JsonObject
from tests.simulation.calls import Row
from tests.simulation.clock import Clock
from tests.simulation.external_order import ExternalOrder
from tests.simulation.making import Making, Route, World
from tests.simulation.mappers import CARRIED
from tests.simulation.merchantpro import MerchantPro
from tests.simulation.oracle_changed import Deleted, Relinked
from tests.simulation.oracle_moved import Moved
from tests.simulation.robosize import Robosize

SHOP = 2
# As in ids.csv. Each new number is another's old one: a product that is linked twice shows.
NEW_IDS = {str(old): str(old + 1) for old in range(1, 16)}


@dataclass(frozen=True, slots=True)
class _SameOrders:
    """Implements `bulkmove.demo.expected.Rules` for orders that stay what they are."""

    is_self_route: bool = False

    def source_id(self, record: JsonObject) -> str:
        return str(record["id"])

    def key(self, source_id: str) -> str:
        return source_id

    def key_of(self, row: JsonObject) -> str | None:
        key = row.get("channel_ref_id")
        return None if key is None else str(key)

    def shown(self, row: JsonObject) -> JsonObject:
        return {name: row.get(name) for name in ("channel_ref_id", *CARRIED)}

    def expected(self, record: JsonObject) -> JsonObject | None:
        return {"channel_ref_id": str(record["id"]), **{name: record[name] for name in CARRIED}}


@dataclass(frozen=True, slots=True)
class _FittedByNewIds:
    """Implements `bulkmove.demo.expected.Rules` for sizing orders known by what their orders became on `new`."""

    new: ExternalOrder
    is_self_route: bool = False

    def source_id(self, record: JsonObject) -> str:
        return str(record["id"])

    def key(self, source_id: str) -> str:
        return next((made.row_id for made in self.new.created if made.key == source_id), "")

    def key_of(self, row: JsonObject) -> str | None:
        return RobosizeOrders().key_of(row)

    def shown(self, row: JsonObject) -> JsonObject:
        return RobosizeOrders().shown(row)

    def expected(self, record: JsonObject) -> JsonObject | None:
        key = self.key(str(record["id"]))
        return {**RobosizeOrders().expected(record), "store_id": key} if key else None


def make_world(seed: int, clock: Clock, *, kind: str | None = None) -> World:
    """The world of a seed; `kind`: one of WORLDS, where it is not the seed's to choose."""
    name = _IN_TURN[seed % len(_IN_TURN)] if kind is None else kind
    return WORLDS[name](Making(seed, clock))


_TO_EXTERNAL = Route(
    "orders", "old.orders", "new.orders", "merchantpro-to-external-order",
    options=(("shop", SHOP), ("rrn_prefix", "")),
)  # fmt: skip
_OTHERS_TO_EXTERNAL = replace(_TO_EXTERNAL, name="others", source="other.orders")
_TO_ROBOSIZE = Route("fitting", "old.orders", "sizing.orders", "merchantpro-to-robosize-order")
_RELINK = Route(
    "products", "sizing.products", "sizing.products", "robosize-relink", options=(("ids", "ids.csv"),)
)
_AFTERWARDS = replace(_TO_ROBOSIZE, after=("orders",), options=(("ids_from", "orders"),))
_AGAIN = Route("again", "old.orders", "shop.orders", "tests.simulation.mappers:the_same_order")
_DELETE = Route(
    "deletions", "old.orders", "sizing.orders", "tests.simulation.mappers:only_its_key", mode="delete"
)


def _orders_created(making: Making) -> World:
    """An empty shop is filled."""
    old, new = making.old(), making.new()
    _to_external(making, _TO_EXTERNAL, old, new, mode=making.dice.choice(("create", "upsert")))
    return making.done()


def _orders_of_a_busy_shop(making: Making) -> World:
    """The source moves with every page."""
    old, new = making.old(least=25, is_busy=True), making.new()
    _to_external(making, _TO_EXTERNAL, old, new, mode="upsert")
    return making.done()


def _orders_of_which_some_are_bad(making: Making) -> World:
    """Arrays are refused, whole or in part, with or without a name."""
    old, new = making.old(least=8, bad=0.2), making.new()
    _to_external(making, _TO_EXTERNAL, old, new, mode="upsert")
    return making.done()


def _orders_put_into_place(making: Making) -> World:
    """The shop that is moved to holds some orders already, as they are or not, and some of them twice."""
    old, new = making.old(least=3, most=25), making.new()
    prefix = making.dice.choice(("", "MD-"))
    rules = ExternalOrders(shop=SHOP, rrn_prefix=prefix)
    for order in old.orders.values():
        body = rules.expected(order)
        for _ in range(making.dice.choice((0, 0, 1, 1, 1, 2)) if body is not None else 0):
            new.put(_somewhat_changed(making.dice, body or {}))
    new.put({"rrn": "bank-1", "shop": 1, "order_items": [{"product": 1, "quantity": 1}]})
    mode = making.dice.choice(("create", "update", "upsert", "upsert"))
    _to_external(making, _TO_EXTERNAL, old, new, mode=mode, prefix=prefix)
    return making.done()


def _two_shops_into_one(making: Making) -> World:
    """Two routes to one list, side by side."""
    old, other, new = making.old(most=15), making.old("other", most=15, first=5000), making.new()
    for route, source in ((_TO_EXTERNAL, old), (_OTHERS_TO_EXTERNAL, other)):
        _to_external(making, route, source, new, mode="upsert", prefix="", is_alone=False)
    return making.done()


def _orders_fitted(making: Making) -> World:
    """Orders are created one at a time, beside some that are there."""
    old, sizing = making.old(most=25), making.sizing(rows=10)
    _to_robosize(making, old, sizing)
    return making.done()


def _products_relinked(making: Making) -> World:
    """A list that is its own target."""
    _relink(making, making.sizing(rows=12))
    return making.done()


def _whole_cutover(making: Making) -> World:
    """Three routes over three hosts, side by side."""
    old, new, sizing = making.old(most=15), making.new(), making.sizing(rows=12)
    _to_external(making, _TO_EXTERNAL, old, new, mode="upsert")
    _to_robosize(making, old, sizing)
    _relink(making, sizing)
    return making.done()


def _to_a_shop_of_its_make(making: Making) -> World:
    """MerchantPro to MerchantPro: created one at a time, on a list that is read back along its dates."""
    old, shop = making.old(most=15), making.shop()
    rules = _SameOrders()
    for order in old.orders.values():
        if making.dice.random() < 0.2:
            shop.put_order({**(rules.expected(order) or {}), "shipping_status": "awaiting"})
    mode = making.dice.choice(("create", "update", "upsert", "upsert"))
    making.route(_AGAIN, mode=mode)
    making.checks.append(Moved(_AGAIN.name, old, shop, rules, mode=mode))
    return making.done()


def _fitted_by_their_new_ids(making: Making) -> World:
    """A route that comes after another, and asks the ledger what its records became."""
    old, new, sizing = making.old(most=15), making.new(keeps_keys=True), making.sizing(rows=10)
    _to_external(making, _TO_EXTERNAL, old, new, mode="upsert", prefix="")
    making.route(_AFTERWARDS, mode="upsert")
    making.checks.append(Moved(_AFTERWARDS.name, old, sizing, _FittedByNewIds(new), mode="upsert"))
    return making.done()


def _rows_deleted(making: Making) -> World:
    old, sizing = making.old(most=25), making.sizing(rows=10)
    for order in old.orders.values():
        for _ in range(making.dice.choice((0, 1, 1, 1, 2))):
            sizing.put_order({"store_id": str(order["id"]), "data": {}})
    sizing.put_order({"store_id": "a stranger's", "data": {}})
    making.route(_DELETE)
    making.checks.append(Deleted(_DELETE.name, old, sizing, RobosizeOrders()))
    return making.done()


WORLDS: Mapping[str, Callable[[Making], World]] = {
    "orders created": _orders_created,
    "orders of a busy shop": _orders_of_a_busy_shop,
    "orders of which some are bad": _orders_of_which_some_are_bad,
    "orders put into place": _orders_put_into_place,
    "two shops into one": _two_shops_into_one,
    "orders fitted": _orders_fitted,
    "fitted by their new ids": _fitted_by_their_new_ids,
    "products relinked": _products_relinked,
    "whole cutover": _whole_cutover,
    "to a shop of its make": _to_a_shop_of_its_make,
    "rows deleted": _rows_deleted,
}
# Those in which most can go wrong come twice.
_IN_TURN = (*WORLDS, "orders created", "orders put into place")


def _to_external(
    making: Making,
    route: Route,
    old: MerchantPro,
    new: ExternalOrder,
    *,
    mode: str,
    prefix: str | None = None,
    is_alone: bool = True,
) -> None:
    chosen = making.dice.choice(("", "MD-", " MD-")) if prefix is None else prefix
    rules = ExternalOrders(shop=SHOP, rrn_prefix=chosen)
    making.route(route, mode=mode, options={"shop": SHOP, "rrn_prefix": chosen})
    making.checks.append(Moved(route.name, old, new, rules, mode=mode, is_alone=is_alone))


def _to_robosize(making: Making, old: MerchantPro, sizing: Robosize) -> None:
    rules: Rules = RobosizeOrders()
    for order in old.orders.values():
        if making.dice.random() < 0.15:
            data = rules.expected(order)
            sizing.put_order({**(data or {}), **making.dice.choice(({}, {"data": {}}))})
    mode = making.dice.choice(("create", "update", "upsert", "upsert"))
    making.route(_TO_ROBOSIZE, mode=mode)
    making.checks.append(Moved(_TO_ROBOSIZE.name, old, sizing, rules, mode=mode))


def _relink(making: Making, sizing: Robosize) -> None:
    for _ in range(making.dice.choice((0, 1, 5, 12))):
        sizing.put_product(str(making.dice.randint(1, 20)))
    sizing.begin()
    confirm = making.dice.choice(("all", "sample", "none"))
    making.route(_RELINK, confirm=confirm)
    making.checks.append(Relinked(_RELINK.name, sizing, NEW_IDS, is_confirmed=confirm == "all"))


def _somewhat_changed(dice: Random, body: JsonObject) -> Row:
    """The order as it may stand on the target before: as it will be, or with other lines, or with more of them."""
    items = [dict(line) for line in body["order_items"]]
    change = dice.choice(("nothing", "quantity", "lines", "fewer", "more"))
    if change == "quantity":
        items[0]["quantity"] += 10
    elif change == "lines":
        items = [{**line, "product": line["product"] + 1} for line in items]
    elif change == "fewer":
        items = items[:-1] or items
    elif change == "more":
        items.append({"product": 3, "quantity": 1, "order_status": "new"})
    return {**body, "order_items": items}
