"""Robosize's business API, every documented call as a typed method: for code of your own. Routes use the streams."""

from __future__ import annotations

from collections.abc import Sequence

from bulkmove.connectors.asking import paths_of
from bulkmove.connectors.calls import Caller
from bulkmove.connectors.robosize.forms import DEVICE
from bulkmove.connectors.robosize.operations import HEADERS, OPERATIONS, PATHS
from bulkmove.connectors.robosize.types import (
    CreatedProduct,
    Message,
    NewOrder,
    NewProduct,
    Order,
    OrderChange,
    Orders,
    ProductChange,
    Products,
)
from bulkmove.errors import ConfigError
from bulkmove.protocols import Transport


class RobosizeApi:
    """All of it is documented, addresses too. The key travels as `api_key` in the query, which the transport adds.

    Every method raises RefusedError for a 4xx, and what Transport.send raises. Answers come as they are, unchecked.
    """

    def __init__(self, transport: Transport) -> None:
        self._calls = Caller(transport, OPERATIONS, paths_of(transport.host, PATHS), HEADERS)

    async def list_orders(self, *, limit: int | None = None, offset: int | None = None) -> Orders:
        """A page, of 50 by default; a longer one may be cut to the host's longest without a word."""
        page: Orders = await self._calls.send("list-orders", {"limit": limit, "offset": offset})
        return page

    async def create_order(self, order: NewOrder) -> Order:
        """The new order, its `id` a number. Not repeatable: a lost answer raises InDoubtError."""
        created: Order = await self._calls.send("create-order", body=order)
        return created

    async def update_order(self, order_id: str, change: OrderChange) -> Order:
        """Sets absolute values, so that it may be repeated. `device_id` is not sent: it belongs to the creation."""
        body = {name: value for name, value in change.items() if name != DEVICE}
        changed: Order = await self._calls.send("update-order", {"id": order_id}, body)
        return changed

    async def delete_order(self, order_id: str) -> None:
        """What it answers is not documented: any 2xx will do."""
        await self._calls.send("delete-order", {"id": order_id})

    async def list_products(self, *, limit: int | None = None, offset: int | None = None) -> Products:
        """A page, of 50 by default; a longer one may be cut to the host's longest without a word."""
        page: Products = await self._calls.send("list-products", {"limit": limit, "offset": offset})
        return page

    async def create_product(self, product: NewProduct) -> CreatedProduct:
        """How many were created, 1, and the new id. Not repeatable: a lost answer raises InDoubtError."""
        created: CreatedProduct = await self._calls.send("create-product", body=product)
        return created

    async def update_products(self, product_ids: Sequence[str], change: ProductChange) -> Message:
        """Sets the same values on all of them and leaves other fields; the answer tells no outcome for each.

        Raises ConfigError where no product is named.
        """
        if not product_ids:
            raise ConfigError("update-products needs the id of a product")
        done: Message = await self._calls.send(
            "update-products", body={"products": list(product_ids), **change}
        )
        return done

    async def delete_product(self, product_id: str) -> None:
        """Raises ConfigError for an empty id: what a DELETE of the whole list would do is not documented."""
        if not product_id:
            raise ConfigError("delete-product needs the id of a product: its hash is empty")
        await self._calls.send("delete-product", {"hash": product_id})
