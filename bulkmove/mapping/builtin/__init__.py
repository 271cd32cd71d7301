"""The mappers that bulkmove brings, each a plain function with what a migration needs to know of it beside it.

external_order.py  a MerchantPro order becomes an external order · order_status.py  its two statuses become one
robosize_order.py  a MerchantPro order becomes an order of the sizing service
relink.py          a product of the sizing service gets its new number
as_it_is.py        a record is handed on unchanged
attributes.py      what a built-in mapper says of itself
options.py         options read once and checked
"""
