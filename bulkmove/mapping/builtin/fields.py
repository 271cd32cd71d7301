"""The fields of a MerchantPro order: those its document lists, in its order, and those only its examples show."""

from __future__ import annotations

_DOCUMENTED = """
    id parent_id return_source_id rma_orders rma_orders.id rma_orders.type channel_name channel_ref_id
    payment_status payment_status_text payment_substatus_id payment_substatus_text payment_method_code
    payment_method_name payment_transaction_id
    shipping_status shipping_status_text shipping_substatus_id shipping_substatus_text shipping_method_id
    shipping_method_name shipping_delivery_info shipping_delivery_info.delivery_time
    shipping_delivery_info.pickup_address shipping_delivery_info.pickup_address.id
    shipping_delivery_info.pickup_address.name shipping_carrier_id shipping_awb shipping_amount shipping_tax_amount
    total_amount currency original_currency currency_rate coupon_code
    customer_id customer_email customer_ip_address customer_ip_country customer_device customer_lang customer_note
    customer_notification
    date_created date_modified date_shipped date_delivered created_by meta_fields
    internal_notes internal_notes[].id internal_notes[].text tags tags[].id tags[].name
    billing_type billing_name billing_identity_number billing_company_name billing_company_number
    billing_company_vat billing_company_bank_name billing_company_bank_account billing_country_code
    billing_country_name billing_state billing_city billing_address billing_postal_code billing_phone
    shipping_name shipping_country_code shipping_country_name shipping_state shipping_city shipping_address
    shipping_postal_code shipping_phone line_items
"""

_IN_EXAMPLES = """
    invoice invoice.prefix invoice.number invoice.app invoice.cancelled invoice.url info_url proforma_url
"""

_LINES_IN_EXAMPLES = """
    item_type product_id variant_id variant_name variant_options variant_options[].id variant_options[].name
    variant_options[].value family_sku product_sku product_ean product_name product_url product_image_url
    product_tax_name product_tax_percent category_id category_name manufacturer_id manufacturer_name quantity
    unit_price_net unit_tax_amount unit_price_gross line_subtotal_net line_tax_amount line_subtotal_gross meta_fields
"""

ORDER_FIELDS = (*_DOCUMENTED.split(), *_IN_EXAMPLES.split())
LINE_FIELDS = tuple(f"line_items[].{name}" for name in _LINES_IN_EXAMPLES.split())
