"""What can be listed and written of an external-order shop."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from bulkmove.connectors.external_order import names, references
from bulkmove.connectors.external_order.types import ChangedOrder, NewOrder
from bulkmove.protocols import StreamSpec

ORDER_ITEMS = "order-items"

_ORDERS = StreamSpec(
    name="orders",
    id_field=names.ID,
    can_read=True,
    can_write=True,
    natural_key=names.NATURAL_KEY,
    batch_size=names.ARRAY_LENGTH,
    filters=names.FILTERS,
    writable_fields=names.WRITABLE_FIELDS,
    create_body=NewOrder,
    update_body=ChangedOrder,
)

_ITEMS = StreamSpec(
    name=ORDER_ITEMS,
    id_field=names.ITEM_ID,
    can_read=False,
    can_write=True,
    natural_key=names.ITEM_ID,
    writable_fields=frozenset({names.ITEM_ID}),
    modes=frozenset({"delete"}),
)


def _reference(name: str) -> StreamSpec:
    return StreamSpec(
        name=name,
        id_field=references.ID,
        can_read=True,
        can_write=False,
        filters=references.FILTERS[name],
        can_search=name == "products",
    )


STREAMS: Mapping[str, StreamSpec] = MappingProxyType(
    {spec.name: spec for spec in (_ORDERS, _ITEMS, *map(_reference, references.LISTS))}
)
