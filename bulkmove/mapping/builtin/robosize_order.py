"""A MerchantPro order becomes an order of the sizing service Robosize, without the customer's personal data."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bulkmove.errors import ConfigError, RejectRecordError
from bulkmove.mapping.builtin.attributes import builtin_mapper
from bulkmove.mapping.builtin.new_ids import IDS_OPTIONS, ids_source
from bulkmove.mapping.builtin.options import Plans, as_text, check_spelling, text_option
from bulkmove.model import JsonObject
from bulkmove.protocols import MapContext

_OPTIONS = ("data", "device_namespace", *IDS_OPTIONS)

# What tells which size was bought, kept or sent back, and when. No name, address, phone, mail, IP or note.
DATA_FIELDS = (
    "id", "parent_id", "return_source_id", "rma_orders", "channel_name", "payment_status", "shipping_status",
    "total_amount", "currency", "original_currency", "currency_rate",
    "date_created", "date_modified", "date_shipped", "date_delivered", "line_items",
)  # fmt: skip

# Fixed for ever: a customer's device has to be the same in every run.
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "bulkmove:robosize-device")


@dataclass(frozen=True, slots=True)
class _Plan:
    """A route's options, ready to work with. `fields` None: the record as it stands."""

    namespace: bytes
    fields: tuple[str, ...] | None
    new_id: Callable[[MapContext, str], str | None] | None


def _plan_of(options: Mapping[str, Any]) -> _Plan:
    check_spelling(options, _OPTIONS)
    return _Plan(
        namespace=uuid.uuid5(_NAMESPACE, text_option(options, "device_namespace")).bytes,
        fields=_fields(options.get("data", DATA_FIELDS)),
        new_id=ids_source(options),
    )


def _fields(value: Any) -> tuple[str, ...] | None:
    if value == "all":
        return None
    if isinstance(value, list | tuple) and value and all(isinstance(name, str) and name for name in value):
        return tuple(value)
    raise ConfigError(f'options.data = {value!r}: must be "all" or a list of an order\'s fields')


_PLANS = Plans(_plan_of)


def check_options(options: Mapping[str, Any]) -> None:
    """Raises ConfigError for options that can't be worked with."""
    _plan_of(options)


def _fields_used(options: Mapping[str, Any]) -> tuple[str, ...] | None:
    """With what the device is made of; all where all of it travels."""
    fields = _fields(options.get("data", DATA_FIELDS))
    return None if fields is None else ("id", "customer_id", "customer_email", *fields)


@builtin_mapper(check_options=check_options, tables=("ids",), fields_used=_fields_used)
def order_to_robosize_order(record: JsonObject, context: MapContext) -> JsonObject:
    """`store_id` is the order's id, or the one it got on the new shop; `data` its fields exactly as they came.

    The document asks for a device id of one's own where Robosize's widget made none: each customer gets one
    that is the same in every run (`device_namespace` keeps the customers of two shops apart).
    """
    plan = _PLANS.of(context.options)
    order_id = as_text(record.get("id"))
    if order_id is None:
        raise RejectRecordError("the order has no id", cause="no-id")
    store_id: str | None = order_id
    if plan.new_id is not None:
        store_id = plan.new_id(context, order_id)
        if not store_id:
            raise RejectRecordError(f"order {order_id} has no new id", cause="no-new-id")
    fields = plan.fields
    return {
        "store_id": store_id,
        "device_id": _device_id(plan.namespace, _customer(record, order_id)),
        "data": record if fields is None else {name: record[name] for name in fields if name in record},
    }


def _customer(record: JsonObject, order_id: str) -> str:
    """Who ordered: the customer's id (0 is none), else the mail address in small letters, else the order itself."""
    customer_id = as_text(record.get("customer_id"))
    if customer_id is not None and customer_id != "0":
        return f"customer:{customer_id}"
    email = record.get("customer_email")
    if type(email) is str and (email := email.strip()):
        return f"email:{email.lower()}"
    return f"order:{order_id}"


def _device_id(namespace: bytes, name: str) -> str:
    """UUID version 5, as `uuid.uuid5` makes it, in a third of the time."""
    digest = bytearray(
        hashlib.sha1(namespace + name.encode("utf-8", "surrogatepass"), usedforsecurity=False).digest()
    )
    digest[6] = digest[6] & 0x0F | 0x50
    digest[8] = digest[8] & 0x3F | 0x80
    text = digest.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:32]}"
