"""Every call of the external-order API's document, typed.

The document names the calls; of their addresses it shows that of the orders alone, the others are unconfirmed
(`names.UNCONFIRMED`) and can be set with `[hosts.X.paths]`. It shows no answer: that lists come as `{count, next,
previous, results}` or as a bare array is shown by public clients.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from bulkmove.connectors.asking import paths_of
from bulkmove.connectors.calls import Caller
from bulkmove.connectors.drf_list import rows_of
from bulkmove.connectors.external_order.dialect import dialect_of, headers_for
from bulkmove.connectors.external_order.names import ID, PATHS
from bulkmove.connectors.external_order.operations import OPERATIONS
from bulkmove.connectors.external_order.types import (
    Address,
    AnyPage,
    ChangedOrder,
    Id,
    ListPage,
    Locality,
    NewOrder,
    Order,
    OrderStatus,
    Product,
    PromoCode,
    Region,
    Sector,
    Store,
)
from bulkmove.errors import BadAnswerError
from bulkmove.model import Json
from bulkmove.protocols import Transport

# Shown by public clients: what a page holds where nobody asks for more.
USUAL_PAGE = 100


class ExternalOrderApi:
    """One host's API. What goes in and comes out is underscored; the host's own dialect is translated.

    A method that brings a list brings one page of it, from 1. All raise RefusedError for a 4xx, BadAnswerError for a
    2xx that is not what was asked for, and what Transport.send raises.
    """

    def __init__(self, transport: Transport) -> None:
        self._host = transport.host.name
        self._dialect = dialect_of(transport.host)
        paths, headers = paths_of(transport.host, PATHS), headers_for(transport.host)
        self._caller = Caller(transport, OPERATIONS, paths, headers)

    # Look-up lists, whose ids orders hold

    async def stores(self, *, page: int = 1, page_size: int = USUAL_PAGE) -> ListPage[Store]:
        """Documented: all stores. Its path is unconfirmed (shown by public clients)."""
        return await self._list("list-stores", page, page_size)

    async def stores_of_group(
        self, group: Id, *, page: int = 1, page_size: int = USUAL_PAGE
    ) -> ListPage[Store]:
        """Documented: stores by group. Path and parameter are unconfirmed."""
        return await self._list("list-group-stores", page, page_size, group=group)

    async def regions(self, *, page: int = 1, page_size: int = USUAL_PAGE) -> ListPage[Region]:
        """Documented: all regions. Its path is unconfirmed."""
        return await self._list("list-regions", page, page_size)

    async def localities(
        self, region_id: Id | None = None, *, page: int = 1, page_size: int = USUAL_PAGE
    ) -> ListPage[Locality]:
        """Documented: settlements by region; whether all come without one, path and parameter are unconfirmed."""
        return await self._list("list-localities", page, page_size, region_id=region_id)

    async def sectors(
        self, locality_id: Id | None = None, *, page: int = 1, page_size: int = USUAL_PAGE
    ) -> ListPage[Sector]:
        """Documented: all sectors. Its path is unconfirmed, and so is that they can be asked for by settlement."""
        return await self._list("list-sectors", page, page_size, locality_id=locality_id)

    async def products(
        self, search: str | None = None, *, page: int = 1, page_size: int = USUAL_PAGE
    ) -> ListPage[Product]:
        """Documented: a search by id, code or name. Path and parameter are unconfirmed (shown by clients: a list)."""
        return await self._list("search-products", page, page_size, search=search)

    async def promo_codes(self, *, page: int = 1, page_size: int = USUAL_PAGE) -> ListPage[PromoCode]:
        """Documented: a list of promo codes. Its path is unconfirmed."""
        return await self._list("list-promo-codes", page, page_size)

    # Orders

    async def orders(
        self,
        *,
        ordering: str | None = None,
        created_after: int | None = None,
        status: Sequence[OrderStatus] | None = None,
        page: int = 1,
        page_size: int = USUAL_PAGE,
    ) -> ListPage[Order]:
        """Documented, path and filters: `ordering` as `-created_at`, `created_after` in unix seconds, statuses."""
        return await self._list(
            "list-orders",
            page,
            page_size,
            ordering=ordering,
            created_after=created_after,
            status=None if status is None else ",".join(status),
        )

    async def search_orders(
        self, order_id: Id, *, page: int = 1, page_size: int = USUAL_PAGE
    ) -> ListPage[Order]:
        """Documented: a search for an order by its id. Path and parameter are unconfirmed."""
        return await self._list("search-orders", page, page_size, search=order_id)

    async def order(self, order_id: Id) -> Order:
        """Documented: one order. Its path is unconfirmed (shown by public clients, without a slash at the end)."""
        return cast(Order, await self._object("get-order", order_id))

    async def address(self, order_id: Id) -> Address:
        """Documented: the delivery address of an order. Its path is unconfirmed."""
        return cast(Address, await self._object("get-address", order_id))

    async def delete_order_item(self, item_id: Id) -> None:
        """Documented: takes a line, by the id that it shows as its `order_id`. Its path is unconfirmed.

        The second time there is nothing to delete, which is a RefusedError of status 404.
        """
        await self._caller.send("delete-order-item", {"id": item_id})

    async def upsert(self, orders: Sequence[NewOrder | ChangedOrder]) -> list[Order]:
        """Documented, path and body: creates and updates orders, in one array.

        With `order_id` an order is updated, without it created (unconfirmed); so it is not repeatable. The rows that
        the answer shows (unconfirmed that it shows them), empty where it shows none.
        """
        bodies = [self._dialect.written(cast(dict[str, Any], order)) for order in orders]
        answer = self._dialect.read(await self._caller.send("upsert-orders", body=bodies))
        found = rows_of(answer)
        if found is None:
            found_alone = isinstance(answer, dict) and ID in answer
            return [cast(Order, answer)] if found_alone else []
        return found.rows

    async def _list(self, name: str, page: int, page_size: int, **filters: object) -> AnyPage:
        given = {key: str(value) for key, value in filters.items() if value is not None}
        paged = self._dialect.page(limit=page_size, offset=(page - 1) * page_size)
        answer = await self._caller.send(name, self._dialect.asked({**given, **paged}))
        found = rows_of(self._dialect.read(answer))
        if found is None:
            raise self._unusable(name, "a list")
        return ListPage(found.rows, found.total, found.has_next)

    async def _object(self, name: str, row_id: Id) -> Json:
        answer = self._dialect.read(await self._caller.send(name, {"id": row_id}))
        if not isinstance(answer, dict):
            raise self._unusable(name, "an object")
        return answer

    def _unusable(self, name: str, wanted: str) -> BadAnswerError:
        path = OPERATIONS[name].path
        return BadAnswerError(
            f"{self._host}: {name} was answered without {wanted}; check hosts.{self._host}.paths.{path}"
        )
