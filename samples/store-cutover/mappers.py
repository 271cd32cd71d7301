"""The mappers of this migration: the built-in ones, with what this shop wants otherwise."""

from collections.abc import Mapping
from typing import Any

from bulkmove import MapContext, RejectRecordError
from bulkmove.errors import ConfigError
from bulkmove.mapping.builtin.attributes import builtin_mapper
from bulkmove.mapping.builtin.external_order import order_to_external_order
from bulkmove.mapping.builtin.robosize_order import order_to_robosize_order

Json = dict[str, Any]


def check_options(options: Mapping[str, Any]) -> None:
    """Called by `config validate` and before a run. Raises ConfigError for what `order` can't work with."""
    order_to_external_order.check_options(options)
    if "default" not in options.get("channel_prefixes", {}):
        raise ConfigError("options.channel_prefixes.default is missing: the prefix of all other channels")


@builtin_mapper(
    check_options=check_options,
    no_place=order_to_external_order.no_place,
    tables=order_to_external_order.tables,
)
def order(record: Json, context: MapContext) -> Json | None:
    """The built-in body, its rrn prefixed by sales channel; test orders rejected, unfinished payments skipped."""
    _, _, domain = str(record.get("customer_email") or "").rpartition("@")
    if domain.lower() in context.options.get("test_domains", ()):
        raise RejectRecordError(f"a test order: its mail is at {domain.lower()}", cause="test-order")
    if record.get("payment_status") == "temporary":
        return None
    body = order_to_external_order(record, context)
    if body is None:
        return None
    prefixes = context.options["channel_prefixes"]
    prefix = prefixes.get(record.get("channel_name"), prefixes["default"])
    return {**body, "rrn": f"{prefix}{body['rrn']}"}


def fitting(record: Json, context: MapContext) -> Json | None:
    """The built-in body under the order's new number; an order that did not move is skipped."""
    new_id = context.target_id("orders", str(record["id"]))
    body = order_to_robosize_order(record, context)
    return None if new_id is None or body is None else {**body, "store_id": new_id}
