"""What goes into MerchantPro's API v2 and comes out of it, field by field.

The fields are those of the document's table and of its examples. Which of them come in a list, which are required
and which can be written is not known: the table's marks are lost, so no field is required. Ids are text in the table
and numbers in the examples; a split order's look like `95750870.3` (reported by public clients). Anything can be
null. Slips of the document are mended: `customer_email`, tag names and note texts are text, `Info_url` is `info_url`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal, TypedDict

from msgspec import Meta

Handler = Literal["in_process", "shipped", "delivered", "returned", "cancelled", "create_invoice"]

# The table has `canceled`, the examples `cancelled`; both are sent.
PaymentStatus = Literal[
    "temporary", "awaiting", "paid", "failed", "canceled", "cancelled", "refunded", "rejected"
]
ShippingStatus = Literal[
    "awaiting", "confirmed", "in_process", "shipped", "delivered", "returned", "cancelled"
]

Text = str | None
Id = int | float | str | None
Amount = int | float | None
CountryCode = Annotated[str, Meta(max_length=2)] | None  # ISO 3166-1 alpha-2
CurrencyCode = Annotated[str, Meta(max_length=3)] | None  # ISO 4217
Date = str | None  # ISO 8601


class VariantOption(TypedDict, total=False):
    """A choice that tells a variant apart, such as its size."""

    id: Id
    name: Text
    value: Id


class LineItem(TypedDict, total=False):
    """One line of an order, as the examples show it; the table names no field of it."""

    item_type: Text
    product_id: Id
    variant_id: Id
    variant_name: Text
    variant_options: list[VariantOption] | None
    family_sku: Text
    product_sku: Text
    product_ean: Id
    product_name: Text
    product_url: Text
    product_image_url: Text
    product_tax_name: Text
    product_tax_percent: Amount
    category_id: Id
    category_name: Text
    manufacturer_id: Id
    manufacturer_name: Text
    quantity: Amount
    unit_price_net: Amount
    unit_tax_amount: Amount
    unit_price_gross: Amount
    line_subtotal_net: Amount
    line_tax_amount: Amount
    line_subtotal_gross: Amount
    meta_fields: Any


class Tag(TypedDict, total=False):
    """A tag may be sent by its name alone; it comes back with its id."""

    id: Id
    name: Text


class InternalNote(TypedDict, total=False):
    id: Id
    text: Text


class ReturnedOrder(TypedDict, total=False):
    id: Id
    type: Text


class PickupAddress(TypedDict, total=False):
    """A locker or an office."""

    id: Id
    name: Text


class DeliveryInfo(TypedDict, total=False):
    delivery_time: Text
    pickup_address: PickupAddress | list[Any] | None


class Invoice(TypedDict, total=False):
    """Shown by the examples alone."""

    prefix: Text
    number: Id
    app: Text
    cancelled: bool
    url: Text


class OrderBody(TypedDict, total=False):
    """The fields of an order that may be written. A change carries all `line_items` or none: lines that it leaves
    out are lost (reported by public clients).
    """

    parent_id: Id
    return_source_id: Id
    rma_orders: list[ReturnedOrder] | None
    channel_name: Text
    channel_ref_id: Id
    payment_status: PaymentStatus | None
    payment_status_text: Text
    payment_substatus_id: Id
    payment_substatus_text: Text
    payment_method_code: Text  # those that are possible depend on the shop
    payment_method_name: Text
    payment_transaction_id: Id
    shipping_status: ShippingStatus | None
    shipping_status_text: Text
    shipping_substatus_id: Id
    shipping_substatus_text: Text
    shipping_method_id: Id
    shipping_method_name: Text
    shipping_delivery_info: DeliveryInfo | list[Any] | None
    shipping_carrier_id: Id
    shipping_awb: Id
    shipping_amount: Amount
    shipping_tax_amount: Amount
    total_amount: Amount
    currency: CurrencyCode
    original_currency: CurrencyCode
    currency_rate: Amount
    coupon_code: Text
    customer_id: Id
    customer_email: Text
    customer_ip_address: Text
    customer_ip_country: Text
    customer_device: Text
    customer_lang: Text
    customer_note: Text
    customer_notification: Text
    date_created: Date
    date_modified: Date
    date_shipped: Date
    date_delivered: Date
    created_by: Text
    meta_fields: Any  # an object; empty, some hosts write a list
    internal_notes: list[InternalNote] | None
    tags: list[Tag] | None
    billing_type: Literal["individual", "company"] | None
    billing_name: Text
    billing_identity_number: Id
    billing_company_name: Text
    billing_company_number: Id
    billing_company_vat: Id
    billing_company_bank_name: Text
    billing_company_bank_account: Text
    billing_country_code: CountryCode
    billing_country_name: Text
    billing_state: Text
    billing_city: Text
    billing_address: Text
    billing_postal_code: Id
    billing_phone: Id
    shipping_name: Text
    shipping_country_code: CountryCode
    shipping_country_name: Text
    shipping_state: Text
    shipping_city: Text
    shipping_address: Text
    shipping_postal_code: Id
    shipping_phone: Id
    # The document names no field of a line: its examples' are known, and others may be there.
    line_items: list[Annotated[LineItem, Meta(extra_json_schema={"additionalProperties": True})]] | None


class Order(OrderBody, total=False):
    """An order as it comes. `invoice` and the two addresses are shown by the examples alone."""

    id: int | str
    invoice: Invoice | None
    info_url: Text
    proforma_url: Text


class ProcessingBody(TypedDict):
    """What a route to `processing` sends: which handler of the order is called."""

    handler: Handler


class OrderFilters(TypedDict, total=False):
    """The 16 documented filters of the list of orders. Several ids may be given as one text with commas."""

    id: int | str
    ids: str | Sequence[int | str]
    payment_status: str
    payment_substatus_id: int | str
    payment_method_code: str
    payment_transaction_id: str
    shipping_status: str
    shipping_substatus_id: int | str
    shipping_method_id: int | str
    shipping_awb: str
    customer_id: int | str
    customer_email: str
    created_after: str
    created_before: str
    tag_name: str
    tag_ids: str | Sequence[int | str]


class Count(TypedDict):
    total: int
    current: int
    start: int
    limit: int


class Links(TypedDict):
    """Relative addresses; `next` is null on the last page."""

    prev: str | None
    current: str
    next: str | None


class PageInfo(TypedDict):
    count: Count
    links: Links


class OrderPage(TypedDict):
    data: list[Order]
    meta: PageInfo


class Product(TypedDict, total=False):
    """A product of the shop, as public clients report it; no document covers it."""

    id: int | str
    type: Text  # basic, multi_variant
    sku: Text
    ext_ref: Id
    ean: Id
    name: Text
    status: Text
    price_net: Amount
    price_gross: Amount
    stock: Amount
    category_id: Id
    images: list[Any] | None
    variants: list[Any] | None


class ProductPage(TypedDict):
    data: list[Product]
    meta: PageInfo


class Done(TypedDict):
    """The answer to a handler and to a deletion."""

    ok: bool
