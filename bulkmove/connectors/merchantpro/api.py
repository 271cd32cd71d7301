"""MerchantPro API v2: a typed method for each call. Paths are documented, but for the list of products."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Unpack, cast

from bulkmove.connectors.asking import paths_of
from bulkmove.connectors.calls import Caller
from bulkmove.connectors.json_text import as_text
from bulkmove.connectors.merchantpro.answers import rows_of
from bulkmove.connectors.merchantpro.names import HEADERS, PATHS
from bulkmove.connectors.merchantpro.operations import OPERATIONS
from bulkmove.connectors.merchantpro.types import (
    Done,
    Handler,
    Order,
    OrderBody,
    OrderFilters,
    OrderPage,
    ProductPage,
)
from bulkmove.errors import BadAnswerError
from bulkmove.protocols import Transport

OrderId = int | str


class MerchantProApi:
    """The calls of one shop, made as they are documented: no paging, no proof, no intent.

    Every method raises RefusedError for a 4xx, BadAnswerError for a 2xx of another shape than the documented one,
    ConfigError for an id that can't stand in a path, and what Transport.send raises: InDoubtError from
    `create_order` and `process_order`, which can't be sent twice, where the answer was lost.
    """

    def __init__(self, transport: Transport) -> None:
        self._host = transport.host.name
        self._caller = Caller(transport, OPERATIONS, paths_of(transport.host, PATHS), HEADERS)

    async def list_orders(
        self,
        *,
        fields: Sequence[str] | None = None,
        include: Sequence[str] | None = None,
        sort: str | None = None,
        start: int | None = None,
        limit: int | None = None,
        **filters: Unpack[OrderFilters],
    ) -> OrderPage:
        """`GET /api/v2/orders` (documented): one page; without `sort` in an order that is not documented.

        `line_items` and `tags` come where `include` names them. The longest page has 100 orders.
        """
        asked = {"fields": fields, "include": include, "sort": sort, "start": start, "limit": limit}
        return cast(OrderPage, await self._list("list-orders", {**filters, **asked}))

    async def get_order(self, order_id: OrderId, *, fields: Sequence[str] | None = None) -> Order:
        """`GET /api/v2/orders/{id}` (documented), with its lines; `fields` narrows it, `id` always comes.

        One example of the document answers it with a list: the order is taken out of it.
        """
        answer = await self._caller.send("get-order", {"id": order_id, "fields": fields})
        for row in rows_of(answer) or ():
            if isinstance(row, dict) and as_text(row.get("id")) == str(order_id):
                return cast(Order, row)
        return cast(Order, self._checked("get-order", answer, is_right=_is_order(answer)))

    async def create_order(self, order: OrderBody) -> Order:
        """`POST /api/v2/orders` (documented): the whole order as it was made, with its id. Not repeatable."""
        answer = await self._caller.send("create-order", body=order)
        return cast(Order, self._checked("create-order", answer, is_right=_is_order(answer)))

    async def change_order(self, order_id: OrderId, changes: OrderBody) -> Order:
        """`PATCH /api/v2/orders/{id}` (documented): sets these fields and answers the whole order; repeatable.

        `line_items` must carry all lines of the order: those that are left out are lost (reported by public
        clients).
        """
        answer = await self._caller.send("change-order", {"id": order_id}, changes)
        return cast(Order, self._checked("change-order", answer, is_right=_is_order(answer)))

    async def process_order(self, order_id: OrderId, handler: Handler) -> Done:
        """`PATCH /api/v2/orders/{id}/{handler}` (documented, six handlers): `{"ok": true}`. Not repeatable.

        in_process, shipped, delivered, returned and cancelled set the delivery status, of which the shop may tell
        its customer; create_invoice makes an invoice, sent twice perhaps two.
        """
        answer = await self._caller.send("process-order", {"id": order_id, "handler": handler})
        return cast(Done, self._checked("process-order", answer, is_right=isinstance(answer, dict)))

    async def delete_order(self, order_id: OrderId) -> Done:
        """`DELETE /api/v2/orders/{id}` (documented), with all that belongs to the order; repeatable.

        The document's text promises the deleted order, its example is `{"ok": true}`.
        """
        answer = await self._caller.send("delete-order", {"id": order_id})
        return cast(Done, self._checked("delete-order", answer, is_right=isinstance(answer, dict)))

    async def list_products(
        self,
        *,
        include: Sequence[str] | None = None,
        start: int | None = None,
        limit: int | None = None,
    ) -> ProductPage:
        """`GET /api/v2/products` (unconfirmed: reported by public clients), paged as orders are.

        `variants` and `images` come where `include` names them.
        """
        asked = {"include": include, "start": start, "limit": limit}
        return cast(ProductPage, await self._list("list-products", asked))

    async def _list(self, name: str, asked: Mapping[str, object]) -> Any:
        answer = await self._caller.send(name, asked)
        return self._checked(name, answer, is_right=rows_of(answer) is not None)

    def _checked(self, name: str, answer: Any, *, is_right: bool) -> Any:
        if not is_right:
            raise BadAnswerError(
                f"{self._host}: {name} was answered with another shape than the documented one; "
                f"check hosts.{self._host}.url and hosts.{self._host}.paths"
            )
        return answer


def _is_order(answer: Any) -> bool:
    return isinstance(answer, dict) and as_text(answer.get("id")) is not None
