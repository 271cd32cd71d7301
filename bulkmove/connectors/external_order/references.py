"""What orders point to: stores, regions, settlements, sectors, products and promo codes, read and searched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from bulkmove.connectors.asking import known_filters
from bulkmove.connectors.external_order.source import Listed, ListSource
from bulkmove.errors import BadAnswerError
from bulkmove.model import JsonObject, PageQuery
from bulkmove.protocols import Search, Transport
from bulkmove.settings import RouteSettings

ID = "id"

# That their rows show an `id` and a `name` (promo codes a `code`) is unconfirmed.
LISTS: Mapping[str, Listed] = MappingProxyType(
    {
        "stores": Listed("list-stores", ID),
        "regions": Listed("list-regions", ID),
        "localities": Listed("list-localities", ID),
        "sectors": Listed("list-sectors", ID),
        "products": Listed("search-products", ID),
        "promo-codes": Listed("list-promo-codes", ID),
    }
)
_GROUP_STORES = Listed("list-group-stores", ID)

# Documented: stores by group, settlements by region, products by id, code or name. Their parameters are
# unconfirmed, and so is that sectors can be asked for by settlement.
FILTERS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "stores": frozenset({"group"}),
        "regions": frozenset(),
        "localities": frozenset({"region_id"}),
        "sectors": frozenset({"locality_id"}),
        "products": frozenset({"search"}),
        "promo-codes": frozenset(),
    }
)

# What a search for a code or a name finds is short.
_FOUND_A_PAGE = 100
_MOST_FOUND = 10_000


def reference_source(stream: str, transport: Transport, route: RouteSettings) -> ListSource:
    """A look-up list, or what the route's filters leave of it. Stores of a group are a call of their own."""
    filters = known_filters(route, FILTERS[stream])
    listed = _GROUP_STORES if stream == "stores" and "group" in filters else LISTS[stream]
    return ListSource(transport, listed, filters)


def product_search(transport: Transport) -> Search:
    """Products by id, code or name, as the host finds them: parts of a name among them.

    A bare array that is shorter than what was asked for is taken for all. It raises BadAnswerError for a search that
    finds far more than any word would.
    """

    async def search(text: str) -> Sequence[JsonObject]:
        source = ListSource(transport, LISTS["products"], {"search": text}, has_pages=True)
        found: list[JsonObject] = []
        limit, offset = _FOUND_A_PAGE, 0
        while True:
            page = await source.fetch(PageQuery(limit, offset))
            rows = [record.data for record in page.records]
            if not rows or rows == found[-len(rows) :]:  # the end, or a host that has no pages
                return found
            found += rows
            if not (len(rows) == limit if page.has_next is None else page.has_next):
                return found
            if len(found) > _MOST_FOUND:
                host = transport.host.name
                raise BadAnswerError(f"{host}: a search for a product finds more than {_MOST_FOUND} rows")
            if not offset:  # numbered pages go on as they began, whatever the length of later ones
                limit = min(limit, len(rows))
            offset += limit

    return search
